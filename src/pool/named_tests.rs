//! The pool together with named locks: what would hang elsewhere goes on here, or is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::Pool;
use super::tests::{block_on, ends};
use crate::error::{ErrorKind, Result};
use crate::lock::LockManager;

/// So long that whoever runs into it is over the deadline of the test.
const TIMEOUT: Duration = Duration::from_secs(100);

/// Returns when so many have asked for a lock and wait.
fn until_waiting(locks: &LockManager, waiters: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while locks.counters().waits < waiters {
        assert!(Instant::now() < deadline, "nobody waits");
        thread::yield_now();
    }
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn the_callers_own_calls_go_on_while_all_threads_wait_for_its_name() {
    ends(|| {
        let (locks, pool) = (LockManager::new(TIMEOUT), Pool::new(2));
        let renderer = locks.lock("renderer").unwrap();
        let blocked = thread::scope(|scope| {
            let submitter = scope.spawn(|| {
                let locks = locks.clone();
                pool.map_async(0..4, move |n| locks.lock("renderer").map(|_guard| n))
            });
            submitter.join().unwrap()
        });
        until_waiting(&locks, 2);
        let greater = |n: u32| locks.lock("zebra").map(|_guard| n).unwrap();
        assert_eq!(pool.map(0..20, greater).unwrap().len(), 20);
        assert_eq!(pool.map(0..3, |_| pool.map(0..3, greater).unwrap().len()).unwrap(), [3; 3]);
        let own = locks.clone();
        assert_eq!(
            pool.map_async(0..20, move |n| own.lock("zebra").map(|_guard| n).is_ok()).wait().unwrap(),
            [true; 20]
        );
        assert_eq!(block_on(pool.apply_async(|| 1)).unwrap(), 1);
        drop(renderer);
        let done: Result<Vec<u32>> = blocked.wait().unwrap().into_iter().collect();
        assert_eq!(done.unwrap(), [0, 1, 2, 3]);
    });
}

#[test]
fn a_job_may_want_only_names_above_its_submitters() {
    ends(|| {
        let (locks, pool) = (LockManager::new(TIMEOUT), Pool::new(2));
        let _palette = locks.lock_shared("palette").unwrap();
        let out_of_order = Some(ErrorKind::OutOfOrder);
        let wanted = ["brush", "palette", "renderer"];
        let refused = [out_of_order, out_of_order, None];
        assert_eq!(pool.map(wanted, |name| kind(locks.lock(name))).unwrap(), refused);
        assert_eq!(pool.map(wanted, |name| kind(locks.lock_shared(name))).unwrap(), refused);
        let (own, inner) = (locks.clone(), Arc::new(Pool::new(1)));
        let nested = pool.map_async(wanted, move |name| {
            let own = own.clone();
            inner.apply_async(move || kind(own.lock(name))).wait().unwrap()
        });
        assert_eq!(nested.wait().unwrap(), refused);
        let other = LockManager::new(TIMEOUT);
        assert_eq!(pool.map(wanted, |name| kind(other.lock(name))).unwrap(), [None; 3], "names of another manager");
    });
}

#[test]
fn a_task_is_not_waited_for_under_a_name_that_it_may_want() {
    ends(|| {
        let (locks, pool) = (LockManager::new(TIMEOUT), Pool::new(1));
        let own = locks.clone();
        let job = move || own.lock("renderer").map(|_guard| ());
        let (waited, awaited) = (pool.apply_async(job.clone()), pool.apply_async(job));
        let renderer = locks.lock("renderer").unwrap();
        assert_eq!(kind(waited.wait()), Some(ErrorKind::OutOfOrder));
        assert_eq!(kind(block_on(awaited)), Some(ErrorKind::OutOfOrder));
        drop(renderer);
    });
}

#[test]
fn many_jobs_on_two_threads_that_lock_a_name_and_scan_with_rayon_also_from_a_rayon_worker() {
    ends(|| {
        let (locks, pool) = (LockManager::new(TIMEOUT), Pool::new(2));
        let scans = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let users = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let inside = AtomicUsize::new(0);
        let job = |n: usize| {
            let _renderer = locks.lock("renderer").unwrap();
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two hold the renderer");
            let (a, b) = scans.install(|| rayon::join(|| n, || n));
            inside.fetch_sub(1, SeqCst);
            a + b
        };
        for _ in 0..10 {
            let doubled: Vec<usize> = (0..400).step_by(2).collect();
            assert_eq!(pool.map(0..200, job).unwrap(), doubled);
            let (a, b) = users.install(|| rayon::join(|| pool.map(0..200, job), || pool.map(0..200, job)));
            assert_eq!((a.unwrap(), b.unwrap()), (doubled.clone(), doubled));
        }
    });
}
