//! Lock sets and guards of tasks, poll by poll.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Wake, Waker};

use super::executor::{ByHand, block_on};
use super::*;
use crate::ErrorKind;
use crate::lock::awaited::{How, at_once};
use crate::lock::mode::Mode::{S, U, X};
use crate::lock::owned::OwnedLockGuard;

fn is_send<T: Send>(value: T) -> T {
    value
}

/// A lock set that holds the row alone.
fn holding(manager: &Arc<LockManager>, table: &Arc<TestTable>, key: &[u8]) -> LockSet {
    let mut holder = set(manager);
    holder.lock_row(table, key, X).unwrap();
    holder
}

#[test]
fn a_task_is_woken_with_what_it_awaited() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    for what in 0..4 {
        let mut holder = holding(&manager, &table, b"a");
        let name = manager.lock_owned(&[("n", X)]).unwrap();
        let (theirs, taken) = (manager.clone(), table.clone());
        let mut task = ByHand::new(is_send(async move {
            let mut own = set(&theirs);
            match what {
                0 => own.lock_row_async(&taken, b"a", S).await?,
                1 => own.lock_range_async(&taken, b"a", Some(b"z"), S).await?,
                2 => own.lock_table_async(&taken, S).await?,
                _ => own.lock_name_async("n", S).await?,
            }
            crate::Result::<LockSet>::Ok(own)
        }));
        assert!(task.poll().is_none() && task.poll().is_none(), "{what}");
        assert_eq!(task.woken.count(), 0);
        until_waiting(&manager, 1);
        holder.release_all();
        drop(name);
        assert_eq!(task.woken.count(), 1, "{what}");
        let own = task.poll().expect("the lock was handed over").unwrap();
        assert!(!set(&manager).try_lock_table(&table, X) || what == 3);
        drop(own);
        assert_all_free(&manager, &[&table]);
    }
}

#[test]
fn a_dropped_wait_leaves_queue_and_slot_and_serves_those_behind() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut reader = set(&manager);
    reader.lock_row(&table, b"a", S).unwrap();
    let (mut front, mut behind) = (set(&manager), set(&manager));
    let mut writing = ByHand::new(front.lock_row_async(&table, b"a", X));
    let mut reading = ByHand::new(behind.lock_row_async(&table, b"a", S));
    assert!(writing.poll().is_none() && reading.poll().is_none());
    writing.give_up();
    assert_eq!(reading.woken.count(), 1);
    reading.poll().expect("nobody stands before it any more").unwrap();
    assert!(manager.dump().granules.iter().all(|granule| granule.waiting.is_empty()));
    assert_eq!(manager.counters().cancelled, 1);
    // The lock set whose future was dropped goes on with what it had: the intents above the row.
    front.lock_row(&table, b"b", X).unwrap();
    drop(reading);
    drop((reader, front, behind));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_lock_given_to_a_future_that_is_dropped_goes_on_to_the_next() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = holding(&manager, &table, b"a");
    let (mut first, mut second) = (set(&manager), set(&manager));
    let mut dropped = ByHand::new(first.lock_row_async(&table, b"a", X));
    let mut next = ByHand::new(second.lock_row_async(&table, b"a", X));
    assert!(dropped.poll().is_none() && next.poll().is_none());
    holder.release_all();
    assert_eq!((dropped.woken.count(), next.woken.count()), (1, 0));
    dropped.give_up();
    assert_eq!(next.woken.count(), 1, "the lock was given on, though its lock set lives");
    next.poll().expect("it has the lock").unwrap();
    drop(next);
    drop((holder, first, second));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_raised_lock_is_kept_when_its_future_is_dropped() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let (mut upgrader, mut reader) = (set(&manager), set(&manager));
    upgrader.lock_row(&table, b"a", U).unwrap();
    reader.lock_row(&table, b"a", S).unwrap();
    let mut wide = ByHand::new(upgrader.lock_row_async(&table, b"a", X));
    assert!(wide.poll().is_none());
    drop(reader);
    wide.give_up();
    assert!(manager.dump().to_string().contains("X   held"), "{}", manager.dump());
    assert!(!manager.rows.try_slow(crate::lock::row_key::RowKey::new(1, b"a"), None, S));
    drop(upgrader);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_restart_awaits_its_plan_and_may_be_dropped_half_way() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = holding(&manager, &table, b"a");
    let mut own = set(&manager);
    block_on(own.lock_row_async(&table, b"b", X)).unwrap();
    let refused = block_on(own.lock_row_async(&table, b"a", X)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Restart);
    let mut restarting = ByHand::new(own.restart_async());
    assert!(restarting.poll().is_none());
    restarting.give_up();
    let mut asked_again = ByHand::new(own.lock_row_async(&table, b"a", X));
    assert!(asked_again.poll().is_none(), "nothing above the row is held, so it may be awaited");
    holder.release_all();
    asked_again.poll().expect("woken").unwrap();
    drop(asked_again);
    drop((own, holder));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = holding(&manager, &table, b"a");
    let mut own = set(&manager);
    let mut task = ByHand::new(own.lock_row_async(&table, b"a", X));
    assert!(task.poll().is_none());
    let before = std::mem::take(&mut task.woken);
    assert!(task.poll().is_none());
    holder.release_all();
    assert_eq!((before.count(), task.woken.count(), Arc::strong_count(&before)), (0, 1, 1));
    task.poll().expect("it has the lock").unwrap();
    drop(task);
    drop((own, holder));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_lock_set_moves_between_threads_while_it_waits() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = holding(&manager, &table, b"a");
    let mut own = set(&manager);
    let mut task = ByHand::new(own.lock_row_async(&table, b"a", X));
    assert!(thread::scope(|scope| scope.spawn(|| task.poll()).join().unwrap()).is_none());
    holder.release_all();
    thread::scope(|scope| scope.spawn(|| task.poll()).join().unwrap()).expect("woken").unwrap();
    drop(task);
    thread::scope(|scope| drop(scope.spawn(|| drop(own))));
    drop(holder);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn an_awaited_lock_has_its_time_too() {
    let manager = LockManager::new(Duration::from_millis(30));
    let held = manager.lock_owned(&[("n", S)]).unwrap();
    let error = block_on(manager.lock_async("n")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.to_string().contains("name \"n\"") && error.to_string().contains(file!()), "{error}");
    drop(block_on(manager.lock_shared_async("n")).unwrap());
    drop(held);
    assert_eq!(manager.counters().timeouts, 1);
    assert_all_free(&manager, &[]);
}

