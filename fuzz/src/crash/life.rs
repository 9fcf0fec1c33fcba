//! One life of the child, from its start to its kill, and what it said meanwhile.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{COMPACTED, COMPACTING, phase};
use crate::random::Random;
use crate::{Failure, trial};

/// A child that has said nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a kill is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Opening,
    Checkpoint,
    Anywhere,
}

impl Aim {
    fn of(random: &mut Random) -> Aim {
        match random.below(8) {
            0 => Aim::Opening,
            1 | 2 => Aim::Checkpoint,
            _ => Aim::Anywhere,
        }
    }

    /// What the child has to say before the clock starts, and how long after that the kill comes at most.
    fn start_and_limit(self) -> (&'static str, Duration) {
        match self {
            Aim::Opening => (phase::OPENING, Duration::from_millis(25)),
            Aim::Checkpoint => (phase::CHECKPOINT, Duration::from_millis(8)),
            Aim::Anywhere => (phase::OPENED, Duration::from_millis(900)),
        }
    }
}

/// What is known of a life when it is over.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Commits promised.
    pub(super) promised: u64,
    /// Whether a compaction has begun and not ended.
    pub(super) compacting: bool,
    /// The phase that was begun last.
    pub(super) phase: String,
}

/// Starts the child, and kills it at a random moment. Notes the newest promise to each writer.
pub(super) fn write_and_kill(
    place: &Path,
    compact: bool,
    random: &mut Random,
    promised: &mut [u64],
) -> Result<Life, Failure> {
    let mut child = trial::ourselves(&["crash-child", "--seed", &random.next().to_string(), "--store"])?
        .arg(place)
        .args(compact.then_some("--compact"))
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().expect("its standard output is a pipe");
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut ear = Ear { lines, promised, life: Life::default() };
    let aim = Aim::of(random);
    let (start, limit) = aim.start_and_limit();
    let mut started = ear.listen(Instant::now() + PATIENCE, Some(start));
    if aim == Aim::Checkpoint {
        // Not always the first one.
        let first = Instant::now() + Duration::from_micros(random.below(300_000));
        started = started
            .and_then(|()| ear.listen(first, None))
            .and_then(|()| ear.listen(Instant::now() + PATIENCE, Some(start)));
    }
    let moment = Instant::now() + Duration::from_micros(random.below(limit.as_micros() as u64));
    let written = ear.listen(moment, None);
    child.kill()?;
    let status = child.wait()?;
    drop(reader.join());
    // What was said before the kill may still be in the pipe.
    ear.listen(Instant::now(), None)?;
    match started.and(written) {
        Ok(()) => Ok(ear.life),
        Err(Failure(what)) => Err(Failure(format!("the child said {what:?} and ended with {status}"))),
    }
}

struct Ear<'a> {
    lines: Receiver<String>,
    promised: &'a mut [u64],
    life: Life,
}

impl Ear<'_> {
    /// Notes what is said until the moment has come, or a phase has begun.
    fn listen(&mut self, until: Instant, phase: Option<&str>) -> Result<(), Failure> {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.note(line)?;
                    if phase.is_some_and(|phase| phase == self.life.phase) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) if phase.is_some() => {
                    return Err(Failure(format!("nothing for {PATIENCE:?} after {:?}", self.life.phase)));
                }
                // The process is there and quiet, or has been killed and said all that it had to say.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn note(&mut self, line: String) -> Result<(), Failure> {
        let phases = [phase::OPENING, phase::OPENED, phase::CHECKPOINT, phase::CHECKPOINTED];
        if phases.contains(&line.as_str()) {
            self.life.phase = line;
            return Ok(());
        }
        if [COMPACTING, COMPACTED].contains(&line.as_str()) {
            self.life.compacting = line == COMPACTING;
            return Ok(());
        }
        let (newest, seq) = promise(self.promised, &line).ok_or(Failure(line))?;
        *newest = seq.max(*newest);
        self.life.promised += 1;
        Ok(())
    }
}

/// The newest promise to the writer that a line names, and the number in the line.
pub(crate) fn promise<'a>(promised: &'a mut [u64], line: &str) -> Option<(&'a mut u64, u64)> {
    let (writer, seq) = line.split_once(' ')?;
    let (writer, seq) = (writer.parse::<usize>().ok()?, seq.parse::<u64>().ok()?);
    Some((promised.get_mut(writer)?, seq))
}
