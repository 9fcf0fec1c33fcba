//! A fixed range of a table as of one commit number, cut into parts.

use std::ops::{ControlFlow, Range};
use std::panic::Location;
use std::sync::Arc;

use crate::codec::KeyBuf;
use crate::error::Result;
use crate::lock::{Limit, check_all};
use crate::table::directory::Directory;
use crate::table::pager::Keep;
use crate::table::registry::Registration;
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;
use crate::table::typed::{TypedPage, read_page};
use crate::table::{ReadAhead, Row, Shared};
use crate::txn::{Engine, OwnRows, Snapshot};

/// With fewer segments than this, a segment is cut into runs of pages.
const SEGMENTS_TO_STEAL: usize = 16;
/// Pages of such a run.
const PAGES_A_RUN: usize = 16;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Scan<'a, V> {
    pub(crate) engine: &'a Engine,
    pub(crate) site: &'static Location<'static>,
    table: Arc<TableCore>,
    number: u64,
    _registration: Option<Registration>,
    /// Whose number it is, if it may be taken away while the scan is under way.
    snapshot: Option<&'a Snapshot>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    own: OwnRows<V>,
    /// Looked at before each page.
    limits: Vec<Limit>,
}

/// A run of pages of one segment.
#[derive(Debug)]
pub(crate) struct Part {
    segment: Arc<Segment>,
    /// None: all pages of the segment, whose list may not be loaded yet.
    pages: Option<(Arc<PageList>, Range<usize>)>,
}

/// A row that a scan came to, and where it stands. Key and handle are made only for those who want them.
pub(crate) enum RowAt<'a, V> {
    Page(&'a TypedPage<V>, usize),
    Own(&'a KeyBuf, &'a Arc<V>),
}

impl<V> RowAt<'_, V> {
    /// The encoded key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            RowAt::Page(page, at) => page.bytes.key(*at),
            RowAt::Own(key, _) => key,
        }
    }

    /// A handle that shares the row.
    pub(crate) fn shared(&self) -> Shared<V> {
        match self {
            RowAt::Page(page, at) => Shared::in_page(Arc::clone(&page.rows), *at),
            RowAt::Own(_, row) => Shared::from_arc(Arc::clone(row)),
        }
    }
}

impl<'a, V: Row> Scan<'a, V> {
    pub(crate) fn new(
        engine: &'a Engine,
        table: Arc<TableCore>,
        number: u64,
        registration: Option<Registration>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        own: OwnRows<V>,
        site: &'static Location<'static>,
    ) -> Self {
        let (snapshot, limits) = (None, Vec::new());
        Scan { engine, site, table, number, _registration: registration, snapshot, low, high, own, limits }
    }

    pub(crate) fn of_snapshot(mut self, snapshot: &'a Snapshot) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    pub(crate) fn limited(mut self, limits: Vec<Limit>) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the scan may go on.
    ///
    /// # Errors
    /// `Cancelled`.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.limits.is_empty() { Ok(()) } else { self.check_limits() }
    }

    fn check_limits(&self) -> Result<()> {
        check_all(&self.limits, format_args!("while it read the table {:?}", self.table.name()))
    }

    /// What was taken out of the table, if it is that of the scan's number.
    ///
    /// # Errors
    /// `SnapshotTooOld`, whatever it failed of: older versions may have gone while it was taken.
    #[inline]
    fn kept<T>(&self, taken: Result<T>) -> Result<T> {
        self.snapshot.map_or(Ok(()), Snapshot::check_kept)?;
        taken
    }

    fn directory(&self) -> Result<Option<Arc<Directory>>> {
        let empty = self.high.as_ref().is_some_and(|high| *high <= self.low);
        if empty { Ok(None) } else { self.kept(Ok(self.table.directory(Some(self.number)))) }
    }

