//! A lock on the table in place of many inside it.

use std::thread;

use super::*;
use crate::ErrorKind;
use crate::lock::mode::Mode::{self, IS, IX, S, SIX, U, X};

fn with_threshold(rows: usize) -> Arc<LockManager> {
    LockManager::with_limits(LONG, usize::MAX, rows)
}

/// Granules that are held and in which modes.
fn seen(manager: &LockManager) -> Vec<(String, Vec<Mode>)> {
    let modes = |locks: &crate::lock::GranuleLocks| locks.holders.iter().map(|holder| holder.mode).collect();
    manager.dump().granules.iter().map(|locks| (locks.granule.to_string(), modes(locks))).collect()
}

#[test]
fn many_rows_become_their_table_when_it_is_free() {
    for (mode, on_table) in [(S, S), (U, X), (X, X)] {
        let (manager, table) = (with_threshold(10), TestTable::new(1, &[b"\x05"]));
        let mut set = set(&manager);
        for number in 0..9_u8 {
            set.lock_row(&table, &[number], mode).unwrap();
        }
        assert_eq!(manager.rows.len(), 9);
        set.lock_row(&table, &[9], mode).unwrap();
        assert_eq!(seen(&manager)[1..], [("table \"test\"".to_owned(), vec![on_table])]);
        assert_eq!(manager.rows.len(), 0, "the rows exist no more");
        assert!(table.segments.read().iter().all(|segment| segment.head.is_free()));
        // What comes then costs nothing.
        set.lock_row(&table, &[200], mode).unwrap();
        assert_eq!((manager.rows.len(), manager.counters().escalations, manager.counters().restarts), (0, 1, 0));
        drop(set);
        assert_all_free(&manager, &[&table]);
    }
}

#[test]
fn a_row_that_was_waited_for_counts() {
    let (manager, table) = (with_threshold(2), TestTable::new(1, &[]));
    let mut other = set(&manager);
    other.lock_row(&table, b"a", X).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut set = set(&manager);
            set.lock_row(&table, b"a", X).unwrap();
            assert_eq!(manager.rows.len(), 1);
            set.lock_row(&table, b"b", X).unwrap();
            assert_eq!(manager.rows.len(), 0);
        });
        until_waiting(&manager, 1);
        other.release_all();
        waits.join().unwrap();
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn the_rows_of_other_tables_stay() {
    let manager = with_threshold(10);
    let (first, second) = (TestTable::new(1, &[]), TestTable::new(2, &[]));
    let mut set = set(&manager);
    set.lock_row(&first, b"a", X).unwrap();
    for number in 0..9_u8 {
        set.lock_row(&second, &[number], X).unwrap();
    }
    assert_eq!(manager.rows.len(), 10, "ten rows, but of two tables");
    set.lock_row(&second, b"z", X).unwrap();
    assert_eq!(manager.rows.len(), 1);
    assert!(!first.segments.read()[0].head.is_free());
    // Nine more of the first table, but it has only ten in all.
    for number in 0..8_u8 {
        set.lock_row(&first, &[number], X).unwrap();
    }
    assert_eq!((manager.rows.len(), manager.counters().escalations), (9, 1));
    drop(set);
    assert_all_free(&manager, &[&first, &second]);
}

