//! The database's own threads, for what a task must not do on the thread of its executor.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use super::pool::{Pool, only};
use super::task::{AsyncCall, Submitted, on_plain_thread};
use super::workers::Job;
use crate::error::{Error, ErrorKind, Result};

/// Threads for what waits for a disk at most: reads of single rows, and commits.
const SHORT_THREADS: usize = 8;
/// Threads for what takes long or waits for locks. As many as there are such calls at once, but for a bound: what waits
/// for a lock of which the holder waits for a thread here goes on when a wait for a lock times out.
const LONG_THREADS: usize = 1_024;

/// Two pools, so that what is short does not stand behind what is long. What runs on the first never waits for a lock, so
/// whoever holds one always comes to an end there. Threads start when they are first needed.
#[derive(Debug)]
pub(crate) struct Blocking {
    short: Pool,
    long: Pool,
}

impl Blocking {
    pub(crate) fn new() -> Blocking {
        Blocking { short: Pool::new(SHORT_THREADS), long: Pool::new(LONG_THREADS) }
    }

    pub(crate) fn short<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        self.short.run(f)
    }

    pub(crate) fn long<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        self.long.run(f)
    }
}

/// Runs it on a thread of its own, for what is done when no database is open.
///
/// # Errors
/// `Io` when the thread cannot be started.
pub(crate) fn on_own_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<Running<T>> {
    let call = once(f);
    let job: Arc<dyn Job> = call.clone();
    let started = thread::Builder::new().name("gangline-task".to_owned()).spawn(move || job.help());
    started.map_err(|error| {
        Error::new(ErrorKind::Io, "cannot start a thread for the call of a task; end some threads").with_source(error)
    })?;
    Ok(Running(call))
}

/// A closure that runs on a thread of a pool. If this is dropped, it runs on, and its result is dropped there. A panic
/// goes on in whoever awaits.
///
/// It is a [`Task`](super::Task) of the library itself: it may be awaited wherever the library does so.
#[must_use = "what it gives is lost if it is dropped"]
pub(crate) struct Running<T>(Arc<dyn Submitted<T>>);

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl<T> Future for Running<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if self.0.poll(context.waker()) {
            return Poll::Ready(self.0.take().expect("such a call has no errors"));
        }
        Poll::Pending
    }
}

impl Pool {
    fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        let call = once(f);
        let job: Arc<dyn Job> = call.clone();
        if !self.workers.submit(&job, 1) {
            // No thread can be started at all: late is better than never.
            on_plain_thread(&|| job.help());
        }
        Running(call)
    }
}

fn once<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(f: F) -> Arc<dyn Submitted<T>> {
    Arc::new(AsyncCall::new(vec![f], 1, |f: F| f(), only))
}
