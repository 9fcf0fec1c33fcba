//! Applies the journal behind the root to the tables, as bytes.
//!
//! Commits change rows here and there. Applied one by one, each would find its page in none of the processor's caches,
//! and look it up in the page store by itself. So the rows of many commits are gathered, sorted by table and key, and
//! applied as if the last of these commits had written them all: nobody reads yet, and of a row that was changed several
//! times the last image counts. What a segment needs of the page store is read in one walk.

use std::sync::Arc;

use super::sweep::NamedLists;
use crate::error::{Error, Result};
use crate::table::apply::{Applier, Image, pinned_place};
use crate::table::catalog::Catalog;
use crate::table::low_keys::head;
use crate::table::pager::Pager;
use crate::table::segment::Segment;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{BulkAct, BulkRecord, Record, RecordRow, read_record};

/// Memory that gathered rows may take, beyond the record that exceeds it: a part of the budget, and at least so much.
const BUDGET_SHARE: usize = 8;
const LEAST_BYTES: usize = 32 << 20;

/// A row that is gathered and not applied yet.
#[derive(Debug)]
struct Gathered {
    table: u32,
    /// The first bytes of the key, which mostly decide where it belongs.
    head: u64,
    /// Where the key is; the row follows it.
    at: usize,
    key_bytes: u32,
    /// None: removed.
    row_bytes: Option<u32>,
}

/// See the module's text.
pub(super) struct Replay<'a> {
    pager: &'a Pager,
    catalog: &'a Catalog,
    /// Bytes to gather.
    limit: usize,
    /// The last commit of which rows are gathered.
    commit: u64,
    rows: Vec<Gathered>,
    /// Their keys and images.
    bytes: Vec<u8>,
    /// Page lists that records of bulk acts refer to: table, segment, ids.
    lists: Vec<NamedLists>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(pager: &'a Pager, catalog: &'a Catalog) -> Self {
        let limit = (pager.cache.budget() / BUDGET_SHARE).max(LEAST_BYTES);
        Replay { pager, catalog, limit, commit: 0, rows: Vec::new(), bytes: Vec::new(), lists: Vec::new() }
    }

    /// Takes the next record, and applies it now or later.
    pub(super) fn take(&mut self, commit: u64, bytes: &[u8]) -> Result<()> {
        match read_record(commit, bytes)? {
            Record::Tables(definitions) => {
                // Rows that stand before it must not get into a table that they do not know.
                self.finish()?;
                definitions.into_iter().try_for_each(|definition| self.define(commit, definition))?;
            }
            Record::Drop(index) => {
                // Rows that stand before it may be its entries.
                self.finish()?;
                self.catalog.remove_index(index, commit);
            }
            Record::Bulk(bulk) => {
                self.finish()?;
                self.bulk(commit, bulk)?;
            }
            Record::Rows(rows) => {
                self.commit = commit;
                rows.iter().for_each(|row| self.gather(row));
                if self.bytes.len() + self.rows.len() * size_of::<Gathered>() >= self.limit {
                    self.finish()?;
                }
            }
        }
        Ok(())
    }

    fn bulk(&mut self, commit: u64, bulk: BulkRecord) -> Result<()> {
        self.pager.raise_next_id(bulk.next_id);
        let mut act = BulkAct { drops: bulk.drops, definitions: bulk.definitions, splices: Vec::new() };
        for splice in bulk.splices {
            let id = splice.table;
            self.lists.extend(splice.lists().map(|(segment, ids)| (id, segment, ids.to_vec())));
            let table = self.catalog.by_id(id).ok_or_else(|| missing(commit, id))?;
            act.splices.push(splice.prepare(self.pager, &table)?);
        }
        drop(act.apply(self.pager, self.catalog, commit, &mut Vec::new()));
        Ok(())
    }

    /// The page lists that only the journal names.
    pub(super) fn take_lists(&mut self) -> Vec<NamedLists> {
        std::mem::take(&mut self.lists)
    }

    fn define(&self, commit: u64, definition: Definition) -> Result<()> {
        match self.catalog.by_id(definition.id) {
            Some(table) => {
                if definition.index.is_some_and(|index| index.ready) {
                    self.catalog.set_index_ready(&table, commit);
                }
                table.set_row_shape(definition.row_shape);
                self.catalog.mark_dirty(table.id());
                Ok(())
            }
            None => {
                let table = TableCore::empty(definition, commit, self.pager.fresh_id());
                table.settle(&self.pager.cache);
                self.catalog.add(table, commit)
            }
        }
    }

    fn gather(&mut self, row: &RecordRow<'_>) {
        self.rows.push(Gathered {
            table: row.table,
            head: head(row.key),
            at: self.bytes.len(),
            key_bytes: row.key.len() as u32,
            row_bytes: row.row.map(|bytes| bytes.len() as u32),
        });
        self.bytes.extend_from_slice(row.key);
        self.bytes.extend_from_slice(row.row.unwrap_or_default());
    }

    /// Applies what is gathered.
    pub(super) fn finish(&mut self) -> Result<()> {
        let bytes = &self.bytes;
        // Stable: of the images of one key the last commit's stays the last. (Where it stands in `bytes` would not tell:
        // an empty key without a row takes none.)
        self.rows.sort_by(|a, b| {
            let heads = (a.table, a.head).cmp(&(b.table, b.head));
            heads.then_with(|| a.key(bytes).cmp(b.key(bytes)))
        });
        for mut rows in self.rows.chunk_by(|a, b| a.table == b.table) {
            let id = rows[0].table;
            let table = self.catalog.by_id(id).ok_or_else(|| missing(self.commit, id))?;
            while let Some(first) = rows.first() {
                let segment = table.segment_of(first.key(bytes));
                let inside = |row: &Gathered| segment.high().is_none_or(|high| row.key(bytes) < &**high);
                let (of_segment, others) = rows.split_at(rows.partition_point(inside));
                self.apply(&table, &segment, of_segment)?;
                rows = others;
            }
        }
        self.rows.clear();
        self.bytes.clear();
        Ok(())
    }

    /// Applies sorted rows of one segment.
    fn apply(&self, table: &Arc<TableCore>, segment: &Segment, rows: &[Gathered]) -> Result<()> {
        // Nothing is evicted between a page's coming in and its edit.
        let _held = self.pager.cache.hold();
        self.pager.make_all_resident(table, segment, rows.iter().map(|row| row.key(&self.bytes)))?;
        let mut applier = Applier::new(self.pager, self.commit);
        // Of each key the last.
        for row in rows.chunk_by(|a, b| a.key(&self.bytes) == b.key(&self.bytes)).filter_map(<[Gathered]>::last) {
            let key = row.key(&self.bytes);
            let place = pinned_place(table, key).ok_or_else(|| {
                Error::corrupted(format!("a page of table {:?} cannot be kept in memory", table.name()))
            })?;
            let image = row.row(&self.bytes).map(|bytes| Image { bytes, decoded: None, heap: 0 });
            applier.apply(table, &place, key, image);
        }
        drop(applier.finish());
        Ok(())
    }
}

