//! What the benches share: the row of the benchmarks, random numbers, sizes, times.

pub mod random;
pub mod user;

use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options};

use user::{USERS, user};

/// Puts the users `0..rows` into the store, in transactions of some thousand rows.
pub fn load(db: &Db, rows: u64) -> gangline::Result<()> {
    const BATCH: u64 = 10_000;
    for start in (0..rows).step_by(BATCH as usize) {
        db.transact(|tx| (start..rows.min(start + BATCH)).try_for_each(|id| tx.put(USERS, id, user(id))))?;
    }
    db.checkpoint()
}

/// Options of a store that a bench loads: what is measured is not the load.
pub fn eventual() -> Options {
    Options::new().durability(Durability::Eventual)
}

/// The command line of a bench.
#[derive(Debug, Clone)]
pub struct Size {
    /// A tiny run that only shows that the bench works (`--test`).
    pub test: bool,
    /// Rows of the table (`--rows N`).
    pub rows: u64,
}

impl Size {
    /// Reads the command line; `--bench`, which cargo adds, says nothing.
    pub fn from_args(rows: u64, test_rows: u64) -> Size {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let test = words.iter().any(|word| word == "--test");
        let given = words.iter().position(|word| word == "--rows").and_then(|at| words.get(at + 1)?.parse().ok());
        Size { test, rows: given.unwrap_or(if test { test_rows } else { rows }) }
    }

    /// The time to measure for.
    pub fn time(&self, full: Duration) -> Duration {
        if self.test { Duration::from_millis(20) } else { full }
    }
}

/// How long something takes, and what it gives.
pub fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = run();
    (start.elapsed(), value)
}

/// The middle one of several times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The middle one of several numbers.
pub fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Nanoseconds for each of so many.
pub fn ns_each(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// Nanoseconds of one call, over as many calls as fit the time.
pub fn ns_of(time: Duration, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0u64;
    while start.elapsed() < time {
        (0..256).for_each(|_| call());
        calls += 256;
    }
    ns_each(start.elapsed(), calls)
}

/// Memory of this process now, in MiB; 0 where the system does not tell.
pub fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}
