//! Rows that come in any order, sorted in memory.

use super::merge::{Item, Source};
use crate::codec::KeyBuf;
use crate::error::Result;
use crate::table::low_keys::head;

/// A row that is gathered: where it is, and the first bytes of its key, which mostly decide where it belongs.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    head: u64,
    at: usize,
    key_bytes: u32,
    /// None: a removal.
    row_bytes: Option<u32>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    rows: Vec<Gathered>,
    /// Their keys and images.
    bytes: Vec<u8>,
    /// How many of the sorted ones are handed out.
    next: usize,
}

impl Sorter {
    pub(crate) fn push(&mut self, key: &[u8], row: Option<&[u8]>) {
        let row_bytes = row.map(|row| row.len() as u32);
        self.rows.push(Gathered { head: head(key), at: self.bytes.len(), key_bytes: key.len() as u32, row_bytes });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(row.unwrap_or_default());
    }

    /// The memory that its rows take.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Gathered>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts the rows in order, to be read as a [`Source`]. Those with one key stay in the order in which they came.
    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        // Stable: `at` alone would not keep their order, since an empty key without a row takes no byte.
        self.rows.sort_by(|a, b| a.head.cmp(&b.head).then_with(|| a.key(bytes).cmp(b.key(bytes))));
    }

    /// The least and the greatest key, once it is sorted.
    pub(crate) fn ends(&self) -> Option<(&[u8], &[u8])> {
        Some((self.rows.first()?.key(&self.bytes), self.rows.last()?.key(&self.bytes)))
    }
}

impl Gathered {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.at..self.at + self.key_bytes as usize]
    }
}

impl Source for Sorter {
    fn next(&mut self, item: &mut Item) -> Result<bool> {
        let Some(row) = self.rows.get(self.next) else { return Ok(false) };
        self.next += 1;
        let at = row.at + row.key_bytes as usize;
        item.key = KeyBuf::from(row.key(&self.bytes));
        item.set_row(row.row_bytes.map(|row_bytes| &self.bytes[at..at + row_bytes as usize]));
        Ok(true)
    }
}
