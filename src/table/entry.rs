//! The entries of the page store that are not pages: page lists, directory entries and the catalog.
//!
//! Each is framed like a page (magic, kind, table, segment, id, number, CRC), so that every piece of a store can be
//! recognised by itself. Bodies, with `varint` as in the codec:
//!
//! | kind | key | body |
//! | --- | --- | --- |
//! | page list | segment, id (in the table's tree) | for each page: low key, segment and id of its first entry, count of its entries, rows (varints), checksum (u64) |
//! | page list of format 1 | the same | the same without the count: every page has one entry |
//! | directory | `s`, table, segment, checkpoint (in tree 0) | low key, rows (varint), checksum (u64), count and ids of the page lists |
//! | segment gone | `g`, table, segment, checkpoint (in tree 0) | nothing |
//! | table gone | `g`, table, 0, checkpoint (in tree 0) | nothing |
//! | catalog | `t`, table, checkpoint, part (in tree 0) | a part of: id (varint), name, version (varint), key shape, row shape; for an index also the table's id (varint), flags (1 unique, 2 ready), shape of its keys |

use super::index_core::IndexOf;
use super::page::{PageAddress, StoredPage};
use super::segment::StoredSegment;
use super::table_core::Definition;
use crate::codec::chunk::MAX_CHUNKS;
use crate::codec::frame::{self, FrameKind, PageIdentity, open_as};
use crate::codec::wire::{Reader, WireFault, put_bytes, put_u64, put_varint};
use crate::codec::{KeyBuf, Shape};
use crate::error::{Error, Result};
use crate::lock::FIRST_INDEX;
use crate::options::MAX_STORED_BYTES;
use crate::storage::{PageStore, TreeId};

/// Room that a frame's head takes off an entry.
const FRAME_ROOM: usize = frame::HEADER_BYTES;
/// Bytes of one entry's body.
const BODY_BYTES: usize = MAX_STORED_BYTES - FRAME_ROOM;

/// One page of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListedPage {
    pub(crate) low: KeyBuf,
    pub(crate) stored: StoredPage,
}

/// Rows and checksum of the pages of a list together, as the directory has them.
pub(crate) fn counts(pages: &[ListedPage]) -> (u64, u64) {
    pages.iter().fold((0, 0), |(rows, checksum): (u64, u64), page| {
        (rows + u64::from(page.stored.rows), checksum.wrapping_add(page.stored.checksum))
    })
}

fn damaged(what: &str, table: u32, segment: u64, id: u64, fault: WireFault) -> Error {
    Error::corrupted(format!("the {what} {id} of segment {segment} of table {table} is damaged; run repair"))
        .with_source(fault)
}

/// Cuts a page list into entry bodies.
pub(crate) fn page_list_bodies(pages: &[ListedPage]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut body = Vec::new();
    let mut one = Vec::new();
    for page in pages {
        one.clear();
        put_bytes(&mut one, &page.low);
        put_varint(&mut one, page.stored.address.segment);
        put_varint(&mut one, page.stored.address.page);
        put_varint(&mut one, u64::from(page.stored.entries));
        put_varint(&mut one, u64::from(page.stored.rows));
        put_u64(&mut one, page.stored.checksum);
        if body.len() + one.len() > BODY_BYTES {
            bodies.push(std::mem::take(&mut body));
        }
        body.extend_from_slice(&one);
    }
    bodies.push(body);
    bodies
}

/// Frames one body of a page list.
pub(crate) fn seal_page_list(table: u32, segment: u64, id: u64, number: u64, body: &[u8]) -> Vec<u8> {
    seal(FrameKind::ChunkedPageList, PageIdentity { table, segment, page: id, commit: number }, body)
}

fn seal(kind: FrameKind, identity: PageIdentity, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + FRAME_ROOM);
    frame::seal(kind, &identity, body, &mut out);
    out
}

