//! The pool's promises, each with the schedule that would break it forced by barriers and gates.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, panic_any, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{Pool, Task};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind};

#[track_caller]
fn here() -> &'static Location<'static> {
    Location::caller()
}

/// Runs the body on a thread of its own and fails if it does not end.
pub(super) fn ends(body: impl FnOnce() + Send + 'static) {
    let done = Arc::new(Gate::default());
    let signal = OpenOnDrop(done.clone());
    let thread = thread::spawn(move || {
        let _signal = signal;
        body();
    });
    done.pass();
    if let Err(payload) = thread.join() {
        resume_unwind(payload);
    }
}

struct OpenOnDrop(Arc<Gate>);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Closed until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock() = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut open = self.open.lock();
        while !*open {
            assert!(!self.changed.wait_until(&mut open, deadline).timed_out(), "the gate was not opened in time");
        }
    }
}

#[derive(Default)]
struct Bell(Mutex<bool>, Condvar);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock() = true;
        self.1.notify_all();
    }
}

/// The smallest executor: polls, and sleeps until woken.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = bell.0.lock();
        while !*rung {
            bell.1.wait(&mut rung);
        }
        *rung = false;
    }
}

/// Fills all threads of the pool with jobs that wait for the gate, and returns when all have started.
fn occupy(pool: &Pool, gate: &Arc<Gate>) -> Task<Vec<()>> {
    let started = Arc::new(Barrier::new(pool.threads() + 1));
    let (inside, gate) = (started.clone(), gate.clone());
    let task = pool.map_async(0..pool.threads(), move |_| {
        inside.wait();
        gate.pass();
    });
    started.wait();
    task
}

#[test]
fn results_come_in_the_order_of_the_items_and_closures_may_borrow() {
    let pool = Pool::new(4);
    let names: Vec<String> = (0..200).map(|n| format!("dog {n}")).collect();
    let lengths = pool.map(&names, |name| (name.as_str(), name.len())).unwrap();
    assert_eq!(lengths, names.iter().map(|name| (name.as_str(), name.len())).collect::<Vec<_>>());
    assert_eq!(pool.map_async(0..200, |n| n * 2).wait().unwrap(), (0..200).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!(pool.apply(|| names.len()).unwrap(), 200);
    assert!(pool.map(Vec::<u8>::new(), |x| x).unwrap().is_empty());
    assert!(pool.map_async(Vec::<u8>::new(), |x| x).wait().unwrap().is_empty());
    assert!(block_on(pool.map_async(Vec::<u8>::new(), |x| x)).unwrap().is_empty());
}

#[test]
fn a_pool_has_at_least_one_thread_and_not_any_number() {
    assert_eq!(Pool::new(0).threads(), 1);
    assert_eq!(Pool::new(0).map_async([1], |x| x).wait().unwrap(), [1]);
    assert_eq!(Pool::new(usize::MAX).threads(), 1_024);
}

#[test]
fn a_call_has_as_many_items_in_work_as_the_pool_has_threads_and_not_more() {
    ends(|| {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let all_in = Arc::new(Barrier::new(threads));
            let job = {
                let (now, most) = (now.clone(), most.clone());
                move |_| {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    all_in.wait();
                    now.fetch_sub(1, SeqCst);
                }
            };
            pool.map(0..threads * 5, &job).unwrap();
            pool.map_async(0..threads * 5, job).wait().unwrap();
            assert_eq!(most.load(SeqCst), threads);
        }
    });
}

#[test]
fn a_call_works_alone_while_the_threads_are_taken_and_gets_help_when_they_come_free() {
    #[derive(Debug)]
    struct Helped;
    impl From<Error> for Helped {
        fn from(error: Error) -> Self {
            panic_any(error.to_string())
        }
    }
    ends(|| {
        let (pool, gate) = (Pool::new(2), Arc::new(Gate::default()));
        let blocked = Mutex::new(Some(occupy(&pool, &gate)));
        let caller = thread::current().id();
        let alone = pool.map(0..20, |_| thread::current().id()).unwrap();
        assert_eq!(alone, [caller; 20]);
        // The threads give their permits back soon after the task is over, so the call ends long before its last item.
        let helped = pool.try_map(0..2_000_000, |_| {
            if let Some(blocked) = blocked.lock().take() {
                gate.open();
                blocked.wait().unwrap();
            }
            thread::yield_now();
            if thread::current().id() == caller { Ok(()) } else { Err(Helped) }
        });
        assert!(helped.is_err(), "no thread came to help");
    });
}

