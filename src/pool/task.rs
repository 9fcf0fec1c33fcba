//! The handle of an asynchronous call: to be waited for, awaited, or dropped.

use std::convert::Infallible;
use std::fmt;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use parking_lot::Mutex;

use super::call::{Call, Failure, discard};
use super::workers::Job;
use crate::context::{self, Inherited};
use crate::error::{Error, ErrorKind, Result};

/// A call that runs on a [`Pool`](crate::Pool), made by [`map_async`](crate::Pool::map_async) and
/// [`apply_async`](crate::Pool::apply_async).
///
/// It can be [waited for](Task::wait), or awaited on any executor. If it is dropped, the job runs on and its result is
/// dropped. A panic of the job goes on in whoever waits or awaits.
///
/// Awaiting does not block the executor's thread, but for one case: a thread that holds guards of named locks, or that
/// runs a job of a pool, runs the unstarted items itself when it polls, since all other threads may be waiting for it.
///
/// ```
/// let pool = gangline::Pool::new(2);
/// let task = pool.apply_async(|| 6 * 7);
/// assert_eq!(task.wait()?, 42);
/// # Ok::<(), gangline::Error>(())
/// ```
#[must_use = "a task that is dropped runs on, and its result and its panic are lost"]
pub struct Task<T> {
    state: State<T>,
    submitted_at: &'static Location<'static>,
}

enum State<T> {
    Submitted(Arc<dyn Submitted<T>>),
    /// The call was refused when it was made; the error is for whoever waits.
    Refused(Error),
    /// The result, or an error instead of it, was given out.
    Taken,
}

impl<T> Task<T> {
    pub(super) fn submitted(job: Arc<dyn Submitted<T>>, submitted_at: &'static Location<'static>) -> Self {
        Task { state: State::Submitted(job), submitted_at }
    }

    pub(super) fn refused(error: Error, submitted_at: &'static Location<'static>) -> Self {
        Task { state: State::Refused(error), submitted_at }
    }

    /// Waits for the result. Meanwhile the calling thread runs those items of the call that have not started, and no
    /// others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Nested`] inside a transaction or another closure of the database, also if the task was made there.
    /// [`ErrorKind::OutOfOrder`] if the thread holds a named lock that the submitter did not hold at submission: the
    /// job could come to wait for it. Either way the job runs on without this handle.
    ///
    /// # Panics
    ///
    /// With the payload of the job's panic, if it panicked.
    #[track_caller]
    pub fn wait(mut self) -> Result<T> {
        let site = Location::caller();
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Submitted(job) => {
                context::check_free("Task::wait", site)?;
                job.inherited().check_wait("Task::wait", site)?;
                on_plain_thread(&|| {
                    job.help();
                    job.wait();
                });
                job.take()
            }
            State::Refused(error) => Err(error),
            State::Taken => Err(self.taken()),
        }
    }

    fn taken(&self) -> Error {
        let text = format!("the result of the task submitted at {} was taken already", self.submitted_at);
        Error::new(ErrorKind::JobLost, text)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let what = "awaiting the task submitted";
        let site = self.submitted_at;
        let job = match std::mem::replace(&mut self.state, State::Taken) {
            State::Submitted(job) => job,
            State::Refused(error) => return Poll::Ready(Err(error)),
            State::Taken => return Poll::Ready(Err(self.taken())),
        };
        context::check_free(what, site)?;
        job.inherited().check_wait(what, site)?;
        if context::in_job() || context::holds_names() {
            on_plain_thread(&|| job.help());
        }
        if job.poll(cx.waker()) {
            return Poll::Ready(job.take());
        }
        self.state = State::Submitted(job);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Submitted(_) => "submitted",
            State::Refused(_) => "refused",
            State::Taken => "taken",
        };
        f.debug_struct("Task").field("state", &state).field("submitted_at", &self.submitted_at.to_string()).finish()
    }
}

/// What a task needs of its call, whatever the types of the items.
pub(super) trait Submitted<T>: Job {
    fn inherited(&self) -> &Inherited;
    fn wait(&self);
    fn poll(&self, waker: &Waker) -> bool;
    fn take(&self) -> Result<T>;
}

/// A call that owns its closure.
pub(super) struct AsyncCall<I, R, T, F> {
    call: Call<I, R, Infallible>,
    /// Taken out and dropped before the call is over: what the closure owns, perhaps the last handle of a database, is
    /// gone when a waiter goes on.
    f: Mutex<Option<Arc<F>>>,
    finish: fn(Vec<R>) -> T,
}

impl<I, R, T, F> AsyncCall<I, R, T, F> {
    pub(super) fn new(items: Vec<I>, limit: usize, f: F, finish: fn(Vec<R>) -> T) -> Self {
        AsyncCall { call: Call::new(items, limit), f: Mutex::new(Some(Arc::new(f))), finish }
    }

    pub(super) fn threads(&self) -> usize {
        self.call.threads()
    }
}

impl<I: Send, R: Send, T, F: Fn(I) -> R + Send + Sync> Job for AsyncCall<I, R, T, F> {
    fn help(&self) {
        if !self.call.try_enter() {
            return;
        }
        let f = self.f.lock().clone().expect("a call keeps its closure while it has runners");
        self.call.work(|item| Ok(f(item)), |_| {});
        discard(f);
        if self.call.leave() {
            let f = self.f.lock().take();
            discard(f);
            self.call.end();
        }
    }
}

impl<I: Send, R: Send, T, F: Fn(I) -> R + Send + Sync> Submitted<T> for AsyncCall<I, R, T, F> {
    fn inherited(&self) -> &Inherited {
        self.call.inherited()
    }

    fn wait(&self) {
        self.call.wait();
    }

    fn poll(&self, waker: &Waker) -> bool {
        self.call.poll(waker)
    }

    fn take(&self) -> Result<T> {
        match self.call.take() {
            Ok(results) => Ok((self.finish)(results)),
            Err(Failure::Error(never)) => match never {},
            Err(Failure::Panic(payload)) => resume_unwind(payload),
        }
    }
}

/// Runs it on this thread, unless that is a worker of some rayon pool: then on a thread that stands in for it. A job
/// on a worker would be interrupted by other work of that pool whenever it waits for a scan of its own, with its locks
/// held. If no thread can be started, a job on a worker is still better than none.
pub(super) fn on_plain_thread(run: &(impl Fn() + Sync)) {
    if rayon::current_thread_index().is_none() {
        return run();
    }
    let started = thread::scope(|scope| {
        thread::Builder::new().name("gangline-stand-in".to_owned()).spawn_scoped(scope, run).is_ok()
    });
    if !started {
        run();
    }
}
