//! Waiting for one lock, by a parked thread or by a task: into the queue, and out of it again.
//!
//! However a wait ends, it ends in [`Wait::end`]: with the lock, with the granule gone, or without either because the
//! time was over, it was cancelled, or the future that waited was dropped. Then the request is taken out of the queue
//! and those behind it are served.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::events::{self, Who};
use crate::options::LONG_WAIT;
use crate::sync::Instant;

use super::granule::Target;
use super::head::Enqueued;
use super::held::{Held, Owner, Waiting, Wanted};
use super::limit::Limit;
use super::manager::LockManager;
use super::mode::Mode;
use super::slot::Slot;
use super::timer::Alarm;
use super::waiter::{Outcome, Waiter, Wakes};

/// How a wait ended.
pub(crate) enum Waited {
    /// The lock is held, and noted in the slot.
    Granted,
    /// The segment is gone: look its key up again.
    Retired,
    /// It was given up.
    Over(Box<Wanted>, Reason),
}

/// Why a wait was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The time for one lock is over.
    LockTimeout,
    /// The limit with this index is over.
    Limit(usize),
}

/// How long a wait may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The end of the time for one lock; `None` for a time beyond the clock.
    pub(crate) until: Option<Instant>,
    pub(crate) limits: &'a [Limit],
}

impl Terms<'_> {
    /// What ends the wait first, of all that has a time.
    fn first_deadline(&self) -> (Option<Instant>, Reason) {
        let mut first = (self.until, Reason::LockTimeout);
        for (index, limit) in self.limits.iter().enumerate() {
            if let Some(deadline) = limit.deadline()
                && first.0.is_none_or(|first| deadline <= first)
            {
                first = (Some(deadline), Reason::Limit(index));
            }
        }
        first
    }

    fn cancelled(&self) -> Option<Reason> {
        self.limits.iter().position(Limit::is_cancelled).map(Reason::Limit)
    }
}

/// Waits on this thread for a lock that the order allows to wait for. The caller holds no latch.
#[cold]
pub(crate) fn wait(manager: &LockManager, slot: &Slot, wanted: Wanted, terms: Terms<'_>) -> Waited {
    let wait = Wait::begin(manager, slot, wanted, Waiter::thread(), terms);
    wait.waiter.park(wait.deadline, || terms.cancelled().is_some());
    wait.finish()
}

/// A request that was put into the queue and has not ended. One that is dropped is given up, and a lock that was handed
/// over to it is given back.
pub(super) struct Wait<'a> {
    manager: &'a LockManager,
    slot: &'a Slot,
    terms: Terms<'a>,
    target: Target,
    to: Mode,
    pub(super) waiter: Arc<Waiter>,
    pub(super) deadline: Option<Instant>,
    at_deadline: Reason,
    /// Wakes a task at its deadline.
    pub(super) alarm: Option<Alarm>,
    /// When it was put into the queue, if it had to be.
    queued: Option<Instant>,
    ended: bool,
}

impl<'a> Wait<'a> {
    pub(super) fn begin(
        manager: &'a LockManager,
        slot: &'a Slot,
        wanted: Wanted,
        waiter: Arc<Waiter>,
        terms: Terms<'a>,
    ) -> Self {
        let (target, from, to) = (wanted.target.clone(), wanted.from, wanted.to);
        // Shown before it is queued, so that a dump never misses a waiter that the queue has.
        let waiting = Waiting { wanted, waiter: waiter.clone(), since: Instant::now() };
        slot.held.lock().waiting = Some(Box::new(waiting));
        let mut wakes = Wakes::new();
        let mut queued = None;
        match target.enqueue(manager, from, to, &waiter, &mut wakes) {
            Enqueued::Granted => {}
            Enqueued::Retired => waiter.settle(Outcome::Retired),
            Enqueued::Queued => {
                manager.counters.waits.add();
                queued = Some(Instant::now());
            }
        }
        wakes.wake();
        for token in terms.limits.iter().filter_map(Limit::token) {
            token.register(&waiter);
        }
        let (deadline, at_deadline) = terms.first_deadline();
        Wait { manager, slot, terms, target, to, waiter, deadline, at_deadline, alarm: None, queued, ended: false }
    }

    /// For a task: whether the wait has ended or must be given up. The task is woken when to ask again.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.waiter.set_waker(context.waker());
        let over = self.waiter.outcome().is_some()
            || self.terms.cancelled().is_some()
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends the wait, which has ended by itself or is given up for its time or by a token.
    pub(super) fn finish(mut self) -> Waited {
        let (terms, at_deadline) = (self.terms, self.at_deadline);
        let waited = self.end(|held, outcome, wanted| match outcome {
            Some(Outcome::Granted) => {
                held.waited_until = Some(Instant::now());
                held.record(wanted);
                Waited::Granted
            }
            Some(Outcome::Retired) => Waited::Retired,
            None => Waited::Over(Box::new(wanted), terms.cancelled().unwrap_or(at_deadline)),
        });
        self.tell();
        waited
    }

