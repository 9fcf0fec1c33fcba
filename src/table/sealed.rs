//! Pages and page lists as the entries of the page store that hold them, under new ids.

use super::entry::{ListedPage, counts, page_list_bodies, seal_page_list};
use super::page::{PageAddress, StoredPage};
use super::pager::Pager;
use super::segment::StoredSegment;
use crate::codec::{PageBytes, PageIdentity, chunk};
use crate::storage::{StoreOp, TreeId};

/// Operations handed to the page store at once.
pub(crate) const BATCH: usize = 128;

/// A page of a segment as of a commit number: where it will lie, and the entries that put it there.
pub(crate) fn page_entries(
    pager: &Pager,
    table: u32,
    segment: u64,
    number: u64,
    bytes: &PageBytes,
) -> (StoredPage, impl Iterator<Item = StoreOp>) {
    let entries = chunk::entries_of(bytes.encoded_len());
    let address = PageAddress { segment, page: pager.fresh_ids(entries) };
    let identity = PageIdentity { table, segment, page: address.page, commit: number };
    let mut value = Vec::with_capacity(bytes.encoded_len());
    bytes.encode(&identity, &mut value);
    let stored = StoredPage { address, entries, rows: bytes.len() as u32, checksum: bytes.checksum() };
    let put = move |(entry, value): (PageAddress, Vec<u8>)| StoreOp::Put {
        tree: TreeId(table),
        key: entry.to_key().to_vec(),
        value,
    };
    (stored, stored.addresses().zip(chunk::cut(&identity, value)).map(put))
}

/// The page list of a segment: what the directory is to say of it, and its entries.
pub(crate) fn list_entries(
    pager: &Pager,
    table: u32,
    segment: u64,
    number: u64,
    pages: &[ListedPage],
) -> (StoredSegment, Vec<StoreOp>) {
    let put = |body: Vec<u8>| {
        let id = pager.fresh_id();
        let value = seal_page_list(table, segment, id, number, &body);
        let key = PageAddress { segment, page: id }.to_key().to_vec();
        (id, StoreOp::Put { tree: TreeId(table), key, value })
    };
    let (lists, entries) = page_list_bodies(pages).into_iter().map(put).unzip();
    let (rows, checksum) = counts(pages);
    (StoredSegment { lists, rows, checksum }, entries)
}
