//! Brings page lists and pages in from the page store, under the memory budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::cache::Cache;
use super::chunks::{self, Found};
use super::entry::{ListedPage, counts, read_page_list};
use super::page::{PageAddress, PageSlot, PageView, StoredPage};
use super::read_ahead::ReadAhead;
use super::registry::Registry;
use super::segment::{GoneSegment, PageList, Segment};
use super::table_core::TableCore;
use crate::codec::PageBytes;
use crate::context;
use crate::error::{Error, Result};
use crate::meters;
use crate::storage::PageStore;

/// Whether what is read stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Only while the budget has room: scans, which would throw out what is used often.
    IfRoom,
    /// Always; others are evicted for it.
    Always,
}

/// What reading a page came to.
enum Read {
    Page(PageBytes),
    /// An entry is not there; how many came before it.
    Missing(u32),
}

/// See the module's text.
pub(crate) struct Pager {
    pub(crate) store: Arc<dyn PageStore>,
    pub(crate) cache: Cache,
    pub(crate) registry: Arc<Registry>,
    next_id: AtomicU64,
    /// Pages that commits have superseded since the last checkpoint began.
    freed: Mutex<Vec<(u32, PageAddress)>>,
    /// Segments that merges have taken out of the directory since the last checkpoint began.
    gone: Mutex<Vec<GoneSegment>>,
    /// Pages that left their table as a whole, by the commit that did it: earlier readers may read them yet.
    unread: Mutex<Vec<(u64, u32, Vec<PageAddress>)>>,
    /// Runs made aside whose pages no root names, and no record either.
    pub(crate) making: AtomicUsize,
    /// Pages that were joined to others.
    pub(crate) pages_joined: AtomicU64,
}

