//! One page in memory: its newest version, perhaps decoded, and the older versions that readers still need.
//!
//! The latch of a slot is held for moments only: to take `Arc`s out, to search a key, or to edit a few bytes under the
//! commit latch. No code of a row type runs under it.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::cache::Cache;
use super::registry::{Registry, Retained};
use super::rows::{AnyRow, AnyRows};
use super::segment::Segment;
use super::versioned::Versioned;
use crate::codec::PageBytes;

/// Where a page version lies in the page store, and what is known of it without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredPage {
    /// The address of its first entry.
    pub(crate) address: PageAddress,
    /// How many entries it has, under consecutive ids: one, unless it is kept in chunks.
    pub(crate) entries: u32,
    pub(crate) rows: u32,
    pub(crate) checksum: u64,
}

impl StoredPage {
    /// The address of one of its entries; none beyond the last.
    pub(crate) fn entry(self, number: u32) -> Option<PageAddress> {
        let PageAddress { segment, page } = self.address;
        (number < self.entries).then(|| PageAddress { segment, page: page + u64::from(number) })
    }

    /// The addresses of all its entries.
    pub(crate) fn addresses(self) -> impl Iterator<Item = PageAddress> {
        (0..self.entries).filter_map(move |number| self.entry(number))
    }
}

/// The key of a page in its table's tree: the segment it was written for, and its own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PageAddress {
    pub(crate) segment: u64,
    pub(crate) page: u64,
}

impl PageAddress {
    pub(crate) fn from_key(key: [u8; 16]) -> Self {
        let (segment, page) = key.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        PageAddress { segment: number(segment), page: number(page) }
    }

    pub(crate) fn to_key(self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.segment.to_be_bytes());
        key[8..].copy_from_slice(&self.page.to_be_bytes());
        key
    }
}

/// What a commit takes out of pages. Dropped after all latches are given back.
#[derive(Default)]
pub(crate) struct Garbage {
    pub(crate) rows: Vec<Arc<dyn AnyRow>>,
    pub(crate) pages: Vec<Arc<dyn AnyRows>>,
    /// Segments, with all that they hold.
    pub(crate) segments: Vec<Arc<Segment>>,
}

/// One content of a page: bytes if they are in memory, an address if a checkpoint wrote them. Never neither.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Content {
    pub(crate) bytes: Option<Arc<PageBytes>>,
    pub(crate) stored: Option<StoredPage>,
}

/// What a page gives up when it leaves its segment's list.
pub(crate) struct LeftBehind {
    /// Where it lay in the page store.
    pub(crate) stored: Option<StoredPage>,
    pub(crate) decoded: Option<Arc<dyn AnyRows>>,
    pub(crate) heap: usize,
}

/// What eviction left in a slot.
pub(crate) enum Evicted {
    /// Nothing that can be evicted.
    All(Option<Arc<dyn AnyRows>>),
    /// Something: the slot stays on the clock.
    Rest(Option<Arc<dyn AnyRows>>),
}

#[derive(Debug)]
pub(crate) struct PageSlot {
    state: Mutex<SlotState>,
}

/// What a point read looks at comes first and side by side.
#[repr(C)]
pub(crate) struct SlotState {
    /// The rows of the newest version.
    decoded: Option<Arc<dyn AnyRows>>,
    /// Used since the clock last came by.
    referenced: bool,
    on_clock: bool,
    /// The page has left its segment's list: it charges nothing any more.
    detached: bool,
    /// Point reads that found the page not decoded; the second one decodes all of it.
    misses: u8,
    /// Writes of a commit in the making that rely on the bytes being here.
    pins: u32,
    pub(crate) content: Versioned<Content>,
    /// Estimated heap bytes of the decoded rows.
    decoded_heap: usize,
    charged: usize,
    charged_dirty: usize,
}

impl std::fmt::Debug for SlotState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlotState")
            .field("content", &self.content)
            .field("decoded", &self.decoded.is_some())
            .field("charged", &self.charged)
            .finish_non_exhaustive()
    }
}