fn missing(commit: u64, table: u32) -> Error {
    Error::corrupted(format!("a commit up to {commit} in the journal writes table {table}, which is not there"))
}

impl Gathered {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.at..self.at + self.key_bytes as usize]
    }

    fn row<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let at = self.at + self.key_bytes as usize;
        self.row_bytes.map(|row_bytes| &bytes[at..at + row_bytes as usize])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::wire::{put_bytes, put_varint};
    use crate::codec::{KeyBuf, PageBytes, Shape};
    use crate::error::ErrorKind;
    use crate::storage::MemoryStore;
    use crate::table::page::PageSlot;
    use crate::table::segment::PageList;

    type Row = (u32, Vec<u8>, Option<Vec<u8>>);

    /// A table with a segment from each of these keys on.
    fn table(id: u32, lows: &[&[u8]]) -> Arc<TableCore> {
        let row_shape = Shape::of_type::<u64>().unwrap();
        let definition =
            Definition { id, name: format!("t{id}"), version: 1, key_shape: "bytes".into(), row_shape, index: None };
        let segment = |(at, low): (usize, &&[u8])| {
            let high = lows.get(at + 1).map(|high| KeyBuf::from(*high));
            let slots = vec![PageSlot::fresh(0, PageBytes::new(), None, 0)];
            let pages = PageList { lows: [KeyBuf::from(*low)].into_iter().collect(), slots };
            Segment::new(at as u64 + 1, KeyBuf::from(*low), high, 0, pages, 0)
        };
        TableCore::with(definition, 0, lows.iter().enumerate().map(segment).collect())
    }

    /// A record as `txn` writes it.
    fn record(rows: &[Row]) -> Vec<u8> {
        let mut out = vec![1];
        put_varint(&mut out, rows.len() as u64);
        for (table, key, row) in rows {
            put_varint(&mut out, u64::from(*table));
            put_varint(&mut out, 1);
            put_bytes(&mut out, key);
            match row {
                None => out.push(0),
                Some(row) => {
                    put_varint(&mut out, row.len() as u64 + 1);
                    out.extend_from_slice(row);
                }
            }
        }
        out
    }

    fn contents(pager: &Pager, catalog: &Catalog) -> BTreeMap<(u32, Vec<u8>), Vec<u8>> {
        let mut found = BTreeMap::new();
        for table in catalog.tables() {
            for segment in table.directory(None).unwrap().segments() {
                let list = pager.list(&table, segment, None).unwrap();
                for slot in &list.slots {
                    let bytes = slot.resident().unwrap();
                    found.extend(bytes.iter().map(|(key, row)| ((table.id(), key.to_vec()), row.to_vec())));
                }
            }
        }
        found
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        // Keys of which many have the same first eight bytes, and rows of which some dozen fill a page.
        let key = prop::collection::vec(0u8..2, 0..11);
        let row = prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..600));
        prop::collection::vec((1u32..3, key, row), 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_are_as_the_last_commit_left_them_however_many_are_gathered(
            commits in prop::collection::vec(rows(), 0..150),
            limit in prop::sample::select(vec![1usize, 3_000, 1 << 20]),
        ) {
            let pager = Pager::new(Arc::new(MemoryStore::new()), 1 << 20, 100);
            let tables = [table(1, &[b"", &[0, 1], &[1, 0, 0, 0, 0, 0, 0, 0, 1]]), table(2, &[b""])];
            let catalog = Catalog::new(tables).unwrap();
            let mut replay = Replay { limit, ..Replay::new(&pager, &catalog) };
            let mut expected = BTreeMap::new();
            for (rows, commit) in commits.into_iter().zip(1..) {
                prop_assert!(replay.take(commit, &record(&rows)).is_ok());
                prop_assert!(limit > 1 || replay.rows.is_empty(), "no more is gathered than the limit");
                for (table, key, row) in rows {
                    match row {
                        Some(row) => expected.insert((table, key), row),
                        None => expected.remove(&(table, key)),
                    };
                }
            }
            prop_assert!(replay.finish().is_ok());
            prop_assert!(replay.rows.is_empty() && replay.bytes.is_empty());
            prop_assert_eq!(contents(&pager, &catalog), expected);
        }
    }

    #[test]
    fn of_an_empty_key_the_last_image_counts_too() {
        // Among so many rows, and in such an order, that a sort which may swap equals does so for some number of them.
        for others in 0..100u64 {
            let pager = Pager::new(Arc::new(MemoryStore::new()), 1 << 20, 100);
            let catalog = Catalog::new([table(1, &[b""])]).unwrap();
            let mut replay = Replay::new(&pager, &catalog);
            let others = (0..others).map(|at| (1, vec![(at * 37 % 251) as u8], None));
            let gone_and_back = [None, Some(b"last".to_vec())].map(|image| (1, Vec::new(), image));
            let rows: Vec<Row> = others.chain(gone_and_back).collect();
            rows.chunks(1).zip(1..).for_each(|(row, commit)| replay.take(commit, &record(row)).unwrap());
            replay.finish().unwrap();
            assert_eq!(contents(&pager, &catalog), BTreeMap::from([((1, Vec::new()), b"last".to_vec())]));
        }
    }

    #[test]
    fn rows_of_a_table_that_is_not_there_yet_are_corruption() {
        let pager = Pager::new(Arc::new(MemoryStore::new()), 1 << 20, 100);
        let catalog = Catalog::new([]).unwrap();
        let mut replay = Replay::new(&pager, &catalog);
        replay.take(4, &record(&[(7, b"key".to_vec(), Some(b"row".to_vec()))])).unwrap();
        let mut later = vec![2];
        later.extend(crate::table::entry::encode_definition(&table(7, &[b""]).definition()));
        let error = replay.take(5, &later).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        assert!(error.to_string().contains("up to 4") && error.to_string().contains("table 7"), "{error}");
    }
}
