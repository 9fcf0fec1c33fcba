//! Names: guards, their order, and names inside transactions.

use std::thread;

use super::*;
use crate::ErrorKind;
use crate::lock::awaited::{How, at_once};
use crate::lock::mode::Mode::{S, X};
use crate::lock::plan::Plan;
use crate::options::MAX_RESTARTS;

#[test]
fn names_shared_and_alone() {
    let manager = manager();
    let shared = manager.lock_shared("a").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(manager.try_lock_shared("a").unwrap().is_some());
            assert!(manager.try_lock("a").unwrap().is_none());
        });
    });
    drop(shared);
    let _alone = manager.lock("a").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert!(manager.try_lock_shared("a").unwrap().is_none()));
    });
}

#[test]
fn guards_are_taken_upwards() {
    let manager = manager();
    let guard = manager.lock("b").unwrap();
    for (name, part) in [("a", "\"b\""), ("b", "while this thread holds it")] {
        let error = manager.lock(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfOrder);
        assert!(error.to_string().contains(part) && error.to_string().contains(file!()), "{error}");
    }
    let above = manager.lock_shared("c").unwrap();
    drop(guard);
    drop(above);
    drop(manager.lock("a").unwrap());
    assert_all_free(&manager, &[]);
}

#[test]
fn several_names_at_once_are_sorted() {
    let manager = manager();
    let guard = manager.lock_all(&[("b", S), ("a", X), ("b", X)]).unwrap();
    assert_eq!(manager.lock("aa").unwrap_err().kind(), ErrorKind::OutOfOrder);
    thread::scope(|scope| {
        scope.spawn(|| assert!(manager.try_lock_shared("b").unwrap().is_none()));
    });
    drop(guard);
    assert_all_free(&manager, &[]);
    assert_eq!(manager.lock_all(&[("a", crate::lock::Mode::U)]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(manager.lock(&"x".repeat(256)).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_name_in_a_transaction_is_tried_then_planned_before_data() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut set = set(&manager);
    set.lock_row(&table, b"a", X).unwrap();
    let other = manager.lock_owned(&[("n", X)]).unwrap();
    assert_eq!(set.lock_name("n", S).unwrap_err().kind(), ErrorKind::Restart);
    drop(other);
    set.restart().unwrap();
    let granules: Vec<String> = manager.dump().granules.into_iter().map(|locks| locks.granule.to_string()).collect();
    assert_eq!(granules[..3], ["root of names", "name \"n\"", "database"]);
    drop(set);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_transaction_counts_the_guards_of_its_thread() {
    let manager = manager();
    let _guard = manager.lock("m").unwrap();
    let mut set = set(&manager);
    assert_eq!(set.lock_name("m", S).unwrap_err().kind(), ErrorKind::OutOfOrder);
    assert_eq!(set.lock_name("a", S).unwrap_err().kind(), ErrorKind::OutOfOrder);
    set.lock_name("n", X).unwrap();
}

#[test]
fn a_guard_holder_passes_who_waits_for_all_names() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let guard = manager.lock("a").unwrap();
    thread::scope(|scope| {
        let all = scope.spawn(|| {
            let mut all = set(&manager);
            // As a transaction after its last restart: the root of names, alone.
            all.obtain(|held, manager| held.lock_names_root(manager, X, false), |_| {}).unwrap();
            all.lock_name("zzz", X).unwrap();
            all.lock_row(&table, b"a", X).unwrap();
        });
        until_waiting(&manager, 1);
        let more = manager.lock("b").unwrap();
        drop(more);
        drop(guard);
        all.join().unwrap();
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn refused_a_seventh_time_under_a_guard_is_out_of_order() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let _guard = manager.lock("a").unwrap();
    let mut set = set(&manager);
    let mut refusals = 0;
    let error = loop {
        set.lock_row(&table, b"r", X).unwrap();
        // In each run another name is wanted, and somebody else has it.
        let name = format!("b{refusals}");
        let other = manager.lock_owned(&[(&name, X)]).unwrap();
        let refused = set.lock_name(&name, X).unwrap_err();
        drop(other);
        refusals += 1;
        if refused.kind() != ErrorKind::Restart {
            break refused;
        }
        set.restart().unwrap();
    };
    assert_eq!((refusals, error.kind()), (7, ErrorKind::OutOfOrder));
}

#[test]
fn the_root_of_names_refused_after_the_last_restart_is_out_of_order() {
    let manager = manager();
    let guard = manager.lock("a").unwrap();
    let mut set = set(&manager);
    set.restarts = MAX_RESTARTS;
    set.lock_name("b", S).unwrap();
    thread::scope(|scope| {
        let all = scope.spawn(|| {
            let mut all = super::set(&manager);
            all.obtain(|held, manager| held.lock_names_root(manager, X, false), |_| {}).unwrap();
        });
        until_waiting(&manager, 1);
        // The root has to be raised from IS, past the waiter, which would be delayed by it.
        let mut plan = Plan::default();
        plan.want_name("c", X);
        assert_eq!(set.declare(plan).unwrap_err().kind(), ErrorKind::OutOfOrder);
        assert!(!set.restart_wanted());
        drop((set, guard));
        all.join().unwrap();
    });
    assert_all_free(&manager, &[]);
}

#[test]
fn a_name_first_wanted_when_no_data_can_be_refused_any_more_is_granted() {
    let (manager, table) = (manager(), TestTable::new(100, &[]));
    let mut set = set(&manager);
    for number in 1.. {
        // In each run another table is wanted, below what is held, and somebody else has it.
        let wanted = TestTable::new(number, &[]);
        let mut other = super::set(&manager);
        if !other.try_lock_table(&wanted, S) {
            break;
        }
        set.lock_row(&table, b"r", X).unwrap();
        assert_eq!(set.lock_table(&wanted, X).unwrap_err().kind(), ErrorKind::Restart);
        other.release_all();
        set.restart().unwrap();
    }
    set.lock_row(&table, b"r", X).unwrap();
    let name_is_refused = |set: &mut LockSet, name: &str| {
        let _other = manager.lock_owned(&[(name, X)]).unwrap();
        set.lock_name(name, X).unwrap_err().kind()
    };
    assert_eq!(name_is_refused(&mut set, "first"), ErrorKind::Restart);
    set.restart().unwrap();
    assert_eq!(set.restarts(), 6);
    // All names are its own now, also those that it never asked for.
    set.lock_name("second", X).unwrap();
    assert!(manager.try_lock_shared("third").unwrap().is_none());
    drop(set);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn names_taken_at_once_do_not_raise_their_root_behind_a_waiter() {
    let manager = manager();
    let held = manager.lock("a").unwrap();
    thread::scope(|scope| {
        let both = scope.spawn(|| manager.lock_all(&[("a", S), ("b", X)]).map(drop).map_err(|error| error.kind()));
        until_waiting(&manager, 1);
        let whole = scope.spawn(|| {
            let mut set = set(&manager);
            at_once(set.lock_names_root_by(How::Parked, X)).map(drop).map_err(|error| error.kind())
        });
        until_waiting(&manager, 2);
        drop(held);
        assert_eq!(both.join().unwrap(), Ok(()));
        assert_eq!(whole.join().unwrap(), Ok(()));
    });
    assert_all_free(&manager, &[]);
}
