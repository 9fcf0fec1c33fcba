//! The lock layer by itself, for the benchmark `locks`.
//!
//! What a row lock costs cannot be measured through the public API: there it comes with a transaction, a lookup of the
//! table and a read, and what is left after subtracting those is mostly their noise. So this module, which is not part
//! of the documented API and promises nothing, takes and gives back one granule, or a row with its three intents in a
//! table that is nothing but a directory.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::KeyBuf;
use crate::error::Result;

use super::head::Head;
use super::manager::LockManager;
use super::mode::Mode;
use super::set::LockSet;
use super::table::{LockTable, SegmentLock};
use super::waiter::Wakes;

/// The lock of one granule that lives as long as its object, as that of a table.
#[derive(Debug, Default)]
pub struct Granule(Head);

impl Granule {
    /// Takes it alone, if it is free.
    #[inline]
    pub fn try_lock(&self) -> bool {
        self.0.try_fast(None, Mode::X)
    }

    /// Gives it back.
    #[inline]
    pub fn unlock(&self) {
        let mut wakes = Wakes::new();
        self.0.release(Mode::X, &mut wakes);
        wakes.wake();
    }
}

/// A table of segments with the keys `0..rows`.
#[derive(Debug)]
pub struct Rows {
    manager: Arc<LockManager>,
    table: Arc<Directory>,
}

#[derive(Debug)]
struct Directory {
    head: Head,
    /// Low keys as numbers, since they are searched so in a table, too.
    lows: Vec<u64>,
    segments: Vec<Arc<SegmentLock>>,
}

impl LockTable for Directory {
    fn id(&self) -> u32 {
        1
    }

    fn name(&self) -> &str {
        "probe"
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn locate(&self, key: &[u8]) -> Arc<SegmentLock> {
        let key = key.first_chunk().map_or(0, |key| u64::from_be_bytes(*key));
        let after = self.lows.partition_point(|low| *low <= key);
        Arc::clone(&self.segments[after - 1])
    }
}

impl Rows {
    /// A table of so many rows, in segments of 4,096.
    pub fn new(rows: u64) -> Rows {
        let lows: Vec<u64> = (0..rows.max(1)).step_by(4_096).collect();
        let key = |start: &u64| KeyBuf::from(&start.to_be_bytes()[..]);
        let keys = std::iter::once(KeyBuf::empty()).chain(lows.iter().skip(1).map(key));
        let highs = lows.iter().skip(1).map(key).map(Some).chain([None]);
        let segment = |(low, high)| Arc::new(SegmentLock { low, high, head: Head::new() });
        let segments = keys.zip(highs).map(segment).collect();
        let table = Arc::new(Directory { head: Head::new(), lows, segments });
        Rows { manager: LockManager::new(Duration::from_secs(60)), table }
    }

    /// A lock set, for one thread to lock rows with.
    #[track_caller]
    pub fn locker(&self) -> Locker {
        Locker { set: LockSet::begin(&self.manager, Location::caller(), None), table: Arc::clone(&self.table) }
    }
}

/// A lock set.
#[derive(Debug)]
pub struct Locker {
    set: LockSet,
    table: Arc<Directory>,
}

impl Locker {
    /// Takes a row alone, with the intents on database, table and segment. Waits as long as it must.
    ///
    /// # Errors
    ///
    /// As any lock of a transaction.
    #[inline]
    pub fn lock(&mut self, row: u64) -> Result<()> {
        self.set.lock_row(&self.table, &row.to_be_bytes(), Mode::X)
    }

    /// Gives everything back.
    #[inline]
    pub fn unlock(&mut self) {
        self.set.release_all();
    }
}