#[test]
fn scoped_and_long_lived_threads_count_together_and_take_turns() {
    ends(|| {
        let (pool, gate) = (Pool::new(2), Gate::default());
        let threads_in = Arc::new(AtomicUsize::new(0));
        let on_pool_thread = || thread::current().name().is_some_and(|name| name.starts_with("gangline-pool"));
        let all_in = Barrier::new(5);
        let most = thread::scope(|scope| {
            // Two calls of two items each: two callers and two threads of the pool.
            for _ in 0..2 {
                scope.spawn(|| {
                    pool.map(0..2, |_| {
                        threads_in.fetch_add(usize::from(on_pool_thread()), SeqCst);
                        all_in.wait();
                        gate.pass();
                        threads_in.fetch_sub(usize::from(on_pool_thread()), SeqCst);
                    })
                });
            }
            all_in.wait();
            assert_eq!(threads_in.load(SeqCst), 2);
            let now = threads_in.clone();
            let task = pool.apply_async(move || now.load(SeqCst) + 1);
            // Time for a worker to do wrong; a right one cannot start.
            (0..5_000).for_each(|_| thread::yield_now());
            gate.open();
            block_on(task).unwrap()
        });
        assert!(most <= 2, "{most} threads of a pool of 2");
    });
}

#[test]
fn the_caller_goes_on_while_all_threads_wait_for_what_it_holds() {
    ends(|| {
        let pool = Pool::new(2);
        let gate = Arc::new(Gate::default());
        let blocked = occupy(&pool, &gate);
        assert_eq!(pool.map(0..50, |x| x + 1).unwrap().len(), 50);
        assert_eq!(pool.try_map(0..50, |x| Ok::<_, Error>(x + 1)).unwrap().len(), 50);
        assert_eq!(pool.apply(|| 1).unwrap(), 1);
        assert_eq!(pool.map_async(0..50, |x| x + 1).wait().unwrap().len(), 50);
        assert_eq!(pool.apply_async(|| 1).wait().unwrap(), 1);
        gate.open();
        blocked.wait().unwrap();
    });
}

#[test]
fn a_waiting_thread_runs_no_item_of_another_call() {
    ends(|| {
        let pool = Pool::new(1);
        let gate = Arc::new(Gate::default());
        let blocked = occupy(&pool, &gate);
        let other = pool.apply_async(|| thread::current().id());
        assert_eq!(pool.apply_async(|| thread::current().id()).wait().unwrap(), thread::current().id());
        gate.open();
        blocked.wait().unwrap();
        assert_ne!(block_on(other).unwrap(), thread::current().id());
    });
}

#[test]
fn calls_nest_to_any_depth() {
    fn sum(pool: &Pool, depth: u32) -> u64 {
        match depth {
            0 => 1,
            _ => pool.map(0..3, |_| sum(pool, depth - 1)).unwrap().iter().sum(),
        }
    }
    fn sum_async(pool: &Arc<Pool>, depth: u32) -> u64 {
        let inner = pool.clone();
        match depth {
            0 => 1,
            _ => pool.map_async(0..3, move |_| sum_async(&inner, depth - 1)).wait().unwrap().iter().sum(),
        }
    }
    fn sum_awaited(pool: &Arc<Pool>, depth: u32) -> u64 {
        let inner = pool.clone();
        match depth {
            0 => 1,
            _ => block_on(pool.map_async(0..3, move |_| sum_awaited(&inner, depth - 1))).unwrap().iter().sum(),
        }
    }
    ends(|| {
        for threads in [1, 2] {
            let pool = Arc::new(Pool::new(threads));
            assert_eq!(sum(&pool, 4), 81);
            assert_eq!(sum_async(&pool, 4), 81);
            assert_eq!(sum_awaited(&pool, 4), 81);
        }
    });
}

