//! Tasks that wait for a sync: a waker in place of a parked thread.
//!
//! A task cannot lead a group, since that would block its executor. The flusher leads for it, at once; it gathers as a
//! committing thread does, and whoever leads wakes the tasks that its sync covers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Position;
use super::state::State;
use super::writer::Shared;
use crate::error::{ErrorKind, Result};

/// A task that waits.
#[derive(Debug)]
pub(super) struct Sleeper {
    position: Position,
    waker: Waker,
}

/// Everything below a position on disk, as a future. Made by [`Journal::synced_async`](super::Journal::synced_async).
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub(crate) struct Synced {
    shared: Arc<Shared>,
    position: Position,
    /// Its number among the sleepers, once it is one of them.
    number: Option<u64>,
}

impl Synced {
    pub(super) fn new(shared: Arc<Shared>, position: Position) -> Synced {
        Synced { shared, position, number: None }
    }
}

impl Future for Synced {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // Code of the program clones and drops wakers, so neither happens under the latch.
        let mut waker = context.waker().clone();
        let Synced { shared, position, number } = &mut *self;
        let mut state = shared.state.lock();
        if let Some(outcome) = shared.outcome(&state, *position) {
            let gone = number.take().and_then(|number| state.forget(number));
            drop(state);
            drop((gone, waker));
            return Poll::Ready(outcome);
        }
        if let Some(sleeper) = number.and_then(|number| state.sleeper(number)) {
            std::mem::swap(&mut sleeper.waker, &mut waker);
            drop(state);
            drop(waker);
            return Poll::Pending;
        }
        *number = Some(state.fall_asleep(*position, waker));
        if state.is_gathered() {
            shared.gathered.notify_one();
        }
        drop(state);
        shared.flush.notify_one();
        Poll::Pending
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let gone = self.shared.state.lock().forget(number);
            drop(gone);
        }
    }
}

impl State {
    fn fall_asleep(&mut self, position: Position, waker: Waker) -> u64 {
        let number = self.next_sleeper;
        self.next_sleeper += 1;
        self.sleepers.insert(number, Sleeper { position, waker });
        self.waiting += 1;
        number
    }

    /// Takes the wakers of those whose wait is over.
    pub(super) fn take_sleepers(&mut self) -> Vec<Waker> {
        let (all, synced) = (self.failure.is_some(), self.synced);
        let over = |_: &u64, one: &mut Sleeper| all || one.position <= synced;
        let woken: Vec<Waker> = self.sleepers.extract_if(.., over).map(|(_, sleeper)| sleeper.waker).collect();
        self.waiting -= woken.len();
        woken
    }

    fn sleeper(&mut self, number: u64) -> Option<&mut Sleeper> {
        self.sleepers.get_mut(&number)
    }

    fn forget(&mut self, number: u64) -> Option<Sleeper> {
        let sleeper = self.sleepers.remove(&number)?;
        self.waiting -= 1;
        Some(sleeper)
    }
}

impl Shared {
    /// How the wait for a position has ended, if it has.
    pub(super) fn outcome(&self, state: &State, position: Position) -> Option<Result<()>> {
        if state.synced >= position {
            return Some(Ok(()));
        }
        let failure = state.failure.as_ref()?;
        let text = "a commit may or may not be on disk, as the journal could not be written";
        Some(Err(failure.error(ErrorKind::CommitUnknown, text)))
    }
}
