//! Waits that end by a token, a deadline or the time for one lock, whichever comes first.

use std::panic::Location;

use super::executor::{ByHand, block_on};
use super::*;
use crate::ErrorKind;
use crate::lock::mode::Mode::{S, X};
use crate::lock::{CancelToken, Limit, LockTime};

const SHORT: Duration = Duration::from_millis(30);

fn limit(deadline: Option<Duration>, token: Option<&CancelToken>) -> Vec<Limit> {
    Limit::new("transaction", Some("night run".into()), Location::caller(), deadline, token.cloned())
        .into_iter()
        .collect()
}

/// A manager with a row that one lock set has alone.
fn with_holder(timeout: Duration) -> (Arc<LockManager>, Arc<TestTable>, LockSet) {
    let (manager, table) = (LockManager::new(timeout), TestTable::new(1, &[]));
    let mut holder = set(&manager);
    holder.lock_row(&table, b"a", S).unwrap();
    (manager, table, holder)
}

#[test]
fn a_token_wakes_who_waits_and_those_behind_go_on() {
    let (manager, table, holder) = with_holder(LONG);
    let token = CancelToken::new();
    thread::scope(|scope| {
        let cancelled = scope.spawn(|| {
            let mut own = set(&manager).limited(LockTime::Default, limit(None, Some(&token)));
            own.lock_row(&table, b"a", X).unwrap_err()
        });
        until_waiting(&manager, 1);
        let behind = scope.spawn(|| set(&manager).lock_row(&table, b"a", S));
        until_waiting(&manager, 2);
        assert_eq!(token.waiting(), 1);
        let begun = Instant::now();
        token.cancel();
        let error = cancelled.join().unwrap();
        behind.join().unwrap().unwrap();
        assert!(begun.elapsed() < LONG / 4, "woken, not late");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let text = error.to_string();
        for part in ["transaction \"night run\"", file!(), "cancelled", "row 0x61", "mode X", "held by"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    });
    assert_eq!((token.waiting(), manager.counters().cancelled, manager.counters().timeouts), (0, 1, 0));
    drop(holder);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_task_is_woken_by_its_token() {
    let (manager, table, holder) = with_holder(LONG);
    let token = CancelToken::new();
    let mut own = set(&manager).limited(LockTime::Default, limit(None, Some(&token)));
    let mut task = ByHand::new(own.lock_row_async(&table, b"a", X));
    assert!(task.poll().is_none());
    token.cancel();
    assert_eq!(task.woken.count(), 1);
    assert_eq!(task.poll().expect("over").unwrap_err().kind(), ErrorKind::Cancelled);
    task.give_up();
    // Cancelled once is cancelled for ever: no later wait begins.
    assert_eq!(own.lock_row(&table, b"a", X).unwrap_err().kind(), ErrorKind::Cancelled);
    drop((own, holder));
    assert_eq!(token.waiting(), 0);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_lock_that_was_given_before_the_token_was_seen_is_held() {
    let (manager, table, mut holder) = with_holder(LONG);
    let token = CancelToken::new();
    let mut own = set(&manager).limited(LockTime::Default, limit(None, Some(&token)));
    let mut task = ByHand::new(own.lock_row_async(&table, b"a", X));
    assert!(task.poll().is_none());
    holder.release_all();
    token.cancel();
    task.poll().expect("it has the lock").unwrap();
    task.give_up();
    assert!(set(&manager).lock_row(&table, b"b", S).is_ok());
    drop((own, holder));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn of_deadline_and_lock_time_the_earlier_counts() {
    let short_and_long = [(SHORT, LONG, ErrorKind::LockTimeout), (LONG, SHORT, ErrorKind::Cancelled)];
    for (lock_time, deadline, kind) in short_and_long {
        let (manager, table, holder) = with_holder(lock_time);
        let begin = || set(&manager).limited(LockTime::Default, limit(Some(deadline), None));
        let parked = begin().lock_row(&table, b"a", X).unwrap_err();
        let awaited = block_on(async { begin().lock_row_async(&table, b"a", X).await.unwrap_err() });
        assert_eq!((parked.kind(), awaited.kind()), (kind, kind));
        let text = parked.to_string();
        assert!(kind == ErrorKind::LockTimeout || text.contains("deadline of 30 ms") && text.contains("row"), "{text}");
        drop(holder);
        assert_all_free(&manager, &[&table]);
    }
}

#[test]
fn a_lock_set_has_a_time_of_its_own() {
    let (manager, table, holder) = with_holder(LONG);
    let until = LockTime::Until(Some(Instant::now()));
    for time in [until, LockTime::Each(SHORT), LockTime::Each(Duration::ZERO)] {
        let begun = Instant::now();
        let mut own = set(&manager).limited(time, Vec::new());
        assert_eq!(own.lock_row(&table, b"a", X).unwrap_err().kind(), ErrorKind::LockTimeout);
        assert!(begun.elapsed() < LONG / 4, "its own time, not the manager's");
        own.lock_row(&table, b"b", X).unwrap();
    }
    drop(holder);
    let _held = manager.lock("n").unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let late = scope.spawn(|| manager.lock_for("n", SHORT).map(drop).map_err(|error| error.kind()));
        assert_eq!(late.join().unwrap(), Err(ErrorKind::LockTimeout));
        let both = scope.spawn(|| manager.lock_all_for(&[("m", X), ("n", S)], SHORT).map(drop).is_err());
        assert!(both.join().unwrap());
        assert!(scope.spawn(|| manager.lock_shared_for("m", SHORT).is_ok()).join().unwrap());
    });
    assert!(begun.elapsed() < LONG / 4, "the time of the call, not the manager's");
}

#[test]
fn limits_for_a_part_end_with_it() {
    let (manager, table, holder) = with_holder(LONG);
    let token = CancelToken::new();
    token.cancel();
    let mut own = set(&manager);
    let refused = own.under(&limit(None, Some(&token)), |own| own.lock_range(&table, b"", None, X));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(own.limits().is_empty());
    drop(holder);
    own.lock_table(&table, X).unwrap();
    drop(own);
    assert_all_free(&manager, &[&table]);
}
