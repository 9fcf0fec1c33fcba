//! Writers in a child process that is killed at random moments.
//!
//! The child ([`child`]) has four writers. What it says on its standard output, one line a commit that was promised,
//! is the oracle: it lies outside the store. After each kill the parent opens the store and checks ([`check`]) that
//! every promised commit is there, that no commit is there by half, and that what is there is a prefix of the commits.

pub mod check;
pub mod child;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::{Failure, describe};
use check::Findings;

/// Threads that write, in the child.
pub const WRITERS: u32 = 4;
/// Rows that a writer overwrites in turn.
const SLOTS: u64 = 300;
/// Entries of the common log that are kept.
const LOG_LENGTH: u64 = 500;
/// Kills of one store before the next is begun.
const KILLS_A_STORE: u64 = 40;
/// A child that has promised nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest commit of each writer.
const HEADS: Table<u32, u64> = Table::new("heads");
/// What each commit writes, under writer and slot.
const DATA: Table<(u32, u64), Entry> = Table::new("data");
/// The same once more in another table.
const PAIRS: Table<(u32, u64), Entry> = Table::new("pairs");
/// The commits of the writers below [`LOGGED`], in one order for both.
const LOG: Table<u64, (u32, u64)> = Table::new("log");
/// The number of the newest entry of the log, in its only row.
const COUNTER: Table<u8, u64> = Table::new("counter");
/// Writers below this one append to the log too.
const LOGGED: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    seq: u64,
    text: String,
}

impl Entry {
    /// The entry of a commit: its text is known from its number, and has another length each time.
    fn of(writer: u32, seq: u64) -> Entry {
        let fill = char::from(b'a' + (seq % 26) as u8);
        let length = match seq % 40 {
            // Some are kept in chunks; a slot has a large one in one round and a small one in the next.
            7 => 50_000 + seq * 4_001 % 250_000,
            _ => 20 + (seq * 37 + u64::from(writer)) % 300,
        };
        Entry { seq, text: std::iter::repeat_n(fill, length as usize).collect() }
    }
}

fn open(place: &Path) -> gangline::Result<Db> {
    Options::new()
        .durability(Durability::Immediate)
        .eventual_sync(Duration::from_millis(20))
        .segment_rows(32)
        .cache_bytes(256 << 10)
        .journal_bytes(1 << 20)
        .checkpoint_interval(Duration::from_millis(50))
        .open(place)
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Processes to kill.
    pub kills: u64,
    /// Makes the same moments again, as far as the machine does.
    pub seed: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Processes killed.
    pub kills: u64,
    /// Commits that were promised before a kill.
    pub promised: u64,
    /// All that the checks found.
    pub findings: Findings,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { kills, promised, findings: Findings { lost, torn, verify_errors } } = self;
        format!("kills {kills}\npromised {promised}\nlost {lost}\ntorn {torn}\nverify_errors {verify_errors}\n")
    }
}

/// Runs the plan to its end, or to the first finding. Only the program `gangline-torture` itself can do this.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut promised = [0; WRITERS as usize];
    let mut folder = tempfile::tempdir()?;
    for kill in 0..plan.kills {
        if kill > 0 && kill.is_multiple_of(KILLS_A_STORE) {
            folder = tempfile::tempdir()?;
            promised = [0; WRITERS as usize];
        }
        let mut random = Random::part(plan.seed, kill);
        summary.promised += write_and_kill(folder.path(), &mut random, &mut promised)?;
        summary.kills += 1;
        let findings = match open(folder.path()) {
            Ok(db) => look(db, &promised, kill.is_multiple_of(2)),
            Err(error) => Err(Failure(format!("cannot open: {}", describe(&error)))),
        };
        let explain = |what: String| {
            let kept: PathBuf = folder.path().to_owned();
            Failure(format!(
                "{what}\nafter kill {kill} (seed {}), promised {promised:?}; the store is kept at {}",
                plan.seed,
                keep(&kept).display()
            ))
        };
        match findings {
            Ok(findings) if findings == Findings::default() => {}
            Ok(findings) => return Err(explain(format!("{findings:?}"))),
            Err(failure) => return Err(explain(failure.0)),
        }
    }
    Ok(summary)
}

/// Checks the store and leaves it, closed or just dropped.
fn look(db: Db, promised: &[u64], close: bool) -> Result<Findings, Failure> {
    let findings = check::check(&db, promised)?;
    if close {
        db.close()?;
    }
    Ok(findings)
}

/// Moves the folder of a store that failed out of the temporary folder that goes away.
fn keep(folder: &Path) -> PathBuf {
    let kept = folder.with_extension("failed");
    match std::fs::rename(folder, &kept) {
        Ok(()) => kept,
        Err(_) => folder.to_owned(),
    }
}

/// One life of the child. Returns how many commits it promised.
fn write_and_kill(place: &Path, random: &mut Random, promised: &mut [u64]) -> Result<u64, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["crash-child", "--seed", &random.next().to_string(), "--store"])
        .arg(place)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().expect("its standard output is a pipe");
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    // Some kills come while the store is being opened, most while it is written.
    let opening = random.below(4) == 0;
    let mut count = 0;
    let alive = if opening { Ok(()) } else { take(&lines, Instant::now() + PATIENCE, 1, promised, &mut count) };
    let limit = if opening { 60 } else { 400 };
    let moment = Instant::now() + Duration::from_micros(random.below(limit * 1_000));
    let written = take(&lines, moment, u64::MAX, promised, &mut count);
    child.kill()?;
    let status = child.wait()?;
    drop(reader.join());
    // What was promised before the kill may still be in the pipe.
    take(&lines, Instant::now(), u64::MAX, promised, &mut count)?;
    match alive.and(written) {
        Ok(()) => Ok(count),
        Err(Failure(what)) => Err(Failure(format!("the child said {what:?} and ended with {status}"))),
    }
}

/// Notes promises until the moment has come, or enough of them.
fn take(
    lines: &Receiver<String>,
    until: Instant,
    enough: u64,
    promised: &mut [u64],
    count: &mut u64,
) -> Result<(), Failure> {
    let mut taken = 0;
    while taken < enough {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let promise = line.split_once(' ').and_then(|(writer, seq)| {
                    let (writer, seq) = (writer.parse::<usize>().ok()?, seq.parse::<u64>().ok()?);
                    Some((promised.get_mut(writer)?, seq))
                });
                let (newest, seq) = promise.ok_or(Failure(line))?;
                *newest = seq.max(*newest);
                taken += 1;
                *count += 1;
            }
            // The process is there and quiet, or has been killed and said all that it had to say.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}
