//! A subscriber beside writers, in a child process that is killed.
//!
//! The child ([`child`]) has writers, each of which counts its commits in a row of its own, and a subscriber that says on
//! its standard output what it was delivered, and the position behind it. So both lie outside the store, and a line is there
//! as a whole or not at all. After each kill another child opens the store, and its subscriber goes on from the last
//! position that was said.
//!
//! A commit that was not on disk when its process was killed is gone, and its writer counts on from where the store is. So
//! whatever happened, the counts that a subscriber is given of one writer must be 1, 2, 3 and so on, and those that
//! were promised must be among them.

pub mod child;
mod said;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use gangline::Table;

use crate::random::Random;
use crate::{Failure, trial};
use said::{Line, Seen};

/// Threads that write, in the child.
pub const WRITERS: u32 = 4;
/// A child that has said nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many commits each writer has made.
pub(crate) const COUNTS: Table<u32, u64> = Table::new("counts");
/// What nobody follows.
pub(crate) const NOISE: Table<u64, String> = Table::new("noise");

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Commits to follow.
    pub commits: u64,
    /// Processes to kill meanwhile.
    pub kills: u64,
    /// Makes the same moments again, as far as the machine does.
    pub seed: u64,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Processes killed.
    pub kills: u64,
    /// Kills that came before the subscriber had said anything.
    pub early_kills: u64,
    /// Commits delivered.
    pub followed: u64,
    /// The largest number of commits that a process had promised and its subscriber had not delivered when it was killed.
    pub behind: u64,
    /// Commits promised.
    pub promised: u64,
    /// Commits that were passed over, or promised and never delivered.
    pub missed: u64,
    /// Commits that were delivered twice.
    pub repeated: u64,
    /// Deliveries whose commit number was not above the one before.
    pub out_of_order: u64,
    /// How often the subscriber was told that it lagged.
    pub lagged: u64,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { kills, early_kills, followed, behind, promised, missed, repeated, out_of_order, lagged } = self;
        format!(
            "kills {kills}\nearly_kills {early_kills}\nfollowed {followed}\nbehind {behind}\npromised {promised}\n\
             out_of_order {out_of_order}\nlagged {lagged}\nmissed {missed} repeated {repeated}\n"
        )
    }

    /// Whether something was found.
    pub fn is_bad(&self) -> bool {
        self.missed + self.repeated + self.out_of_order + self.lagged > 0
    }
}

/// Runs the plan to its end. Only the program `gangline-torture` itself can do this.
///
/// # Errors
/// What a child says when it fails.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let folder = tempfile::tempdir()?;
    let mut random = Random::part(plan.seed, 0);
    let mut seen = Seen::default();
    let mut summary = Summary::default();
    for kill in 0..plan.kills {
        let wanted = plan.commits / (plan.kills + 1) * (kill + 1);
        let before = seen.followed();
        let mut life = Life::begin(folder.path(), random.next(), u64::MAX, seen.position())?;
        if random.below(4) > 0 {
            life.listen(&mut seen, None, wanted)?;
        }
        let moment = Instant::now() + Duration::from_micros(random.below(60_000));
        life.listen(&mut seen, Some(moment), u64::MAX)?;
        life.kill(&mut seen)?;
        summary.kills += 1;
        summary.early_kills += u64::from(seen.followed() == before);
        summary.behind = summary.behind.max(seen.not_delivered());
    }
    // The last one goes on until all are made, and ends by itself when all are delivered.
    let rest = plan.commits.saturating_sub(seen.followed()).max(1);
    let mut life = Life::begin(folder.path(), random.next(), rest, seen.position())?;
    life.listen(&mut seen, None, u64::MAX)?;
    let status = life.child.wait()?;
    if !status.success() {
        return Err(Failure(format!("the last child ended with {status}")));
    }
    seen.add_to(&mut summary);
    let db = child::open(folder.path())?;
    for (writer, count) in seen.counts() {
        let made = db.get(COUNTS, writer)?.map_or(0, |count| *count);
        summary.missed += made.saturating_sub(count);
    }
    Ok(summary)
}

/// A child, and what it says.
struct Life {
    child: Child,
    lines: Receiver<String>,
}

impl Life {
    fn begin(place: &Path, seed: u64, commits: u64, position: Option<&str>) -> Result<Life, Failure> {
        let mut command = trial::ourselves(&["follow-child", "--seed", &seed.to_string()])?;
        command.args(["--commits", &commits.to_string()]).arg("--store").arg(place);
        if let Some(position) = position {
            command.args(["--position", position]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().expect("its standard output is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            // A line without an end was cut off by the kill.
            while output.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
        Ok(Life { child, lines })
    }

    /// Notes what is said until the moment has come, so many commits were followed, or the child has ended.
    fn listen(&mut self, seen: &mut Seen, until: Option<Instant>, commits: u64) -> Result<(), Failure> {
        while seen.followed() < commits {
            let time = until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()));
            match self.lines.recv_timeout(time) {
                Ok(line) => seen.note(Line::read(line.trim_end()).ok_or(Failure(line))?),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if until.is_some() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill()?;
                    return Err(Failure(format!("the child said nothing for {PATIENCE:?}")));
                }
            }
        }
        Ok(())
    }

    /// Kills it, and notes what it had said.
    fn kill(mut self, seen: &mut Seen) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait()? {
            return Err(Failure(format!("the child ended by itself, with {status}")));
        }
        self.child.kill()?;
        self.child.wait()?;
        // To the end of the pipe.
        self.listen(seen, None, u64::MAX)
    }
}
