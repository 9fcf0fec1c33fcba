//! Rows, ranges and tables: what goes together, what waits, and who comes next.

use std::sync::Barrier;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::*;
use crate::ErrorKind;
use crate::lock::mode::Mode::{self, IS, IX, S, SIX, U, X};

#[test]
fn two_rows_of_one_segment_are_held_at_once() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for key in [b"a", b"b"] {
            let (manager, table, both) = (&manager, &table, &both);
            scope.spawn(move || {
                let mut set = set(manager);
                set.lock_row(table, key, X).unwrap();
                // Only passed when both rows are held.
                both.wait();
            });
        }
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn the_intents_stand_above_the_row() {
    let (manager, table) = (manager(), TestTable::new(7, &[b"m"]));
    let mut reader = set(&manager);
    reader.lock_row(&table, b"n", S).unwrap();
    let mut writer = set(&manager);
    writer.lock_row(&table, b"a", U).unwrap();
    let seen: Vec<(String, Vec<Mode>)> = manager
        .dump()
        .granules
        .into_iter()
        .map(|locks| (locks.granule.to_string(), locks.holders.iter().map(|holder| holder.mode).collect()))
        .collect();
    let expected = [
        ("database", vec![IS, IX]),
        ("table \"test\"", vec![IS, IX]),
        ("table \"test\" segment from the start up to 0x6d", vec![IX]),
        ("table \"test\" row 0x61", vec![U]),
        ("table \"test\" segment from 0x6d", vec![IS]),
        ("table \"test\" row 0x6e", vec![S]),
    ];
    assert_eq!(seen, expected.map(|(granule, modes)| (granule.to_owned(), modes)));
    drop((reader, writer));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_table_lock_stands_for_what_is_below() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut set = set(&manager);
    set.lock_table(&table, S).unwrap();
    set.lock_row(&table, b"a", S).unwrap();
    set.lock_range(&table, b"a", Some(b"z"), S).unwrap();
    assert_eq!(manager.dump().granules.len(), 2, "{}", manager.dump());
    set.lock_row(&table, b"a", X).unwrap();
    let modes: Vec<Mode> = manager.dump().granules.iter().map(|locks| locks.holders[0].mode).collect();
    assert_eq!(modes, [IX, SIX, IX, X], "{}", manager.dump());
}

#[test]
fn a_range_locks_the_segments_it_meets() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"f", b"m", b"t"]));
    let held = |low: &[u8], high: Option<&[u8]>| {
        let mut set = set(&manager);
        set.lock_range(&table, low, high, S).unwrap();
        manager.dump().granules.len() - 2
    };
    assert_eq!(held(b"a", Some(b"f")), 1);
    assert_eq!(held(b"a", Some(b"g")), 2);
    assert_eq!(held(b"f", Some(b"t")), 2);
    assert_eq!(held(b"g", None), 3);
    assert_eq!(held(b"", None), 0);
    let mut empty = set(&manager);
    empty.lock_range(&table, b"g", Some(b"g"), S).unwrap();
    assert_eq!(manager.dump().granules.len(), 0);
}

#[test]
fn a_phantom_waits_for_the_range() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut reader = set(&manager);
    reader.lock_range(&table, b"a", Some(b"c"), S).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| set(&manager).lock_row(&table, b"b", X));
        until_waiting(&manager, 1);
        // Another segment is not touched by the range.
        set(&manager).lock_row(&table, b"x", X).unwrap();
        reader.release_all();
        writer.join().unwrap().unwrap();
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let (sender, order) = mpsc::channel();
    let mut holder = set(&manager);
    holder.lock_row(&table, b"a", X).unwrap();
    thread::scope(|scope| {
        for number in 0..6 {
            let (manager, table, sender) = (&manager, &table, sender.clone());
            scope.spawn(move || {
                let mut set = set(manager);
                set.lock_row(table, b"a", X).unwrap();
                sender.send(number).unwrap();
            });
            until_waiting(manager, number + 1);
        }
        assert_eq!(order.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        holder.release_all();
    });
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn an_update_lock_waits_for_readers_and_goes_first() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let (sender, order) = mpsc::channel();
    let mut reader = set(&manager);
    reader.lock_row(&table, b"a", S).unwrap();
    let mut updater = set(&manager);
    updater.lock_row(&table, b"a", U).unwrap();
    thread::scope(|scope| {
        let (manager, table) = (&manager, &table);
        let late = sender.clone();
        scope.spawn(move || {
            let mut set = set(manager);
            set.lock_row(table, b"a", X).unwrap();
            late.send("writer").unwrap();
        });
        until_waiting(manager, 1);
        scope.spawn(move || {
            updater.lock_row(table, b"a", X).unwrap();
            sender.send("updater").unwrap();
        });
        until_waiting(manager, 2);
        reader.release_all();
    });
    assert_eq!(order.try_iter().collect::<Vec<_>>(), ["updater", "writer"]);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_second_update_lock_waits() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut first = set(&manager);
    first.lock_row(&table, b"a", U).unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| set(&manager).lock_row(&table, b"a", U));
        until_waiting(&manager, 1);
        first.release_all();
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_read_outside_a_transaction_never_waits() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut writer = set(&manager);
    writer.lock_row(&table, b"a", X).unwrap();
    let mut reader = set(&manager);
    assert!(!reader.try_lock_table(&table, S));
    assert_eq!(manager.dump().granules.iter().map(|locks| locks.holders.len()).sum::<usize>(), 4, "{}", manager.dump());
    writer.release_all();
    assert!(reader.try_lock_table(&table, S));
    assert!(set(&manager).try_lock_table(&table, S));
    assert_eq!((manager.counters().waits, manager.counters().refused_reads), (0, 1));
    reader.release_all();
    assert_all_free(&manager, &[&table]);
}

#[test]
fn many_rows_are_held_and_given_back() {
    let (manager, table) = (manager(), TestTable::new(1, &[&[64], &[128]]));
    let mut set = set(&manager);
    for number in 0..20_000_u32 {
        set.lock_row(&table, &number.reverse_bits().to_be_bytes(), X).unwrap();
    }
    for number in 0..20_000_u32 {
        set.lock_row(&table, &number.reverse_bits().to_be_bytes(), X).unwrap();
    }
    assert_eq!(manager.rows.len(), 20_000);
    set.release_all();
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_time_out_names_the_holder_and_leaves_nothing() {
    let manager = LockManager::new(Duration::from_millis(5));
    let table = TestTable::new(1, &[]);
    let mut holder = LockSet::begin(&manager, Location::caller(), Some("night run".into()));
    holder.lock_row(&table, b"a", U).unwrap();
    let mut waiter = set(&manager);
    let error = waiter.lock_row(&table, b"a", X).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    let text = error.to_string();
    for part in ["table \"test\" row 0x61", "mode X", "\"night run\"", "in mode U", file!(), "ms"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    drop((holder, waiter));
    assert_eq!(manager.counters().timeouts, 1);
    assert_all_free(&manager, &[&table]);
}
