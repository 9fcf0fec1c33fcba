//! Lock sets of tasks: the same steps, but a task awaits what a thread would park for.
//!
//! What is awaited as a whole (a plan after a restart, the names of a guard) is written once, as an `async fn` that is told how
//! to wait. With [`How::Parked`] each wait parks the thread inside the poll, so the future is ready when it is first
//! polled, and [`at_once`] gives a blocking caller its result. The
//! calls of a transaction are written as if they parked; in the lock set of a task they stop at a wait instead ([`put_off`](super::put_off)).
//!
//! A future that is dropped leaves no request behind. What its lock set held it keeps.

use std::future::poll_fn;
use std::pin::pin;
#[cfg(any(test, feature = "torture"))]
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::Result;
use crate::sync::Instant;

use super::held::{Held, Wanted};
use super::limit::Limit;
use super::manager::LockManager;
#[cfg(any(test, feature = "torture"))]
use super::mode::Mode;
use super::plan::Plan;
use super::set::LockSet;
use super::step::Blocked;
#[cfg(any(test, feature = "torture"))]
use super::table::LockTable;
use super::timer::Alarm;
use super::wait::{Wait, wait};
use super::waiter::Waiter;

/// Who waits: this thread, or the task that polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Parked,
    Awaited,
}

/// The result of a future that waits by parking.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a future that parks does not wait for its task to be woken"),
    }
}

impl LockSet {
    /// As [`obtain`](LockSet::obtain), for a thread or a task.
    pub(super) async fn obtain_by<R>(
        &mut self,
        how: How,
        step: impl Fn(&mut Held, &LockManager) -> Result<R, Blocked>,
        learn: impl Fn(&mut Plan),
    ) -> Result<R> {
        self.check_goes_on()?;
        loop {
            match self.step(&step) {
                Ok(done) => {
                    if self.strict.is_some() {
                        self.note_top();
                    }
                    return Ok(done);
                }
                Err(blocked) => self.resolve_by(how, blocked, &learn).await?,
            }
        }
    }

    /// What to do about a step that did not go through, before it is made again.
    pub(super) async fn resolve_by(&mut self, how: How, blocked: Blocked, learn: impl Fn(&mut Plan)) -> Result<()> {
        match blocked {
            Blocked::Wait(wanted) => self.wait_by(how, *wanted).await,
            refused => self.resolve_refused(refused, learn),
        }
    }

    async fn wait_by(&mut self, how: How, wanted: Wanted) -> Result<()> {
        match how {
            How::Parked if self.of_task => Err(self.put_off(wanted)),
            How::Parked => {
                let since = Instant::now();
                let waited = wait(&self.manager, self.slot(), wanted, self.terms(self.limits()));
                self.waited(waited, self.limits(), since)
            }
            How::Awaited => {
                let limits = self.limits().to_vec();
                self.wait_awaiting(wanted, &limits).await
            }
        }
    }

    /// Awaits a lock, as long as `limits` and the time for one lock allow.
    pub(super) async fn wait_awaiting(&self, wanted: Wanted, limits: &[Limit]) -> Result<()> {
        let since = Instant::now();
        let mut wait = Wait::begin(&self.manager, self.slot(), wanted, Waiter::task(), self.terms(limits));
        if let Some(deadline) = wait.deadline
            && wait.waiter.outcome().is_none()
        {
            wait.alarm = Some(Alarm::set(deadline, &wait.waiter)?);
        }
        poll_fn(|context| wait.poll(context)).await;
        self.waited(wait.finish(), limits, since)
    }

    /// As [`restart`](LockSet::restart), but no thread is blocked.
    ///
    /// # Errors
    ///
    /// As [`restart`](LockSet::restart).
    pub(crate) async fn restart_async(&mut self) -> Result<()> {
        self.restart_by(How::Awaited).await
    }
}

/// Single locks, awaited as the transactions of tasks do it.
#[cfg(any(test, feature = "torture"))]
impl LockSet {
    /// As [`lock_row`](LockSet::lock_row), but no thread is blocked.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](LockSet::lock_row).
    pub(crate) async fn lock_row_async<T: LockTable + 'static>(
        &mut self,
        table: &Arc<T>,
        key: &[u8],
        mode: Mode,
    ) -> Result<()> {
        self.awaiting(|set| set.lock_row(table, key, mode)).await
    }

    /// As [`lock_range`](LockSet::lock_range), but no thread is blocked.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](LockSet::lock_row).
    pub(crate) async fn lock_range_async<T: LockTable + 'static>(
        &mut self,
        table: &Arc<T>,
        low: &[u8],
        high: Option<&[u8]>,
        mode: Mode,
    ) -> Result<()> {
        self.awaiting(|set| set.lock_range(table, low, high, mode)).await
    }

    /// As [`lock_table`](LockSet::lock_table), but no thread is blocked.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](LockSet::lock_row).
    pub(crate) async fn lock_table_async<T: LockTable + 'static>(&mut self, table: &Arc<T>, mode: Mode) -> Result<()> {
        self.awaiting(|set| set.lock_table(table, mode)).await
    }

    /// As [`lock_name`](LockSet::lock_name), but no thread is blocked. The guards of the thread that polls count.
    ///
    /// # Errors
    ///
    /// As [`lock_name`](LockSet::lock_name).
    pub(crate) async fn lock_name_async(&mut self, name: &str, mode: Mode) -> Result<()> {
        self.awaiting(|set| set.lock_name(name, mode)).await
    }
}
