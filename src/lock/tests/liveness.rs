//! One head at a time: waits that end by a grant, a time-out or retirement, for threads and for tasks.

use std::task::Waker;

use super::executor::Woken;
use super::*;
use crate::lock::head::Enqueued;
use crate::lock::heads::Heads;
use crate::lock::mode::Mode::{self, IS, S, U, X};
use crate::lock::waiter::{Outcome, Waiter, Wakes};

/// A task that waits for `mode`, and how often it is woken.
#[track_caller]
fn task(head: &Head, from: Option<Mode>, mode: Mode) -> (Arc<Waiter>, Arc<Woken>) {
    let woken = Arc::new(Woken::default());
    let waiter = Waiter::task();
    waiter.set_waker(&Waker::from(woken.clone()));
    let mut wakes = Wakes::new();
    assert_eq!(head.enqueue(from, mode, &waiter, &mut wakes), Enqueued::Queued);
    wakes.wake();
    (waiter, woken)
}

fn release(head: &Head, mode: Mode) {
    let mut wakes = Wakes::new();
    head.release(mode, &mut wakes);
    wakes.wake();
}

fn cancel(head: &Head, waiter: &Arc<Waiter>) -> bool {
    let mut wakes = Wakes::new();
    let removed = head.cancel(waiter, &mut wakes);
    wakes.wake();
    removed
}

#[test]
fn a_task_is_woken_with_the_lock_in_hand() {
    let head = Head::new();
    assert!(head.try_fast(None, X));
    let (waiter, woken) = task(&head, None, S);
    assert_eq!((waiter.outcome(), woken.count()), (None, 0));
    release(&head, X);
    assert_eq!((waiter.outcome(), woken.count()), (Some(Outcome::Granted), 1));
    assert!(!head.try_fast(None, X));
    release(&head, S);
    assert!(head.is_free());
}

#[test]
fn behind_a_front_that_gives_up_the_compatible_ones_go_on() {
    let head = Head::new();
    assert!(head.try_fast(None, S));
    let (front, front_woken) = task(&head, None, X);
    let behind = [task(&head, None, S), task(&head, None, IS)];
    assert!(cancel(&head, &front));
    for (waiter, woken) in &behind {
        assert_eq!((waiter.outcome(), woken.count()), (Some(Outcome::Granted), 1));
    }
    assert_eq!((front.outcome(), front_woken.count()), (None, 0));
    for mode in [S, S, IS] {
        release(&head, mode);
    }
    assert!(head.is_free());
}

#[test]
fn giving_up_in_the_middle_leaves_the_order() {
    let head = Head::new();
    assert!(head.try_fast(None, X));
    let waiters = [(); 3].map(|()| task(&head, None, X).0);
    assert!(cancel(&head, &waiters[1]));
    release(&head, X);
    assert_eq!(waiters.each_ref().map(|waiter| waiter.outcome()), [Some(Outcome::Granted), None, None]);
    release(&head, X);
    assert_eq!(waiters[2].outcome(), Some(Outcome::Granted));
    release(&head, X);
    assert!(head.is_free());
}

#[test]
fn giving_up_too_late_leaves_the_grant() {
    let head = Head::new();
    assert!(head.try_fast(None, X));
    let (waiter, _) = task(&head, None, X);
    release(&head, X);
    assert!(!cancel(&head, &waiter));
    assert_eq!(waiter.outcome(), Some(Outcome::Granted));
    release(&head, X);
    assert!(head.is_free());
}

#[test]
fn an_upgrade_that_gives_up_keeps_what_it_had() {
    let head = Head::new();
    assert!(head.try_fast(None, U) && head.try_fast(None, S));
    let (upgrade, _) = task(&head, Some(U), X);
    let (late, _) = task(&head, None, S);
    assert!(cancel(&head, &upgrade));
    assert_eq!(late.outcome(), Some(Outcome::Granted));
    assert!(!head.try_fast(None, U));
    for mode in [U, S, S] {
        release(&head, mode);
    }
    assert!(head.is_free());
}