    /// The parts in key order, and about how many rows they hold.
    pub(crate) fn parts(&self) -> Result<(Vec<Part>, u64)> {
        let Some(directory) = self.directory()? else { return Ok((Vec::new(), 0)) };
        let covered = &directory.segments()[directory.covering(&self.low, self.high.as_deref())];
        let rows = covered.iter().map(|segment| segment.rows()).sum();
        if covered.len() >= SEGMENTS_TO_STEAL {
            let parts = covered.iter().map(|segment| Part { segment: Arc::clone(segment), pages: None });
            return Ok((parts.collect(), rows));
        }
        let mut parts = Vec::new();
        for segment in covered {
            self.check()?;
            let (list, pages) = self.pages(segment)?;
            for from in pages.clone().step_by(PAGES_A_RUN) {
                let run = from..(from + PAGES_A_RUN).min(pages.end);
                parts.push(Part { segment: Arc::clone(segment), pages: Some((Arc::clone(&list), run)) });
            }
        }
        Ok((parts, rows))
    }

    fn pages(&self, segment: &Arc<Segment>) -> Result<(Arc<PageList>, Range<usize>)> {
        let list = self.kept(self.engine.pager.list(&self.table, segment, Some(self.number)))?;
        let pages = list.covering(&self.low, self.high.as_deref());
        Ok((list, pages))
    }

    /// Hands every row of a part to `row`, in key order, until it breaks.
    #[inline]
    pub(crate) fn feed(
        &self,
        part: &Part,
        mut row: impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let loaded;
        let (list, pages) = match &part.pages {
            Some((list, pages)) => (list, pages.clone()),
            None => {
                loaded = self.pages(&part.segment)?;
                (&loaded.0, loaded.1)
            }
        };
        let mut ahead = ReadAhead::default();
        for at in pages.clone() {
            self.check()?;
            let slots = &list.slots[at..pages.end];
            let read = read_page(&self.engine.pager, &self.table, slots, self.number, Keep::IfRoom, &mut ahead);
            let Some(page) = self.kept(read)? else { continue };
            let low = if at > 0 { &*list.lows[at] } else { &**part.segment.low() };
            let high = list.lows.get(at + 1).or(part.segment.high());
            if self.feed_page(&page, low, high.map(|high| &**high), &mut row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    #[inline]
    fn feed_page(
        &self,
        page: &TypedPage<V>,
        page_low: &[u8],
        page_high: Option<&[u8]>,
        row: &mut impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let place = |key: &[u8]| page.bytes.search(key).unwrap_or_else(|at| at);
        let from = if *self.low > *page_low { place(&self.low) } else { 0 };
        let to = match &self.high {
            Some(high) if page_high.is_none_or(|page_high| **high < *page_high) => place(high),
            _ => page.bytes.len(),
        };
        if !self.own.is_empty() {
            let own = self.own_in(page_low, page_high);
            if !own.is_empty() {
                return merge(page, from..to, own, row);
            }
        }
        let rows = page.rows.as_slice();
        for (at, value) in rows.iter().enumerate().take(to).skip(from) {
            row(RowAt::Page(page, at), value)?;
        }
        ControlFlow::Continue(())
    }

    /// The transaction's own writes that belong to a page.
    fn own_in(&self, low: &[u8], high: Option<&[u8]>) -> &[(KeyBuf, Option<Arc<V>>)] {
        let from = self.own.partition_point(|(key, _)| **key < *low);
        let to = high.map_or(self.own.len(), |high| self.own.partition_point(|(key, _)| **key < *high));
        self.own.get(from..to).unwrap_or_default()
    }
}

/// Rows of a page and own writes in one order; an own write stands for the row under its key.
fn merge<V>(
    page: &TypedPage<V>,
    rows: Range<usize>,
    own: &[(KeyBuf, Option<Arc<V>>)],
    row: &mut impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut own = own.iter().peekable();
    for at in rows {
        let key = page.bytes.key(at);
        let mut replaced = false;
        while let Some((own_key, write)) = own.next_if(|(own_key, _)| **own_key <= *key) {
            replaced |= **own_key == *key;
            if let Some(value) = write {
                row(RowAt::Own(own_key, value), value)?;
            }
        }
        if !replaced {
            row(RowAt::Page(page, at), page.rows.get(at))?;
        }
    }
    for (own_key, write) in own {
        if let Some(value) = write {
            row(RowAt::Own(own_key, value), value)?;
        }
    }
    ControlFlow::Continue(())
}