#[test]
fn who_polls_is_who_waits() {
    let manager = manager();
    let held = manager.lock_owned(&[("b", X)]).unwrap();
    let kind = |polled: Option<crate::Result<OwnedLockGuard>>| polled.map(|taken| taken.unwrap_err().kind());
    // A guard that was there before the first poll, one that came between two polls, and a scope.
    let above = manager.lock("m").unwrap();
    assert_eq!(kind(ByHand::new(manager.lock_async("b")).poll()), Some(ErrorKind::OutOfOrder));
    drop(above);
    let mut between = ByHand::new(manager.lock_async("b"));
    assert!(between.poll().is_none());
    let above = manager.lock("m").unwrap();
    assert_eq!(kind(between.poll()), Some(ErrorKind::OutOfOrder));
    drop((above, between));
    let below = manager.lock("a").unwrap();
    let mut guarded = ByHand::new(manager.lock_async("b"));
    assert!(guarded.poll().is_none());
    let above = manager.lock("m").unwrap();
    assert_eq!(kind(guarded.poll()), Some(ErrorKind::OutOfOrder));
    drop((above, below, guarded));
    let mut scoped = ByHand::new(held.scope_async(manager.lock_all_async(&[("z", X), ("a", S)])));
    assert_eq!(kind(scoped.poll()), Some(ErrorKind::OutOfOrder));
    drop(scoped);
    drop(held);
    assert_all_free(&manager, &[]);
}

#[test]
fn in_a_scope_a_task_goes_past_who_waits_for_all_names() {
    let manager = manager();
    let held = manager.lock_owned(&[("a", X)]).unwrap();
    let mut all = set(&manager);
    let mut taking = ByHand::new(all.lock_names_root_by(How::Awaited, X));
    assert!(taking.poll().is_none());
    let mut inside = ByHand::new(manager.lock_async("b"));
    // Outside of the scope it stands behind, where it would wait for the guard that its own task holds.
    assert!(inside.poll().is_none());
    let taken = held.scope(|| inside.poll()).expect("passes").unwrap();
    drop((taken, inside));
    drop(held);
    taking.poll().expect("all names are free").unwrap();
    drop(taking);
    drop(all);
    assert_all_free(&manager, &[]);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = holding(&manager, &table, b"a");
    let (mut first, mut second) = (set(&manager), set(&manager));
    let mut bad = Box::pin(first.lock_row_async(&table, b"a", S));
    let waker = Waker::from(Arc::new(Panics));
    assert!(bad.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    let mut good = ByHand::new(second.lock_row_async(&table, b"a", S));
    assert!(good.poll().is_none());
    assert!(catch_unwind(AssertUnwindSafe(|| holder.release_all())).is_ok());
    good.poll().expect("woken after the bad one").unwrap();
    drop((bad, good));
    drop((first, second, holder));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_parked_wait_is_ready_at_its_first_poll() {
    let manager = manager();
    let mut own = set(&manager);
    at_once(own.lock_name_by(How::Parked, "renderer", X)).unwrap();
    assert!(!set(&manager).try_lock_name("renderer", S).unwrap());
    drop(own);
    assert_all_free(&manager, &[]);
}

#[test]
fn a_call_in_the_lock_set_of_a_task_stops_at_a_wait_and_goes_on_after_it() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut holder = holding(&manager, &table, b"n");
    let mut own = set(&manager);
    own.set_of_task();
    let stopped = own.lock_range(&table, b"a", Some(b"z"), X).unwrap_err();
    assert!(own.has_put_off() && !own.restart_wanted(), "nothing is to be started over: {stopped}");
    {
        let mut waiting = ByHand::new(own.await_put_off());
        assert!(waiting.poll().is_none());
        holder.release_all();
        waiting.poll().expect("handed over").unwrap();
    }
    assert!(!own.has_put_off());
    own.lock_range(&table, b"a", Some(b"z"), X).unwrap();
    assert!(!set(&manager).try_lock_table(&table, S));
    drop((own, holder));
    assert_all_free(&manager, &[&table]);
}
