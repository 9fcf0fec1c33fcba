//! Waiting for the next sync: threads by the condition that every leader notifies, tasks by their wakers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::MutexGuard;

use super::follow::Follower;
use super::state::State;
use super::writer::{Journal, Shared};
use crate::error::Result;

/// What there is for a follower that has read all that was on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    /// More is on disk.
    Yes,
    /// The time is over.
    NotYet,
    /// The journal is closed and all of it was read, or the database was stopped.
    Never,
}

/// A follower's place among those who are woken. Dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    number: Option<u64>,
}

/// Tasks that wait for the next sync, each with the number of its follower.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    wakers: Vec<(u64, Waker)>,
    next: u64,
}

impl Watch {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Watch { shared: Arc::clone(shared), number: None }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let gone = self.shared.state.lock().watchers.take(number);
        // A waker is code of the program, and is dropped without the latch.
        drop(gone);
    }
}

impl Watchers {
    fn take(&mut self, number: u64) -> Option<Waker> {
        let at = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(at).1)
    }
}

impl Follower {
    /// Waits until there is more, at most up to the deadline.
    ///
    /// # Errors
    ///
    /// `Poisoned` after a failed write: no more will come.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Result<More> {
        let shared = &self.watch.shared;
        let mut state = shared.state.lock();
        loop {
            if let Some(more) = self.more(&state)? {
                return Ok(more);
            }
            match deadline {
                None => shared.led.wait(&mut state),
                Some(deadline) => {
                    if shared.led.wait_until(&mut state, deadline).timed_out() {
                        return Ok(self.more(&state)?.unwrap_or(More::NotYet));
                    }
                }
            }
        }
    }

    /// The same for a task, which is woken when it is worth asking again.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub(crate) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<More>> {
        // Wakers are code of the program: cloned before the latch is taken, dropped after it is given back.
        let waker = context.waker().clone();
        let shared = Arc::clone(&self.watch.shared);
        let mut state = shared.state.lock();
        match self.more(&state) {
            Err(error) => return Poll::Ready(Err(error)),
            Ok(Some(more)) => return Poll::Ready(Ok(more)),
            Ok(None) => {}
        }
        let watchers = &mut state.watchers;
        let number = *self.watch.number.get_or_insert_with(|| {
            watchers.next += 1;
            watchers.next
        });
        let before = watchers.take(number);
        watchers.wakers.push((number, waker));
        drop(state);
        drop(before);
        Poll::Pending
    }

    fn more(&self, state: &State) -> Result<Option<More>> {
        if state.synced > self.mark().position {
            return Ok(Some(More::Yes));
        }
        if let Some(failure) = &state.failure {
            return Err(self.watch.shared.poisoned_error(failure));
        }
        let all_read = state.synced >= state.end();
        Ok((state.abandoned || (state.closed && all_read)).then_some(More::Never))
    }
}

impl Journal {
    /// The database was stopped by something else than the journal: followers need not wait for more.
    pub(crate) fn abandon(&self) {
        let mut state = self.shared.state.lock();
        state.abandoned = true;
        self.shared.wake_tasks(&mut state);
    }
}

impl Shared {
    /// Wakes the threads that wait for a sync and the tasks whose wait is over, with the state unlocked meanwhile: wakers
    /// are code of the program. One that panics stops nobody else.
    pub(super) fn wake_tasks(&self, state: &mut MutexGuard<'_, State>) {
        self.led.notify_all();
        let mut wakers = state.take_sleepers();
        wakers.extend(state.watchers.wakers.drain(..).map(|(_, waker)| waker));
        if wakers.is_empty() {
            return;
        }
        MutexGuard::unlocked(state, || {
            for waker in wakers {
                // Nothing is left to be done for a waker that fails.
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
        });
    }
}
