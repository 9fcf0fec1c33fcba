//! One request that waits: a parked thread or a task, and how its wait ended.
//!
//! The outcome is written under the latch of the queue that holds the waiter; waking happens after the latch is
//! released, so that a woken thread never runs into it, and so that a task's waker (user code) runs under no latch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::thread::{self, Thread};
use crate::sync::{self, Instant, Mutex};

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
    /// The waker of the last poll, taken out by whoever wakes.
    Task(Mutex<Option<Waker>>),
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
        self.0.iter().for_each(|waiter| waiter.wake());
    }
}

impl Waiter {
    /// A wait of the calling thread.
    pub(crate) fn thread() -> Arc<Self> {
        Arc::new(Waiter { outcome: AtomicU8::new(WAITING), signal: Signal::Thread(thread::current()) })
    }

    /// A wait of a task, which gives its waker with each poll.
    pub(crate) fn task() -> Arc<Self> {
        Arc::new(Waiter { outcome: AtomicU8::new(WAITING), signal: Signal::Task(Mutex::new(None)) })
    }

    /// Whom to wake from now on. To be called before the outcome is looked at, or a wake between is lost.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let Signal::Task(slot) = &self.signal else { return };
        // Code of the program clones and drops wakers, so neither happens under the latch.
        let waker = waker.clone();
        let before = slot.lock().replace(waker);
        drop(before);
    }

    /// Lets the thread or task look at the outcome and at what may end its wait. The caller holds no latch.
    pub(crate) fn wake(&self) {
        match &self.signal {
            Signal::Thread(thread) => thread.unpark(),
            Signal::Task(slot) => {
                let waker = slot.lock().take();
                // A waker that panics is its own task's fault. Who gives a lock back has others to wake after it.
                let _ = catch_unwind(AssertUnwindSafe(|| waker.map(Waker::wake)));
            }
        }
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

    /// Waits on the calling thread, which must be the waiter's own. `None` when the deadline passed or `stopped` says so;
    /// whoever makes it say so wakes the waiter afterwards.
    pub(crate) fn park(&self, deadline: Option<Instant>, stopped: impl Fn() -> bool) -> Option<Outcome> {
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
            if stopped() {
                return None;
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
