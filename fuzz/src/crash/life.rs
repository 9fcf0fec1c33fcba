//! One life of the child, from its start to its kill, and what it said meanwhile.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::copies::Copies;
use super::{COMPACTED, COMPACTING, Place, phase};
use crate::random::Random;
use crate::{Failure, trial};

/// A child that has said nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a kill is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Opening,
    Checkpoint,
    Restore,
    Anywhere,
}

impl Aim {
    fn of(random: &mut Random, copies: bool) -> Aim {
        match random.below(8) {
            0 => Aim::Opening,
            1 | 2 if !copies => Aim::Checkpoint,
            // A backup takes far longer than the others and needs no aim.
            1..=4 if copies => Aim::Restore,
            _ => Aim::Anywhere,
        }
    }

    /// Whether the child has come to where the clock starts.
    fn has_begun(self, life: &Life) -> bool {
        match self {
            Aim::Opening => life.phase == phase::OPENING,
            Aim::Checkpoint => life.phase == phase::CHECKPOINT,
            Aim::Restore => life.copies.is_restoring(),
            Aim::Anywhere => life.phase == phase::OPENED,
        }
    }

    /// How long after that the kill comes at most.
    fn limit(self) -> Duration {
        Duration::from_millis(match self {
            Aim::Opening => 25,
            Aim::Checkpoint => 8,
            Aim::Restore => 150,
            Aim::Anywhere => 900,
        })
    }
}

/// What is known of a life when it is over.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Commits promised.
    pub(super) promised: u64,
    /// Whether a compaction has begun and not ended.
    pub(super) compacting: bool,
    /// The copies that it made.
    pub(super) copies: Copies,
    /// The phase that was begun last.
    pub(super) phase: String,
}

/// Starts the child, and kills it at a random moment. Notes the newest promise to each writer.
pub(super) fn write_and_kill(
    place: &Place,
    compact: bool,
    random: &mut Random,
    promised: &mut [u64],
) -> Result<Life, Failure> {
    let mut command = trial::ourselves(&["crash-child", "--seed", &random.next().to_string(), "--store"])?;
    command.arg(&place.store).args(compact.then_some("--compact")).stdout(Stdio::piped());
    if let Some(copies) = &place.copies {
        command.arg("--copies-in").arg(copies);
    }
    let mut child = command.spawn()?;
    let output = child.stdout.take().expect("its standard output is a pipe");
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut ear = Ear { lines, promised, life: Life::default() };
    let aim = Aim::of(random, place.copies.is_some());
    let mut started = ear.listen(Instant::now() + PATIENCE, Some(aim));
    if aim == Aim::Checkpoint {
        // Not always the first one.
        let first = Instant::now() + Duration::from_micros(random.below(300_000));
        started = started
            .and_then(|()| ear.listen(first, None))
            .and_then(|()| ear.listen(Instant::now() + PATIENCE, Some(aim)));
    }
    let moment = Instant::now() + Duration::from_micros(random.below(aim.limit().as_micros() as u64));
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
    /// Notes what is said until the moment has come, or what is aimed at has begun.
    fn listen(&mut self, until: Instant, aim: Option<Aim>) -> Result<(), Failure> {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.note(line)?;
                    if aim.is_some_and(|aim| aim.has_begun(&self.life)) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) if aim.is_some() => {
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
        if self.life.copies.note(&line, self.promised) {
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
