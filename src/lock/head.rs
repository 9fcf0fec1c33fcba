//! The lock of one granule that lives as long as its object: database, root of names, table, segment.
//!
//! Taking and giving back are one atomic operation each while nobody waits. Whoever cannot have the lock at once goes
//! through the queue behind the latch. A release that finds WAITERS hands the lock over in the word itself, so a woken
//! waiter has it already and nobody can come between.
//!
//! No wake-up is lost: the waiter sets WAITERS and then looks at the holders, the releaser takes itself out and then
//! looks at WAITERS, both on the same atomic. So at least one of them sees the other.

use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

use super::mode::Mode;
use super::mutant::{self, Mutant};
use super::queue::{Entry, Queue};
use super::waiter::{Outcome, Waiter, Wakes};
use super::word::{self, RETIRED, WAITERS};

/// What became of a request that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// It has the lock; the waiter was not needed.
    Granted,
    /// It stands in the queue.
    Queued,
    /// The granule is gone.
    Retired,
}

/// Alone on its cache line, since the word is what all threads write to.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Head {
    word: AtomicU64,
    queue: Mutex<Queue<Arc<Waiter>>>,
}

#[cfg(not(any(loom, shuttle)))]
const _: () = assert!(size_of::<Head>() == 64);

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

impl Head {
    pub(crate) fn new() -> Self {
        Head { word: AtomicU64::new(0), queue: Mutex::new(Queue::new()) }
    }

    /// Takes the lock, or raises the own one from `from` to `to`, if nobody holds against it and nobody waits.
    #[inline]
    pub(crate) fn try_fast(&self, from: Option<Mode>, to: Mode) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word::free(word, from, to) {
            let next = word.wrapping_add(word::step(from, to));
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// As [`try_fast`](Self::try_fast), but passes a queue whose waiters are not delayed by it.
    #[cold]
    pub(crate) fn try_slow(&self, from: Option<Mode>, to: Mode) -> bool {
        let queue = self.queue.lock();
        queue.lets_pass(to) && self.add_if_admitted(from, to)
    }

    /// As [`try_slow`](Self::try_slow), but passes any queue. Only for a granule on which the thread holds an intent
    /// that its waiters wait for anyway (L7).
    pub(crate) fn try_passing(&self, to: Mode) -> bool {
        let _queue = self.queue.lock();
        self.add_if_admitted(None, to)
    }

    /// Under the latch nobody else grants through the queue, but others give back, and without WAITERS also take.
    fn add_if_admitted(&self, from: Option<Mode>, to: Mode) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & RETIRED == 0 && word::admits(word, from, to) {
            let next = word.wrapping_add(word::step(from, to));
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes the lock or puts `waiter` into the queue for it.
    #[cold]
    pub(crate) fn enqueue(&self, from: Option<Mode>, to: Mode, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> Enqueued {
        let mut queue = self.queue.lock();
        let word = self.word.fetch_or(WAITERS, Ordering::AcqRel);
        if word & RETIRED != 0 {
            self.word.fetch_and(!WAITERS, Ordering::Relaxed);
            return Enqueued::Retired;
        }
        debug_assert!(from.is_none() || !queue.converts(), "L5: one conversion waits");
        queue.push(Entry { mode: to, from, waiter: waiter.clone() });
        if self.serve(&mut queue, Some(waiter), wakes) { Enqueued::Granted } else { Enqueued::Queued }
    }

    /// Takes a waiter out of the queue and lets those behind it go on. False when its wait has ended already: then
    /// its outcome says how, and a grant must be used or given back.
    #[cold]
    pub(crate) fn cancel(&self, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool {
        let mut queue = self.queue.lock();
        let removed = queue.remove(|queued| Arc::ptr_eq(queued, waiter));
        if removed && !mutant::on(Mutant::CancelWakesNobody) {
            self.serve(&mut queue, None, wakes);
        }
        removed
    }

    /// Gives the lock back.
    #[inline]
    pub(crate) fn release(&self, mode: Mode, wakes: &mut Wakes) {
        let word = self.word.fetch_sub(word::unit(mode), Ordering::Release);
        debug_assert!(word & word::HOLDERS >= word::unit(mode), "L2: only what is held is given back");
        if word & WAITERS != 0 {
            self.serve_waiters(wakes);
        }
    }

    #[cold]
    fn serve_waiters(&self, wakes: &mut Wakes) {
        self.serve(&mut self.queue.lock(), None, wakes);
    }

    /// Hands the lock to the front of the queue. The word is read with Acquire and the outcome written with Release,
    /// so the new holder sees what every former one did. Returns whether `own` was served; it is not woken.
    fn serve(&self, queue: &mut Queue<Arc<Waiter>>, own: Option<&Arc<Waiter>>, wakes: &mut Wakes) -> bool {
        let grants = queue.grant(self.word.load(Ordering::Acquire));
        self.word.fetch_add(grants.delta, Ordering::AcqRel);
        let mut served = false;
        for waiter in grants.granted {
            waiter.settle(Outcome::Granted);
            if own.is_some_and(|own| Arc::ptr_eq(own, &waiter)) {
                served = true;
            } else {
                wakes.push(waiter);
            }
        }
        served
    }

    /// Marks the granule as gone and ends all waits for it. The caller holds X, has already put in place what a new
    /// lookup finds, and wakes those who waited once it has given its latches back; it gives X back afterwards.
    pub(crate) fn retire(&self) -> Wakes {
        let mut wakes = Wakes::new();
        let mut queue = self.queue.lock();
        let word = self.word.fetch_or(RETIRED, Ordering::AcqRel);
        debug_assert!(word & word::unit(Mode::X) != 0, "L8: retired under X");
        for waiter in queue.drain() {
            waiter.settle(Outcome::Retired);
            wakes.push(waiter);
        }
        self.word.fetch_and(!WAITERS, Ordering::AcqRel);
        wakes
    }

    #[inline]
    pub(crate) fn is_retired(&self) -> bool {
        self.word.load(Ordering::Acquire) & RETIRED != 0
    }

    /// Whether nobody holds it or waits for it.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.word.load(Ordering::Acquire) & !RETIRED == 0
    }
}
