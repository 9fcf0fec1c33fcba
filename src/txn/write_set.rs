//! The rows that a transaction has written and not committed yet.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use crate::codec::KeyBuf;
use crate::error::Result;
use crate::table::Row;
use crate::table::apply::Image;
use crate::table::rows::{AnyRow, downcast_row};
use crate::table::table_core::TableCore;
use crate::table::typed::decode_one;

/// What is charged for a write beside its bytes: record and tree overhead.
pub(super) const WRITE_OVERHEAD: usize = 16;

/// The image of a row: encoded in the set's arena, and decoded where its type is known.
pub(crate) struct RowImage {
    range: Range<usize>,
    /// None for an entry of an index.
    row: Option<Arc<dyn AnyRow>>,
    heap: usize,
}

impl RowImage {
    /// The decoded row.
    pub(crate) fn row(&self) -> Option<&dyn Any> {
        self.row.as_deref().map(|row| row as &dyn Any)
    }
}

/// One write: an image, or none for a removal.
pub(crate) struct Write {
    pub(crate) image: Option<RowImage>,
}

/// The writes to one table, by key.
pub(crate) struct TableWrites {
    pub(crate) core: Arc<TableCore>,
    pub(crate) rows: BTreeMap<KeyBuf, Write>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct WriteSet {
    tables: Vec<TableWrites>,
    /// The encoded rows, one after another. Rows that were overwritten stay until the end.
    arena: Vec<u8>,
    bytes: usize,
}

/// Own writes in a range: key and row, or none where the row was removed.
pub(crate) type OwnRows<V> = Vec<(KeyBuf, Option<Arc<V>>)>;

impl std::fmt::Debug for WriteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteSet").field("tables", &self.tables.len()).field("bytes", &self.bytes).finish()
    }
}

