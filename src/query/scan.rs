//! A fixed range of a table as of one commit number, cut into parts.

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};
use std::panic::Location;
use std::sync::Arc;

use super::behind::Behind;
use crate::codec::{KeyBuf, PageBytes};
use crate::error::Result;
use crate::lock::{Limit, check_all};
use crate::table::directory::Directory;
use crate::table::pager::Keep;
use crate::table::registry::Registration;
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;
use crate::table::typed::{TypedPage, read_keys, read_page};
use crate::table::{Expiry, ReadAhead, Row, Shared};
use crate::txn::{Engine, OwnRows, Snapshot};

/// With fewer segments than this, a segment is cut into runs of pages.
const SEGMENTS_TO_STEAL: usize = 16;
/// Pages of such a run.
const PAGES_A_RUN: usize = 16;

/// One of [`OwnRows`].
type OwnRow<V> = (KeyBuf, Option<Arc<V>>);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Scan<V: 'static> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) site: &'static Location<'static>,
    table: Arc<TableCore>,
    number: u64,
    _registration: Option<Registration>,
    /// Whose number it is, if it may be taken away while the scan is under way.
    snapshot: Option<Snapshot>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    own: OwnRows<V>,
    /// There if these are the entries of an index, for the rows that they lead to.
    behind: Option<Behind<V>>,
    /// Looked at before each page.
    limits: Vec<Limit>,
    /// From the greatest key down.
    reverse: bool,
    /// Rows that are over are passed over.
    expiry: Option<Expiry<V>>,
}

/// A run of pages of one segment.
#[derive(Debug)]
pub(crate) struct Part {
    segment: Arc<Segment>,
    /// None: all pages of the segment, whose list may not be loaded yet.
    pages: Option<(Arc<PageList>, Range<usize>)>,
}

/// The parts of a scan in its order, and about how many rows they hold.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) list: Vec<Part>,
    pub(crate) rows: u64,
    /// The segments that they lie in.
    pub(crate) segments: usize,
}

/// The pages of a part that are still to be looked at.
#[derive(Debug)]
pub(crate) struct Pages {
    segment: Arc<Segment>,
    list: Arc<PageList>,
    left: Range<usize>,
    ahead: ReadAhead,
}

impl Pages {
    /// The keys that a page covers.
    pub(super) fn bounds(&self, at: usize) -> (&[u8], Option<&[u8]>) {
        let low = if at > 0 { &*self.list.lows[at] } else { &**self.segment.low() };
        let high = self.list.lows.get(at + 1).or(self.segment.high());
        (low, high.map(|high| &**high))
    }
}

/// A row that a scan came to, and where it stands. Key and handle are made only for those who want them.
pub(crate) enum RowAt<'a, V> {
    Page(&'a TypedPage<V>, usize),
    Own(&'a KeyBuf, &'a Arc<V>),
    /// One that was found before, and kept, or found by an index.
    Kept(&'a KeyBuf, &'a Shared<V>),
}

/// Where a key comes from: its place in the page, or an own write.
enum Found<'a, V> {
    Page(usize),
    Own(&'a KeyBuf, &'a Arc<V>),
}

impl<V> RowAt<'_, V> {
    /// The encoded key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            RowAt::Page(page, at) => page.bytes.key(*at),
            RowAt::Own(key, _) | RowAt::Kept(key, _) => key,
        }
    }

    /// A handle that shares the row.
    pub(crate) fn shared(&self) -> Shared<V> {
        match self {
            RowAt::Page(page, at) => Shared::in_page(Arc::clone(&page.rows), *at),
            RowAt::Own(_, row) => Shared::from_arc(Arc::clone(row)),
            RowAt::Kept(_, row) => (*row).clone(),
        }
    }
}