/// Reads one entry of a page list and adds its pages.
pub(crate) fn open_page_list(
    table: u32,
    segment: u64,
    id: u64,
    bytes: &[u8],
    pages: &mut Vec<ListedPage>,
) -> Result<()> {
    let identity = PageIdentity { table, segment, page: id, commit: 0 };
    let read = || -> Result<Vec<ListedPage>, WireFault> {
        let (chunked, body) = match open_as(FrameKind::ChunkedPageList, &identity, bytes) {
            Ok(body) => (true, body),
            Err(fault) => (false, open_as(FrameKind::PageList, &identity, bytes).map_err(|_| fault)?),
        };
        let mut reader = Reader::new(body);
        let mut read = Vec::new();
        while !reader.is_empty() {
            read.push(listed_page(&mut reader, chunked)?);
        }
        Ok(read)
    };
    pages.extend(read().map_err(|fault| damaged("page list", table, segment, id, fault))?);
    Ok(())
}

/// Reads the page list of a segment. None where an entry of it is not there.
pub(crate) fn read_page_list(
    store: &dyn PageStore,
    table: u32,
    segment: u64,
    lists: &[u64],
) -> Result<Option<Vec<ListedPage>>> {
    let mut pages = Vec::new();
    for id in lists {
        let key = PageAddress { segment, page: *id }.to_key();
        let mut read = Ok(());
        let found = store.read(TreeId(table), &key, &mut |bytes| {
            read = open_page_list(table, segment, *id, bytes, &mut pages);
        })?;
        read?;
        if !found {
            return Ok(None);
        }
    }
    Ok(Some(pages))
}

fn listed_page(reader: &mut Reader<'_>, chunked: bool) -> Result<ListedPage, WireFault> {
    let low = KeyBuf::from(reader.bytes()?);
    let at = reader.at();
    let address = PageAddress { segment: reader.varint()?, page: reader.varint()? };
    let entries = if chunked { reader.varint_u32()? } else { 1 };
    if !(1..=MAX_CHUNKS).contains(&entries) || address.page.checked_add(u64::from(entries)).is_none() {
        return Err(WireFault::new(at, "a page with an impossible count of entries"));
    }
    let rows = reader.varint_u32()?;
    Ok(ListedPage { low, stored: StoredPage { address, entries, rows, checksum: reader.u64()? } })
}

/// A segment as the directory on disk has it.
#[derive(Debug, Clone)]
pub(crate) struct DirectoryEntry {
    pub(crate) table: u32,
    pub(crate) segment: u64,
    pub(crate) checkpoint: u64,
    pub(crate) low: KeyBuf,
    pub(crate) stored: StoredSegment,
}

const DIRECTORY: u8 = b's';
const GONE: u8 = b'g';
const CATALOG: u8 = b't';
/// Stands for the id of a segment in the note that all of a table is gone. No segment has it.
pub(crate) const WHOLE_TABLE: u64 = 0;

pub(crate) fn directory_key(table: u32, segment: u64, checkpoint: u64) -> Vec<u8> {
    segment_key(DIRECTORY, table, segment, checkpoint)
}

fn segment_key(kind: u8, table: u32, segment: u64, checkpoint: u64) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&table.to_be_bytes());
    key.extend_from_slice(&segment.to_be_bytes());
    key.extend_from_slice(&checkpoint.to_be_bytes());
    key
}

