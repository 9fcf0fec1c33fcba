//! Refusals, what is learned from them, and that they end.

use std::thread;

use super::*;
use crate::ErrorKind;
use crate::error::Result;
use crate::lock::RestartStage;
use crate::lock::mode::Mode::{IX, S, U, X};

/// Runs `body` as a transaction does, and returns how often it started over.
fn transact(manager: &Arc<LockManager>, body: impl Fn(&mut LockSet) -> Result<()>) -> Result<u32> {
    let mut set = set(manager);
    loop {
        match body(&mut set) {
            Err(error) if error.kind() == ErrorKind::Restart => set.restart()?,
            Err(error) => return Err(error),
            Ok(()) if set.restart_wanted() => set.restart()?,
            Ok(()) => return Ok(set.restarts()),
        }
    }
}

#[test]
fn downwards_is_refused_and_planned() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut other = set(&manager);
    other.lock_row(&table, b"a", X).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"z", X).unwrap();
    assert_eq!(set.lock_row(&table, b"a", S).unwrap_err().kind(), ErrorKind::Restart);
    // Once a restart is wanted, nothing else is granted.
    assert_eq!(set.lock_row(&table, b"zz", S).unwrap_err().kind(), ErrorKind::Restart);
    assert!(set.restart_wanted());
    thread::scope(|scope| {
        let restarted = scope.spawn(move || {
            set.restart().unwrap();
            assert!(!set.restart_wanted());
            set
        });
        until_waiting(&manager, 1);
        // What was held was given back before the wait.
        let mut third = super::set(&manager);
        third.lock_row(&table, b"z", X).unwrap();
        drop(third);
        other.release_all();
        let mut set = restarted.join().unwrap();
        let before = manager.counters().waits;
        set.lock_row(&table, b"z", X).unwrap();
        set.lock_row(&table, b"a", S).unwrap();
        assert_eq!((manager.counters().waits, manager.counters().restarts), (before, 1));
        assert_eq!(manager.rows.len(), 2);
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn downwards_is_granted_when_free() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut set = set(&manager);
    for key in [b"z", b"m", b"l", b"a"] {
        set.lock_row(&table, key, X).unwrap();
    }
    assert_eq!(manager.counters().restarts, 0);
}

#[test]
fn an_upgrade_of_a_read_is_refused_and_planned_as_a_write() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut other = set(&manager);
    other.lock_row(&table, b"a", S).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"a", S).unwrap();
    assert_eq!(set.lock_row(&table, b"a", X).unwrap_err().kind(), ErrorKind::Restart);
    other.release_all();
    set.restart().unwrap();
    let row = manager.dump().granules.pop().unwrap();
    assert_eq!(row.holders.iter().map(|holder| holder.mode).collect::<Vec<_>>(), [X]);
    set.lock_row(&table, b"a", S).unwrap();
    set.lock_row(&table, b"a", X).unwrap();
}

#[test]
fn an_update_lock_below_the_top_is_refused() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut reader = set(&manager);
    reader.lock_row(&table, b"a", S).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"a", U).unwrap();
    set.lock_row(&table, b"b", S).unwrap();
    assert_eq!(set.lock_row(&table, b"a", X).unwrap_err().kind(), ErrorKind::Restart);
}

#[test]
fn after_three_restarts_tables_and_after_five_the_database() {
    let manager = manager();
    let (first, second) = (TestTable::new(1, &[]), TestTable::new(2, &[]));
    let mut set = set(&manager);
    let modes = |manager: &LockManager| -> Vec<String> {
        let text = |locks: &crate::lock::GranuleLocks| format!("{} {}", locks.granule, locks.holders[0].mode);
        manager.dump().granules.iter().map(text).collect()
    };
    for restart in 1..=5_u8 {
        // A row of the first table, another in each run, is held by somebody else.
        let key = [restart];
        let mut other = super::set(&manager);
        if restart <= 3 {
            other.lock_row(&first, &key, S).unwrap();
        } else {
            other.lock_table(&second, IX).unwrap();
        }
        let refused = match restart {
            1..=3 => set.lock_row(&first, b"\xff", X).and_then(|()| set.lock_row(&first, &key, X)),
            _ => {
                let third = TestTable::new(3 + u32::from(restart), &[]);
                set.lock_row(&third, b"x", S).and_then(|()| set.lock_table(&second, S))
            }
        };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Restart, "run {restart}");
        other.release_all();
        set.restart().unwrap();
        match restart {
            3 => assert_eq!(modes(&manager), ["database IX", "table \"test\" X"]),
            5 => assert_eq!(modes(&manager), ["database X"]),
            _ => {}
        }
        if restart == 4 {
            // Give up the second table, so that the next run is refused again.
            set.release_all();
        }
    }
    assert_eq!((set.restarts(), manager.counters().escalations), (5, 2));
    set.lock_row(&second, b"any", X).unwrap();
    assert_eq!(modes(&manager), ["database X"]);
    assert_eq!(manager.restarting()[0].stage, RestartStage::Database);
}

#[test]
fn too_many_rows_become_a_table_lock() {
    let manager = LockManager::with_limits(LONG, 10, usize::MAX);
    let table = TestTable::new(1, &[b"m"]);
    let many = |set: &mut LockSet| {
        (0..50_u8).try_for_each(|number| set.lock_row(&table, &[number], if number == 3 { X } else { S }))
    };
    assert_eq!(transact(&manager, many).unwrap(), 0, "the table is free");
    // Beside somebody else in the table the limit is a restart, and the table is waited for.
    let mut other = set(&manager);
    other.lock_row(&table, b"z", S).unwrap();
    thread::scope(|scope| {
        let many = scope.spawn(|| transact(&manager, many));
        until_waiting(&manager, 1);
        other.release_all();
        assert_eq!(many.join().unwrap().unwrap(), 1);
    });
    let counters = manager.counters();
    assert_eq!((counters.escalations, counters.refused_escalations, counters.restarts), (2, 1, 1));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_range_under_a_write_is_planned_as_both() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"f", b"m"]));
    let mut other = set(&manager);
    other.lock_row(&table, b"g", X).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"h", X).unwrap();
    assert_eq!(set.lock_range(&table, b"a", Some(b"z"), S).unwrap_err().kind(), ErrorKind::Restart);
    other.release_all();
    set.restart().unwrap();
    let text = |locks: crate::lock::GranuleLocks| format!("{} {}", locks.granule, locks.holders[0].mode);
    let seen: Vec<String> = manager.dump().granules.into_iter().map(text).collect();
    let expected = [
        "database IX",
        "table \"test\" IX",
        "table \"test\" segment from the start up to 0x66 S",
        "table \"test\" segment from 0x66 up to 0x6d SIX",
        "table \"test\" row 0x68 X",
        "table \"test\" segment from 0x6d S",
    ];
    assert_eq!(seen, expected);
}