#[test]
fn a_refused_table_is_tried_again_a_quarter_later() {
    let (manager, table) = (with_threshold(8), TestTable::new(1, &[b"m"]));
    let mut other = set(&manager);
    other.lock_row(&table, b"z", X).unwrap();
    let mut set = set(&manager);
    let mut refused = Vec::new();
    for number in 0..15_u8 {
        set.lock_row(&table, &[number], X).unwrap();
        refused.push(manager.counters().refused_escalations);
    }
    assert_eq!(refused, [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!((manager.rows.len(), manager.counters().restarts), (16, 0));
    other.release_all();
    set.lock_row(&table, &[15], X).unwrap();
    assert_eq!((manager.rows.len(), manager.counters().escalations), (0, 1));
    drop((set, other));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_table_with_waiters_is_not_taken_past_them() {
    let (manager, table) = (with_threshold(4), TestTable::new(1, &[]));
    let mut set = set(&manager);
    for number in 0..3_u8 {
        set.lock_row(&table, &[number], X).unwrap();
    }
    thread::scope(|scope| {
        let reader = scope.spawn(|| super::set(&manager).lock_table(&table, S));
        until_waiting(&manager, 1);
        set.lock_row(&table, &[3], X).unwrap();
        assert_eq!((manager.rows.len(), manager.counters().refused_escalations), (4, 1));
        set.release_all();
        reader.join().unwrap().unwrap();
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn below_a_table_that_was_taken_one_may_wait_again() {
    // With rows of a later table in hand a lock on an earlier one is only tried. When they have become a lock on their
    // table, the highest granule held is that table, and rows of every table may be waited for.
    let (manager, table, other) = (with_threshold(4), TestTable::new(2, &[]), TestTable::new(1, &[]));
    let mut set = set(&manager);
    set.lock_table(&other, IX).unwrap();
    for number in 0..4_u8 {
        set.lock_row(&table, &[number], X).unwrap();
    }
    let mut holder = super::set(&manager);
    holder.lock_row(&other, b"a", X).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            set.lock_row(&other, b"a", X).unwrap();
            drop(set);
        });
        until_waiting(&manager, 1);
        holder.release_all();
        waits.join().unwrap();
    });
    assert_eq!(manager.counters().restarts, 0);
    assert_all_free(&manager, &[&table, &other]);
}

#[test]
fn a_table_for_one_alone_waits_for_its_readers_and_takes_the_place_of_its_rows() {
    let (manager, table) = (with_threshold(10), TestTable::new(1, &[b"m"]));
    let mut reader = set(&manager);
    reader.lock_row(&table, b"a", S).unwrap();
    let mut set = set(&manager);
    set.lock_table(&table, SIX).unwrap();
    thread::scope(|scope| {
        let alone = scope.spawn(|| {
            set.lock_table_alone(&table).unwrap();
            set
        });
        until_waiting(&manager, 1);
        reader.release_all();
        let set = alone.join().unwrap();
        assert_eq!(seen(&manager)[1..], [("table \"test\"".to_owned(), vec![X])]);
        drop(set);
    });
    // With a row on top it may not wait: it starts over, with X planned.
    let mut again = super::set(&manager);
    again.lock_table(&table, SIX).unwrap();
    again.lock_row(&table, b"n", X).unwrap();
    reader.lock_row(&table, b"a", S).unwrap();
    assert_eq!(again.lock_table_alone(&table).unwrap_err().kind(), ErrorKind::Restart);
    reader.release_all();
    again.restart().unwrap();
    again.lock_table_alone(&table).unwrap();
    assert_eq!(seen(&manager)[1..], [("table \"test\"".to_owned(), vec![X])]);
    // With nobody else in the table it is raised at once, and the row goes.
    again.release_all();
    again.lock_table(&table, SIX).unwrap();
    again.lock_row(&table, b"n", X).unwrap();
    again.lock_table_alone(&table).unwrap();
    assert_eq!(seen(&manager)[1..], [("table \"test\"".to_owned(), vec![X])]);
    drop((reader, again));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_table_read_as_a_whole_is_raised_when_a_row_is_written() {
    let (manager, table) = (with_threshold(4), TestTable::new(1, &[]));
    let mut set = set(&manager);
    for number in 0..4_u8 {
        set.lock_row(&table, &[number], S).unwrap();
    }
    set.lock_row(&table, &[1], X).unwrap();
    let expected = [("database", IX), ("table \"test\"", SIX), ("table \"test\" segment from the start", IX)];
    let seen = seen(&manager);
    assert_eq!(seen[..3], expected.map(|(granule, mode)| (granule.to_owned(), vec![mode])));
    assert_eq!(seen[3], ("table \"test\" row 0x01".to_owned(), vec![X]));
    let mut other = super::set(&manager);
    other.lock_row(&table, b"zz", IS.supremum(S)).unwrap();
    drop((set, other));
    assert_all_free(&manager, &[&table]);
}
