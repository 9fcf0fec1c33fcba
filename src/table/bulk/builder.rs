//! Fills rows that come in the order of their keys into pages and segments aside.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::codec::wire::varint_len;
use crate::codec::{KeyBuf, PageBytes};
use crate::error::Result;
use crate::options::PAGE_BYTES;
use crate::table::entry::ListedPage;
use crate::table::page::PageAddress;
use crate::table::pager::Pager;
use crate::table::sealed::{BATCH, list_entries, page_entries};
use crate::table::segment::StoredSegment;

/// The most that a bulk act keeps in memory, in encoded bytes: it has to fit a record of the journal.
const MOST_IN_MEMORY: usize = 192 << 20;

/// Encoded bytes of pages that may still stay in memory, for all tables and indexes of one act together.
#[derive(Debug)]
pub(crate) struct Allowance(Cell<usize>);

impl Allowance {
    /// As much as goes well with a memory budget: an eighth.
    pub(crate) fn of(pager: &Pager) -> Self {
        Allowance(Cell::new(Self::most(pager)))
    }

    pub(crate) fn nothing() -> Self {
        Allowance(Cell::new(0))
    }

    pub(crate) fn most(pager: &Pager) -> usize {
        (pager.cache.budget() / 8).min(MOST_IN_MEMORY)
    }

    /// A run is given up whose pages took a part of it.
    pub(super) fn give_back(&self, run: &Run<'_>) {
        let bytes = |made: &Made| match &made.pages {
            MadePages::Memory(pages) => pages.iter().map(PageBytes::encoded_len).sum(),
            MadePages::Stored(_) => 0,
        };
        self.0.set(self.0.get() + run.made.iter().map(bytes).sum::<usize>());
    }

    fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        left.inspect(|left| self.0.set(*left)).is_some()
    }
}

/// A segment that is in no directory yet.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) id: u64,
    /// Its first key.
    pub(crate) low: KeyBuf,
    pub(crate) rows: u64,
    pub(crate) pages: MadePages,
}

/// Where the pages of such a segment are.
#[derive(Debug)]
pub(crate) enum MadePages {
    Memory(Vec<PageBytes>),
    Stored(StoredSegment),
}

/// Segments made aside, in the order of their keys. What of them is in the page store is given up with them, unless they
/// come into a directory.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pager: &'a Pager,
    table: u32,
    made: Vec<Made>,
    /// The entries of all that is in the page store.
    stored: Vec<PageAddress>,
}

impl<'a> Run<'a> {
    pub(super) fn new(pager: &'a Pager, table: u32, made: Vec<Made>) -> Self {
        pager.making.fetch_add(1, Ordering::AcqRel);
        Run { pager, table, made, stored: Vec::new() }
    }

    pub(super) fn low(&self) -> Option<&KeyBuf> {
        self.made.first().map(|made| &made.low)
    }

    /// Whether a part of it is in the page store, which must be synced before a record refers to it.
    pub(crate) fn is_stored(&self) -> bool {
        !self.stored.is_empty()
    }

    pub(super) fn made(&self) -> &[Made] {
        &self.made
    }

    /// The segments, to be put into a directory.
    pub(super) fn show(mut self) -> Vec<Made> {
        self.stored.clear();
        std::mem::take(&mut self.made)
    }

    pub(super) fn pager(&self) -> &'a Pager {
        self.pager
    }

    /// The segments, to be read and then given up.
    pub(super) fn take_made(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.made)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // In this order: a checkpoint looks at the count first.
        self.pager.free(self.table, self.stored.drain(..));
        self.pager.making.fetch_sub(1, Ordering::AcqRel);
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    run: Run<'a>,
    /// The number that pages in the page store say they are of.
    number: u64,
    segment_rows: u64,
    page: PageBytes,
    /// Full pages of the segment that is being filled.
    pages: Vec<PageBytes>,
    rows: u64,
    bytes: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(pager: &'a Pager, table: u32, number: u64, segment_rows: usize) -> Self {
        Builder {
            run: Run::new(pager, table, Vec::new()),
            number,
            segment_rows: segment_rows as u64,
            page: PageBytes::new(),
            pages: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds a row, whose key must be above all before it.
    ///
    /// # Errors
    /// What the page store says.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], row: &[u8], allowance: &Allowance) -> Result<()> {
        let more = varint_len(key.len() as u64) + varint_len(row.len() as u64) + key.len() + row.len() + 1;
        if !self.page.is_empty() && self.page.encoded_len() + more > PAGE_BYTES {
            self.end_page();
            if self.rows >= self.segment_rows {
                self.end_segment(allowance)?;
            }
        }
        self.page.insert(self.page.len(), key, row);
        Ok(())
    }

    /// Ends the last segment.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn finish(mut self, allowance: &Allowance) -> Result<Run<'a>> {
        if !self.page.is_empty() {
            self.end_page();
        }
        if !self.pages.is_empty() {
            self.end_segment(allowance)?;
        }
        Ok(self.run)
    }

    fn end_page(&mut self) {
        self.rows += self.page.len() as u64;
        self.bytes += self.page.encoded_len();
        // The copy takes as much memory as it needs, and the buffers go on to the next page.
        self.pages.push(self.page.clone());
        self.page.clear();
    }

    fn end_segment(&mut self, allowance: &Allowance) -> Result<()> {
        let pages = std::mem::take(&mut self.pages);
        let (rows, bytes) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.bytes));
        let id = self.run.pager.fresh_id();
        let low = pages.first().and_then(PageBytes::low_key).map(KeyBuf::from).expect("a segment made aside has rows");
        let pages =
            if allowance.take(bytes) { MadePages::Memory(pages) } else { MadePages::Stored(self.store(id, &pages)?) };
        self.run.made.push(Made { id, low, rows, pages });
        Ok(())
    }

    /// Writes the pages of a segment and their list.
    fn store(&mut self, segment: u64, pages: &[PageBytes]) -> Result<StoredSegment> {
        let (pager, table) = (self.run.pager, self.run.table);
        let mut batch = Vec::with_capacity(BATCH);
        let mut listed = Vec::with_capacity(pages.len());
        for bytes in pages {
            let (stored, entries) = page_entries(pager, table, segment, self.number, bytes);
            self.run.stored.extend(stored.addresses());
            batch.extend(entries);
            let low = bytes.low_key().map(KeyBuf::from).expect("a page made aside has rows");
            listed.push(ListedPage { low, stored });
            if batch.len() >= BATCH {
                pager.store.write(std::mem::take(&mut batch))?;
            }
        }
        let (stored, entries) = list_entries(pager, table, segment, self.number, &listed);
        self.run.stored.extend(stored.lists.iter().map(|id| PageAddress { segment, page: *id }));
        batch.extend(entries);
        pager.store.write(batch)?;
        Ok(stored)
    }
}
