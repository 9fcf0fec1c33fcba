//! Waiting for one lock: into the queue, parked, and out of it again.

use std::sync::Arc;
use std::time::Duration;

use crate::events::{self, Who};
use crate::options::LONG_WAIT;
use crate::sync::Instant;

use super::granule::Target;
use super::head::Enqueued;
use super::held::{Owner, Waiting, Wanted};
use super::locked::LockedGranule;
use super::manager::LockManager;
use super::mode::Mode;
use super::slot::Slot;
use super::waiter::{Outcome, Waiter, Wakes};

/// How a wait ended.
pub(crate) enum Waited {
    /// The lock is held, and noted in the slot.
    Granted,
    /// The segment is gone: look its key up again.
    Retired,
    /// The deadline passed first.
    TimedOut(Box<Wanted>),
}

/// Waits for a lock that the order allows to wait for. The caller holds no latch.
#[cold]
pub(crate) fn wait(manager: &LockManager, slot: &Slot, wanted: Wanted, deadline: Option<Instant>) -> Waited {
    let waiter = Waiter::thread();
    let (target, from, to) = (wanted.target.clone(), wanted.from, wanted.to);
    let waiting = Waiting { wanted, waiter: waiter.clone(), since: Instant::now() };
    // Shown before it is queued, so that a dump never misses a waiter that the queue has.
    slot.held.lock().waiting = Some(Box::new(waiting));
    let outcome = queue_and_park(manager, slot, &target, (from, to), &waiter, deadline);
    let mut held = slot.held.lock();
    let wanted = held.waiting.take().expect("only this thread takes its wait away").wanted;
    match outcome {
        Some(Outcome::Granted) => {
            held.waited_until = Some(Instant::now());
            held.record(wanted);
            Waited::Granted
        }
        Some(Outcome::Retired) => Waited::Retired,
        None => Waited::TimedOut(Box::new(wanted)),
    }
}

fn queue_and_park(
    manager: &LockManager,
    slot: &Slot,
    target: &Target,
    (from, to): (Option<Mode>, Mode),
    waiter: &Arc<Waiter>,
    deadline: Option<Instant>,
) -> Option<Outcome> {
    let mut wakes = Wakes::new();
    let queued = target.enqueue(manager, from, to, waiter, &mut wakes);
    wakes.wake();
    match queued {
        Enqueued::Granted => return Some(Outcome::Granted),
        Enqueued::Retired => return Some(Outcome::Retired),
        Enqueued::Queued => {}
    }
    manager.counters.waits.add();
    let since = Instant::now();
    let parked = waiter.park(deadline);
    let waited = since.elapsed();
    manager.counters.waited(target, waited);
    if waited >= LONG_WAIT {
        tell_of(slot, target, to, waited);
    }
    if parked.is_some() {
        return parked;
    }
    let mut wakes = Wakes::new();
    let removed = target.cancel(manager, waiter, &mut wakes);
    wakes.wake();
    // When the lock was handed over just before, it is taken after all.
    if removed { None } else { waiter.outcome() }
}

#[cold]
fn tell_of(slot: &Slot, target: &Target, to: Mode, waited: Duration) {
    let (owner, granule) = {
        let held = slot.held.lock();
        let table = |id| held.tables.iter().find(|held| held.id == id).map(|held| held.table.clone());
        (held.owner.clone(), LockedGranule::of_target(target, table))
    };
    if let Some(Owner { label, caller, .. }) = owner {
        events::long_wait(Who { label: label.as_deref(), caller }, &granule, &to, waited);
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
