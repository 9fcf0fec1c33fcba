//! The memory budget of pages and decoded rows.
//!
//! Every page slot charges what it holds. Whoever brings a page in while the budget is exceeded evicts others, by the
//! clock (second chance) rule. Eviction therefore runs on the threads of the program, never in the background: dropping
//! decoded rows is code of the row type. Bytes that no checkpoint has written yet stay.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::page::{Evicted, PageSlot};

/// Slots looked at in one call, so that no reader pays for everybody.
const STEPS_PER_CALL: usize = 64;

#[derive(Debug)]
pub(crate) struct Cache {
    budget: usize,
    used: CachePadded<AtomicUsize>,
    /// Bytes of pages that the next checkpoint has to write.
    dirty: CachePadded<AtomicUsize>,
    clock: Mutex<VecDeque<Weak<PageSlot>>>,
    /// Held shared while pages must stay resident, exclusively while evicting.
    gate: RwLock<()>,
}

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Cache {
            budget,
            used: CachePadded::new(AtomicUsize::new(0)),
            dirty: CachePadded::new(AtomicUsize::new(0)),
            clock: Mutex::new(VecDeque::new()),
            gate: RwLock::new(()),
        }
    }

    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn dirty(&self) -> usize {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Whether another page may be brought in without throwing one out.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.used() < self.budget
    }

    #[inline]
    pub(crate) fn charge(&self, before: usize, after: usize) {
        adjust(&self.used, before, after);
    }

    #[inline]
    pub(crate) fn charge_dirty(&self, before: usize, after: usize) {
        adjust(&self.dirty, before, after);
    }

    /// Puts a slot on the clock. The slot sees to it that it is there once.
    pub(crate) fn watch(&self, slot: &Arc<PageSlot>) {
        self.clock.lock().push_back(Arc::downgrade(slot));
    }

    /// While the guard lives, nothing is evicted.
    pub(crate) fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read()
    }

    /// Throws pages out until the budget holds or the steps of one call are used up. Lets it be when commits hold pages
    /// just now.
    pub(crate) fn evict(&self) {
        if !self.has_room()
            && let Some(gate) = self.gate.try_write()
        {
            self.evict_through(gate);
        }
    }

    /// As [`evict`](Self::evict), for commits. When what could be thrown out is by itself more than the budget, it waits
    /// for the commits that hold pages, and goes on until that is no longer so or everything was looked at twice: writers
    /// that fill pages faster than a few steps a call throw them out pay for what they fill. The caller has no lock and
    /// no latch. Those who hold pages wait for the disk and the commit latch only, never for this gate.
    pub(crate) fn evict_patiently(&self) {
        if !self.is_flooded() {
            return self.evict();
        }
        let slots = self.clock.lock().len();
        for _ in 0..=2 * slots / STEPS_PER_CALL {
            if !self.is_flooded() {
                break;
            }
            self.evict_through(self.gate.write());
        }
    }

    /// Whether clean pages and decoded rows alone exceed the budget.
    #[inline]
    fn is_flooded(&self) -> bool {
        self.used().saturating_sub(self.dirty()) > self.budget
    }

    fn evict_through(&self, gate: RwLockWriteGuard<'_, ()>) {
        // Dropped last, when no latch is held.
        let mut dropped = Vec::new();
        for _ in 0..STEPS_PER_CALL {
            if self.used() <= self.budget {
                break;
            }
            let Some(weak) = self.clock.lock().pop_front() else { break };
            let Some(slot) = weak.upgrade() else { continue };
            match slot.evict(self) {
                Evicted::All(rows) => dropped.extend(rows),
                Evicted::Rest(rows) => {
                    dropped.extend(rows);
                    self.clock.lock().push_back(weak);
                }
            }
        }
        drop(gate);
        drop(dropped);
    }
}

#[inline]
fn adjust(counter: &AtomicUsize, before: usize, after: usize) {
    if after >= before {
        if after > before {
            counter.fetch_add(after - before, Ordering::Relaxed);
        }
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}
