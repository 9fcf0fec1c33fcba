//! The commit numbers that somebody reads at: snapshots, captured scans, the checkpoint.
//!
//! A number is registered under the commit latch, so a commit that makes a new version knows for certain which numbers
//! may still want the old one. A number may be given back at any time, which only makes the answers cautious.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::page::PageSlot;
use super::segment::Segment;
use super::table_core::TableCore;

/// Something that set an older version aside.
#[derive(Debug)]
pub(crate) enum Retained {
    Page(Weak<PageSlot>),
    Segment(Weak<Segment>),
    Table(Weak<TableCore>),
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    numbers: Mutex<BTreeMap<u64, usize>>,
    /// The greatest registered number plus one, 0 when there is none: the question that every commit asks.
    newest_plus_one: AtomicU64,
    retained: Mutex<Vec<Retained>>,
    /// How many must have gathered before they are looked through while others still read.
    prune_at: AtomicUsize,
}

impl Registry {
    /// Registers a number, which must be the last commit's. Called under the commit latch.
    pub(crate) fn register(self: &Arc<Self>, number: u64) -> Registration {
        let mut numbers = self.numbers.lock();
        *numbers.entry(number).or_insert(0) += 1;
        self.newest_plus_one.fetch_max(number + 1, Ordering::AcqRel);
        Registration { registry: Arc::clone(self), number }
    }

    /// Whether a reader at or above `commit` is registered. A version made by `commit` and superseded now is needed by
    /// exactly these.
    #[inline]
    pub(crate) fn needs_since(&self, commit: u64) -> bool {
        self.newest_plus_one.load(Ordering::Acquire) > commit
    }

    /// Whether a number in `from..to` is registered.
    pub(crate) fn any_in(&self, from: u64, to: u64) -> bool {
        from < to && self.numbers.lock().range(from..to).next().is_some()
    }

    /// Remembers that an older version was set aside, so that it can be dropped when nobody needs it.
    pub(crate) fn retain(&self, what: Retained) {
        self.retained.lock().push(what);
    }

    /// The numbers registered now and how many readers each has, for status.
    pub(crate) fn readers(&self) -> usize {
        self.numbers.lock().values().sum()
    }

    fn give_back(&self, number: u64) {
        let (last_of_number, none_left) = {
            let mut numbers = self.numbers.lock();
            let Some(count) = numbers.get_mut(&number) else { return };
            *count -= 1;
            let last = *count == 0;
            if last {
                numbers.remove(&number);
            }
            let newest = numbers.last_key_value().map_or(0, |(number, _)| number + 1);
            self.newest_plus_one.store(newest, Ordering::Release);
            (last, numbers.is_empty())
        };
        // Looking through them all at each end of a reader would cost the square of their number under a long snapshot.
        if none_left || last_of_number && self.retained.lock().len() >= self.prune_at.load(Ordering::Relaxed) {
            self.prune();
        }
    }

    /// Drops older versions that nobody needs. They hold bytes only, so no code of a row type runs.
    fn prune(&self) {
        let retained = std::mem::take(&mut *self.retained.lock());
        if retained.is_empty() {
            return;
        }
        let still: Vec<Retained> = retained
            .into_iter()
            .filter(|what| match what {
                Retained::Page(page) => page.upgrade().is_some_and(|page| page.prune(self)),
                Retained::Segment(segment) => segment.upgrade().is_some_and(|segment| segment.prune(self)),
                Retained::Table(table) => table.upgrade().is_some_and(|table| table.prune(self)),
            })
            .collect();
        self.prune_at.store(2 * still.len() + 64, Ordering::Relaxed);
        self.retained.lock().extend(still);
    }
}

/// A registered commit number; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    number: u64,
}

impl Registration {
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.give_back(self.number);
    }
}