#[test]
fn two_hundred_jobs_on_two_threads_that_share_one_latch() {
    ends(|| {
        let pool = Pool::new(2);
        let renderer = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let renderer = renderer.clone();
                pool.apply_async(move || {
                    *renderer.lock() += 1;
                    n
                })
            })
            .collect();
        let results: Vec<i32> = tasks.into_iter().map(|task| block_on(task).unwrap()).collect();
        assert_eq!(results, (0..200).collect::<Vec<_>>());
        assert_eq!(*renderer.lock(), 200);
    });
}

#[test]
fn a_panic_reaches_who_waits_and_costs_no_thread() {
    ends(|| {
        let pool = Pool::new(2);
        let text = |payload: Box<dyn std::any::Any + Send>| *payload.downcast::<&'static str>().unwrap();
        let job = |n: u32| match n {
            3 => panic_any("third"),
            7 => panic_any("seventh"),
            n => n,
        };
        let borrowed = catch_unwind(AssertUnwindSafe(|| pool.map(0..100, job)));
        assert_eq!(text(borrowed.unwrap_err()), "third");
        let waited = catch_unwind(AssertUnwindSafe(|| pool.map_async(0..100, job).wait()));
        assert_eq!(text(waited.unwrap_err()), "third");
        let awaited = catch_unwind(AssertUnwindSafe(|| block_on(pool.map_async(0..100, job))));
        assert_eq!(text(awaited.unwrap_err()), "third");
        for _ in 0..10 {
            drop(pool.apply_async(|| panic_any("nobody hears")));
        }
        let gate = Arc::new(Gate::default());
        let both_threads_live = occupy(&pool, &gate);
        gate.open();
        both_threads_live.wait().unwrap();
    });
}

#[test]
fn a_panicking_drop_of_a_value_costs_no_thread_and_hangs_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic_any("drop");
            }
        }
    }
    ends(|| {
        let pool = Pool::new(1);
        let skipped = pool.map_async(vec![None, Some(Bomb)], |item| {
            if item.is_none() {
                panic_any("item");
            }
        });
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(skipped))).is_err());
        let gate = Arc::new(Gate::default());
        let blocked = occupy(&pool, &gate);
        // Dropped before it runs, so the result is dropped by the pool's thread.
        drop(pool.apply_async(|| Bomb));
        gate.open();
        blocked.wait().unwrap();
        let captured = Bomb;
        pool.map_async([()], move |()| {
            let _ = &captured;
        })
        .wait()
        .unwrap();
        let gate = Arc::new(Gate::default());
        let the_thread_lives = occupy(&pool, &gate);
        gate.open();
        the_thread_lives.wait().unwrap();
    });
}

#[test]
fn try_map_gives_the_first_error_in_item_order_and_skips_what_has_not_started() {
    #[derive(Debug, PartialEq)]
    enum Failed {
        Item(usize),
        Store(ErrorKind),
    }
    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Failed::Store(error.kind())
        }
    }
    ends(|| {
        let pool = Pool::new(2);
        // Item 1 fails first in time, item 0 in order.
        let second_failed = Gate::default();
        let started = AtomicUsize::new(0);
        let result: Result<Vec<()>, Failed> = pool.try_map(0..1_000, |n| {
            started.fetch_add(1, SeqCst);
            match n {
                0 => second_failed.pass(),
                1 => second_failed.open(),
                _ => {}
            }
            Err(Failed::Item(n))
        });
        assert_eq!(result, Err(Failed::Item(0)));
        assert!(started.load(SeqCst) <= 3, "{} items started", started.load(SeqCst));
        assert_eq!(pool.try_map(0..5, Ok::<usize, Failed>), Ok(vec![0, 1, 2, 3, 4]));
        let _scope = context::enter(Activity::Transaction, here());
        assert_eq!(pool.try_map(0..5, Ok::<usize, Failed>), Err(Failed::Store(ErrorKind::Nested)));
    });
}

