//! A segment: a run of pages with neighbouring keys. It is a lock granule, a unit of parallel work and an entry of its
//! table's directory.
//!
//! Its bounds never change. A split retires it and puts new segments in its place, a merge retires two neighbours and
//! puts one in theirs; the new ones share the page slots of the old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::low_keys::LowKeys;
use super::page::{PageAddress, PageSlot};
use super::registry::{Registry, Retained};
use super::versioned::Versioned;
use crate::codec::KeyBuf;
use crate::lock::{Head, SegmentLock};

/// The pages of a segment with their low keys, in order. The first page takes every key below the second's low key.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageList {
    pub(crate) lows: LowKeys,
    pub(crate) slots: Vec<Arc<PageSlot>>,
}

impl PageList {
    /// Where the page that covers a key stands.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        self.lows.up_to(key).saturating_sub(1)
    }

    /// The page that covers a key.
    #[inline]
    pub(crate) fn slot_of(&self, key: &[u8]) -> &Arc<PageSlot> {
        &self.slots[self.find(key)]
    }

    /// The pages that hold keys of `low..high`.
    pub(crate) fn covering(&self, low: &[u8], high: Option<&[u8]>) -> std::ops::Range<usize> {
        let from = self.find(low);
        let to = high.map_or(self.lows.len(), |high| self.lows.below(high));
        from..to.max(from + 1).min(self.lows.len())
    }
}

/// What the directory on disk says of a segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredSegment {
    /// The ids of the entries that hold the page list, in order.
    pub(crate) lists: Vec<u64>,
    pub(crate) rows: u64,
    pub(crate) checksum: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    /// Its bounds and its lock.
    pub(crate) lock: Arc<SegmentLock>,
    /// The page list by commit number. Not loaded: none.
    lists: RwLock<Versioned<Option<Arc<PageList>>>>,
    /// Shared with the segment that goes on under the id after a split or a merge: a checkpoint under way may still
    /// write for both.
    stored: Arc<RwLock<Option<StoredSegment>>>,
    rows: AtomicU64,
    /// Changed since the last checkpoint began.
    dirty: AtomicBool,
    /// Rows at which the next split is tried.
    split_at: AtomicU64,
    /// A merge was put off, and stands in the table's list of such.
    merge_put_off: AtomicBool,
}

/// A segment whose keys went to another one by a merge. What the directory on disk says of it is in force until a root
/// without it is durable.
#[derive(Debug)]
pub(crate) struct GoneSegment {
    pub(crate) table: u32,
    id: u64,
    stored: Arc<RwLock<Option<StoredSegment>>>,
}

impl GoneSegment {
    /// Where its page list lies. To be asked when no checkpoint is under way that may still write one.
    pub(crate) fn page_lists(&self) -> Vec<PageAddress> {
        let stored = self.stored.read();
        let lists = stored.iter().flat_map(|stored| &stored.lists);
        lists.map(|id| PageAddress { segment: self.id, page: *id }).collect()
    }
}

impl Segment {
    /// A segment made of pages in memory.
    pub(crate) fn new(
        id: u64,
        low: KeyBuf,
        high: Option<KeyBuf>,
        commit: u64,
        pages: PageList,
        rows: u64,
    ) -> Arc<Self> {
        let lists = Versioned::new(commit, Some(Arc::new(pages)));
        Self::with(id, low, high, lists, Arc::default(), (rows, true))
    }

    /// This segment with another upper end, after a split or a merge: it goes on under the same id, and with it what
    /// the directory on disk says of it.
    pub(crate) fn continued(&self, high: Option<KeyBuf>, commit: u64, pages: PageList, rows: u64) -> Arc<Self> {
        let lists = Versioned::new(commit, Some(Arc::new(pages)));
        Self::with(self.id, self.low().clone(), high, lists, Arc::clone(&self.stored), (rows, true))
    }

    /// This segment as one that is no more.
    pub(crate) fn gone(&self, table: u32) -> GoneSegment {
        GoneSegment { table, id: self.id, stored: Arc::clone(&self.stored) }
    }

    /// A segment known from the directory on disk.
    pub(crate) fn from_store(id: u64, low: KeyBuf, high: Option<KeyBuf>, stored: StoredSegment) -> Arc<Self> {
        let rows = stored.rows;
        Self::with(id, low, high, Versioned::new(0, None), Arc::new(RwLock::new(Some(stored))), (rows, false))
    }

    fn with(
        id: u64,
        low: KeyBuf,
        high: Option<KeyBuf>,
        lists: Versioned<Option<Arc<PageList>>>,
        stored: Arc<RwLock<Option<StoredSegment>>>,
        (rows, dirty): (u64, bool),
    ) -> Arc<Self> {
        Arc::new(Segment {
            id,
            lock: Arc::new(SegmentLock { low, high, head: Head::new() }),
            lists: RwLock::new(lists),
            stored,
            rows: AtomicU64::new(rows),
            dirty: AtomicBool::new(dirty),
            split_at: AtomicU64::new(0),
            merge_put_off: AtomicBool::new(false),
        })
    }

