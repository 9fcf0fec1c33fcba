//! Lock sets of tasks: the same steps, but a task awaits what a thread would park for.
//!
//! What takes several steps (a range, a plan, the names of a guard) is written once, as an `async fn` that is told how
//! to wait. With [`How::Parked`] each wait parks the thread inside the poll, so the future is ready when it is first
//! polled, and [`at_once`] gives a blocking caller its result.
//!
//! A future that is dropped leaves no request behind. What its lock set held it keeps.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::Result;
use crate::sync::Instant;

use super::held::{Held, Wanted};
use super::manager::LockManager;
use super::mode::Mode;
use super::plan::Plan;
use super::set::{LockSet, any};
use super::step::Blocked;
use super::table::LockTable;
use super::timer::Alarm;
use super::wait::{Wait, Waited, wait};
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

    async fn wait_by(&self, how: How, wanted: Wanted) -> Result<()> {
        let since = Instant::now();
        let waited = match how {
            How::Parked => wait(&self.manager, self.slot(), wanted, self.terms()),
            How::Awaited => self.awaited(wanted).await?,
        };
        self.waited(waited, since)
    }

    async fn awaited(&self, wanted: Wanted) -> Result<Waited> {
        let mut wait = Wait::begin(&self.manager, self.slot(), wanted, Waiter::task(), self.terms());
        if let Some(deadline) = wait.deadline
            && wait.waiter.outcome().is_none()
        {
            wait.alarm = Some(Alarm::set(deadline, &wait.waiter)?);
        }
        poll_fn(|context| wait.poll(context)).await;
        Ok(wait.finish())
    }
}

/// What transactions of tasks are to be made of. Guards of names have their own way in.
#[cfg_attr(
    not(any(test, feature = "torture")),
    expect(dead_code, reason = "there are no transactions of tasks yet; the tests drive these")
)]
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
        let step = |held: &mut Held, manager: &LockManager| {
            let at = held.table_index(table);
            held.lock_row(manager, at, key, mode)
        };
        let many = self.obtain_by(How::Awaited, step, |plan| plan.table(&any(table)).want_row(key, mode)).await?;
        if many {
            self.escalate(table.id());
        }
        Ok(())
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
        self.lock_range_by(How::Awaited, table, low, high, mode).await
    }

    /// As [`lock_table`](LockSet::lock_table), but no thread is blocked.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](LockSet::lock_row).
    pub(crate) async fn lock_table_async<T: LockTable + 'static>(&mut self, table: &Arc<T>, mode: Mode) -> Result<()> {
        self.lock_table_by(How::Awaited, table, mode).await
    }

    /// As [`lock_name`](LockSet::lock_name), but no thread is blocked. The guards of the thread that polls first count.
    ///
    /// # Errors
    ///
    /// As [`lock_name`](LockSet::lock_name).
    pub(crate) async fn lock_name_async(&mut self, name: &str, mode: Mode) -> Result<()> {
        self.lock_name_by(How::Awaited, name, mode).await
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
