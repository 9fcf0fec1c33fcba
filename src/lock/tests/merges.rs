//! Segments that are merged while others want them.

use std::thread;

use super::*;
use crate::lock::mode::Mode::{S, SIX, X};

#[test]
fn a_merge_waits_for_users_of_both_and_sends_waiters_to_the_segment_that_is_left() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m", b"t"]));
    let old = [table.locate(b"a"), table.locate(b"q")];
    let system = lock_neighbours(&manager, &table, b"a", Instant::now() + LONG).unwrap();
    thread::scope(|scope| {
        let (manager, table) = (&manager, &table);
        let writers: Vec<_> = [b"a", b"q"]
            .into_iter()
            .map(|key| scope.spawn(move || set(manager).lock_row(table, key, X).unwrap()))
            .collect();
        let reader = scope.spawn(move || {
            let mut set = set(manager);
            set.lock_range(table, b"n", Some(b"p"), S).unwrap();
            manager.dump()
        });
        until_waiting(manager, 3);
        table.merge(b"a");
        drop(system);
        for writer in writers {
            writer.join().unwrap();
        }
        // It stood at the segment from `m` on.
        let dump = reader.join().unwrap();
        let mut held = dump.granules.iter().filter(|granule| granule.holders.iter().any(|holder| holder.mode == S));
        assert!(held.all(|granule| granule.granule.to_string().contains("segment from the start")), "{dump}");
    });
    assert!(old.iter().all(|old| old.head.is_retired() && old.head.is_free()));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_merge_gives_up_while_one_of_the_two_is_used_and_leaves_both_as_they_are() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    for key in [b"a", b"q"] {
        let mut user = set(&manager);
        user.lock_range(&table, key, Some(b"z"), S).unwrap();
        assert!(lock_neighbours(&manager, &table, b"a", Instant::now()).is_none());
        drop(user);
        assert_all_free(&manager, &[&table]);
    }
    assert!(lock_neighbours(&manager, &table, b"a", Instant::now()).is_some());
}

#[test]
fn a_plan_made_before_a_merge_is_taken_after_it() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut other = set(&manager);
    other.lock_row(&table, b"c", X).unwrap();
    let mut set = set(&manager);
    set.lock_range(&table, b"q", Some(b"s"), S).unwrap();
    set.lock_row(&table, b"c", X).unwrap_err();
    set.release_all();
    other.release_all();
    let system = lock_neighbours(&manager, &table, b"a", Instant::now() + LONG).unwrap();
    table.merge(b"a");
    drop(system);
    set.restart().unwrap();
    let granules: Vec<String> = manager.dump().granules.into_iter().map(|locks| locks.granule.to_string()).collect();
    assert_eq!(granules[2..], ["table \"test\" segment from the start", "table \"test\" row 0x63"]);
    // The range is covered by all of the segment, in which the row is written.
    assert_eq!(manager.dump().granules[2].holders[0].mode, SIX);
}