#[test]
fn dropping_the_pool_lets_detached_jobs_run_to_their_end() {
    ends(|| {
        let pool = Pool::new(2);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let ran = ran.clone();
            drop(pool.apply_async(move || ran.fetch_add(1, SeqCst)));
        }
        drop(pool);
        assert_eq!(ran.load(SeqCst), 50);
    });
}

#[test]
fn a_task_outlives_its_pool() {
    ends(|| {
        let pool = Pool::new(2);
        let task = pool.map_async(0..10, |n| n);
        drop(pool);
        assert_eq!(task.wait().unwrap().len(), 10);
    });
}

#[test]
fn the_last_handle_may_be_dropped_by_a_job_and_under_a_guard() {
    ends(|| {
        let pool = Arc::new(Pool::new(1));
        let (gate, inner) = (Arc::new(Gate::default()), pool.clone());
        let waits = gate.clone();
        let task = pool.apply_async(move || {
            waits.pass();
            drop(inner);
        });
        drop(pool);
        gate.open();
        block_on(task).unwrap();

        let (pool, gate) = (Pool::new(1), Arc::new(Gate::default()));
        let blocked = occupy(&pool, &gate);
        let guard = context::push_name(1, "a", true, here());
        drop(pool);
        context::pop_name(guard);
        gate.open();
        block_on(blocked).unwrap();
    });
}

#[test]
fn what_a_job_owns_is_dropped_before_the_waiter_goes_on() {
    ends(|| {
        let pool = Pool::new(3);
        for _ in 0..200 {
            let handle = Arc::new(());
            let owned = handle.clone();
            pool.map_async(0..6, move |_| Arc::strong_count(&owned)).wait().unwrap();
            assert_eq!(Arc::strong_count(&handle), 1);
        }
    });
}

#[test]
fn every_call_inside_a_closure_of_the_database_is_refused_at_once() {
    ends(|| {
        let pool = Pool::new(2);
        let ran = Arc::new(AtomicBool::new(false));
        let (before, awaited) = (pool.apply_async(|| ()), pool.apply_async(|| ()));
        let job = {
            let ran = ran.clone();
            move |(): ()| ran.store(true, SeqCst)
        };
        for activity in [Activity::Transaction, Activity::Closure] {
            let _scope = context::enter(activity, here());
            let refused = [
                pool.map([()], &job).unwrap_err(),
                pool.try_map([()], |()| Err::<(), Error>(Error::new(ErrorKind::Io, "ran"))).unwrap_err(),
                pool.apply(|| job(())).unwrap_err(),
                pool.map_async([()], job.clone()).wait().unwrap_err(),
                pool.apply_async(|| ()).wait().unwrap_err(),
                block_on(pool.map_async([()], job.clone())).unwrap_err(),
            ];
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::Nested, "{error}");
                assert!(error.to_string().contains("pool/tests.rs"), "{error}");
            }
        }
        let scope = context::enter(Activity::Transaction, here());
        let refused = pool.apply_async(|| ());
        assert_eq!(before.wait().unwrap_err().kind(), ErrorKind::Nested);
        assert_eq!(block_on(awaited).unwrap_err().kind(), ErrorKind::Nested);
        drop(scope);
        assert_eq!(refused.wait().unwrap_err().kind(), ErrorKind::Nested, "what was refused stays so");
        assert!(!ran.load(SeqCst));
    });
}

#[test]
fn a_job_counts_its_submitters_guards_as_held_wherever_it_runs() {
    fn greatest() -> Option<String> {
        context::greatest_held_name(7).map(|(name, _)| name.to_string())
    }
    ends(|| {
        let pool = Pool::new(2);
        let both = Arc::new(Barrier::new(2));
        let inside = both.clone();
        let guard = context::push_name(7, "palette", true, here());
        let seen = pool.map(0..2, |_| {
            both.wait();
            (greatest(), pool.apply(greatest).unwrap(), pool.apply_async(greatest).wait().unwrap())
        });
        let task = pool.map_async(0..2, move |_| {
            inside.wait();
            greatest()
        });
        context::pop_name(guard);
        let palette = Some("palette".to_owned());
        let thrice = (palette.clone(), palette.clone(), palette.clone());
        assert_eq!(seen.unwrap(), [thrice.clone(), thrice]);
        assert_eq!(task.wait().unwrap(), [palette.clone(), palette]);
        assert_eq!(pool.map(0..2, |_| greatest()).unwrap(), [None, None]);
        assert_eq!(greatest(), None);
    });
}

