//! How often the slow ways were taken. Locks that are free at once are not counted: that would cost as much as taking
//! them.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LockCounters {
    /// Locks that were waited for.
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
}

impl Counters {
    pub(crate) fn read(&self) -> LockCounters {
        LockCounters {
            waits: self.waits.get(),
            restarts: self.restarts.get(),
            timeouts: self.timeouts.get(),
            cancelled: self.cancelled.get(),
            escalations: self.escalations.get(),
            refused_escalations: self.refused_escalations.get(),
            restart_warnings: self.restart_warnings.get(),
            refused_reads: self.refused_reads.get(),
        }
    }
}
