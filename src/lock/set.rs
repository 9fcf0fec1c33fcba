//! Everything that one transaction or statement holds, and how it comes to hold more.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::KeyBuf;
use crate::context;
use crate::error::{ErrorKind, Result};
use crate::events::{self, Who};
use crate::meters;
use crate::options::MAX_RESTARTS;
use crate::sync::Instant;

use super::awaited::{How, at_once};
use super::blame;
use super::held::Held;
use super::limit::Limit;
use super::manager::LockManager;
use super::mode::Mode;
use super::names;
use super::plan::Plan;
use super::put_off::PutOff;
use super::refusal::{Refusal, Strict};
use super::slot::{Registry, Slot};
use super::step::Blocked;
use super::table::{LockTable, SegmentLock};
use super::wait::{Reason, Terms, Waited, wait};
use super::waiter::Wakes;

/// How long a lock set waits for one lock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LockTime {
    /// As long as the manager says.
    Default,
    /// As long as this, each time.
    Each(Duration),
    /// Until this instant, whatever it waits for by then; `None` for one beyond the clock.
    Until(Option<Instant>),
}

/// The locks of one transaction, statement or guard, given back all together.
///
/// Beginning one costs nothing; the first lock takes a slot that the thread keeps. A task may take it from thread to
/// thread; the dump then shows the thread that it began on.
pub(crate) struct LockSet {
    pub(super) manager: Arc<LockManager>,
    slot: Option<Arc<Slot>>,
    pub(super) caller: &'static Location<'static>,
    pub(super) label: Option<Arc<str>>,
    lock_time: LockTime,
    /// What ends its waits early. Empty for most, and then costs nothing.
    limits: Vec<Limit>,
    /// Which call of the program the lock is for that is being taken.
    pub(super) asked: &'static Location<'static>,
    pub(super) plan: Option<Box<Plan>>,
    pub(super) restarts: u32,
    pub(super) restart_wanted: bool,
    /// What the restart is for.
    pub(super) refusal: Option<Box<Refusal>>,
    /// There if it must fail in place of starting over.
    pub(super) strict: Option<Box<Strict>>,
    /// It belongs to a task: no call of it parks the thread, and what it would wait for is put off.
    pub(super) of_task: bool,
    pub(super) put_off: Option<Box<PutOff>>,
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
            lock_time: LockTime::Default,
            limits: Vec::new(),
            asked: caller,
            plan: None,
            restarts: 0,
            restart_wanted: false,
            refusal: None,
            strict: None,
            of_task: false,
            put_off: None,
        }
    }

    /// As [`begin`](Self::begin), with a time and limits of its own.
    pub(crate) fn limited(mut self, lock_time: LockTime, limits: Vec<Limit>) -> LockSet {
        self.lock_time = lock_time;
        self.limits = limits;
        self
    }

    /// What ends its waits before their time.
    #[inline]
    pub(crate) fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Waits under more limits while `body` runs.
    pub(crate) fn under<R>(&mut self, limits: &[Limit], body: impl FnOnce(&mut LockSet) -> R) -> R {
        let before = self.limits.len();
        self.limits.extend_from_slice(limits);
        let outcome = body(self);
        self.limits.truncate(before);
        outcome
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
            let step = |held: &mut Held, manager: &LockManager| {
                let at = held.table_index(table);
                if held.covered_above(at, mode) {
                    return Ok(None);
                }
                held.lock_table(manager, at, mode.intent())?;
                let index = held.lock_segment(at, &next, |_| mode)?;
                Ok(held.segments[index].lock.high.clone())
            };
            let end = self.obtain(step, |plan| plan.table(&any(table)).want_range(low, high, mode))?;
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
        let step = |held: &mut Held, manager: &LockManager| {
            let at = held.table_index(table);
            held.lock_table(manager, at, mode)
        };
        self.obtain(step, |plan| plan.want_table(&any(table), mode))
    }

    /// A name, shared (S) or alone (X).
    ///
    /// # Errors
    ///
    /// As [`lock_row`](Self::lock_row); `OutOfOrder` if the thread holds this name or a greater one by a guard, and
    /// where a restart would not help any more.
    pub(crate) fn lock_name(&mut self, name: &str, mode: Mode) -> Result<()> {
        at_once(self.lock_name_by(How::Parked, name, mode))
    }

    pub(super) async fn lock_name_by(&mut self, how: How, name: &str, mode: Mode) -> Result<()> {
        let guarded = self.check_order(name)?;
        let step = |held: &mut Held, manager: &LockManager| held.lock_name(manager, name, mode, guarded);
        let taken = self.obtain_by(how, step, |plan| plan.want_name(name, mode)).await;
        self.refused_for_good(taken, || format!("name {name:?}"))
    }

    /// Makes an error of a refusal after the last restart (L11).
    fn refused_for_good(&mut self, taken: Result<()>, what: impl FnOnce() -> String) -> Result<()> {
        match taken {
            Err(error) if error.kind() == ErrorKind::Restart && self.restarts >= MAX_RESTARTS => {
                self.restart_wanted = false;
                Err(blame::refused_for_good(&what(), self.restarts))
            }
            other => other,
        }
    }

    /// The root of names, in the mode for all names to come: raised from IS to IX later, it could be refused.
    pub(super) async fn lock_names_root_by(&mut self, how: How, mode: Mode) -> Result<()> {
        let guarded = context::holds_any_name(self.manager.id());
        let step = |held: &mut Held, manager: &LockManager| held.lock_names_root(manager, mode, guarded);
        let taken = self.obtain_by(how, step, |_| {}).await;
        self.refused_for_good(taken, || "the root of names".to_owned())
    }

    /// Refuses a name at or below one that the thread holds by a guard. Returns whether it holds any.
    pub(super) fn check_order(&self, name: &str) -> Result<bool> {
        names::check_order(&self.manager, name, self.caller)
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
                // Who has no time left does not queue: that alone would close the fast path for others.
                Err(Blocked::Wait(_)) if Instant::now() >= deadline => return Ok(false),
                Err(Blocked::Wait(wanted)) => {
                    let terms = Terms { until: Some(deadline), limits: &[] };
                    if let Waited::Over(..) = wait(&self.manager, self.slot(), *wanted, terms) {
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
    #[inline]
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
        self.check_goes_on()?;
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

    /// Refuses to take more once it has to start over, or has failed where it would have had to.
    #[inline]
    pub(super) fn check_goes_on(&self) -> Result<()> {
        if self.restart_wanted {
            return Err(blame::restart());
        }
        self.strict_failure().map_or(Ok(()), Err)
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
        at_once(self.resolve_by(How::Parked, blocked, learn))
    }

    /// What to do where waiting would not help.
    #[cold]
    pub(super) fn resolve_refused(&mut self, blocked: Blocked, learn: impl Fn(&mut Plan)) -> Result<()> {
        let refused = match blocked {
            Blocked::TooManyRows if self.escalate_largest() => return Ok(()),
            Blocked::TooManyRows => None,
            Blocked::Refused(wanted) | Blocked::Wait(wanted) => Some(wanted),
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

    /// How long a wait that begins now may last, by the time for one lock and by `limits`.
    pub(super) fn terms<'l>(&self, limits: &'l [Limit]) -> Terms<'l> {
        let until = match self.lock_time {
            LockTime::Default => self.manager.deadline(),
            LockTime::Each(time) => Instant::now().checked_add(time),
            LockTime::Until(until) => until,
        };
        Terms { until, limits }
    }

    /// What became of a wait under `limits` that began at `since`.
    pub(super) fn waited(&self, waited: Waited, limits: &[Limit], since: Instant) -> Result<()> {
        match waited {
            Waited::Granted | Waited::Retired => Ok(()),
            Waited::Over(wanted, Reason::LockTimeout) => {
                self.manager.counters.timeouts.add();
                meters::timeout();
                let error = blame::timeout(&self.manager, self.slot().id(), &wanted, since.elapsed());
                events::timed_out(self.who(), &error);
                Err(error)
            }
            Waited::Over(wanted, Reason::Limit(index)) => {
                self.manager.counters.cancelled.add();
                Err(blame::over(&self.manager, self.slot().id(), &limits[index], &wanted))
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

pub(super) fn any<T: LockTable + 'static>(table: &Arc<T>) -> Arc<dyn LockTable> {
    table.clone()
}
