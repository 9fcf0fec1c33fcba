//! Rows that are in pages already, one after another as bytes: those of a table or of a range of it, or of a run made aside.

use std::sync::Arc;

use super::builder::{Made, MadePages, Run};
use super::merge::{Item, Source};
use super::splice::covered;
use crate::codec::{KeyBuf, PageBytes};
use crate::error::Result;
use crate::table::page::PageSlot;
use crate::table::pager::Pager;
use crate::table::read_ahead::ReadAhead;
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;
use crate::table::typed::read_keys;

/// Sees the newest version of everything.
const NEWEST: u64 = u64::MAX;

/// See the module's text.
pub(crate) struct PageRows<'a> {
    pager: &'a Pager,
    table: Arc<TableCore>,
    number: u64,
    segments: std::vec::IntoIter<Arc<Segment>>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    /// Given up when all was read.
    run: Option<Run<'a>>,
    list: Arc<PageList>,
    next_page: usize,
    page: Arc<PageBytes>,
    next_row: usize,
    ahead: ReadAhead,
}

impl<'a> PageRows<'a> {
    /// The rows of `low..high`, which nobody may change meanwhile.
    pub(crate) fn of_range(pager: &'a Pager, table: &Arc<TableCore>, low: KeyBuf, high: Option<KeyBuf>) -> Self {
        let segments = covered(table, &low, high.as_deref());
        Self::new(pager, table, NEWEST, segments, (low, high), None)
    }

    /// All rows as of a commit number, which somebody has registered.
    pub(crate) fn at(pager: &'a Pager, table: &Arc<TableCore>, number: u64) -> Self {
        let directory = table.directory(Some(number));
        let segments = directory.map(|directory| directory.segments().to_vec()).unwrap_or_default();
        Self::new(pager, table, number, segments, (KeyBuf::empty(), None), None)
    }

    /// As [`at`](Self::at), of `low..high` only.
    #[cfg(feature = "admin")]
    pub(crate) fn within(
        pager: &'a Pager,
        table: &Arc<TableCore>,
        number: u64,
        (low, high): (KeyBuf, Option<KeyBuf>),
    ) -> Self {
        let directory = table.directory(Some(number));
        let mut segments = directory.map(|directory| directory.segments().to_vec()).unwrap_or_default();
        segments.retain(|segment| segment.high().is_none_or(|high| *high > low));
        segments.retain(|segment| high.as_deref().is_none_or(|high| &**segment.low() < high));
        Self::new(pager, table, number, segments, (low, high), None)
    }

    /// The rows of a run, which goes with it.
    pub(crate) fn of_run(table: &Arc<TableCore>, mut run: Run<'a>) -> Self {
        let pager = run.pager();
        let segments = run.take_made().into_iter().map(|made| unlisted(made, 0)).collect();
        Self::new(pager, table, NEWEST, segments, (KeyBuf::empty(), None), Some(run))
    }

    fn new(
        pager: &'a Pager,
        table: &Arc<TableCore>,
        number: u64,
        segments: Vec<Arc<Segment>>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        run: Option<Run<'a>>,
    ) -> Self {
        PageRows {
            pager,
            table: Arc::clone(table),
            number,
            segments: segments.into_iter(),
            low,
            high,
            run,
            list: Arc::default(),
            next_page: 0,
            page: Arc::default(),
            next_row: 0,
            ahead: ReadAhead::default(),
        }
    }

    /// Goes to the next page. False when there is none.
    fn next_page(&mut self) -> Result<bool> {
        while self.next_page >= self.list.slots.len() {
            let Some(segment) = self.segments.next() else { return Ok(false) };
            self.list = self.pager.list(&self.table, &segment, Some(self.number))?;
            self.next_page = if self.run.is_some() { 0 } else { self.list.find(&self.low) };
            if self.run.is_some() {
                // They are read once, and never come on the books of the cache.
                self.list.slots.iter().for_each(|slot| slot.latch().detach(&self.pager.cache));
            }
        }
        let slots = &self.list.slots[self.next_page..];
        self.page = read_keys(self.pager, &self.table, slots, self.number, &mut self.ahead)?.unwrap_or_default();
        self.next_page += 1;
        self.next_row = match self.page.search(&self.low) {
            Ok(at) | Err(at) => at,
        };
        Ok(true)
    }

    /// The key and the row after the last.
    pub(crate) fn step(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        while self.next_row >= self.page.len() {
            if !self.next_page()? {
                return Ok(None);
            }
        }
        let at = self.next_row;
        self.next_row += 1;
        let key = self.page.key(at);
        if self.high.as_deref().is_some_and(|high| key >= high) {
            return Ok(None);
        }
        Ok(Some((key, self.page.row(at))))
    }
}

impl Source for PageRows<'_> {
    fn next(&mut self, item: &mut Item) -> Result<bool> {
        let Some((key, row)) = self.step()? else { return Ok(false) };
        item.key = KeyBuf::from(key);
        item.set_row(Some(row));
        Ok(true)
    }
}

/// A segment made aside, with the keys from its first one on.
fn unlisted(made: Made, commit: u64) -> Arc<Segment> {
    let low = made.low.clone();
    segment_of(made, low, None, commit)
}

/// A segment made aside, with its bounds in a directory.
pub(super) fn segment_of(made: Made, low: KeyBuf, high: Option<KeyBuf>, commit: u64) -> Arc<Segment> {
    match made.pages {
        MadePages::Memory(pages) => {
            // The first page takes all keys from the segment's low key on.
            let others = pages.iter().skip(1).map(|page| KeyBuf::from(page.low_key().unwrap_or_default()));
            let lows = [low.clone()].into_iter().chain(others).collect();
            let slots = pages.into_iter().map(|page| PageSlot::fresh(commit, page, None, 0)).collect();
            Segment::new(made.id, low, high, commit, PageList { lows, slots }, made.rows)
        }
        MadePages::Stored(stored) => {
            let segment = Segment::from_store(made.id, low, high, stored);
            // Its directory entry is still to be written.
            segment.mark_dirty();
            segment
        }
    }
}
