//! Guards that belong to no thread: across threads, across awaits, in scopes and out of them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gangline::lock::Mode::{S, X};
use gangline::{Db, ErrorKind, LockManager, OwnedLockGuard, Result};

use crate::support::{ITEMS, Meeting, PATIENCE, amount, block_on, kind, small, until, waits, with_items};

fn is_send_and_sync<T: Send + Sync>(value: T) -> T {
    value
}

#[test]
fn a_guard_goes_to_another_thread_and_is_given_back_there() {
    let db = Db::in_memory().unwrap();
    let guard = is_send_and_sync(db.lock_owned(&[("renderer", X), ("palette", S)]).unwrap());
    assert_eq!(guard.names().collect::<Vec<_>>(), ["palette", "renderer"]);
    assert!(db.try_lock("renderer").unwrap().is_none(), "not counted as held by the thread: tried, not refused");
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert!(db.try_lock("renderer").unwrap().is_some());
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_scope_counts_the_names_as_held() {
    let db = with_items(8);
    let guard = db.lock_owned(&[("m", X)]).unwrap();
    std::thread::scope(|threads| {
        let on_another_thread = threads.spawn(|| {
            guard.scope(|| {
                for refused in [db.lock("a"), db.lock("m"), db.lock_shared("m")] {
                    assert_eq!(kind(refused), Err(ErrorKind::OutOfOrder));
                }
                assert_eq!(kind(db.lock_owned(&[("a", X), ("z", X)])), Err(ErrorKind::OutOfOrder));
                assert_eq!(kind(block_on(db.lock_async("a"))), Err(ErrorKind::OutOfOrder));
                assert_eq!(kind(db.transact(|tx| tx.lock("a"))), Err(ErrorKind::OutOfOrder));
                db.transact(|tx| tx.lock("z").and_then(|()| tx.modify(ITEMS, 1, |item| item.amount = 5))).unwrap();
                drop(db.lock("z").unwrap());
                drop(db.lock_owned(&[("n", X), ("z", S)]).unwrap());
            });
            // Counted no longer.
            drop(db.lock("a").unwrap());
        });
        on_another_thread.join().unwrap();
    });
    assert_eq!((amount(&db, 1), waits(&db)), (5, 0));
}

#[test]
fn a_scope_ends_with_a_panic_too_and_nests() {
    let db = Db::in_memory().unwrap();
    let (low, high) = (db.lock_owned(&[("b", X)]).unwrap(), db.lock_owned(&[("y", X)]).unwrap());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        low.scope(|| -> () { std::panic::resume_unwind(Box::new("on purpose")) });
    }));
    assert!(panicked.is_err());
    drop(db.lock("a").unwrap());
    high.scope(|| low.scope(|| assert_eq!(kind(db.lock("c")), Err(ErrorKind::OutOfOrder))));
    low.scope(|| {
        high.scope(|| assert_eq!(kind(db.lock("c")), Err(ErrorKind::OutOfOrder)));
        low.scope(|| drop(db.lock("c").unwrap()));
        assert_eq!(kind(db.lock("b")), Err(ErrorKind::OutOfOrder), "the inner scope took only its own count away");
    });
}

#[test]
fn an_owned_guard_obeys_the_guards_of_the_thread_that_takes_it() {
    let db = Db::in_memory().unwrap();
    let _m = db.lock("m").unwrap();
    for names in [&[("a", X)][..], &[("z", X), ("a", S)], &[("m", S)]] {
        assert_eq!(kind(db.lock_owned(names)), Err(ErrorKind::OutOfOrder));
        assert_eq!(kind(block_on(db.lock_all_async(names))), Err(ErrorKind::OutOfOrder));
    }
    drop(db.lock_owned(&[("n", X), ("z", S)]).unwrap());
    drop(block_on(db.lock_async("n")).unwrap());
}

#[test]
fn a_job_in_a_scope_knows_the_names() {
    let db = with_items(8);
    let guard = db.lock_owned(&[("m", X)]).unwrap();
    let refused = guard.scope(|| db.pool().map(vec![()], |()| kind(db.lock("a"))));
    assert_eq!(refused.unwrap(), [Err(ErrorKind::OutOfOrder)]);
    // Submitted in one scope and waited for in another of the same guard: the job knew the name all the time.
    let theirs = db.clone();
    let job = guard.scope(|| db.pool().apply_async(move || theirs.lock("z").map(drop)));
    guard.scope(|| job.wait()).unwrap().unwrap();
}

