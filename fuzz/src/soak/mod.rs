//! A long run under a small memory budget: memory must stay flat, the disk bounded, the data whole.
//!
//! Threads move money between random rows, take rows out at one end of the table and put new ones in at the other, read
//! rows and ranges, and now and then all of it. Checkpoints go on all the time; backups (`copies`) and compactions are
//! made beside them. Each minute a line says how much memory and disk are used.

mod copies;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::fill::fill;
use crate::random::Random;

const MIB: u64 = 1 << 20;
/// Growth between the second and the last quarter of the run that is taken for a leak.
const MEMORY_GROWTH_PERCENT: u64 = 15;
const DISK_GROWTH_PERCENT: u64 = 50;
/// A run with fewer lines says nothing about growth.
const LINES_MIN: usize = 8;
const OPENING_BALANCE: i64 = 1_000;

const ACCOUNTS: Table<u64, Account> = Table::new("accounts");

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    balance: i64,
    name: String,
    moves: u32,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long, after the load.
    pub time: Duration,
    /// Time between two lines.
    pub pace: Duration,
    /// Time between two backups, each of which is followed by a compaction.
    pub copies_pace: Duration,
    /// Rows.
    pub rows: u64,
    /// Threads that work.
    pub threads: usize,
    /// Memory budget of the store, in bytes.
    pub cache_bytes: usize,
    /// Makes the same choices again.
    pub seed: u64,
    /// Where the store is made: on disk in the system's folder for such things, if it is not given.
    pub dir: Option<PathBuf>,
}

impl Plan {
    /// What all balances sum up to.
    fn sum(&self) -> i64 {
        self.rows as i64 * OPENING_BALANCE
    }
}

/// One line of the curves.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    memory: u64,
    disk: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Operations of all threads.
    pub ops: u64,
    /// Backups, each of which was whole, and compactions behind them.
    pub copies: u64,
    /// Memory of the process at the end, in MiB.
    pub memory_mib: u64,
    /// Space of the store at the end, in MiB.
    pub disk_mib: u64,
    /// By how much memory grew, in percent; 0 for a run that is too short to say.
    pub memory_growth: u64,
    /// By how much the store grew on disk.
    pub disk_growth: u64,
    /// 1 where the sum of all balances is not what it was.
    pub wrong_sums: u64,
    /// Findings of the store's own verification.
    pub verify_errors: u64,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { ops, copies, memory_mib, disk_mib, memory_growth, disk_growth, wrong_sums, verify_errors } = self;
        format!(
            "ops {ops}\ncopies {copies}\nmemory_mib {memory_mib}\ndisk_mib {disk_mib}\nmemory_growth {memory_growth}\n\
             disk_growth {disk_growth}\nwrong_sums {wrong_sums}\nverify_errors {verify_errors}\n"
        )
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.memory_growth > MEMORY_GROWTH_PERCENT
            || self.disk_growth > DISK_GROWTH_PERCENT
            || self.wrong_sums + self.verify_errors > 0
    }
}

/// Runs the plan.
pub fn run(plan: &Plan, out: &mut dyn Write) -> Result<Summary, Failure> {
    let folder = match &plan.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let store = folder.path().join("store");
    let db = Options::new()
        .cache_bytes(plan.cache_bytes)
        .durability(Durability::Eventual)
        .checkpoint_interval(Duration::from_secs(10))
        .journal_bytes(64 * MIB)
        .open(&store)?;
    let begun = Instant::now();
    fill(&db, ACCOUNTS, plan.rows, account)?;
    writeln!(out, "loaded {} rows in {:.0?}", plan.rows, begun.elapsed())?;
    let (over, ops) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut samples = Vec::new();
    let copies = std::thread::scope(|scope| -> Result<u64, Failure> {
        let copies = scope.spawn(|| copies::make(&db, plan, &folder.path().join("backup"), &over));
        let workers: Vec<_> = (0..plan.threads as u64)
            .map(|thread| {
                let (db, over, ops) = (&db, &over, &ops);
                scope.spawn(move || work(db, plan, Random::part(plan.seed, thread), thread, over, ops))
            })
            .collect();
        let watched = watch(&db, plan, &store, &ops, &mut samples, out);
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| Failure("a thread panicked".to_owned()))??;
        }
        let copies = copies.join().map_err(|_| Failure("a thread panicked".to_owned()))??;
        watched.map(|()| copies)
    })?;
    let sum = sum(&db)?;
    let report = db.verify()?;
    let last = samples.last().copied().unwrap_or_default();
    db.close()?;
    Ok(Summary {
        ops: ops.into_inner(),
        copies,
        memory_mib: last.memory / MIB,
        disk_mib: last.disk / MIB,
        memory_growth: growth(&samples, |sample| sample.memory),
        disk_growth: growth(&samples, |sample| sample.disk),
        wrong_sums: u64::from(sum != plan.sum()),
        verify_errors: report.tables.iter().map(|table| table.errors.len() as u64).sum(),
    })
}

fn sum(db: &Db) -> Result<i64, Failure> {
    Ok(db.query(ACCOUNTS).fold(|| 0, |sum, account| sum + account.balance, |a, b| a + b)?)
}

