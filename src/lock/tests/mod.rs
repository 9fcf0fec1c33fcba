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

use crate::sync::Instant;

use super::bare_table::BareTable as TestTable;
use super::head::Head;
use super::manager::LockManager;
use super::mode::Mode;
use super::set::LockSet;
use super::table::{LockTable, SegmentLock};

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
