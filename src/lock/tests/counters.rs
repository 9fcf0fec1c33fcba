//! How long waits and holds took.

use super::*;
use crate::lock::LevelTimes;
use crate::lock::mode::Mode::{S, X};

#[test]
fn each_wait_is_timed_at_its_level_when_it_ends() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let waits: [fn(&mut LockSet, &Arc<TestTable>); 5] = [
        |set, _| set.lock_name("n", X).unwrap(),
        |set, _| set.obtain(|held, manager| held.lock_database(manager, X), |_| {}).unwrap(),
        |set, table| set.lock_table(table, X).unwrap(),
        |set, table| set.lock_range(table, b"a", Some(b"b"), X).unwrap(),
        |set, table| set.lock_row(table, b"x", X).unwrap(),
    ];
    for (number, lock) in waits.iter().enumerate() {
        let mut holder = set(&manager);
        lock(&mut holder, &table);
        thread::scope(|scope| {
            scope.spawn(|| lock(&mut set(&manager), &table));
            until("it waits", || manager.counters().waits == number as u64 + 1);
            assert_eq!(manager.counters().wait_time.count(), number as u64, "a wait that goes on is not timed yet");
            holder.release_all();
            until("the wait is timed", || manager.counters().wait_time.count() == number as u64 + 1);
            let LevelTimes { name, database, table, segment, row } = manager.counters().wait_time_by_level;
            let counts = [name, database, table, segment, row].map(|level| level.count());
            let expected: [u64; 5] = std::array::from_fn(|level| u64::from(level <= number));
            assert_eq!(counts, expected, "names, database, table, segment, row");
        });
    }
    let counters = manager.counters();
    assert_eq!((counters.wait_time.count(), counters.hold_time.count()), (5, 5));
}

#[test]
fn free_locks_are_not_timed_and_time_outs_are() {
    let manager = LockManager::new(Duration::from_millis(3));
    let table = TestTable::new(1, &[]);
    let mut holder = set(&manager);
    holder.lock_row(&table, b"a", S).unwrap();
    set(&manager).lock_row(&table, b"a", S).unwrap();
    let counters = manager.counters();
    assert_eq!((counters.wait_time.count(), counters.hold_time.count()), (0, 0));
    set(&manager).lock_row(&table, b"a", X).unwrap_err();
    let counters = manager.counters();
    assert_eq!((counters.waits, counters.timeouts, counters.wait_time.count()), (1, 1, 1));
    let waits = &counters.wait_time;
    assert!(waits.max() > Duration::ZERO && waits.sum() == waits.max(), "{counters:?}");
    assert_eq!(counters.hold_time.count(), 0, "who never got it held nothing that was waited for");
}
