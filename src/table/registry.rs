//! The commit numbers that somebody reads at: snapshots, captured scans, the checkpoint.
//!
//! A number is registered under the commit latch, so a commit that makes a new version knows for certain which numbers
//! may still want the old one. A number may be given back at any time, which only makes the answers cautious.
//!
//! A snapshot's number is taken away when its time is over, or it would keep old pages for ever. Numbers and moments
//! ascend together, since a number is registered while it is the last commit's: so one mark says which are over. It is
//! set before they go. A reader that has taken something out of a page and finds its number not over has taken what
//! the number stands for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

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

/// Who reads at a number.
#[derive(Debug, Default)]
struct Readers {
    scans: usize,
    snapshots: usize,
    /// When the youngest of these snapshots is over; none: never.
    over_at: Option<Instant>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Registry {
    numbers: Mutex<BTreeMap<u64, Readers>>,
    /// The greatest registered number plus one, 0 when there is none: the question that every commit asks.
    newest_plus_one: AtomicU64,
    /// Snapshots below this number are over.
    over_below: AtomicU64,
    /// When the first snapshot will be over, in milliseconds since `begun`; the greatest number when there is none.
    due_ms: AtomicU64,
    begun: Instant,
    retained: Mutex<Vec<Retained>>,
    /// How many must have gathered before they are looked through while others still read.
    prune_at: AtomicUsize,
}

impl Default for Registry {
    fn default() -> Self {
        Registry {
            numbers: Mutex::default(),
            newest_plus_one: AtomicU64::new(0),
            over_below: AtomicU64::new(0),
            due_ms: AtomicU64::new(u64::MAX),
            begun: Instant::now(),
            retained: Mutex::default(),
            prune_at: AtomicUsize::new(0),
        }
    }
}

impl Registry {
    /// Registers a number, which must be the last commit's. Called under the commit latch.
    pub(crate) fn register(self: &Arc<Self>, number: u64) -> Registration {
        let mut numbers = self.numbers.lock();
        numbers.entry(number).or_default().scans += 1;
        self.newest_plus_one.fetch_max(number + 1, Ordering::AcqRel);
        Registration { registry: Arc::clone(self), number, of: Of::Scan }
    }

    /// As [`register`](Self::register), for a snapshot that is over at this moment.
    pub(crate) fn register_snapshot(self: &Arc<Self>, number: u64, over_at: Option<Instant>) -> Registration {
        let mut numbers = self.numbers.lock();
        let readers = numbers.entry(number).or_default();
        readers.snapshots += 1;
        readers.over_at = over_at;
        self.note(&numbers);
        Registration { registry: Arc::clone(self), number, of: Of::Snapshot(over_at) }
    }

    /// Brings what is asked without the latch up to date.
    fn note(&self, numbers: &BTreeMap<u64, Readers>) {
        let newest = numbers.last_key_value().map_or(0, |(number, _)| number + 1);
        self.newest_plus_one.store(newest, Ordering::Release);
        let first = numbers.values().find(|readers| readers.snapshots > 0).and_then(|readers| readers.over_at);
        let due = first.map_or(u64::MAX, |at| at.saturating_duration_since(self.begun).as_millis() as u64);
        self.due_ms.store(due, Ordering::Relaxed);
    }

    /// Takes the numbers of snapshots away whose time is over. Those at `last` or above stay: they keep nothing, and
    /// others may still come to be registered there. One atomic read where no snapshot lives.
    #[inline]
    pub(crate) fn end_old_snapshots(&self, last: u64) {
        let due = self.due_ms.load(Ordering::Relaxed);
        if due != u64::MAX && self.begun.elapsed().as_millis() as u64 >= due {
            self.end_snapshots(last, Instant::now());
        }
    }

    #[cold]
    fn end_snapshots(&self, last: u64, now: Instant) {
        {
            let mut numbers = self.numbers.lock();
            let is_over = |readers: &Readers| readers.over_at.is_some_and(|at| at <= now);
            let with_snapshots = numbers.range(..last).filter(|(_, readers)| readers.snapshots > 0);
            let over = with_snapshots.take_while(|(_, readers)| is_over(readers)).map(|(number, _)| *number);
            let Some(end) = over.last().map(|number| number + 1) else { return };
            self.over_below.store(end, Ordering::Release);
            for readers in numbers.range_mut(..end).map(|(_, readers)| readers) {
                readers.snapshots = 0;
            }
            numbers.retain(|_, readers| readers.scans + readers.snapshots > 0);
            self.note(&numbers);
        }
        self.prune();
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
        self.numbers.lock().values().map(|readers| readers.scans + readers.snapshots).sum()
    }

    fn give_back(&self, number: u64, of: Of) {
        let (last_of_number, none_left) = {
            let mut numbers = self.numbers.lock();
            if of.is_over(self, number) {
                return;
            }
            let Some(readers) = numbers.get_mut(&number) else { return };
            match of {
                Of::Scan => readers.scans -= 1,
                Of::Snapshot(_) => readers.snapshots -= 1,
            }
            let last = readers.scans + readers.snapshots == 0;
            if last {
                numbers.remove(&number);
            }
            self.note(&numbers);
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

/// Who registered a number.
#[derive(Debug, Clone, Copy)]
enum Of {
    Scan,
    /// When it is over.
    Snapshot(Option<Instant>),
}

impl Of {
    #[inline]
    fn is_over(self, registry: &Registry, number: u64) -> bool {
        matches!(self, Of::Snapshot(_)) && number < registry.over_below.load(Ordering::Acquire)
    }
}

/// A registered commit number; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    number: u64,
    of: Of,
}

impl Registration {
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the number was taken away: what a reader took out of pages before it asked may be of another commit.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.of.is_over(&self.registry, self.number)
    }

    /// Whether nothing may be read at the number any more.
    #[inline]
    pub(crate) fn is_too_old(&self) -> bool {
        self.is_over() || matches!(self.of, Of::Snapshot(Some(at)) if Instant::now() >= at)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.give_back(self.number, self.of);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_of_old_snapshots_are_taken_away_and_no_others() {
        let registry = Arc::new(Registry::default());
        let now = Instant::now();
        let [past, later] = [now, now + Duration::from_secs(3_600)].map(Some);
        let (first, second) = (registry.register_snapshot(1, past), registry.register_snapshot(2, past));
        let scan = registry.register(1);
        let (third, endless) = (registry.register_snapshot(3, later), registry.register_snapshot(4, None));
        assert_eq!((registry.readers(), first.is_over(), first.is_too_old()), (5, false, true));
        registry.end_old_snapshots(9);
        let over = [&first, &second, &third, &endless, &scan].map(Registration::is_over);
        assert_eq!(over, [true, true, false, false, false]);
        assert!(registry.any_in(1, 2) && !registry.any_in(2, 3), "the scan keeps the number that it shares");
        drop((first, second));
        assert_eq!(registry.readers(), 3, "what was taken away is not given back once more");
        drop(scan);
        assert!(!registry.any_in(0, 3) && registry.needs_since(4));
        drop((third, endless));
        assert_eq!((registry.readers(), registry.needs_since(0)), (0, false));
    }

    #[test]
    fn the_number_of_the_last_commit_stays() {
        let registry = Arc::new(Registry::default());
        let old = registry.register_snapshot(5, Some(Instant::now()));
        registry.end_old_snapshots(5);
        let young = registry.register_snapshot(5, Some(Instant::now() + Duration::from_secs(3_600)));
        registry.end_old_snapshots(6);
        assert!(old.is_too_old() && !old.is_over(), "it goes with the youngest at its number");
        assert!(!young.is_too_old());
    }
}