/// What a reader takes out of a slot.
pub(crate) struct PageView {
    pub(crate) content: Content,
    /// The commit that made the newest version.
    pub(crate) commit: u64,
    /// The decoded rows, when they are those of this version.
    pub(crate) decoded: Option<Arc<dyn AnyRows>>,
}

/// Where a point read ended.
pub(crate) enum Lookup {
    Absent,
    Decoded(Arc<dyn AnyRows>, usize),
    /// Not decoded. True when the page is read often enough to decode all of it.
    Encoded(Arc<PageBytes>, usize, bool),
    /// Not in memory.
    Stored,
}

impl PageSlot {
    /// A page known from a page list, not read yet.
    pub(crate) fn from_store(commit: u64, stored: StoredPage) -> Arc<Self> {
        Self::with(commit, Content { bytes: None, stored: Some(stored) }, None, 0)
    }

    /// A page that some commit made.
    pub(crate) fn fresh(commit: u64, bytes: PageBytes, decoded: Option<Arc<dyn AnyRows>>, heap: usize) -> Arc<Self> {
        Self::with(commit, Content { bytes: Some(Arc::new(bytes)), stored: None }, decoded, heap)
    }

    fn with(commit: u64, content: Content, decoded: Option<Arc<dyn AnyRows>>, decoded_heap: usize) -> Arc<Self> {
        Arc::new(PageSlot {
            state: Mutex::new(SlotState {
                content: Versioned::new(commit, content),
                decoded,
                decoded_heap,
                charged: 0,
                charged_dirty: 0,
                referenced: true,
                on_clock: false,
                detached: false,
                pins: 0,
                misses: 0,
            }),
        })
    }

    #[inline]
    pub(crate) fn latch(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock()
    }

    /// The newest version, or that of a commit number. None when the page was not there yet at that number.
    #[inline]
    pub(crate) fn view(&self, number: Option<u64>) -> Option<PageView> {
        let mut state = self.state.lock();
        state.referenced = true;
        let content = match number {
            None => state.content.newest(),
            Some(number) => state.content.at(number)?,
        };
        let newest = std::ptr::eq(content, state.content.newest());
        let content = content.clone();
        let decoded = if newest { state.decoded.clone() } else { None };
        Some(PageView { content, commit: state.content.commit(), decoded })
    }

    /// Looks a key up in the newest version, or in that of a commit number. `seen` becomes the commit that made the
    /// newest version, if that is greater.
    #[inline]
    pub(crate) fn lookup(&self, number: Option<u64>, key: &[u8], seen: &mut u64) -> Lookup {
        let mut state = self.state.lock();
        state.referenced = true;
        *seen = state.content.commit().max(*seen);
        let content = match number {
            None => state.content.newest(),
            Some(number) => match state.content.at(number) {
                Some(content) => content,
                None => return Lookup::Absent,
            },
        };
        let newest = std::ptr::eq(content, state.content.newest());
        let Some(bytes) = &content.bytes else {
            return Lookup::Stored;
        };
        let Ok(at) = bytes.search(key) else { return Lookup::Absent };
        if let (true, Some(decoded)) = (newest, &state.decoded) {
            return Lookup::Decoded(Arc::clone(decoded), at);
        }
        let bytes = Arc::clone(bytes);
        state.misses = state.misses.saturating_add(1);
        Lookup::Encoded(bytes, at, newest && !state.detached && state.misses > 1)
    }

    /// As [`lookup`](Self::lookup) in the newest version, if it is decoded and nobody has the latch: it may be called
    /// with latches that come after it in the order.
    #[inline]
    pub(crate) fn lookup_decoded(&self, key: &[u8], seen: &mut u64) -> Option<(Arc<dyn AnyRows>, usize)> {
        let mut state = self.state.try_lock()?;
        let decoded = state.decoded.as_ref()?;
        let at = state.content.newest().bytes.as_ref()?.search(key).ok()?;
        let rows = Arc::clone(decoded);
        *seen = state.content.commit().max(*seen);
        state.referenced = true;
        Some((rows, at))
    }

