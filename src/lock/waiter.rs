//! One request that waits: a parked thread or a task, and how its wait ended.
//!
//! The outcome is written under the latch of the queue that holds the waiter; waking happens after the latch is
//! released, so that a woken thread never runs into it, and so that a task's waker (user code) runs under no latch.

use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::thread::{self, Thread};
use crate::sync::{self, Instant};

/// Rounds of looking at the outcome before parking: a fraction of a microsecond, for a holder that is about to end on
/// another core. More made no difference where threads outnumber the cores.
const SPINS: u32 = if sync::MODELLED { 0 } else { 20 };

const WAITING: u8 = 0;
const GRANTED: u8 = 1;
const RETIRED: u8 = 2;

/// How a wait ended, if nobody gave it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The lock was handed over.
    Granted,
    /// The granule is gone. Look the key up again.
    Retired,
}

#[derive(Debug)]
enum Signal {
    Thread(Thread),
    Task(Waker),
}

#[derive(Debug)]
pub(crate) struct Waiter {
    outcome: AtomicU8,
    signal: Signal,
}

/// Waiters whose outcome is known, to be woken once no latch is held.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Wakes(SmallVec<[Arc<Waiter>; 4]>);

impl Wakes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, waiter: Arc<Waiter>) {
        self.0.push(waiter);
    }

    /// Wakes them all. The caller holds no latch.
    pub(crate) fn wake(self) {
        for waiter in self.0 {
            match &waiter.signal {
                Signal::Thread(thread) => thread.unpark(),
                Signal::Task(waker) => waker.wake_by_ref(),
            }
        }
    }
}

impl Waiter {
    /// A wait of the calling thread.
    pub(crate) fn thread() -> Arc<Self> {
        Arc::new(Waiter { outcome: AtomicU8::new(WAITING), signal: Signal::Thread(thread::current()) })
    }

    /// A wait of a task.
    #[cfg_attr(not(test), expect(dead_code, reason = "only threads wait yet; the tests drive tasks"))]
    pub(crate) fn task(waker: Waker) -> Arc<Self> {
        Arc::new(Waiter { outcome: AtomicU8::new(WAITING), signal: Signal::Task(waker) })
    }

    /// Ends the wait. Called under the queue's latch, once.
    pub(crate) fn settle(&self, outcome: Outcome) {
        let value = match outcome {
            Outcome::Granted => GRANTED,
            Outcome::Retired => RETIRED,
        };
        let before = self.outcome.swap(value, Ordering::Release);
        debug_assert_eq!(before, WAITING, "L6: a wait ends once");
    }

    /// How the wait ended, or `None` while it lasts.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self.outcome.load(Ordering::Acquire) {
            GRANTED => Some(Outcome::Granted),
            RETIRED => Some(Outcome::Retired),
            _ => None,
        }
    }

    /// Waits on the calling thread, which must be the waiter's own. `None` when the deadline passed.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> Option<Outcome> {
        for _ in 0..SPINS {
            if let Some(outcome) = self.outcome() {
                return Some(outcome);
            }
            std::hint::spin_loop();
        }
        loop {
            if let Some(outcome) = self.outcome() {
                return Some(outcome);
            }
            // The thread may be unparked by others too, hence the loop.
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    thread::park_timeout(left);
                }
            }
        }
    }
}
