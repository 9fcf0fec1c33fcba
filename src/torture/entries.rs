//! The other entries of the page store, and rows: reading bytes that may be anything.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::frame::{self, FrameKind};
use crate::codec::{self, PageIdentity, Shape, chunk};
use crate::storage::{MemoryStore, PageStore, StoreOp, TreeId};
use crate::table::entry;
use crate::table::page::PageAddress;
use crate::txn::read_record;

/// What bytes are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// One of three pieces of a page.
    Chunk,
    /// A page list, of either format.
    PageList,
    /// A segment in the directory.
    Directory,
    /// A note that a segment is gone.
    Gone,
    /// A part of a table's definition in the catalog.
    CatalogPart,
    /// A table's definition.
    Definition,
    /// The shape of a row type.
    Shape,
    /// What a commit writes into the journal.
    Record,
    /// A key of the directory tree.
    DirectoryKey,
}

/// Whose entry it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identity {
    /// Table.
    pub table: u32,
    /// Segment.
    pub segment: u64,
    /// Page, page list or part.
    pub page: u64,
    /// Commit or checkpoint.
    pub commit: u64,
}

impl Identity {
    fn inner(self) -> PageIdentity {
        let Identity { table, segment, page, commit } = self;
        PageIdentity { table, segment, page, commit }
    }
}

/// Puts a frame with a right checksum around a body; `kind` is the number that is stored, from 1 to 6.
pub fn seal(kind: u8, identity: Identity, body: &[u8]) -> Vec<u8> {
    let kinds = [
        FrameKind::Page,
        FrameKind::PageList,
        FrameKind::Directory,
        FrameKind::Catalog,
        FrameKind::Chunk,
        FrameKind::ChunkedPageList,
    ];
    let kind = kinds[usize::from(kind.saturating_sub(1)) % kinds.len()];
    let mut out = Vec::new();
    frame::seal(kind, &identity.inner(), body, &mut out);
    out
}

/// Reads bytes as an entry of this identity. What it holds comes back encoded once more, where the library has an
/// encoder for it; `None` for bytes that are refused.
pub fn read(what: Entry, identity: Identity, bytes: &[u8]) -> Option<Vec<u8>> {
    let Identity { table, segment, page, commit } = identity;
    match what {
        Entry::Chunk => chunk::open(&identity.inner(), 1, 3, bytes).ok().map(<[u8]>::to_vec),
        Entry::PageList => {
            let key = PageAddress { segment, page }.to_key().to_vec();
            let store = MemoryStore::new();
            store.write(vec![StoreOp::Put { tree: TreeId(table), key, value: bytes.to_vec() }]).ok()?;
            let pages = entry::read_page_list(&store, table, segment, &[page]).ok()??;
            Some(entry::page_list_bodies(&pages).concat())
        }
        Entry::Directory => {
            let entry = entry::open_directory_entry(table, segment, commit, bytes).ok()?;
            Some(entry::seal_directory_entry(&entry))
        }
        Entry::Gone => {
            entry::open_gone_entry(table, segment, commit, bytes).ok()?;
            Some(entry::gone_entry(table, segment, commit).1)
        }
        Entry::CatalogPart => entry::open_catalog_part(table, commit, page as u16, bytes).ok(),
        Entry::Definition => entry::decode_definition(bytes).ok().map(|table| entry::encode_definition(&table)),
        Entry::Shape => {
            let mut out = Vec::new();
            Shape::decode(bytes).ok()?.encode(&mut out);
            Some(out)
        }
        Entry::Record => read_record(commit, bytes).is_ok().then(Vec::new),
        Entry::DirectoryKey => entry::parse_directory_key(bytes).map(|_| Vec::new()),
    }
}

/// The stored form of a row, if the type can be stored.
pub fn encode_row<V: Serialize>(row: &V) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    codec::encode_row(row, &mut out).ok()?;
    Some(out)
}

/// A row out of its stored form; `None` for bytes that are refused.
pub fn decode_row<V: DeserializeOwned>(bytes: &[u8]) -> Option<V> {
    codec::decode_row(bytes).ok()
}

/// A key as text by the shape of its table, both of which may be anything.
pub fn show_key(shape: &str, key: &[u8]) -> String {
    codec::show_key(shape, key)
}
