//! Full reads of a table that is eight times as large as the memory budget, beside threads that overwrite it and beside
//! checkpoints: each must be of one instant.
//!
//! Each row says which was the last commit of each writer that changed it, and each writer has a row of its own that it
//! changes in every commit. So a read shows by these rows how far every writer was, and then all other rows must be exactly
//! as the first so many commits of each writer left them: what a commit changes follows from its number. Amounts are
//! moved between rows, so their sum stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gangline::{Access, Db, Durability, Options, Result, Table};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::fill::fill;
use crate::random::Random;

const WRITERS: usize = 3;
/// Rows that a commit changes, beside the writer's own.
const ROWS_A_COMMIT: usize = 4;
/// How many times the budget the encoded rows are.
const TIMES_BUDGET: u64 = 8;
/// Bytes of a row at the beginning, encoded and with its key.
const ROW_BYTES: u64 = 110;
const TEXT_BYTES: u64 = 96;

const ROWS: Table<u64, Row> = Table::new("rows");

/// The last commit of each writer that changed a row.
type Versions = [u32; WRITERS];

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    amount: i64,
    versions: Versions,
    text: String,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Full reads.
    pub reads: u64,
    /// Makes the same choices again.
    pub seed: u64,
    /// Memory budget of the store, in bytes.
    pub cache_bytes: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Full reads, each of which was of one instant.
    pub reads: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Commits beside them.
    pub commits: u64,
    /// Checkpoints beside them.
    pub checkpoints: u64,
    /// Reads that saw another instant than the one before.
    pub moved: u64,
    /// The longest read.
    pub worst_read: Duration,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { reads, rows, commits, checkpoints, moved, worst_read } = self;
        let worst = worst_read.as_secs_f64() * 1e3;
        format!(
            "reads {reads}\nrows {rows}\ncommits {commits}\ncheckpoints {checkpoints}\nmoved {moved}\n\
             worst_read_ms {worst:.1}\nwrong 0\n"
        )
    }
}

/// Runs the plan to its end, or to the first read that is of no instant.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let folder = tempfile::tempdir()?;
    let db = Options::new()
        .cache_bytes(plan.cache_bytes as usize)
        .durability(Durability::Eventual)
        .segment_rows(512)
        .checkpoint_interval(Duration::from_millis(100))
        .journal_bytes(1 << 20)
        .open(folder.path().join("store"))?;
    let rows = (plan.cache_bytes * TIMES_BUDGET).div_ceil(ROW_BYTES).max(2 * ROWS_A_COMMIT as u64);
    fill(&db, ROWS, own_row(rows, WRITERS), |_| Row { amount: 0, versions: Versions::default(), text: text(0) })?;
    let before = db.status()?;
    let over = AtomicBool::new(false);
    let mut reader = Reader::new(plan, rows);
    std::thread::scope(|scope| -> Result<(), Failure> {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (db, over) = (&db, &over);
                scope.spawn(move || write(db, plan.seed, rows, writer, over))
            })
            .collect();
        let mut outcome = Ok(());
        let all_write = || writers.iter().all(|writer| !writer.is_finished());
        while reader.summary.reads < plan.reads && outcome.is_ok() && all_write() {
            outcome = reader.read(&db);
        }
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| Failure("a writer panicked".to_owned()))??;
        }
        outcome
    })?;
    let after = db.status()?;
    let report = db.verify()?;
    if !report.is_clean() {
        return Err(Failure(format!("the store is damaged: {report:?}")));
    }
    db.close()?;
    let commits = after.commits - before.commits;
    Ok(Summary { rows, commits, checkpoints: after.checkpoints - before.checkpoints, ..reader.summary })
}

/// The row that a writer changes in each commit.
fn own_row(rows: u64, writer: usize) -> u64 {
    rows + writer as u64
}

/// Of another length each time, so that pages are cut.
fn text(number: u32) -> String {
    let length = TEXT_BYTES - u64::from(number % 7) * 5;
    std::iter::repeat_n(char::from(b'a' + (number % 26) as u8), length as usize).collect()
}

