//! How often and how long the slow ways were taken. Locks that are free at once are neither counted nor timed: that
//! would cost as much as taking them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use serde::Serialize;

use crate::meters;

use super::granule::Target;
use super::histogram::{Histogram, Timer};

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) waits: Counter,
    pub(crate) restarts: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) escalations: Counter,
    pub(crate) refused_escalations: Counter,
    pub(crate) restart_warnings: Counter,
    pub(crate) refused_reads: Counter,
    /// By what was waited for, in the order of [`LevelTimes`].
    wait_times: [Timer; 5],
    pub(crate) hold_time: Timer,
}

/// Alone on its cache line.
#[derive(Debug, Default)]
pub(crate) struct Counter(CachePadded<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a lock manager counted since it was made.
///
/// Nothing here is touched by a lock that is free at once.
///
/// ```
/// # fn main() -> gangline::Result<()> {
/// let db = gangline::Db::in_memory()?;
/// let counters = db.locks().counters();
/// println!("{} waits, {:?} in all", counters.waits, counters.wait_time.sum());
/// println!("half of those for rows ended within {:?}", counters.wait_time_by_level.row.percentile(0.5));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LockCounters {
    /// Locks that were waited for, and those that are waited for now.
    pub waits: u64,
    /// Transactions that gave everything back and started over.
    pub restarts: u64,
    /// Waits that ended without the lock because its time was over.
    pub timeouts: u64,
    /// Waits that were cancelled, dropped, or ended by the deadline of a transaction or query.
    pub cancelled: u64,
    /// Times that a lock on a table or on the database took the place of smaller ones.
    pub escalations: u64,
    /// Times that a transaction with many row locks tried for its table and went on without it.
    pub refused_escalations: u64,
    /// Warnings of calls that keep starting over: see [`LockManager::restarting`](super::LockManager::restarting).
    pub restart_warnings: u64,
    /// Table locks that a read outside a transaction did without, because they were not free.
    pub refused_reads: u64,
    /// How long the waits took that have ended, with the lock or without.
    pub wait_time: Histogram,
    /// The same by what was waited for.
    pub wait_time_by_level: LevelTimes,
    /// How long transactions, statements and guards that had to wait held their locks then, from the end of their last
    /// wait: what those behind them wait for.
    pub hold_time: Histogram,
}

/// Times by what was locked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LevelTimes {
    /// Names of the program, and their root.
    pub name: Histogram,
    /// The database.
    pub database: Histogram,
    /// Tables.
    pub table: Histogram,
    /// Segments: ranges of neighbouring keys.
    pub segment: Histogram,
    /// Rows.
    pub row: Histogram,
}

impl Counters {
    /// Notes a wait that has ended, however it did.
    pub(crate) fn waited(&self, target: &Target, time: Duration) {
        let (level, name) = match target {
            Target::Names | Target::Name(_) => (0, "name"),
            Target::Database => (1, "database"),
            Target::Table(_) => (2, "table"),
            Target::Segment { .. } => (3, "segment"),
            Target::Row(_) => (4, "row"),
        };
        self.wait_times[level].add(time);
        meters::wait(name, time);
    }

    pub(crate) fn read(&self) -> LockCounters {
        let [name, database, table, segment, row] = self.wait_times.each_ref().map(Timer::read);
        let mut wait_time = Histogram::default();
        [&name, &database, &table, &segment, &row].into_iter().for_each(|level| wait_time.add(level));
        LockCounters {
            waits: self.waits.get(),
            restarts: self.restarts.get(),
            timeouts: self.timeouts.get(),
            cancelled: self.cancelled.get(),
            escalations: self.escalations.get(),
            refused_escalations: self.refused_escalations.get(),
            restart_warnings: self.restart_warnings.get(),
            refused_reads: self.refused_reads.get(),
            wait_time,
            wait_time_by_level: LevelTimes { name, database, table, segment, row },
            hold_time: self.hold_time.read(),
        }
    }
}
