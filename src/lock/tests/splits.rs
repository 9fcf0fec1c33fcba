//! Segments that are split while others want them.

use std::thread;

use super::*;
use crate::lock::mode::Mode::{S, X};

#[test]
fn a_split_waits_for_users_and_sends_waiters_to_the_new_segments() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let old = table.locate(b"q");
    let mut system = set(&manager);
    assert!(system.lock_segment(&table, &old, X, Instant::now() + LONG).unwrap());
    thread::scope(|scope| {
        let workers: Vec<_> = [b"a", b"q"]
            .into_iter()
            .map(|key| {
                let (manager, table) = (&manager, &table);
                scope.spawn(move || {
                    let mut set = set(manager);
                    set.lock_row(table, key, X).unwrap();
                    manager.dump().to_string()
                })
            })
            .collect();
        let (manager, table) = (&manager, &table);
        let reader = scope.spawn(move || {
            let mut set = set(manager);
            set.lock_range(table, b"b", Some(b"z"), S).unwrap();
        });
        until_waiting(manager, 3);
        table.split(b"m");
        system.release_all();
        for worker in workers {
            worker.join().unwrap();
        }
        reader.join().unwrap();
    });
    assert!(old.head.is_retired() && old.head.is_free());
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_split_gives_up_at_its_deadline() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut user = set(&manager);
    user.lock_row(&table, b"a", X).unwrap();
    let mut system = set(&manager);
    assert!(!system.lock_segment(&table, &table.locate(b"a"), X, Instant::now()).unwrap());
    drop(system);
    // Nobody is stuck behind the wait that was given up.
    set(&manager).lock_row(&table, b"b", X).unwrap();
    drop(user);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_segment_that_was_split_meanwhile_is_not_taken_for_the_old_one() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let old = table.locate(b"a");
    let mut first = set(&manager);
    assert!(first.lock_segment(&table, &old, X, Instant::now() + LONG).unwrap());
    table.split(b"m");
    drop(first);
    let mut second = set(&manager);
    assert!(!second.lock_segment(&table, &old, X, Instant::now() + LONG).unwrap());
}

#[test]
fn a_plan_made_before_a_split_is_taken_after_it() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut other = set(&manager);
    other.lock_row(&table, b"c", X).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"r", X).unwrap();
    set.lock_row(&table, b"c", X).unwrap_err();
    set.release_all();
    other.release_all();
    let mut system = super::set(&manager);
    assert!(system.lock_segment(&table, &table.locate(b"m"), X, Instant::now() + LONG).unwrap());
    table.split(b"m");
    drop(system);
    set.restart().unwrap();
    let granules: Vec<String> = manager.dump().granules.into_iter().map(|locks| locks.granule.to_string()).collect();
    let expected = [
        "table \"test\" segment from the start up to 0x6d",
        "table \"test\" row 0x63",
        "table \"test\" segment from 0x6d",
        "table \"test\" row 0x72",
    ];
    assert_eq!(granules[2..], expected);
}