/// The rows that a commit changes, which follow from its number.
fn changed(seed: u64, rows: u64, writer: usize, number: u32) -> [u64; ROWS_A_COMMIT] {
    let mut random = Random::part(seed, (writer as u64) << 32 | u64::from(number));
    std::array::from_fn(|_| random.below(rows))
}

/// Commits one after the other until it is over.
fn write(db: &Db, seed: u64, rows: u64, writer: usize, over: &AtomicBool) -> Result<(), Failure> {
    for number in 1.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let keys = changed(seed, rows, writer, number);
        db.transact(|tx| {
            let amounts = [i64::from(number), -i64::from(number)].into_iter().chain(std::iter::repeat(0));
            for (key, amount) in keys.into_iter().chain([own_row(rows, writer)]).zip(amounts) {
                tx.modify(ROWS, key, |row| {
                    row.amount += amount;
                    row.versions[writer] = number;
                    row.text = text(number);
                })?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads, and knows what each row must be at any point of the writers' work.
struct Reader<'a> {
    plan: &'a Plan,
    rows: u64,
    /// How far each writer was at the last read, and what its commits had changed by then.
    at: Versions,
    expected: Vec<Versions>,
    summary: Summary,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a Plan, rows: u64) -> Reader<'a> {
        let expected = vec![Versions::default(); own_row(rows, WRITERS) as usize];
        Reader { plan, rows, at: Versions::default(), expected, summary: Summary::default() }
    }

    /// One read: of the database now, or twice of a snapshot.
    fn read(&mut self, db: &Db) -> Result<(), Failure> {
        let began = Instant::now();
        if self.summary.reads % 4 == 3 {
            let snapshot = db.snapshot();
            self.check(&all(&snapshot)?)?;
            let at = self.at;
            self.check(&all(&snapshot)?)?;
            if self.at != at {
                return Err(Failure(format!("a snapshot was at {at:?} and then at {:?}", self.at)));
            }
        } else {
            self.check(&all(db)?)?;
        }
        self.summary.worst_read = self.summary.worst_read.max(began.elapsed());
        self.summary.reads += 1;
        Ok(())
    }

    fn check(&mut self, found: &[(u64, i64, Versions)]) -> Result<(), Failure> {
        let number = self.summary.reads;
        if found.len() != self.expected.len() || !found.iter().map(|row| row.0).eq(0..found.len() as u64) {
            return Err(Failure(format!("read {number} has {} rows of {}", found.len(), self.expected.len())));
        }
        let at = std::array::from_fn(|writer| found[own_row(self.rows, writer) as usize].2[writer]);
        self.advance(at)?;
        let sum: i64 = found.iter().map(|row| row.1).sum();
        let wrong = found.iter().zip(&self.expected).find(|(row, expected)| row.2 != **expected);
        match wrong {
            None if sum == 0 => Ok(()),
            None => Err(Failure(format!("read {number} at {at:?} sums up to {sum}"))),
            Some(((key, _, versions), expected)) => {
                Err(Failure(format!("read {number} at {at:?} has row {key} of {versions:?}, not of {expected:?}")))
            }
        }
    }

    /// Brings what is expected forward to where the writers are now.
    fn advance(&mut self, to: Versions) -> Result<(), Failure> {
        if self.at.iter().zip(&to).any(|(before, after)| before > after) {
            return Err(Failure(format!("a read went back from {:?} to {to:?}", self.at)));
        }
        self.summary.moved += u64::from(to != self.at);
        for (writer, (from, to)) in self.at.into_iter().zip(to).enumerate() {
            for number in from + 1..=to {
                for key in changed(self.plan.seed, self.rows, writer, number) {
                    self.expected[key as usize][writer] = number;
                }
            }
            self.expected[own_row(self.rows, writer) as usize][writer] = to;
        }
        self.at = to;
        Ok(())
    }
}

/// All rows, without their texts.
fn all(source: &impl Access) -> Result<Vec<(u64, i64, Versions)>> {
    source.query(ROWS).project_keyed(|key, row| (key, row.amount, row.versions)).collect()
}