fn account(key: u64) -> Account {
    Account { balance: OPENING_BALANCE, name: format!("account number {key:>48}"), moves: 0 }
}

fn work(
    db: &Db,
    plan: &Plan,
    mut random: Random,
    thread: u64,
    over: &AtomicBool,
    ops: &AtomicU64,
) -> Result<(), Failure> {
    while !over.load(Ordering::Relaxed) {
        let key = random.below(plan.rows);
        match random.below(100) {
            0..50 => transfer(db, key, random.below(plan.rows), random.below(50) as i64)?,
            50..85 => drop(db.get(ACCOUNTS, key)?),
            85..95 => {
                db.query(ACCOUNTS).range(key..key + 200).fold(|| 0, |sum, a| sum + a.balance, |a, b| a + b)?;
            }
            // Each thread moves rows of its own to a place behind the others and back, so that pages come and go.
            _ => replace(db, key - key % plan.threads as u64 + thread, plan.rows)?,
        }
        ops.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn transfer(db: &Db, from: u64, to: u64, amount: i64) -> Result<(), Failure> {
    Ok(db.transact(|tx| {
        // Either may just be at its other place.
        if from == to || !tx.contains(ACCOUNTS, from)? || !tx.contains(ACCOUNTS, to)? {
            return Ok(());
        }
        for (key, change) in [(from, -amount), (to, amount)] {
            tx.modify(ACCOUNTS, key, |account| {
                account.balance += change;
                account.moves += 1;
            })?;
        }
        Ok(())
    })?)
}

/// Moves a row to the keys behind all others, or back.
fn replace(db: &Db, key: u64, rows: u64) -> Result<(), Failure> {
    let other = key + 2 * rows;
    Ok(db.transact(|tx| {
        let (from, to) = if tx.contains(ACCOUNTS, key)? { (key, other) } else { (other, key) };
        match tx.remove(ACCOUNTS, from)? {
            Some(row) => tx.put(ACCOUNTS, to, &*row),
            None => Ok(()),
        }
    })?)
}

/// Writes a line at each pace until the time is over.
fn watch(
    db: &Db,
    plan: &Plan,
    folder: &Path,
    ops: &AtomicU64,
    samples: &mut Vec<Sample>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < plan.time {
        std::thread::sleep(plan.pace.min(plan.time.saturating_sub(begun.elapsed())));
        let scanned = Instant::now();
        let rows = db.query(ACCOUNTS).fold(|| 0_u64, |sum, _| sum + 1, |a, b| a + b)?;
        if rows != plan.rows {
            return Err(Failure(format!("a scan saw {rows} rows of {}", plan.rows)));
        }
        let (sample, status) = (Sample { memory: memory()?, disk: space(folder)? }, db.status()?);
        samples.push(sample);
        writeln!(
            out,
            "after {:.0?}: memory {} MiB, disk {} MiB, journal {} MiB, cache {} MiB, checkpoints {}, operations {}, \
             scan {:.1?}",
            begun.elapsed(),
            sample.memory / MIB,
            sample.disk / MIB,
            status.journal_bytes / MIB,
            status.cache_bytes / MIB,
            status.checkpoints,
            ops.load(Ordering::Relaxed),
            scanned.elapsed()
        )?;
    }
    Ok(())
}

/// By how many percent the last quarter lies over the second.
fn growth(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    if samples.len() < LINES_MIN {
        return 0;
    }
    let quarter = samples.len() / 4;
    let mean = |part: &[Sample]| part.iter().map(&of).sum::<u64>() / part.len() as u64;
    let (before, after) = (mean(&samples[quarter..2 * quarter]), mean(&samples[samples.len() - quarter..]));
    after.saturating_sub(before) * 100 / before.max(1)
}

/// Resident memory of this process, in bytes; 0 where the system does not say.
fn memory() -> Result<u64, Failure> {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
    Ok(kib * 1024)
}

/// Bytes of all files below a folder. Files may go while it looks.
fn space(folder: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        sum += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => space(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_last_quarter_over_the_second() {
        let sample = |memory| Sample { memory, disk: 1 };
        let samples: Vec<Sample> = [1, 1, 100, 100, 500, 90, 130, 130].map(sample).into();
        assert_eq!(growth(&samples, |sample| sample.memory), 30);
        assert_eq!(growth(&samples, |sample| sample.disk), 0);
        assert_eq!(growth(&samples[..7], |sample| sample.memory), 0);
    }

    #[test]
    fn a_short_soak_keeps_its_rows_and_its_sum() {
        let plan = Plan {
            // At most seven samples: too few to speak of growth.
            time: Duration::from_millis(1_400),
            pace: Duration::from_millis(200),
            copies_pace: Duration::ZERO,
            rows: 3_000,
            threads: 3,
            cache_bytes: 1 << 20,
            seed: 1,
            dir: None,
        };
        let mut lines = Vec::new();
        let summary = run(&plan, &mut lines).expect("nothing is wrong");
        assert!(!summary.is_bad() && summary.ops > 0 && summary.copies > 0, "{summary:?}");
        assert!(String::from_utf8_lossy(&lines).lines().count() >= 3);
    }
}
