//! The secondary indexes of a table.
//!
//! An index is a table of its own ([`TableCore`], with an id from [`FIRST_INDEX`](crate::lock::FIRST_INDEX) on), whose
//! rows are its entries. Commits change them together with the rows that they stand for. So indexes are versioned, locked,
//! split, written out, replayed and copied as tables are, and only who fills and reads them knows what they are.
//!
//! | index | key of an entry | its row |
//! | --- | --- | --- |
//! | unique | index key | row key |
//! | other | index key, then row key | length of the index key (varint) |
//!
//! So both keys can be told apart without the program's types.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::row_keys::RowKeys;
use super::table_core::TableCore;
use crate::codec::wire::{Reader, put_varint};
use crate::codec::{KeyBuf, show_key};
use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_KEY_BYTES;

/// What the catalog says of an index beside what it says of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexOf {
    /// The id of the table.
    pub(crate) table: u32,
    pub(crate) unique: bool,
    /// Whether it has an entry for all rows. One that is still built does not survive the end of the process.
    pub(crate) ready: bool,
    /// The type of the index keys; the key shape of the definition is that of the entries.
    pub(crate) key_shape: String,
}

/// Not ready at any commit.
const NEVER: u64 = u64::MAX;

/// One index: its entries, and what they mean.
#[derive(Debug)]
pub(crate) struct IndexCore {
    pub(crate) core: Arc<TableCore>,
    table: String,
    /// Without the table's. The table of its entries is called `table.index`.
    name: String,
    pub(crate) unique: bool,
    key_shape: String,
    /// The commit from which on it has an entry for all rows.
    ready_at: AtomicU64,
}

impl IndexCore {
    /// An index that came into being with this commit.
    pub(crate) fn new(core: Arc<TableCore>, table: &TableCore, of: &IndexOf, commit: u64) -> Self {
        let ready_at = AtomicU64::new(if of.ready { commit } else { NEVER });
        let (unique, key_shape) = (of.unique, of.key_shape.clone());
        let own = core.name().strip_prefix(table.name()).and_then(|name| name.strip_prefix('.'));
        let name = own.unwrap_or(core.name()).to_owned();
        IndexCore { core, table: table.name().to_owned(), name, unique, key_shape, ready_at }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key_shape(&self) -> &str {
        &self.key_shape
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready_at.load(Ordering::Acquire) != NEVER
    }

    /// Whether it has an entry for every row that a reader at this number sees.
    pub(crate) fn is_ready_at(&self, number: u64) -> bool {
        self.ready_at.load(Ordering::Acquire) <= number
    }

    /// Under the commit latch.
    pub(crate) fn set_ready(&self, commit: u64) {
        self.ready_at.store(commit, Ordering::Release);
    }

    /// The key of the entry for a row.
    ///
    /// # Errors
    /// `KeyTooLarge`.
    pub(crate) fn entry_key(&self, index_key: &[u8], row_key: &[u8]) -> Result<KeyBuf> {
        if index_key.len() > MAX_KEY_BYTES {
            return Err(Error::new(
                ErrorKind::KeyTooLarge,
                format!(
                    "a key of the index {:?} of table {:?} has {} bytes encoded; the most is {MAX_KEY_BYTES}",
                    self.name(),
                    self.table,
                    index_key.len()
                ),
            ));
        }
        Ok(if self.unique { KeyBuf::from(index_key) } else { KeyBuf::joined(index_key, row_key) })
    }

    /// The row of the entry with this key.
    pub(crate) fn entry_row(&self, entry_key: &[u8], row_key: &[u8]) -> KeyBuf {
        if self.unique {
            return KeyBuf::from(row_key);
        }
        let mut length = Vec::with_capacity(2);
        put_varint(&mut length, (entry_key.len() - row_key.len()) as u64);
        KeyBuf::from(&length[..])
    }

    /// The entry for a row: its key and its row.
    ///
    /// # Errors
    /// `KeyTooLarge`.
    pub(crate) fn entry(&self, index_key: &[u8], row_key: &[u8]) -> Result<(KeyBuf, KeyBuf)> {
        let key = self.entry_key(index_key, row_key)?;
        let row = self.entry_row(&key, row_key);
        Ok((key, row))
    }

    /// The index key and the row key of an entry.
    ///
    /// # Errors
    /// `Corrupted` when it is none.
    pub(crate) fn parts<'e>(&self, key: &'e [u8], row: &'e [u8]) -> Result<(&'e [u8], &'e [u8])> {
        if self.unique {
            return Ok((key, row));
        }
        let length = Reader::new(row).varint().ok().and_then(|length| usize::try_from(length).ok());
        length.and_then(|length| key.split_at_checked(length)).ok_or_else(|| {
            Error::corrupted(format!(
                "an entry of the index {:?} of table {:?} is damaged: {}; drop the index and build it anew",
                self.name(),
                self.table,
                super::typed::hex(key)
            ))
        })
    }

    /// As [`exists`](Self::exists), of the entry that is in the way.
    pub(crate) fn taken(&self, entry: &[u8], row: &[u8], table: &TableCore) -> Error {
        match self.parts(entry, row) {
            Ok((key, owner)) => self.exists(key, owner, table),
            Err(error) => error,
        }
    }

    /// What a put runs into when another row has the key in a unique index.
    pub(crate) fn exists(&self, index_key: &[u8], owner: &[u8], table: &TableCore) -> Error {
        Error::new(
            ErrorKind::Exists,
            format!(
                "the unique index {:?} of table {:?} has the key {} already, for the row under key {}",
                self.name(),
                self.table,
                show_key(&self.key_shape, index_key),
                show_key(&table.definition().key_shape, owner)
            ),
        )
    }
}

/// The indexes that the rows of a table stand in. Replaced as a whole.
#[derive(Clone, Default)]
pub(crate) struct Indexes {
    /// In the order of their ids.
    pub(crate) list: Vec<Arc<IndexCore>>,
    /// Gives a row's keys in each of the list. None until the program has used the table.
    pub(crate) keys: Option<Arc<dyn RowKeys>>,
}

impl fmt::Debug for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexes").field("list", &self.list).field("keys", &self.keys.is_some()).finish()
    }
}

impl Indexes {
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<IndexCore>> {
        self.list.iter().find(|index| index.name() == name)
    }
}
