//! Tests of the lock layer as a whole, with a table that is nothing but a directory.

mod awaits;
mod awaits_random;
mod blame;
mod cancels;
mod counters;
mod dump;
mod escalation;
#[cfg(feature = "tracing")]
mod events;
mod executor;
mod liveness;
#[cfg(loom)]
mod loom_head;
mod merges;
mod model;
mod model_traps;
mod names;
mod restarts;
mod rows;
#[cfg(shuttle)]
mod shuttle_sets;
mod speed;
mod splits;
mod stress;
mod strict;

use std::panic::Location;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::RwLock;

use crate::codec::KeyBuf;
use crate::sync::Instant;

use super::head::Head;
use super::manager::LockManager;
use super::mode::Mode;
use super::set::LockSet;
use super::table::{LockTable, SegmentLock};

/// A table without rows: segments of single-byte low keys.
struct TestTable {
    id: u32,
    head: Head,
    segments: RwLock<Vec<Arc<SegmentLock>>>,
}

impl LockTable for TestTable {
    fn id(&self) -> u32 {
        self.id
    }

    fn name(&self) -> &str {
        "test"
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn locate(&self, key: &[u8]) -> Arc<SegmentLock> {
        let segments = self.segments.read();
        segments[segments.partition_point(|segment| *segment.low <= *key) - 1].clone()
    }
}

impl TestTable {
    /// Segments that begin at the start and at each of these keys.
    fn new(id: u32, lows: &[&[u8]]) -> Arc<Self> {
        let table = TestTable { id, head: Head::new(), segments: RwLock::new(Vec::new()) };
        table.set_lows(lows);
        Arc::new(table)
    }

    fn set_lows(&self, lows: &[&[u8]]) {
        let lows: Vec<KeyBuf> = std::iter::once(&b""[..]).chain(lows.iter().copied()).map(KeyBuf::from).collect();
        let highs = lows.iter().skip(1).cloned().map(Some).chain([None]);
        let segment = |(low, high): (&KeyBuf, _)| Arc::new(SegmentLock { low: low.clone(), high, head: Head::new() });
        *self.segments.write() = lows.iter().zip(highs).map(segment).collect();
    }

    /// Cuts the segment that covers the key in two, as a system transaction does.
    fn split(&self, key: &[u8]) {
        let mut segments = self.segments.write();
        let index = segments.partition_point(|segment| *segment.low <= *key) - 1;
        let old = segments[index].clone();
        let new = |low: KeyBuf, high| Arc::new(SegmentLock { low, high, head: Head::new() });
        segments[index] = new(old.low.clone(), Some(KeyBuf::from(key)));
        segments.insert(index + 1, new(KeyBuf::from(key), old.high.clone()));
        drop(segments);
        old.head.retire().wake();
    }

    /// Puts one segment in place of the one that covers the key and the next, as a system transaction does.
    fn merge(&self, key: &[u8]) {
        let mut segments = self.segments.write();
        let index = segments.partition_point(|segment| *segment.low <= *key) - 1;
        let right = segments.remove(index + 1);
        let (low, high) = (segments[index].low.clone(), right.high.clone());
        let merged = Arc::new(SegmentLock { low, high, head: Head::new() });
        let left = std::mem::replace(&mut segments[index], merged);
        drop(segments);
        left.head.retire().wake();
        right.head.retire().wake();
    }
}

const LONG: Duration = Duration::from_secs(20);

fn manager() -> Arc<LockManager> {
    LockManager::new(LONG)
}

#[track_caller]
fn set(manager: &Arc<LockManager>) -> LockSet {
    LockSet::begin(manager, Location::caller(), None)
}

/// Looks again and again until `ready`, which must come.
#[track_caller]
fn until(what: &str, ready: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !ready() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// Until this many lock sets wait.
#[track_caller]
fn until_waiting(manager: &LockManager, count: usize) {
    let waiting = || manager.dump().granules.iter().map(|granule| granule.waiting.len()).sum::<usize>();
    until("lock sets wait", || waiting() == count && manager.counters().waits as usize >= count);
}

/// X on the segment of the key and on the next one, as a merge takes them; `None` if there is no next one, or if they
/// cannot be had until the deadline.
fn lock_neighbours(
    manager: &Arc<LockManager>,
    table: &Arc<TestTable>,
    key: &[u8],
    deadline: Instant,
) -> Option<LockSet> {
    let mut system = set(manager);
    let mut lock = |segment: &Arc<SegmentLock>| {
        system.lock_segment(table, segment, Mode::X, deadline).expect("a system transaction has no errors of its own")
    };
    let left = table.locate(key);
    let high = left.high.as_ref()?;
    (lock(&left) && lock(&table.locate(high))).then_some(system)
}

/// Nothing is held, wanted or left behind.
#[track_caller]
fn assert_all_free(manager: &LockManager, tables: &[&Arc<TestTable>]) {
    assert!(manager.names_root.is_free() && manager.database.is_free(), "names or database held");
    assert_eq!((manager.rows.len(), manager.names.len()), (0, 0), "rows or names left");
    for table in tables {
        assert!(table.head.is_free(), "table held");
        assert!(table.segments.read().iter().all(|segment| segment.head.is_free()), "segment held");
    }
    assert_eq!(manager.dump().to_string(), "no locks");
}