#[test]
fn waiting_under_a_guard_taken_after_submission_is_refused_at_once() {
    ends(|| {
        let (pool, gate) = (Pool::new(1), Arc::new(Gate::default()));
        let blocked = occupy(&pool, &gate);
        let (waited, awaited, ran) =
            (pool.apply_async(|| ()), pool.apply_async(|| ()), Arc::new(AtomicBool::new(false)));
        let detached = ran.clone();
        let runs_on = pool.apply_async(move || detached.store(true, SeqCst));
        let guard = context::push_name(1, "renderer", true, here());
        let known = pool.apply_async(|| 1);
        for error in [waited.wait(), block_on(awaited), runs_on.wait()].map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::OutOfOrder);
            assert!(error.to_string().contains("renderer"), "{error}");
        }
        assert_eq!(known.wait().unwrap(), 1);
        context::pop_name(guard);
        gate.open();
        blocked.wait().unwrap();
        drop(pool);
        assert!(ran.load(SeqCst));
    });
}

#[test]
fn awaiting_under_a_guard_does_not_need_a_free_thread() {
    ends(|| {
        let (pool, gate) = (Pool::new(2), Arc::new(Gate::default()));
        let blocked = occupy(&pool, &gate);
        let guard = context::push_name(1, "renderer", true, here());
        assert_eq!(block_on(pool.map_async(0..20, |n| n)).unwrap().len(), 20);
        context::pop_name(guard);
        gate.open();
        blocked.wait().unwrap();
    });
}

#[test]
fn a_pool_without_threads_still_runs_everything() {
    ends(|| {
        let pool = Pool::unable_to_start_threads(2);
        assert_eq!(pool.map(0..20, |n| n).unwrap().len(), 20);
        assert_eq!(pool.map_async(0..20, |_| thread::current().id()).wait().unwrap(), [thread::current().id(); 20]);
        assert_eq!(block_on(pool.apply_async(|| 1)).unwrap(), 1);
    });
}

#[test]
fn nothing_runs_on_a_rayon_worker() {
    ends(|| {
        let (pool, gate) = (Pool::new(2), Arc::new(Gate::default()));
        let on_worker = |()| rayon::current_thread_index().is_some();
        let users = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let blocked = occupy(&pool, &gate);
        let seen = users.install(|| {
            assert!(on_worker(()));
            let guard = context::push_name(1, "renderer", true, here());
            let mut seen = pool.map([(); 4], on_worker).unwrap();
            seen.push(pool.apply(|| on_worker(())).unwrap());
            seen.extend(pool.map_async([(); 4], on_worker).wait().unwrap());
            seen.extend(block_on(pool.map_async([(); 4], on_worker)).unwrap());
            assert!(pool.apply(context::holds_names).unwrap(), "the stand-in knows the worker's guards");
            context::pop_name(guard);
            seen
        });
        assert_eq!(seen, [false; 13]);
        gate.open();
        blocked.wait().unwrap();
    });
}

#[test]
fn a_task_gives_its_result_once() {
    ends(|| {
        let pool = Pool::new(1);
        let mut task = pool.apply_async(|| 1);
        assert_eq!(block_on(&mut task).unwrap(), 1);
        assert_eq!(block_on(&mut task).unwrap_err().kind(), ErrorKind::JobLost);
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::JobLost);
    });
}

#[test]
fn handles_may_cross_threads() {
    fn crosses<T: Send>(_: &T) {}
    fn is_shared<T: Sync>(_: &T) {}
    let pool = Pool::new(1);
    crosses(&pool);
    is_shared(&pool);
    crosses(&pool.apply_async(|| 1));
}
