//! Lock sets over tables without rows, driven from outside step by step.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::lock::{BareTable, LockDump, LockManager, LockSet, LockTable, Mode, SegmentLock};

/// A lock manager, and tables whose segments begin at the start and at some keys of one byte.
#[derive(Debug)]
pub struct Locks {
    manager: Arc<LockManager>,
    tables: Vec<Arc<BareTable>>,
}

impl Locks {
    /// As many tables, with segments from these keys on. No wait ever times out. A lock set has at most `max_row_locks`
    /// row locks, and tries for the lock of a table from `escalate_rows` on.
    pub fn new(tables: u32, lows: &[&[u8]], max_row_locks: usize, escalate_rows: usize) -> Locks {
        Locks {
            manager: LockManager::with_limits(Duration::MAX, max_row_locks, escalate_rows),
            tables: (1..=tables).map(|id| BareTable::new(id, lows)).collect(),
        }
    }

    /// A lock set that holds nothing.
    #[track_caller]
    pub fn locker(&self) -> Locker {
        Locker { set: LockSet::begin(&self.manager, Location::caller(), None), tables: self.tables.clone() }
    }

    /// Who holds what and who waits for it.
    pub fn dump(&self) -> LockDump {
        self.manager.dump()
    }

    /// Cuts the segment that covers the key in two, if nobody uses it now.
    pub fn split(&self, table: usize, key: &[u8]) -> bool {
        let (mut system, table) = (self.locker().set, &self.tables[table]);
        let segment = table.locate(key);
        let free = *segment.low != *key && alone(&mut system, table, &segment);
        if free {
            table.split(key);
        }
        free
    }

    /// Puts one segment in place of the one that covers the key and the next, if there is one and nobody uses them now.
    pub fn merge(&self, table: usize, key: &[u8]) -> bool {
        let (mut system, table) = (self.locker().set, &self.tables[table]);
        let left = table.locate(key);
        let Some(high) = &left.high else { return false };
        let free = alone(&mut system, table, &left) && alone(&mut system, table, &table.locate(high));
        if free {
            table.merge(key);
        }
        free
    }
}

/// X on a segment, as a system transaction takes it that has no time to wait.
fn alone(system: &mut LockSet, table: &Arc<BareTable>, segment: &Arc<SegmentLock>) -> bool {
    system.lock_segment(table, segment, Mode::X, Instant::now()).unwrap_or(false)
}

/// A lock set. Its futures may be dropped at any time; what it holds it keeps until it is dropped itself.
#[derive(Debug)]
pub struct Locker {
    set: LockSet,
    tables: Vec<Arc<BareTable>>,
}

impl Locker {
    /// A row, in mode S, U or X.
    ///
    /// # Errors
    ///
    /// As in a transaction, `Restart` among them.
    pub async fn row(&mut self, table: usize, key: &[u8], mode: Mode) -> Result<()> {
        self.set.lock_row_async(&self.tables[table], key, mode).await
    }

    /// The keys from `low` up to but not `high`.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row).
    pub async fn range(&mut self, table: usize, low: &[u8], high: Option<&[u8]>, mode: Mode) -> Result<()> {
        self.set.lock_range_async(&self.tables[table], low, high, mode).await
    }

    /// A table.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row).
    pub async fn table(&mut self, table: usize, mode: Mode) -> Result<()> {
        self.set.lock_table_async(&self.tables[table], mode).await
    }

    /// A name, shared or alone.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row), and `OutOfOrder` where starting over would not help any more.
    pub async fn name(&mut self, name: &str, mode: Mode) -> Result<()> {
        self.set.lock_name_async(name, mode).await
    }

    /// Gives everything back and takes the plan that was learnt.
    ///
    /// # Errors
    ///
    /// As [`name`](Self::name).
    pub async fn restart(&mut self) -> Result<()> {
        self.set.restart_async().await
    }

    /// Whether a lock was refused, so that [`restart`](Self::restart) must come next.
    pub fn restart_wanted(&self) -> bool {
        self.set.restart_wanted()
    }
}
