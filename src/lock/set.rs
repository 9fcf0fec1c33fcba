//! Everything that one transaction or statement holds, and how it comes to hold more.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::codec::KeyBuf;
use crate::context;
use crate::error::{ErrorKind, Result};
use crate::events::{self, Who};
use crate::options::MAX_RESTARTS;
use crate::sync::Instant;

use super::blame;
use super::held::{Held, Wanted};
use super::manager::LockManager;
use super::mode::Mode;
use super::plan::Plan;
use super::refusal::{Refusal, Strict};
use super::slot::{Registry, Slot};
use super::step::Blocked;
use super::table::{LockTable, SegmentLock};
use super::wait::{Waited, wait};
use super::waiter::Wakes;

/// The locks of one transaction, statement or guard, given back all together.
///
/// Beginning one costs nothing; the first lock takes a slot that the thread keeps.
pub(crate) struct LockSet {
    pub(super) manager: Arc<LockManager>,
    slot: Option<Arc<Slot>>,
    pub(super) caller: &'static Location<'static>,
    pub(super) label: Option<Arc<str>>,
    /// Which call of the program the lock is for that is being taken.
    pub(super) asked: &'static Location<'static>,
    pub(super) plan: Option<Box<Plan>>,
    pub(super) restarts: u32,
    pub(super) restart_wanted: bool,
    /// What the restart is for.
    pub(super) refusal: Option<Box<Refusal>>,
    /// There if it must fail in place of starting over.
    pub(super) strict: Option<Box<Strict>>,
}

impl fmt::Debug for LockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LockSet { caller, label, restarts, .. } = self;
        write!(f, "LockSet of {caller} ({label:?}, {restarts} restarts)")
    }
}

impl LockSet {
    pub(crate) fn begin(
        manager: &Arc<LockManager>,
        caller: &'static Location<'static>,
        label: Option<Arc<str>>,
    ) -> LockSet {
        LockSet {
            manager: manager.clone(),
            slot: None,
            caller,
            label,
            asked: caller,
            plan: None,
            restarts: 0,
            restart_wanted: false,
            refusal: None,
            strict: None,
        }
    }