impl std::fmt::Debug for Pager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pager").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Pager {
    pub(crate) fn new(store: Arc<dyn PageStore>, budget: usize, next_id: u64) -> Self {
        Pager {
            store,
            cache: Cache::new(budget),
            registry: Arc::default(),
            next_id: AtomicU64::new(next_id),
            freed: Mutex::new(Vec::new()),
            gone: Mutex::new(Vec::new()),
            unread: Mutex::new(Vec::new()),
            making: AtomicUsize::new(0),
            pages_joined: AtomicU64::new(0),
        }
    }

    /// A new id for a segment, a page or a page list. Ids are never used twice.
    pub(crate) fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// So many new ids in a row, for the entries of one page; the first of them.
    pub(crate) fn fresh_ids(&self, count: u32) -> u64 {
        self.next_id.fetch_add(u64::from(count), Ordering::Relaxed)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.load(Ordering::Relaxed)
    }

    /// Ids below this one were given before.
    pub(crate) fn raise_next_id(&self, id: u64) {
        self.next_id.fetch_max(id, Ordering::Relaxed);
    }

    pub(crate) fn free(&self, table: u32, addresses: impl IntoIterator<Item = PageAddress>) {
        self.freed.lock().extend(addresses.into_iter().map(|address| (table, address)));
    }

    /// Pages that nobody has changed, and that are in no list any more from this commit on: freed once no earlier number is
    /// registered.
    pub(crate) fn free_when_unread(&self, commit: u64, table: u32, addresses: Vec<PageAddress>) {
        if !addresses.is_empty() {
            self.unread.lock().push((commit, table, addresses));
        }
    }

    /// Frees those of them that nobody reads, or all. True when some are left.
    pub(crate) fn free_unread(&self, all: bool) -> bool {
        let mut unread = self.unread.lock();
        let free = |(commit, ..): &mut (u64, u32, Vec<PageAddress>)| all || !self.registry.any_in(0, *commit);
        for (_, table, addresses) in unread.extract_if(.., free) {
            self.free(table, addresses);
        }
        !unread.is_empty()
    }

    pub(crate) fn take_freed(&self) -> Vec<(u32, PageAddress)> {
        std::mem::take(&mut self.freed.lock())
    }

    /// A segment is gone; the next checkpoint frees its page list. Under the commit latch.
    pub(crate) fn segment_gone(&self, gone: GoneSegment) {
        self.gone.lock().push(gone);
    }

    pub(crate) fn take_gone(&self) -> Vec<GoneSegment> {
        std::mem::take(&mut self.gone.lock())
    }

    /// The page list of a segment: the newest, or that of a commit number.
    #[inline]
    pub(crate) fn list(&self, table: &TableCore, segment: &Segment, number: Option<u64>) -> Result<Arc<PageList>> {
        match segment.list(number) {
            Some(list) => Ok(list),
            None => self.load_list(table, segment, number),
        }
    }

    #[cold]
    fn load_list(&self, table: &TableCore, segment: &Segment, number: Option<u64>) -> Result<Arc<PageList>> {
        context::check_may_block()?;
        let lost = || Error::corrupted(format!("segment {} of table {:?} has no page list", segment.id, table.name()));
        let stored = segment.stored().ok_or_else(lost)?;
        let Some(pages) = read_page_list(&*self.store, table.id(), segment.id, &stored.lists)? else {
            // Another reader may have been faster, and a checkpoint since has written the list anew.
            return segment.list(number).ok_or_else(lost);
        };
        let (rows, checksum) = counts(&pages);
        if (rows, checksum) != (stored.rows, stored.checksum) || pages.is_empty() {
            return Err(Error::corrupted(format!(
                "the page list of segment {} of table {:?} counts {rows} rows where the directory has {}; run repair",
                segment.id,
                table.name(),
                stored.rows
            )));
        }
        segment.install_list(page_list(segment, pages), number).ok_or_else(lost)
    }

    /// A view of a page with its bytes: the newest version, or that of a commit number. None when the page was not
    /// there yet at that number.
    #[inline]
    pub(crate) fn view(
        &self,
        table: &TableCore,
        slot: &Arc<PageSlot>,
        number: Option<u64>,
        keep: Keep,
    ) -> Result<Option<PageView>> {
        let Some(view) = slot.view(number) else { return Ok(None) };
        if view.content.bytes.is_some() {
            return Ok(Some(view));
        }
        self.load(table, slot, number, keep, view)
    }

    /// A view of the first of `slots` with its bytes, out of what was read ahead if it is there.
    #[cold]
    pub(crate) fn load_with(
        &self,
        table: &TableCore,
        slots: &[Arc<PageSlot>],
        number: u64,
        keep: Keep,
        mut view: PageView,
        ahead: &mut ReadAhead,
    ) -> Result<Option<PageView>> {
        context::check_may_block()?;
        let (Some(slot), Some(stored)) = (slots.first(), view.content.stored) else { return Ok(None) };
        if stored.entries > 1 {
            // It is walked over by itself, and what was read ahead stays for the pages behind it.
            return self.load(table, slot, Some(number), keep, view);
        }
        let mut read = ahead.take(stored.address);
        if read.is_none() {
            ahead.fill(self, table, slots, number)?;
            read = ahead.take(stored.address);
        }
        match read.filter(|bytes| bytes.len() == stored.rows as usize) {
            Some(bytes) => {
                let bytes = Arc::new(bytes);
                self.keep(slot, stored, &bytes, keep);
                view.content.bytes = Some(bytes);
                Ok(Some(view))
            }
            None => self.load(table, slot, Some(number), keep, view),
        }
    }

    fn keep(&self, slot: &Arc<PageSlot>, stored: StoredPage, bytes: &Arc<PageBytes>, keep: Keep) {
        meters::page_read();
        if keep == Keep::Always || self.cache.has_room() {
            slot.install_bytes(stored, bytes, &self.cache);
            self.cache.evict();
        }
    }

    #[cold]
    fn load(
        &self,
        table: &TableCore,
        slot: &Arc<PageSlot>,
        number: Option<u64>,
        keep: Keep,
        mut view: PageView,
    ) -> Result<Option<PageView>> {
        context::check_may_block()?;
        loop {
            let stored = view.content.stored.expect("a page is in memory or in the store");
            let before = match self.read_page(table, slot, stored)? {
                Read::Page(bytes) => {
                    let bytes = Arc::new(bytes);
                    self.keep(slot, stored, &bytes, keep);
                    view.content.bytes = Some(bytes);
                    return Ok(Some(view));
                }
                Read::Missing(before) => before,
            };
            // Gone: a commit superseded it and a checkpoint freed it since the look at the slot. What a registered
            // number needs then stands in the slot itself.
            let Some(again) = slot.view(number) else { return Ok(None) };
            if again.content.bytes.is_some() {
                return Ok(Some(again));
            }
            if again.content.stored == Some(stored) {
                return Err(missing(table, slot, stored, before));
            }
            view = again;
        }
    }

    /// Reads a page from the store.
    fn read_page(&self, table: &TableCore, slot: &Arc<PageSlot>, stored: StoredPage) -> Result<Read> {
        let (identity, bytes) = match chunks::read(&*self.store, table.id(), stored)? {
            Found::Page(identity, bytes) => (identity, bytes),
            Found::Missing(before) => return Ok(Read::Missing(before)),
            Found::Damaged(fault) => return Err(damaged(table, slot, stored, "does not decode").with_source(fault)),
        };
        if !identity.is_of(table.id(), stored.address.segment, stored.address.page) {
            return Err(damaged(table, slot, stored, "is another page"));
        }
        if bytes.len() != stored.rows as usize {
            return Err(damaged(table, slot, stored, "has another number of rows than its page list says"));
        }
        Ok(Read::Page(bytes))
    }

    /// Brings the page that covers a key into memory, for a commit to edit.
    pub(crate) fn make_resident(&self, table: &TableCore, key: &[u8]) -> Result<()> {
        let segment = table.segment_of(key);
        let list = self.list(table, &segment, None)?;
        let slot = list.slot_of(key);
        self.view(table, slot, None, Keep::Always).map(drop)
    }

    /// Brings the pages that cover some ascending keys of a segment into memory, for recovery to edit.
    pub(crate) fn make_all_resident<'k>(
        &self,
        table: &TableCore,
        segment: &Segment,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<()> {
        let list = self.list(table, segment, None)?;
        let mut places: Vec<usize> = keys.map(|key| list.find(key)).collect();
        places.dedup();
        let slots: Vec<Arc<PageSlot>> = places.into_iter().map(|at| Arc::clone(&list.slots[at])).collect();
        let (newest, mut ahead) = (u64::MAX, ReadAhead::default());
        for (at, slot) in slots.iter().enumerate() {
            if let Some(view) = slot.view(None)
                && view.content.bytes.is_none()
            {
                self.load_with(table, &slots[at..], newest, Keep::Always, view, &mut ahead)?;
            }
        }
        Ok(())
    }
}