impl WriteSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.rows.is_empty())
    }

    /// Encoded bytes of all writes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableWrites> + Clone {
        self.tables.iter()
    }

    pub(crate) fn image_bytes(&self, image: &RowImage) -> &[u8] {
        &self.arena[image.range.clone()]
    }

    fn table(&self, id: u32) -> Option<&TableWrites> {
        self.tables.iter().find(|table| table.core.id() == id)
    }

    fn table_mut(&mut self, core: &Arc<TableCore>) -> &mut TableWrites {
        let at = self.tables.iter().position(|table| table.core.id() == core.id()).unwrap_or_else(|| {
            self.tables.push(TableWrites { core: Arc::clone(core), rows: BTreeMap::new() });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    /// Where the next row is to be encoded. Behind what is there.
    pub(crate) fn arena(&mut self) -> &mut Vec<u8> {
        &mut self.arena
    }

    /// Adds the row that was encoded from `start` of the arena on. Gives the write that it stands in place of.
    pub(crate) fn put(
        &mut self,
        core: &Arc<TableCore>,
        key: KeyBuf,
        start: usize,
        row: Arc<dyn AnyRow>,
        heap: usize,
    ) -> Option<Write> {
        let range = start..self.arena.len();
        self.bytes += key.len() + range.len() + WRITE_OVERHEAD;
        self.table_mut(core).rows.insert(key, Write { image: Some(RowImage { range, row: Some(row), heap }) })
    }

    /// How far the set has come, for [`take_back`](Self::take_back).
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.arena.len(), self.bytes)
    }

    /// Takes back what was put into a table since the mark: for each key, the write that stood there before.
    pub(crate) fn take_back(&mut self, table: u32, puts: Vec<(KeyBuf, Option<Write>)>, mark: (usize, usize)) {
        if let Some(table) = self.tables.iter_mut().find(|writes| writes.core.id() == table) {
            for (key, before) in puts {
                match before {
                    Some(write) => table.rows.insert(key, write),
                    None => table.rows.remove(&key),
                };
            }
        }
        self.arena.truncate(mark.0);
        self.bytes = mark.1;
    }

    pub(crate) fn remove(&mut self, core: &Arc<TableCore>, key: KeyBuf) {
        self.bytes += key.len() + WRITE_OVERHEAD;
        self.table_mut(core).rows.insert(key, Write { image: None });
    }

    /// Adds a row of which only the bytes are known (an entry of an index, say), or its removal.
    pub(crate) fn write_bytes(&mut self, table: &Arc<TableCore>, key: KeyBuf, row: Option<&[u8]>) {
        self.bytes += key.len() + row.map_or(0, <[u8]>::len) + WRITE_OVERHEAD;
        let image = row.map(|row| {
            let start = self.arena.len();
            self.arena.extend_from_slice(row);
            RowImage { range: start..self.arena.len(), row: None, heap: 0 }
        });
        self.table_mut(table).rows.insert(key, Write { image });
    }

    /// The row of an entry that was put.
    pub(crate) fn entry(&self, index: u32, key: &[u8]) -> Option<&[u8]> {
        self.table(index)?.rows.get(key)?.image.as_ref().map(|image| self.image_bytes(image))
    }

    /// What the transaction itself wrote under a key: nothing, a removal, or a row.
    pub(crate) fn find<V: Row>(&self, table: u32, key: &[u8]) -> Result<Option<Option<Arc<V>>>> {
        let Some(table) = self.table(table) else { return Ok(None) };
        table.rows.get(key).map(|write| self.row(table, key, write)).transpose()
    }

    /// The row that a write leaves, through whatever type it is read.
    fn row<V: Row>(&self, table: &TableWrites, key: &[u8], write: &Write) -> Result<Option<Arc<V>>> {
        let Some(image) = &write.image else { return Ok(None) };
        match image.row.clone().and_then(downcast_row) {
            Some(row) => Ok(Some(row)),
            // It was written through another type of the same shape.
            None => decode_one(&table.core, key, self.image_bytes(image)).map(|row| Some(Arc::new(row))),
        }
    }

    /// Whether the transaction wrote (true) or removed (false) the key.
    pub(crate) fn presence(&self, table: u32, key: &[u8]) -> Option<bool> {
        Some(self.table(table)?.rows.get(key)?.image.is_some())
    }

    /// The own writes of a range, in order.
    ///
    /// # Errors
    /// `Corrupted` when a row that was written through another type does not decode.
    pub(crate) fn range<V: Row>(&self, table: u32, low: &[u8], high: Option<&[u8]>) -> Result<OwnRows<V>> {
        let Some(table) = self.table(table) else { return Ok(Vec::new()) };
        if high.is_some_and(|high| high <= low) {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(low), high.map_or(Bound::Unbounded, Bound::Excluded));
        table
            .rows
            .range::<[u8], _>(bounds)
            .map(|(key, write)| Ok((key.clone(), self.row(table, key, write)?)))
            .collect()
    }

    /// Makes every decoded row the only holder of its allocation, so that a commit can move it into its page. Runs code
    /// of the row types, so it is done before any latch.
    pub(crate) fn own_rows(&mut self) {
        for write in self.tables.iter_mut().flat_map(|table| table.rows.values_mut()) {
            if let Some(row) = write.image.as_mut().and_then(|image| image.row.as_mut())
                && Arc::get_mut(row).is_none()
            {
                *row = AnyRow::duplicate(&**row);
            }
        }
    }

    /// Takes the writes out, in the order of tables and keys, and hands each on.
    pub(crate) fn drain(self, mut each: impl FnMut(&Arc<TableCore>, &KeyBuf, Option<Image<'_>>)) {
        let WriteSet { tables, arena, .. } = self;
        for TableWrites { core, rows } in tables {
            for (key, write) in rows {
                let image =
                    write.image.map(|image| Image { bytes: &arena[image.range], decoded: image.row, heap: image.heap });
                each(&core, &key, image);
            }
        }
    }
}