impl<V: Row> Scan<V> {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        table: Arc<TableCore>,
        number: u64,
        registration: Option<Registration>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        own: OwnRows<V>,
        site: &'static Location<'static>,
    ) -> Self {
        let (behind, limits, reverse, snapshot, expiry) = (None, Vec::new(), false, None, None);
        let (engine, _registration) = (Arc::clone(engine), registration);
        Scan { engine, site, table, number, _registration, snapshot, low, high, own, behind, limits, reverse, expiry }
    }

    /// Without the rows that are over.
    pub(super) fn expiring(mut self, expiry: Option<Expiry<V>>) -> Self {
        self.expiry = expiry;
        self
    }

    pub(crate) fn of_snapshot(mut self, snapshot: &Snapshot) -> Self {
        self.snapshot = Some(snapshot.clone());
        self
    }

    /// A scan of the entries of an index for the rows behind them.
    pub(super) fn behind(mut self, behind: Behind<V>) -> Self {
        self.behind = Some(behind);
        self
    }

    pub(super) fn take_behind(&mut self) -> Option<Behind<V>> {
        self.behind.take()
    }

    pub(super) fn table_name(&self) -> &str {
        self.table.name()
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_reversed(&self) -> bool {
        self.reverse
    }

    pub(super) fn bounds(&self) -> (&KeyBuf, Option<&KeyBuf>) {
        (&self.low, self.high.as_ref())
    }

    pub(crate) fn reversed(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
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
    /// As [`Snapshot::kept`].
    #[inline]
    pub(super) fn kept<T>(&self, taken: Result<T>) -> Result<T> {
        match &self.snapshot {
            Some(snapshot) => snapshot.kept(taken),
            None => taken,
        }
    }

    fn directory(&self) -> Result<Option<Arc<Directory>>> {
        let empty = self.high.as_ref().is_some_and(|high| *high <= self.low);
        if empty { Ok(None) } else { self.kept(Ok(self.table.directory(Some(self.number)))) }
    }

    /// The range cut into parts that may be folded by different threads.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let mut parts = self.segments()?;
        if parts.list.len() < SEGMENTS_TO_STEAL {
            for part in std::mem::take(&mut parts.list) {
                self.check()?;
                let (list, pages) = self.pages(&part.segment)?;
                let mut runs: Vec<_> = pages.clone().step_by(PAGES_A_RUN).collect();
                if self.reverse {
                    runs.reverse();
                }
                parts.list.extend(runs.into_iter().map(|from| {
                    let run = from..(from + PAGES_A_RUN).min(pages.end);
                    Part { segment: Arc::clone(&part.segment), pages: Some((Arc::clone(&list), run)) }
                }));
            }
        }
        Ok(parts)
    }

    /// The range cut into segments, for those who go through it alone: no page list is loaded for it.
    pub(crate) fn segments(&self) -> Result<Parts> {
        let Some(directory) = self.directory()? else { return Ok(Parts::default()) };
        let covered = &directory.segments()[directory.covering(&self.low, self.high.as_deref())];
        let rows = covered.iter().map(|segment| segment.rows()).sum();
        let mut list: Vec<_> =
            covered.iter().map(|segment| Part { segment: Arc::clone(segment), pages: None }).collect();
        if self.reverse {
            list.reverse();
        }
        Ok(Parts { list, rows, segments: covered.len() })
    }

    fn pages(&self, segment: &Arc<Segment>) -> Result<(Arc<PageList>, Range<usize>)> {
        let list = self.kept(self.engine.pager.list(&self.table, segment, Some(self.number)))?;
        let pages = list.covering(&self.low, self.high.as_deref());
        Ok((list, pages))
    }

    /// The pages of a part.
    pub(crate) fn enter(&self, part: &Part) -> Result<Pages> {
        let (list, left) = match &part.pages {
            Some((list, pages)) => (Arc::clone(list), pages.clone()),
            None => self.pages(&part.segment)?,
        };
        Ok(Pages { segment: Arc::clone(&part.segment), list, left, ahead: ReadAhead::default() })
    }

    /// Hands every row of a part to `row`, in the scan's order, until it breaks.
    #[inline]
    pub(crate) fn feed(
        &self,
        part: &Part,
        mut row: impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut pages = self.enter(part)?;
        while let Some(flow) = self.feed_next(&mut pages, &mut row)? {
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Hands the rows of the next page to `row`. None when there is no page left.
    #[inline]
    pub(crate) fn feed_next(
        &self,
        pages: &mut Pages,
        row: &mut impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> Result<Option<ControlFlow<()>>> {
        let row = &mut |at: RowAt<'_, V>, value: &V| match &self.expiry {
            Some(expiry) if expiry.is_over(value) => ControlFlow::Continue(()),
            _ => row(at, value),
        };
        if let Some(behind) = &self.behind {
            return self.feed_next_behind(behind, pages, row);
        }
        let Some(at) = self.next_page(pages)? else { return Ok(None) };
        let slots = &pages.list.slots[at.clone()];
        let read = read_page(&self.engine.pager, &self.table, slots, self.number, Keep::IfRoom, &mut pages.ahead);
        let Some(page) = self.kept(read)? else { return Ok(Some(ControlFlow::Continue(()))) };
        let (rows, own) = self.covered(pages, at.start, &page.bytes);
        if !own.is_empty() {
            return Ok(Some(self.merge(&page.bytes, rows, own, &mut |found| match found {
                Found::Page(at) => row(RowAt::Page(&page, at), page.rows.get(at)),
                Found::Own(key, value) => row(RowAt::Own(key, value), value),
            })));
        }
        let mut rows = page.rows.as_slice().iter().enumerate().take(rows.end).skip(rows.start);
        let mut one = |(at, value)| row(RowAt::Page(&page, at), value);
        Ok(Some(if self.reverse { rows.rev().try_for_each(one) } else { rows.try_for_each(&mut one) }))
    }

    /// Hands every key of a part to `key`, until it breaks. No row is decoded, but those that are found by an index or may
    /// be over.
    pub(crate) fn feed_keys(
        &self,
        part: &Part,
        mut key: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        if self.behind.is_some() || self.expiry.is_some() {
            return self.feed(part, |at, _| key(at.key()));
        }
        let mut pages = self.enter(part)?;
        while let Some((at, bytes)) = self.next_keys(&mut pages)? {
            let Some(bytes) = bytes else { continue };
            let (rows, own) = self.covered(&pages, at, &bytes);
            let flow = self.merge(&bytes, rows, own, &mut |found| match found {
                Found::Page(at) => key(bytes.key(at)),
                Found::Own(own, _) => key(own),
            });
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Place and bytes of the next page. None when there is no page left.
    pub(super) fn next_keys(&self, pages: &mut Pages) -> Result<Option<(usize, Option<Arc<PageBytes>>)>> {
        let Some(at) = self.next_page(pages)? else { return Ok(None) };
        let slots = &pages.list.slots[at.clone()];
        let bytes = read_keys(&self.engine.pager, &self.table, slots, self.number, &mut pages.ahead);
        Ok(Some((at.start, self.kept(bytes)?)))
    }

    /// Takes the next page off the list. The range begins with it; what follows may be read with it.
    fn next_page(&self, pages: &mut Pages) -> Result<Option<Range<usize>>> {
        let left = pages.left.clone();
        if left.is_empty() {
            return Ok(None);
        }
        self.check()?;
        if self.reverse {
            pages.left.end -= 1;
            Ok(Some(pages.left.end..left.end))
        } else {
            pages.left.start += 1;
            Ok(Some(left))
        }
    }

    /// The rows of a page that lie in the scan's range, and the transaction's own writes that belong to it.
    fn covered(&self, pages: &Pages, at: usize, bytes: &PageBytes) -> (Range<usize>, &[OwnRow<V>]) {
        let (low, high) = pages.bounds(at);
        let own = if self.own.is_empty() { &[] } else { self.own_in(low, high) };
        (self.range_in(bytes, low, high), own)
    }

    /// Which rows of a page are in the range.
    #[inline]
    pub(super) fn range_in(&self, bytes: &PageBytes, page_low: &[u8], page_high: Option<&[u8]>) -> Range<usize> {
        let place = |key: &[u8]| bytes.search(key).unwrap_or_else(|at| at);
        let from = if *self.low > *page_low { place(&self.low) } else { 0 };
        let to = match &self.high {
            Some(high) if page_high.is_none_or(|page_high| **high < *page_high) => place(high),
            _ => bytes.len(),
        };
        from..to
    }

    /// The transaction's own writes that belong to a page.
    fn own_in(&self, low: &[u8], high: Option<&[u8]>) -> &[OwnRow<V>] {
        let from = self.own.partition_point(|(key, _)| **key < *low);
        let to = high.map_or(self.own.len(), |high| self.own.partition_point(|(key, _)| **key < *high));
        self.own.get(from..to).unwrap_or_default()
    }

    /// Rows of a page and own writes in one order, the scan's.
    fn merge(
        &self,
        bytes: &PageBytes,
        rows: Range<usize>,
        own: &[OwnRow<V>],
        each: &mut impl FnMut(Found<'_, V>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.reverse {
            merge(bytes, rows.rev(), own.iter().rev(), Ordering::Less, each)
        } else {
            merge(bytes, rows, own.iter(), Ordering::Greater, each)
        }
    }
}

/// Both come in one order, in which a key that compares as `later` comes later. An own write stands for the row under
/// its key.
fn merge<'o, V: 'o>(
    bytes: &PageBytes,
    rows: impl Iterator<Item = usize>,
    own: impl Iterator<Item = &'o OwnRow<V>>,
    later: Ordering,
    each: &mut impl FnMut(Found<'_, V>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut own = own.peekable();
    for at in rows {
        let key = bytes.key(at);
        let mut replaced = false;
        while let Some((own_key, write)) = own.next_if(|(own_key, _)| (**own_key).cmp(key) != later) {
            replaced |= **own_key == *key;
            if let Some(value) = write {
                each(Found::Own(own_key, value))?;
            }
        }
        if !replaced {
            each(Found::Page(at))?;
        }
    }
    for (own_key, write) in own {
        if let Some(value) = write {
            each(Found::Own(own_key, value))?;
        }
    }
    ControlFlow::Continue(())
}