    /// The version of a commit number, without counting as a use.
    pub(crate) fn peek(&self, number: u64) -> Option<Content> {
        self.state.lock().content.at(number).cloned()
    }

    /// Where the version of a commit number lies, if it is in the store only, and there in one entry.
    pub(crate) fn stored_only(&self, number: u64) -> Option<PageAddress> {
        let state = self.state.lock();
        let content = state.content.at(number)?;
        let stored = content.stored.filter(|stored| content.bytes.is_none() && stored.entries == 1);
        stored.map(|stored| stored.address)
    }

    /// Rows of the newest version.
    pub(crate) fn rows(&self) -> u64 {
        let state = self.state.lock();
        let content = state.content.newest();
        match (&content.bytes, content.stored) {
            (Some(bytes), _) => bytes.len() as u64,
            (None, stored) => stored.map_or(0, |stored| u64::from(stored.rows)),
        }
    }

    /// Keeps the page from being evicted until [`SlotState::unpin`], if its bytes are in memory.
    #[inline]
    pub(crate) fn pin(&self) -> bool {
        let mut state = self.state.lock();
        let resident = state.content.newest().bytes.is_some();
        state.pins += u32::from(resident);
        resident
    }

    /// Hangs bytes read from the store on the newest version, if it is still the one that was read.
    pub(crate) fn install_bytes(self: &Arc<Self>, read: StoredPage, bytes: &Arc<PageBytes>, cache: &Cache) {
        let mut state = self.state.lock();
        let content = state.content.newest_mut();
        if content.stored == Some(read) && content.bytes.is_none() {
            content.bytes = Some(Arc::clone(bytes));
            state.settle(self, cache);
        }
    }

    /// Hangs decoded rows on the newest version, if its bytes are still the ones that were decoded. Gives back what was
    /// there before, to be dropped without the latch.
    pub(crate) fn install_decoded(
        self: &Arc<Self>,
        bytes: &Arc<PageBytes>,
        rows: Arc<dyn AnyRows>,
        heap: usize,
        cache: &Cache,
    ) -> Option<Arc<dyn AnyRows>> {
        let mut state = self.state.lock();
        if state.detached || !state.content.newest().bytes.as_ref().is_some_and(|now| Arc::ptr_eq(now, bytes)) {
            return Some(rows);
        }
        let before = state.decoded.replace(rows);
        state.decoded_heap = heap;
        state.misses = 0;
        state.settle(self, cache);
        before
    }

    /// Drops what nobody needs. True when older versions stay.
    pub(crate) fn prune(&self, registry: &Registry) -> bool {
        self.state.lock().content.prune(registry)
    }

    /// The bytes of the newest version, if they are in memory.
    pub(crate) fn resident(&self) -> Option<Arc<PageBytes>> {
        self.state.lock().content.newest().bytes.clone()
    }

    /// Takes the page out of use: it is to leave its segment's list, under the commit latch. It stays as it is, with
    /// these bytes, for those who found it before.
    pub(crate) fn leave(&self, bytes: Arc<PageBytes>, cache: &Cache) -> LeftBehind {
        let mut state = self.state.lock();
        state.detach(cache);
        let decoded = state.decoded.take();
        let heap = std::mem::take(&mut state.decoded_heap);
        let content = state.content.newest_mut();
        content.bytes = Some(bytes);
        LeftBehind { stored: content.stored.take(), decoded, heap }
    }

    /// Notes that a checkpoint wrote the version that a reader of `number` sees. False when a later commit has
    /// superseded it or the page has left its list, so that the new address is of no further use than the root that
    /// names it.
    pub(crate) fn mark_stored(self: &Arc<Self>, number: u64, written: StoredPage, cache: &Cache) -> bool {
        let mut state = self.state.lock();
        if state.detached || !state.content.is_newest_at(number) {
            return false;
        }
        state.content.newest_mut().stored = Some(written);
        state.settle(self, cache);
        true
    }