    /// The least key it takes; empty for the first segment of a table.
    #[inline]
    pub(crate) fn low(&self) -> &KeyBuf {
        &self.lock.low
    }

    /// The least key of the next segment; none for the last.
    #[inline]
    pub(crate) fn high(&self) -> Option<&KeyBuf> {
        self.lock.high.as_ref()
    }

    /// The page list, the newest or that of a commit number; none when it has to be loaded.
    #[inline]
    pub(crate) fn list(&self, number: Option<u64>) -> Option<Arc<PageList>> {
        let lists = self.lists.read();
        match number {
            None => lists.newest().clone(),
            Some(number) => lists.at(number).cloned().flatten(),
        }
    }

    /// Runs `with` on the newest page list without taking a reference to it.
    #[inline]
    pub(crate) fn with_list<R>(&self, with: impl FnOnce(&PageList) -> R) -> Option<R> {
        self.lists.read().newest().as_deref().map(with)
    }

    /// Hangs the loaded page list on the segment, unless somebody was faster. Gives the newest list or that of a commit
    /// number, which are not the same when a commit has changed the list since somebody else loaded it.
    pub(crate) fn install_list(&self, pages: PageList, number: Option<u64>) -> Option<Arc<PageList>> {
        let mut lists = self.lists.write();
        let newest = lists.newest_mut();
        newest.get_or_insert_with(|| Arc::new(pages));
        match number {
            None => newest.clone(),
            Some(number) => lists.at(number).cloned().flatten(),
        }
    }

    /// Changes the page list for `commit`. Under the commit latch, the list loaded.
    pub(crate) fn edit_list(self: &Arc<Self>, commit: u64, registry: &Registry, change: impl FnOnce(&mut PageList)) {
        let mut lists = self.lists.write();
        let (list, first) = lists.edit(commit, registry);
        if first {
            registry.retain(Retained::Segment(Arc::downgrade(self)));
        }
        let list = list.as_mut().expect("a page list is loaded before a commit edits it");
        change(Arc::make_mut(list));
    }

    pub(crate) fn prune(&self, registry: &Registry) -> bool {
        self.lists.write().prune(registry)
    }

    pub(crate) fn stored(&self) -> Option<StoredSegment> {
        self.stored.read().clone()
    }

    pub(crate) fn set_stored(&self, stored: StoredSegment) {
        *self.stored.write() = Some(stored);
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Counts an inserted or removed row. Under the commit latch.
    #[inline]
    pub(crate) fn count(&self, added: bool) {
        if added {
            self.rows.fetch_add(1, Ordering::Relaxed);
        } else {
            self.rows.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn mark_dirty(&self) {
        if !self.dirty.load(Ordering::Relaxed) {
            self.dirty.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the segment changed since the last call. Under the commit latch.
    pub(crate) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Ordering::Relaxed)
    }

    /// Whether it changed since the last checkpoint began.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Whether the segment has so few rows that it should be merged with a neighbour, of which it has one.
    #[inline]
    pub(crate) fn is_small(&self, segment_rows: usize) -> bool {
        self.rows() * 4 < segment_rows as u64 && (self.high().is_some() || !self.low().is_empty())
    }

    /// Notes that a merge was put off, or is tried again. Gives what was noted before.
    pub(crate) fn set_merge_put_off(&self, put_off: bool) -> bool {
        self.merge_put_off.swap(put_off, Ordering::Relaxed)
    }

    /// Whether the table remembers that this segment is to be merged.
    #[inline]
    pub(crate) fn is_merge_put_off(&self) -> bool {
        self.merge_put_off.load(Ordering::Relaxed)
    }

    /// Whether the segment has grown so much that it should be split.
    #[inline]
    pub(crate) fn wants_split(&self, segment_rows: usize) -> bool {
        let rows = self.rows();
        rows >= 2 * segment_rows as u64 && rows >= self.split_at.load(Ordering::Relaxed)
    }

    /// A split was refused: try again when the segment has grown by an eighth.
    pub(crate) fn put_split_off(&self) {
        let rows = self.rows();
        self.split_at.store(rows + rows / 8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::PageBytes;

    fn list(lows: &[&[u8]]) -> PageList {
        let lows: LowKeys = lows.iter().map(|low| KeyBuf::from(*low)).collect();
        let slots = lows.iter().map(|_| PageSlot::fresh(0, PageBytes::new(), None, 0)).collect();
        PageList { lows, slots }
    }

    #[test]
    fn who_loads_a_list_too_late_gets_that_of_its_own_number() {
        let registry = Arc::new(Registry::default());
        let reader = registry.register(5);
        let segment = Segment::from_store(1, KeyBuf::empty(), None, StoredSegment::default());
        // Meanwhile another reader loads the list, and a commit cuts a page.
        segment.install_list(list(&[b""]), None).expect("it is loaded now");
        segment.edit_list(6, &registry, |now| *now = list(&[b"", b"m"]));
        let late = segment.install_list(list(&[b""]), Some(reader.number())).expect("the list of commit 5");
        assert_eq!(late.lows.len(), 1);
        assert_eq!(segment.list(None).map(|list| list.lows.len()), Some(2));
    }
}
