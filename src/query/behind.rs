//! The rows behind the entries of an index.
//!
//! A row that has several keys in the range stands in the results once, under its first: its keys say which that is, so no
//! part needs to know of another. In reverse it is shown where it stands then.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::scan::{Pages, RowAt, Scan};
use crate::codec::{KeyBuf, PageBytes};
use crate::error::{Error, Result};
use crate::table::index_core::IndexCore;
use crate::table::row_keys::keys_of;
use crate::table::table_core::TableCore;
use crate::table::typed::{self, hex};
use crate::table::{IndexDef, Row, Shared};
use crate::txn::Engine;

/// What stands behind the entries that a scan goes through.
pub(crate) struct Behind<V: 'static> {
    pub(super) table: Arc<TableCore>,
    pub(super) index: Arc<IndexCore>,
    pub(super) keys: &'static dyn IndexDef<V>,
    /// The range is one key, so no row has two in it.
    one: bool,
    /// Which keys of the table.
    low: KeyBuf,
    high: Option<KeyBuf>,
    /// The rows that the transaction itself wrote, ascending: their entries in the index do not count.
    pub(super) written: Vec<KeyBuf>,
    /// Where these rows stand now, ascending.
    pub(super) own: Vec<OwnEntry<V>>,
}

/// The entry of a row that the transaction itself wrote.
pub(crate) struct OwnEntry<V> {
    pub(super) entry: KeyBuf,
    pub(super) key: KeyBuf,
    pub(super) row: Arc<V>,
}

impl<V> std::fmt::Debug for Behind<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("index", &self.index).field("own", &self.own.len()).finish_non_exhaustive()
    }
}

/// Whether a key is in a range. Index keys do not begin with one another, so what follows one makes no difference.
pub(super) fn is_in(key: &[u8], low: &[u8], high: Option<&KeyBuf>) -> bool {
    key >= low && high.is_none_or(|high| *key < **high)
}

impl<V: Row> Behind<V> {
    pub(super) fn new(
        table: Arc<TableCore>,
        index: Arc<IndexCore>,
        keys: &'static dyn IndexDef<V>,
        one: bool,
        (low, high): (KeyBuf, Option<KeyBuf>),
    ) -> Self {
        Behind { table, index, keys, one, low, high, written: Vec::new(), own: Vec::new() }
    }

    pub(super) fn wants(&self, key: &[u8]) -> bool {
        is_in(key, &self.low, self.high.as_ref())
    }

    fn is_written(&self, key: &[u8]) -> bool {
        self.written.binary_search_by(|written| (**written).cmp(key)).is_ok()
    }

    /// The own entries that belong to a page.
    fn own_in(&self, low: &[u8], high: Option<&[u8]>) -> &[OwnEntry<V>] {
        let from = self.own.partition_point(|own| *own.entry < *low);
        let to = high.map_or(self.own.len(), |high| self.own.partition_point(|own| *own.entry < *high));
        self.own.get(from..to).unwrap_or_default()
    }

    /// The row that an entry leads to.
    pub(super) fn row(&self, engine: &Engine, number: u64, entry: &[u8], key: &[u8]) -> Result<Shared<V>> {
        typed::get(&engine.pager, &self.table, Some(number), key)?.ok_or_else(|| {
            Error::corrupted(format!(
                "the entry {} of the index {:?} of table {:?} leads to {}, where there is no row; drop the index and build \
                 it anew",
                hex(entry),
                self.index.name(),
                self.table.name(),
                hex(key)
            ))
        })
    }
}

impl<V: Row> Scan<V> {
    /// Hands the rows behind the entries of the next page to `row`. None when there is no page left.
    pub(super) fn feed_next_behind(
        &self,
        behind: &Behind<V>,
        pages: &mut Pages,
        row: &mut impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> Result<Option<ControlFlow<()>>> {
        let Some((at, bytes)) = self.next_keys(pages)? else { return Ok(None) };
        let Some(bytes) = bytes else { return Ok(Some(ControlFlow::Continue(()))) };
        let (low, high) = pages.bounds(at);
        let (entries, own) = (self.range_in(&bytes, low, high), behind.own_in(low, high));
        if self.is_reversed() {
            self.feed_entries(behind, &bytes, entries.rev(), own.iter().rev(), Ordering::Less, row).map(Some)
        } else {
            self.feed_entries(behind, &bytes, entries, own.iter(), Ordering::Greater, row).map(Some)
        }
    }

    /// Both come in one order, in which an entry that compares as `later` comes later.
    fn feed_entries<'o>(
        &self,
        behind: &Behind<V>,
        bytes: &PageBytes,
        entries: impl Iterator<Item = usize>,
        own: impl Iterator<Item = &'o OwnEntry<V>>,
        later: Ordering,
        row: &mut impl FnMut(RowAt<'_, V>, &V) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut own = own.peekable();
        for at in entries {
            let entry = bytes.key(at);
            while let Some(own) = own.next_if(|own| (*own.entry).cmp(entry) != later) {
                if row(RowAt::Own(&own.key, &own.row), &own.row).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let (index_key, key) = behind.index.parts(entry, bytes.row(at))?;
            if !behind.wants(key) || behind.is_written(key) {
                continue;
            }
            let found = self.kept(behind.row(&self.engine, self.number(), entry, key))?;
            let shown = behind.one || self.first_key_of(behind, &found).is_none_or(|first| first == index_key);
            if shown && row(RowAt::Kept(&KeyBuf::from(key), &found), &found).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(own.try_for_each(|own| row(RowAt::Own(&own.key, &own.row), &own.row)))
    }

    /// The first key of a row that is in the range.
    fn first_key_of(&self, behind: &Behind<V>, row: &V) -> Option<Vec<u8>> {
        let (low, high) = self.bounds();
        keys_of(behind.keys, row).into_iter().find(|key| is_in(key, low, high))
    }

    /// The keys of all rows that the entries of the range lead to, ascending, but those that the transaction wrote.
    pub(super) fn into_keys(mut self) -> Result<(Behind<V>, Vec<KeyBuf>)> {
        let behind = self.take_behind().expect("only a scan of an index is asked for what is behind it");
        let mut keys = Vec::new();
        for part in self.segments()?.list {
            let mut pages = self.enter(&part)?;
            while let Some((at, bytes)) = self.next_keys(&mut pages)? {
                let Some(bytes) = bytes else { continue };
                let (low, high) = pages.bounds(at);
                for at in self.range_in(&bytes, low, high) {
                    let (_, key) = behind.index.parts(bytes.key(at), bytes.row(at))?;
                    if behind.wants(key) && !behind.is_written(key) {
                        keys.push(KeyBuf::from(key));
                    }
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok((behind, keys))
    }
}