#[test]
fn two_guards_out_of_scopes_end_in_the_time_out() {
    let db = small().lock_timeout(Duration::from_millis(60)).in_memory().unwrap();
    let both_hold = Meeting::of(2);
    let take = |first: &str, second: &str| {
        let held = db.lock_owned(&[(first, X)]).unwrap();
        both_hold.wait();
        let outcome = kind(db.lock_owned(&[(second, X)]));
        drop(held);
        outcome
    };
    let (up, down) = std::thread::scope(|scope| {
        let up = scope.spawn(|| take("a", "b"));
        let down = scope.spawn(|| take("b", "a"));
        (up.join().unwrap(), down.join().unwrap())
    });
    // The circle ends when the first gives up; the other may still be in time.
    assert!([up, down].contains(&Err(ErrorKind::LockTimeout)), "{up:?} {down:?}");
    let own = db.lock_owned(&[("a", X)]).unwrap();
    assert_eq!(kind(db.lock("a")), Err(ErrorKind::LockTimeout), "its own name, asked for out of its scope");
    drop(own);
    // In scopes the same is refused, or goes in order, without a wait.
    let before = waits(&db);
    let (low, high) = (db.lock_owned(&[("a", X)]).unwrap(), db.lock_owned(&[("b", X)]).unwrap());
    high.scope(|| assert_eq!(kind(db.lock_owned(&[("a", X)])), Err(ErrorKind::OutOfOrder)));
    low.scope(|| assert_eq!(kind(db.lock_owned(&[("a", X)])), Err(ErrorKind::OutOfOrder)));
    assert_eq!(waits(&db), before);
}

#[test]
fn all_names_or_none_are_tried() {
    let locks = LockManager::new(PATIENCE);
    let held = locks.lock_owned(&[("b", X)]).unwrap();
    assert!(locks.try_lock_owned(&[("c", X), ("a", X), ("b", S)]).unwrap().is_none());
    assert!(locks.try_lock_all(&[("a", X), ("b", S)]).unwrap().is_none());
    let left = locks.dump();
    assert!(!left.to_string().contains("\"a\""), "{left}");
    drop(locks.try_lock_all(&[("c", X), ("a", X)]).unwrap().unwrap());
    drop(held);
    let both = locks.try_lock_owned(&[("b", S), ("a", X)]).unwrap().unwrap();
    assert_eq!(both.names().count(), 2);
    drop(both);
    assert_eq!(kind(locks.lock_owned(&[("a", gangline::lock::Mode::U)])), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(block_on(locks.lock_async(&"x".repeat(300)))), Err(ErrorKind::InvalidArgument));
}

#[test]
fn a_time_for_one_call() {
    let locks = LockManager::new(PATIENCE);
    let held = locks.lock_owned(&[("b", S)]).unwrap();
    let (begun, short) = (std::time::Instant::now(), Duration::from_millis(30));
    assert_eq!(kind(locks.lock_for("b", short)), Err(ErrorKind::LockTimeout));
    assert_eq!(kind(locks.lock_owned_for(&[("a", X), ("b", X)], short)), Err(ErrorKind::LockTimeout));
    assert!(begun.elapsed() < PATIENCE / 4, "the time of the call, not the manager's");
    drop(locks.lock_shared_for("b", short).unwrap());
    drop(locks.lock_for("c", Duration::ZERO).unwrap());
    drop(held);
    assert_eq!(locks.dump().to_string(), "no locks");
}

#[test]
fn an_awaited_guard_crosses_awaits_and_threads() {
    let locks = LockManager::new(PATIENCE);
    let first = block_on(locks.lock_async("renderer")).unwrap();
    let theirs = Arc::clone(&locks);
    let second = std::thread::spawn(move || {
        block_on(async move {
            let guard = theirs.lock_shared_async("renderer").await?;
            let mut polls = 0;
            poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            Result::<OwnedLockGuard>::Ok(guard)
        })
    });
    until("the task waits", || locks.counters().waits == 1);
    drop(first);
    let second = second.join().unwrap().unwrap();
    assert!(locks.try_lock("renderer").unwrap().is_none());
    drop(second);
    assert!(locks.try_lock("renderer").unwrap().is_some());
}

#[test]
fn a_future_polled_in_a_closure_of_the_database_is_refused() {
    let db = with_items(4);
    let mut outside = Box::pin(db.lock_async("renderer"));
    let held = db.lock_owned(&[("renderer", X)]).unwrap();
    let waker = std::task::Waker::noop();
    assert!(outside.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    db.transact(|_| {
        assert_eq!(kind(block_on(db.lock_async("z"))), Err(ErrorKind::Nested));
        assert_eq!(kind(db.lock_owned(&[("z", X)])), Err(ErrorKind::Nested));
        Ok(())
    })
    .unwrap();
    // It waits already, and would now make the transaction wait.
    let outside = parking_lot::Mutex::new(outside);
    db.transact(|_| {
        let error = block_on(outside.lock().as_mut()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Nested, "{error}");
        assert!(error.to_string().contains("Db::lock_async") && error.to_string().contains("owned.rs"), "{error}");
        Ok(())
    })
    .unwrap();
    drop(outside);
    drop(held);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}