    /// A row, present or not, in mode S, U or X, with the intents above it.
    ///
    /// # Errors
    ///
    /// `Restart` when the lock is not free and must not be waited for: the caller unwinds and calls
    /// [`restart`](Self::restart). `LockTimeout` with the holders.
    #[inline]
    pub(crate) fn lock_row<T: LockTable + 'static>(&mut self, table: &Arc<T>, key: &[u8], mode: Mode) -> Result<()> {
        let many = self.obtain(
            |held, manager| {
                let at = held.table_index(table);
                held.lock_row(manager, at, key, mode)
            },
            |plan| plan.table(&any(table)).want_row(key, mode),
        )?;
        if many {
            self.escalate(table.id());
        }
        Ok(())
    }

    /// All keys from `low` up to but not `high`, present or not: the segments that cover them, ascending. The lock is
    /// on the table when that is the whole of it.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](Self::lock_row).
    pub(crate) fn lock_range<T: LockTable + 'static>(
        &mut self,
        table: &Arc<T>,
        low: &[u8],
        high: Option<&[u8]>,
        mode: Mode,
    ) -> Result<()> {
        if low.is_empty() && high.is_none() {
            return self.lock_table(table, mode);
        }
        let mut next = KeyBuf::from(low);
        while high.is_none_or(|high| *next < *high) {
            let end = self.obtain(
                |held, manager| {
                    let at = held.table_index(table);
                    if held.covered_above(at, mode) {
                        return Ok(None);
                    }
                    held.lock_table(manager, at, mode.intent())?;
                    let index = held.lock_segment(at, &next, |_| mode)?;
                    Ok(held.segments[index].lock.high.clone())
                },
                |plan| plan.table(&any(table)).want_range(low, high, mode),
            )?;
            match end {
                Some(end) => next = end,
                None => break,
            }
        }
        Ok(())
    }

    /// The whole table, in any mode.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](Self::lock_row).
    pub(crate) fn lock_table<T: LockTable + 'static>(&mut self, table: &Arc<T>, mode: Mode) -> Result<()> {
        self.obtain(
            |held, manager| {
                let at = held.table_index(table);
                held.lock_table(manager, at, mode)
            },
            |plan| plan.want_table(&any(table), mode),
        )
    }

    /// A name, shared (S) or alone (X).
    ///
    /// # Errors
    ///
    /// As [`lock_row`](Self::lock_row); `OutOfOrder` if the thread holds this name or a greater one by a guard, and
    /// where a restart would not help any more.
    pub(crate) fn lock_name(&mut self, name: &str, mode: Mode) -> Result<()> {
        let guarded = self.check_order(name)?;
        let taken = self
            .obtain(|held, manager| held.lock_name(manager, name, mode, guarded), |plan| plan.want_name(name, mode));
        match taken {
            Err(error) if error.kind() == ErrorKind::Restart && self.restarts >= MAX_RESTARTS => {
                self.restart_wanted = false;
                Err(blame::refused_for_good(name, self.restarts))
            }
            other => other,
        }
    }

    /// The root of names, in the mode for all names to come: raised from IS to IX later, it could be refused.
    pub(super) fn lock_names_root(&mut self, mode: Mode) -> Result<()> {
        let guarded = context::holds_any_name(self.manager.id());
        self.obtain(|held, manager| held.lock_names_root(manager, mode, guarded), |_| {})
    }

    /// Refuses a name at or below one that the thread holds by a guard. Returns whether it holds any.
    pub(super) fn check_order(&self, name: &str) -> Result<bool> {
        match context::greatest_held_name(self.manager.id()) {
            None => Ok(false),
            Some((held, _)) if *held < *name => Ok(true),
            Some((held, site)) => Err(blame::out_of_order(name, self.caller, &held, site)),
        }
    }

    /// A segment for a system transaction: intents above it, then `mode` on it through the queue. False if that took
    /// beyond the deadline, or if the segment is not the table's any more; the caller then gives everything back.
    ///
    /// # Errors
    ///
    /// None of its own.
    pub(crate) fn lock_segment<T: LockTable + 'static>(
        &mut self,
        table: &Arc<T>,
        segment: &Arc<SegmentLock>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<bool> {
        loop {
            let step = self.step(|held, manager| {
                let at = held.table_index(table);
                held.lock_table(manager, at, mode.intent())?;
                let index = held.lock_segment(at, &segment.low, |_| mode)?;
                Ok(Arc::ptr_eq(&held.segments[index].lock, segment))
            });
            match step {
                Ok(same) => return Ok(same),
                Err(Blocked::Refused(_) | Blocked::TooManyRows) => return Ok(false),
                Err(Blocked::Wait(wanted)) => {
                    if let Waited::TimedOut(_) = wait(&self.manager, self.slot(), *wanted, Some(deadline)) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// How often this lock set started over.
    #[cfg(test)]
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether a lock was refused so that [`restart`](Self::restart) must come next.
    #[cfg(test)]
    pub(crate) fn restart_wanted(&self) -> bool {
        self.restart_wanted
    }

    /// Gives everything back. What was learned stays.
    #[inline]
    pub(crate) fn release_all(&mut self) {
        if let Some(slot) = &self.slot {
            let mut wakes = Wakes::new();
            slot.held.lock().release_all(&self.manager, &mut wakes);
            wakes.wake();
        }
    }

    /// Makes a step until it goes through, waiting where it says so.
    #[inline]
    pub(super) fn obtain<R>(
        &mut self,
        step: impl Fn(&mut Held, &LockManager) -> Result<R, Blocked>,
        learn: impl Fn(&mut Plan),
    ) -> Result<R> {
        if self.restart_wanted {
            return Err(blame::restart());
        }
        if let Some(failure) = self.strict_failure() {
            return Err(failure);
        }
        loop {
            match self.step(&step) {
                Ok(done) => {
                    if self.strict.is_some() {
                        self.note_top();
                    }
                    return Ok(done);
                }
                Err(blocked) => self.resolve(blocked, &learn)?,
            }
        }
    }

    #[inline]
    pub(super) fn step<R>(
        &mut self,
        step: impl Fn(&mut Held, &LockManager) -> Result<R, Blocked>,
    ) -> Result<R, Blocked> {
        let (slot, begins) = match &self.slot {
            Some(slot) => (slot, false),
            None => (&*self.slot.insert(self.manager.registry.take()), true),
        };
        let mut held = slot.held.lock();
        if begins {
            held.begin(self.caller, self.label.as_ref());
        }
        step(&mut held, &self.manager)
    }

    pub(super) fn slot(&self) -> &Slot {
        self.slot.as_ref().expect("a step was made, so there is a slot")
    }

    #[cold]
    fn resolve(&mut self, blocked: Blocked, learn: impl Fn(&mut Plan)) -> Result<()> {
        let refused = match blocked {
            Blocked::Wait(wanted) => return self.wait(*wanted),
            Blocked::TooManyRows if self.escalate_largest() => return Ok(()),
            Blocked::TooManyRows => None,
            Blocked::Refused(wanted) => Some(wanted),
        };
        let refusal = self.refusal(refused.as_deref());
        if let Some(strict) = &mut self.strict {
            return Err(strict.fail(&refusal));
        }
        let mut plan = self.plan.take().unwrap_or_default();
        plan.learn(&self.slot().held.lock());
        learn(&mut plan);
        if refused.is_none() {
            plan.widen_largest();
            self.note_escalation("table");
        }
        self.plan = Some(plan);
        self.refusal = Some(Box::new(refusal));
        self.restart_wanted = true;
        Err(blame::restart())
    }

    pub(super) fn note_escalation(&self, on: &str) {
        self.manager.counters.escalations.add();
        events::escalation(self.who(), on);
    }

    pub(super) fn who(&self) -> Who<'_> {
        Who { label: self.label.as_deref(), caller: self.caller }
    }

    fn wait(&self, wanted: Wanted) -> Result<()> {
        let since = Instant::now();
        match wait(&self.manager, self.slot(), wanted, self.manager.deadline()) {
            Waited::Granted | Waited::Retired => Ok(()),
            Waited::TimedOut(wanted) => {
                self.manager.counters.timeouts.add();
                let error = blame::timeout(&self.manager, self.slot().id(), &wanted, since.elapsed());
                events::timed_out(self.who(), &error);
                Err(error)
            }
        }
    }
}

impl Drop for LockSet {
    fn drop(&mut self) {
        self.release_all();
        if let Some(slot) = self.slot.take() {
            Registry::give_back(slot);
        }
    }
}

fn any<T: LockTable + 'static>(table: &Arc<T>) -> Arc<dyn LockTable> {
    table.clone()
}
