//! Tasks without a runtime: one thread that polls, or the test itself, poll by poll.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::{Condvar, Mutex};

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
pub(super) struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A future that the test polls by hand.
pub(super) struct ByHand<F> {
    future: Pin<Box<F>>,
    pub(super) woken: Arc<Woken>,
}

impl<F: Future> ByHand<F> {
    pub(super) fn new(future: F) -> Self {
        ByHand { future: Box::pin(future), woken: Arc::default() }
    }

    /// The result, if the future is ready.
    pub(super) fn poll(&mut self) -> Option<F::Output> {
        let waker = Waker::from(self.woken.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Drops the future. Nothing may keep its waker after that.
    #[track_caller]
    pub(super) fn give_up(self) {
        let ByHand { future, woken } = self;
        drop(future);
        assert_eq!(Arc::strong_count(&woken), 1, "somebody still wants to wake the task");
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until the future is ready, and parks meanwhile.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    let end = Instant::now() + LONG;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        assert!(Instant::now() < end, "the task was never woken");
        thread::park_timeout(LONG);
    }
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Which tasks are to be polled.
#[derive(Default)]
struct Ready {
    numbers: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

struct Task {
    number: usize,
    ready: Arc<Ready>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.ready.numbers.lock().push_back(self.number);
        self.ready.changed.notify_one();
    }
}

/// Runs tasks to their ends on this many threads. Each task may be polled by any of them.
#[track_caller]
pub(super) fn run_all(threads: usize, tasks: Vec<Job>) {
    let ready = Arc::new(Ready::default());
    ready.numbers.lock().extend(0..tasks.len());
    let left = AtomicUsize::new(tasks.len());
    let tasks: Vec<Mutex<Option<Job>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let work = || {
        let end = Instant::now() + 2 * LONG;
        while left.load(Ordering::Acquire) > 0 {
            let next = {
                let mut numbers = ready.numbers.lock();
                if numbers.is_empty() {
                    ready.changed.wait_for(&mut numbers, Duration::from_millis(5));
                }
                numbers.pop_front()
            };
            assert!(Instant::now() < end, "{} tasks never ended", left.load(Ordering::Acquire));
            let Some(number) = next else { continue };
            // Another thread may be polling it right now; then it is polled again after that.
            let mut task = tasks[number].lock();
            let waker = Waker::from(Arc::new(Task { number, ready: ready.clone() }));
            let over = task.as_mut().is_some_and(|job| job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
            if over {
                *task = None;
                left.fetch_sub(1, Ordering::AcqRel);
            }
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
}

/// Lets the other tasks go first.
pub(super) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls at most so many times, and drops the future when it would be polled once more: what has happened to it since
/// the last poll it never sees.
pub(super) async fn give_up_after<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut left = polls;
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() {
            // Polled again after the others, so that it gives up in the middle of a wait.
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}