pub(crate) fn catalog_key(table: u32, checkpoint: u64, part: u16) -> Vec<u8> {
    let mut key = vec![CATALOG];
    key.extend_from_slice(&table.to_be_bytes());
    key.extend_from_slice(&checkpoint.to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// What a key of the directory tree names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryKey {
    Segment { table: u32, segment: u64, checkpoint: u64 },
    Gone { table: u32, segment: u64, checkpoint: u64 },
    Table { table: u32, checkpoint: u64, part: u16 },
}

pub(crate) fn parse_directory_key(key: &[u8]) -> Option<DirectoryKey> {
    let (kind, rest) = key.split_first()?;
    let table = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
    let long = |at: usize| Some(u64::from_be_bytes(rest.get(at..at + 8)?.try_into().ok()?));
    match (*kind, rest.len()) {
        (DIRECTORY, 20) => Some(DirectoryKey::Segment { table, segment: long(4)?, checkpoint: long(12)? }),
        (GONE, 20) => Some(DirectoryKey::Gone { table, segment: long(4)?, checkpoint: long(12)? }),
        (CATALOG, 14) => {
            let part = u16::from_be_bytes(rest.get(12..14)?.try_into().ok()?);
            Some(DirectoryKey::Table { table, checkpoint: long(4)?, part })
        }
        _ => None,
    }
}

/// The value of a directory entry.
pub(crate) fn seal_directory_entry(entry: &DirectoryEntry) -> Vec<u8> {
    let mut body = Vec::new();
    put_bytes(&mut body, &entry.low);
    put_varint(&mut body, entry.stored.rows);
    put_u64(&mut body, entry.stored.checksum);
    put_varint(&mut body, entry.stored.lists.len() as u64);
    for id in &entry.stored.lists {
        put_varint(&mut body, *id);
    }
    let identity = PageIdentity { table: entry.table, segment: entry.segment, page: 0, commit: entry.checkpoint };
    seal(FrameKind::Directory, identity, &body)
}

pub(crate) fn open_directory_entry(table: u32, segment: u64, checkpoint: u64, bytes: &[u8]) -> Result<DirectoryEntry> {
    let identity = PageIdentity { table, segment, page: 0, commit: checkpoint };
    let read = || -> Result<(KeyBuf, StoredSegment), WireFault> {
        let mut reader = Reader::new(open_as(FrameKind::Directory, &identity, bytes)?);
        let low = KeyBuf::from(reader.bytes()?);
        let rows = reader.varint()?;
        let checksum = reader.u64()?;
        let count = reader.count(1)?;
        let lists = (0..count).map(|_| reader.varint()).collect::<Result<Vec<u64>, WireFault>>()?;
        reader.finish()?;
        Ok((low, StoredSegment { lists, rows, checksum }))
    };
    let (low, stored) = read().map_err(|fault| damaged("directory entry", table, segment, checkpoint, fault))?;
    Ok(DirectoryEntry { table, segment, checkpoint, low, stored })
}

/// Key and value of the note that a segment is not in the directory any more from this checkpoint on.
pub(crate) fn gone_entry(table: u32, segment: u64, checkpoint: u64) -> (Vec<u8>, Vec<u8>) {
    let identity = PageIdentity { table, segment, page: 0, commit: checkpoint };
    (segment_key(GONE, table, segment, checkpoint), seal(FrameKind::Directory, identity, &[]))
}

/// Checks the value of such a note.
pub(crate) fn open_gone_entry(table: u32, segment: u64, checkpoint: u64, bytes: &[u8]) -> Result<()> {
    let identity = PageIdentity { table, segment, page: 0, commit: checkpoint };
    match open_as(FrameKind::Directory, &identity, bytes) {
        Ok([]) => Ok(()),
        Ok(_) => {
            let fault = WireFault::new(frame::HEADER_BYTES, "an entry without a body has one");
            Err(damaged("note of the end", table, segment, checkpoint, fault))
        }
        Err(fault) => Err(damaged("note of the end", table, segment, checkpoint, fault)),
    }
}

/// The definition of a table as bytes, for the catalog and for the journal.
pub(crate) fn encode_definition(definition: &Definition) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(definition.id));
    put_bytes(&mut out, definition.name.as_bytes());
    put_varint(&mut out, u64::from(definition.version));
    put_bytes(&mut out, definition.key_shape.as_bytes());
    let mut shape = Vec::new();
    definition.row_shape.encode(&mut shape);
    put_bytes(&mut out, &shape);
    if let Some(index) = &definition.index {
        put_varint(&mut out, u64::from(index.table));
        out.push((u8::from(index.unique) * UNIQUE) | (u8::from(index.ready) * READY));
        put_bytes(&mut out, index.key_shape.as_bytes());
    }
    out
}

const UNIQUE: u8 = 1;
const READY: u8 = 2;