#[test]
fn a_request_that_may_not_wait_passes_only_who_is_not_delayed() {
    let head = Head::new();
    assert!(head.try_fast(None, IS));
    assert!(head.try_fast(None, S));
    let (waiter, _) = task(&head, None, Mode::IX);
    assert!(!head.try_fast(None, IS), "the fast path is closed while somebody waits");
    assert!(head.try_slow(None, IS));
    assert!(!head.try_slow(None, S));
    release(&head, S);
    assert_eq!(waiter.outcome(), Some(Outcome::Granted));
}

#[test]
fn retirement_wakes_all_and_refuses_for_ever() {
    let head = Head::new();
    assert!(head.try_fast(None, X));
    let waiters = [task(&head, None, X), task(&head, None, S)];
    let wakes = head.retire();
    assert!(waiters.iter().all(|(_, woken)| woken.count() == 0), "woken by the caller, who may hold latches yet");
    wakes.wake();
    for (waiter, woken) in &waiters {
        assert_eq!((waiter.outcome(), woken.count()), (Some(Outcome::Retired), 1));
    }
    release(&head, X);
    assert!(!head.try_fast(None, IS) && !head.try_slow(None, IS));
    let late = Waiter::thread();
    assert_eq!(head.enqueue(None, IS, &late, &mut Wakes::new()), Enqueued::Retired);
    assert!(head.is_free());
}

#[test]
fn a_thread_parks_until_its_deadline_or_its_grant() {
    let head = Head::new();
    assert!(head.try_fast(None, X));
    let waiter = Waiter::thread();
    assert_eq!(head.enqueue(None, X, &waiter, &mut Wakes::new()), Enqueued::Queued);
    assert_eq!(waiter.park(Some(Instant::now()), || false), None);
    thread::scope(|scope| {
        scope.spawn(|| release(&head, X));
        assert_eq!(waiter.park(None, || false), Some(Outcome::Granted));
    });
    release(&head, X);
    assert!(head.is_free());
}

#[test]
fn a_lock_in_a_map_is_freed_when_nobody_holds_or_wants_it() {
    let heads: Heads<u32> = Heads::new();
    let mut wakes = Wakes::new();
    assert!(heads.try_fast(7, None, S));
    let waiter = Waiter::thread();
    assert_eq!(heads.enqueue(7, None, X, &waiter, &mut wakes), Enqueued::Queued);
    assert!(!heads.try_fast(7, None, S) && !heads.try_slow(7, None, S));
    assert!(heads.cancel(7, &waiter, &mut wakes));
    assert!(heads.try_fast(7, None, S));
    heads.release(7, S, &mut wakes);
    assert_eq!(heads.len(), 1);
    heads.release(7, S, &mut wakes);
    assert_eq!(heads.len(), 0);
    assert!(!heads.cancel(7, &waiter, &mut wakes));
    assert_eq!(heads.enqueue(7, None, X, &waiter, &mut wakes), Enqueued::Granted);
    heads.release(7, X, &mut wakes);
    assert_eq!(heads.len(), 0);
    wakes.wake();
}

#[test]
fn after_a_time_out_the_next_waiter_goes_on() {
    let manager = LockManager::new(Duration::from_millis(30));
    let table = TestTable::new(1, &[]);
    let mut reader = set(&manager);
    reader.lock_row(&table, b"a", S).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| set(&manager).lock_row(&table, b"a", X).is_err());
        until("the writer waits", || manager.counters().waits == 1);
        // Stands behind the writer or, if that has given up by now, is granted at once. Never left asleep; on a busy
        // machine its own time may be over before the writer comes to give up.
        until("the reader has the row", || set(&manager).lock_row(&table, b"a", S).is_ok());
        assert!(writer.join().unwrap());
    });
    reader.release_all();
    assert_all_free(&manager, &[&table]);
}
