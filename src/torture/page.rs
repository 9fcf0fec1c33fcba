//! A page, by the very functions that the store uses.

use std::fmt;

use crate::codec::{PageBytes, PageIdentity};

/// Rows sorted by key, as bytes.
#[derive(Clone, Default)]
pub struct Page(PageBytes);

impl Page {
    /// A page out of the bytes of its frame; `None` where they are damaged.
    pub fn decode(bytes: &[u8]) -> Option<Page> {
        PageBytes::decode(bytes).ok().map(|(_, page)| Page(page))
    }

    /// The page as a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.encode(&PageIdentity::default(), &mut out);
        out
    }

    /// Keys and rows in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter()
    }

    /// The row of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.search(key).ok().map(|at| self.0.row(at))
    }

    /// Puts a row in its place, or over the one that is there.
    pub fn put(&mut self, key: &[u8], row: &[u8]) {
        match self.0.search(key) {
            Ok(at) => self.0.replace(at, row),
            Err(at) => self.0.insert(at, key, row),
        }
    }

    /// Removes a row; false where there is none.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.0.search(key).map(|at| self.0.remove(at)).is_ok()
    }

    /// Moves the rows from `at` on, which must not be above their number, into a new page.
    pub fn split_off(&mut self, at: usize) -> Page {
        Page(self.0.split_off(at))
    }

    /// Appends all rows of a page whose keys are above those of this one.
    pub fn append(&mut self, other: &Page) {
        self.0.append(&other.0);
    }

    /// What [`encode`](Self::encode) takes, as the page counts it itself.
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    /// The memory that it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    /// The checksum over its rows.
    pub fn checksum(&self) -> u64 {
        self.0.checksum()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