    pub(crate) fn evict(&self, cache: &Cache) -> Evicted {
        let mut state = self.state.lock();
        if state.detached {
            // Its bytes go with the last reader that looks at it.
            state.on_clock = false;
            return Evicted::All(state.decoded.take());
        }
        if std::mem::take(&mut state.referenced) || state.pins > 0 {
            return Evicted::Rest(None);
        }
        let decoded = state.decoded.take();
        state.decoded_heap = 0;
        let content = state.content.newest_mut();
        if content.stored.is_some() {
            content.bytes = None;
        }
        let rest = content.bytes.is_some();
        state.recharge(cache);
        state.on_clock = rest;
        if rest { Evicted::Rest(decoded) } else { Evicted::All(decoded) }
    }

    /// Puts the slot's charges and its place on the clock in order after it was made or changed.
    pub(crate) fn settle(self: &Arc<Self>, cache: &Cache) {
        self.state.lock().settle(self, cache);
    }
}

impl SlotState {
    pub(crate) fn settle(&mut self, slot: &Arc<PageSlot>, cache: &Cache) {
        self.recharge(cache);
        if !self.on_clock && self.charged > 0 {
            self.on_clock = true;
            cache.watch(slot);
        }
    }

    pub(crate) fn recharge(&mut self, cache: &Cache) {
        if self.detached {
            return;
        }
        let content = self.content.newest();
        let bytes = content.bytes.as_ref().map_or(0, |bytes| bytes.memory_bytes());
        let decoded = self.decoded.as_ref().map_or(0, |rows| rows.inline_bytes() + self.decoded_heap);
        let dirty = if content.stored.is_none() { bytes } else { 0 };
        cache.charge(self.charged, bytes + decoded);
        cache.charge_dirty(self.charged_dirty, dirty);
        self.charged = bytes + decoded;
        self.charged_dirty = dirty;
    }

    /// Gives the slot's charges back: the page leaves its segment's list.
    pub(crate) fn detach(&mut self, cache: &Cache) {
        cache.charge(self.charged, 0);
        cache.charge_dirty(self.charged_dirty, 0);
        self.charged = 0;
        self.charged_dirty = 0;
        self.detached = true;
    }

    /// Opens the newest version for a change by `commit`: sets the old one aside where a reader needs it and gives its
    /// address up. The bytes must be resident; others may hold them too.
    pub(crate) fn edit(
        &mut self,
        slot: &Arc<PageSlot>,
        commit: u64,
        registry: &Registry,
        freed: &mut Vec<PageAddress>,
    ) -> &mut Arc<PageBytes> {
        let (content, first) = self.content.edit(commit, registry);
        if first {
            registry.retain(Retained::Page(Arc::downgrade(slot)));
        }
        if let Some(stored) = content.stored.take() {
            freed.extend(stored.addresses());
        }
        content.bytes.as_mut().expect("a page is made resident before a commit edits it")
    }

    /// The decoded rows, if they can be changed in place; else they are given up.
    pub(crate) fn decoded_mut(&mut self, garbage: &mut Garbage) -> Option<&mut dyn AnyRows> {
        // Two look-ups, since a borrow that is returned on one path cannot be given up on the other.
        if self.decoded.as_mut().and_then(Arc::get_mut).is_none() {
            self.give_up_decoded(garbage);
        }
        self.decoded.as_mut().and_then(Arc::get_mut)
    }

    pub(crate) fn give_up_decoded(&mut self, garbage: &mut Garbage) {
        garbage.pages.extend(self.decoded.take());
        self.decoded_heap = 0;
    }

    #[inline]
    pub(crate) fn unpin(&mut self) {
        self.pins -= 1;
    }

    pub(crate) fn set_decoded(&mut self, rows: Option<Arc<dyn AnyRows>>, heap: usize) {
        self.decoded = rows;
        self.decoded_heap = heap;
    }

    pub(crate) fn heap_mut(&mut self) -> &mut usize {
        &mut self.decoded_heap
    }
}