    /// The one way out. A lock that was handed over just before counts as granted: `note` notes it in the slot, or hands
    /// it out to be given back. That it is waited for ends under the same latch, so that others see one or the other (L2).
    fn end<R>(&mut self, note: impl FnOnce(&mut Held, Option<Outcome>, Wanted) -> R) -> R {
        self.ended = true;
        self.alarm = None;
        for token in self.terms.limits.iter().filter_map(Limit::token) {
            token.forget(&self.waiter);
        }
        let mut outcome = self.waiter.outcome();
        if outcome.is_none() {
            let mut wakes = Wakes::new();
            if !self.target.cancel(self.manager, &self.waiter, &mut wakes) {
                outcome = self.waiter.outcome();
            }
            wakes.wake();
        }
        let mut held = self.slot.held.lock();
        let wanted = held.waiting.take().expect("only the owner of the slot takes its wait away").wanted;
        note(&mut held, outcome, wanted)
    }

    /// Counts and tells a wait that has ended. Who listens is code of the program, so no latch is held, and the lock is
    /// where it belongs.
    fn tell(&self) {
        let Some(since) = self.queued else { return };
        let waited = since.elapsed();
        self.manager.counters.waited(&self.target, waited);
        if events::TOLD && waited >= LONG_WAIT {
            let (owner, granule) = {
                let held = self.slot.held.lock();
                (held.owner.clone(), held.target_in_words(&self.target))
            };
            if let Some(Owner { label, caller, .. }) = owner {
                events::long_wait(Who { label: label.as_deref(), caller }, &granule, &self.to, waited);
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let counters = &self.manager.counters;
        let handed_over = self.end(|held, outcome, wanted| match outcome {
            // It was raised: below it stands what was held before, so it is kept to the end of the lock set.
            Some(Outcome::Granted) if wanted.from.is_some() => {
                held.record(wanted);
                false
            }
            Some(Outcome::Granted) => true,
            _ => {
                counters.cancelled.add();
                false
            }
        });
        if handed_over {
            let mut wakes = Wakes::new();
            self.target.release(self.manager, self.to, &mut wakes);
            wakes.wake();
        }
        self.tell();
    }
}

impl Target {
    fn enqueue(
        &self,
        manager: &LockManager,
        from: Option<Mode>,
        to: Mode,
        waiter: &Arc<Waiter>,
        wakes: &mut Wakes,
    ) -> Enqueued {
        match self {
            Target::Names => manager.names_root.enqueue(from, to, waiter, wakes),
            Target::Name(name) => manager.names.enqueue(name.clone(), from, to, waiter, wakes),
            Target::Database => manager.database.enqueue(from, to, waiter, wakes),
            Target::Table(table) => table.head().enqueue(from, to, waiter, wakes),
            Target::Segment { lock, .. } => lock.head.enqueue(from, to, waiter, wakes),
            Target::Row(row) => manager.rows.enqueue(row.clone(), from, to, waiter, wakes),
        }
    }

    fn cancel(&self, manager: &LockManager, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool {
        match self {
            Target::Names => manager.names_root.cancel(waiter, wakes),
            Target::Name(name) => manager.names.cancel(name.clone(), waiter, wakes),
            Target::Database => manager.database.cancel(waiter, wakes),
            Target::Table(table) => table.head().cancel(waiter, wakes),
            Target::Segment { lock, .. } => lock.head.cancel(waiter, wakes),
            Target::Row(row) => manager.rows.cancel(row.clone(), waiter, wakes),
        }
    }

    fn release(&self, manager: &LockManager, mode: Mode, wakes: &mut Wakes) {
        match self {
            Target::Names => manager.names_root.release(mode, wakes),
            Target::Name(name) => manager.names.release(name.clone(), mode, wakes),
            Target::Database => manager.database.release(mode, wakes),
            Target::Table(table) => table.head().release(mode, wakes),
            Target::Segment { lock, .. } => lock.head.release(mode, wakes),
            Target::Row(row) => manager.rows.release(row.clone(), mode, wakes),
        }
    }

    /// One more try past the queue, for those who would rather go without than wait.
    pub(crate) fn try_slow(&self, manager: &LockManager, from: Option<Mode>, to: Mode) -> bool {
        match self {
            Target::Names => manager.names_root.try_slow(from, to),
            Target::Name(name) => manager.names.try_slow(name.clone(), from, to),
            Target::Database => manager.database.try_slow(from, to),
            Target::Table(table) => table.head().try_slow(from, to),
            Target::Segment { lock, .. } => lock.head.try_slow(from, to),
            Target::Row(row) => manager.rows.try_slow(row.clone(), from, to),
        }
    }
}