fn decode_index_of(reader: &mut Reader<'_>) -> Result<IndexOf, WireFault> {
    let table = reader.varint_u32()?;
    let flags = reader.u8()?;
    let key_shape = reader.text()?.to_owned();
    Ok(IndexOf { table, unique: flags & UNIQUE != 0, ready: flags & READY != 0, key_shape })
}

pub(crate) fn decode_definition(bytes: &[u8]) -> Result<Definition> {
    let read = || -> Result<Definition, WireFault> {
        let mut reader = Reader::new(bytes);
        let id = reader.varint_u32()?;
        let name = reader.text()?.to_owned();
        let version = reader.varint_u32()?;
        let key_shape = reader.text()?.to_owned();
        let row_shape = Shape::decode(reader.bytes()?)?;
        let index = if id < FIRST_INDEX { None } else { Some(decode_index_of(&mut reader)?) };
        reader.finish()?;
        Ok(Definition { id, name, version, key_shape, row_shape, index })
    };
    read().map_err(|fault| Error::corrupted("the definition of a table is damaged; run repair").with_source(fault))
}

/// The entries of a table in the catalog: key and value of each part.
pub(crate) fn catalog_entries(definition: &Definition, checkpoint: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let identity =
        |part: u16| PageIdentity { table: definition.id, segment: 0, page: u64::from(part), commit: checkpoint };
    encode_definition(definition)
        .chunks(BODY_BYTES)
        .zip(0u16..)
        .map(|(body, part)| {
            (catalog_key(definition.id, checkpoint, part), seal(FrameKind::Catalog, identity(part), body))
        })
        .collect()
}

/// The body of one part of a catalog entry.
pub(crate) fn open_catalog_part(table: u32, checkpoint: u64, part: u16, bytes: &[u8]) -> Result<Vec<u8>> {
    let identity = PageIdentity { table, segment: 0, page: u64::from(part), commit: checkpoint };
    open_as(FrameKind::Catalog, &identity, bytes)
        .map(<[u8]>::to_vec)
        .map_err(|fault| damaged("catalog entry", table, 0, checkpoint, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: u32) -> ListedPage {
        let address = PageAddress { segment: 3, page: 100 };
        ListedPage { low: KeyBuf::from(&b"low"[..]), stored: StoredPage { address, entries, rows: 1, checksum: 9 } }
    }

    fn read(value: &[u8]) -> Result<Vec<StoredPage>> {
        let mut pages = Vec::new();
        open_page_list(7, 3, 50, value, &mut pages)?;
        Ok(pages.into_iter().map(|page| page.stored).collect())
    }

    #[test]
    fn a_page_list_counts_the_entries_of_each_page() {
        let pages = [listed(1), listed(2), listed(MAX_CHUNKS)];
        let bodies = page_list_bodies(&pages);
        assert_eq!(bodies.len(), 1);
        let read = read(&seal_page_list(7, 3, 50, 1, &bodies[0])).unwrap();
        assert_eq!(read, pages.map(|page| page.stored));
    }

    #[test]
    fn a_page_list_of_format_1_has_pages_of_one_entry() {
        let identity = PageIdentity { table: 7, segment: 3, page: 50, commit: 1 };
        let body = [&b"\x03low\x03\x64\x01"[..], &9u64.to_le_bytes()].concat();
        let value = seal(FrameKind::PageList, identity, &body);
        assert_eq!(read(&value).unwrap(), [listed(1).stored]);
        assert!(read(&seal(FrameKind::Directory, identity, &body)).is_err(), "another kind of entry");
    }

    #[test]
    fn an_impossible_count_of_entries_is_refused() {
        for entries in [0, MAX_CHUNKS + 1, u32::MAX] {
            let bodies = page_list_bodies(&[listed(entries)]);
            let error = read(&seal_page_list(7, 3, 50, 1, &bodies[0])).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupted);
        }
        let mut last = listed(2);
        last.stored.address.page = u64::MAX - 1;
        let bodies = page_list_bodies(&[last]);
        assert!(read(&seal_page_list(7, 3, 50, 1, &bodies[0])).is_err(), "ids beyond the last");
    }
}