fn missing(table: &TableCore, slot: &Arc<PageSlot>, stored: StoredPage, before: u32) -> Error {
    match stored.entries {
        1 => damaged(table, slot, stored, "is missing"),
        count => damaged(table, slot, stored, &format!("misses chunk {before} of {count}")),
    }
}

fn damaged(table: &TableCore, slot: &Arc<PageSlot>, stored: StoredPage, how: &str) -> Error {
    Error::corrupted(format!(
        "page {} of segment {} of table {:?} {how}: {} rows cannot be read{}; run repair",
        stored.address.page,
        stored.address.segment,
        table.name(),
        stored.rows,
        key_range(table, slot)
    ))
}

/// Which keys a page covers, as far as the newest lists that are in memory know it.
fn key_range(table: &TableCore, slot: &Arc<PageSlot>) -> String {
    table.with_directory(|directory| {
        let covers = |segment: &Arc<Segment>| {
            segment.with_list(|list| {
                let at = list.slots.iter().position(|listed| Arc::ptr_eq(listed, slot))?;
                let low = if at == 0 { segment.low() } else { &list.lows[at] };
                let high = list.lows.get(at + 1).or(segment.high());
                Some(format!(" ({})", table.show_keys(low, high.map(|high| &**high))))
            })?
        };
        directory.segments().iter().find_map(covers).unwrap_or_default()
    })
}

fn page_list(segment: &Segment, mut pages: Vec<ListedPage>) -> PageList {
    // The first page takes all keys of its segment from the low key on; when it was made aside, nobody knew that.
    if let Some(first) = pages.first_mut() {
        first.low = segment.low().clone();
    }
    let slots = pages.iter().map(|page| PageSlot::from_store(0, page.stored)).collect();
    PageList { lows: pages.into_iter().map(|page| page.low).collect(), slots }
}
