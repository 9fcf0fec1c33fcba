//! What the page store holds, out of hostile bytes: pages, which are then edited, other entries, and rows.
//!
//! The first byte says what the rest is read as. Frames get a right checksum, or no fuzzer would ever come past it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use gangline::torture::{Entry, Identity, Page, decode_row, encode_row, read, seal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::random::Tape;

/// The numbers of the frames' kinds that are read here.
mod kind {
    pub(super) const PAGE: u8 = 1;
    pub(super) const OLD_PAGE_LIST: u8 = 2;
    pub(super) const DIRECTORY: u8 = 3;
    pub(super) const CATALOG: u8 = 4;
    pub(super) const CHUNK: u8 = 5;
    pub(super) const PAGE_LIST: u8 = 6;
}

const IDENTITY: Identity = Identity { table: 7, segment: 8, page: 9, commit: 10 };
/// Memory that a page may take for each byte that it was read from: of two bytes for an empty row, twelve for its slot.
const PAGE_MEMORY_A_BYTE: usize = 8;
/// What an empty page takes.
const PAGE_MEMORY: usize = 256;

/// Reads the bytes as what their first says.
///
/// # Panics
///
/// Where something is read that does not hold together.
pub fn replay(bytes: &[u8]) {
    let Some((&what, rest)) = bytes.split_first() else { return };
    match what % 16 {
        0 => raw(rest),
        1..4 => page(rest),
        4 => same(Entry::PageList, kind::PAGE_LIST, rest),
        5 => drop(read(Entry::PageList, IDENTITY, &seal(kind::OLD_PAGE_LIST, IDENTITY, rest))),
        6 => directory(rest),
        7 => drop(read(Entry::Chunk, IDENTITY, &seal(kind::CHUNK, IDENTITY, rest))),
        8 => same(Entry::CatalogPart, kind::CATALOG, rest),
        9 => comes_back(Entry::Definition, rest),
        10 => comes_back(Entry::Shape, rest),
        11 => drop(read(Entry::DirectoryKey, IDENTITY, rest)),
        12 => drop(read(Entry::Record, IDENTITY, rest)),
        13 => row::<Numbers>(rest),
        14 => row::<Texts>(rest),
        _ => row::<Vec<(Option<Shade>, Texts)>>(rest),
    }
}

/// The bytes as they are, for all that has a frame.
fn raw(bytes: &[u8]) {
    drop(Page::decode(bytes));
    for what in [Entry::Chunk, Entry::PageList, Entry::Directory, Entry::Gone, Entry::CatalogPart] {
        drop(read(what, IDENTITY, bytes));
    }
}

/// What is read as the body of an entry is what would be written again.
fn same(what: Entry, kind: u8, body: &[u8]) {
    if let Some(again) = read(what, IDENTITY, &seal(kind, IDENTITY, body)) {
        assert_eq!(again, body, "{what:?}");
    }
}

fn comes_back(what: Entry, bytes: &[u8]) {
    if let Some(again) = read(what, IDENTITY, bytes) {
        assert_eq!(again, bytes, "{what:?}");
    }
}

/// A segment in the directory, and a note of its end, which have the same frame.
fn directory(body: &[u8]) {
    let identity = Identity { page: 0, ..IDENTITY };
    let sealed = seal(kind::DIRECTORY, identity, body);
    for what in [Entry::Directory, Entry::Gone] {
        if let Some(again) = read(what, identity, &sealed) {
            assert_eq!(again, sealed, "{what:?}");
        }
    }
}

/// A page, and edits of it: two bytes of length, the body, then the edits.
fn page(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (body, edits) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let Some(mut page) = Page::decode(&seal(kind::PAGE, IDENTITY, body)) else { return };
    assert!(page.memory_bytes() <= PAGE_MEMORY + PAGE_MEMORY_A_BYTE * body.len(), "{} bytes", page.memory_bytes());
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = page.iter().map(|(key, row)| (key.to_owned(), row.to_owned())).collect();
    agree(&page, &rows);
    let mut tape = Tape::Bytes(edits);
    while !tape.is_over() {
        edit(&mut page, &mut rows, &mut tape);
    }
    agree(&page, &rows);
}

fn edit(page: &mut Page, rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, tape: &mut Tape<'_>) {
    let how = tape.byte();
    // Some key that is there, or one of up to eight bytes.
    let key: Vec<u8> = match rows.len() {
        present @ 1.. if how >= 128 => rows.keys().nth(usize::from(tape.byte()) % present).cloned().unwrap_or_default(),
        _ => (0..tape.byte() % 9).map(|_| tape.byte()).collect(),
    };
    match how % 4 {
        0 => assert_eq!(page.remove(&key), rows.remove(&key).is_some(), "{key:?}"),
        1 => {
            let right = page.split_off(usize::from(tape.byte()) % (rows.len() + 1));
            page.append(&right);
        }
        _ => {
            let row = vec![tape.byte(); usize::from(tape.byte())];
            page.put(&key, &row);
            rows.insert(key, row);
        }
    }
}

/// The page holds these rows, and comes back from its bytes.
fn agree(page: &Page, rows: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let same = |page: &Page| page.iter().eq(rows.iter().map(|(key, row)| (&key[..], &row[..])));
    assert!(same(page), "{page:?}\nis not\n{rows:?}");
    for (key, row) in rows {
        assert_eq!(page.get(key), Some(&row[..]), "{key:?}");
    }
    let encoded = page.encode();
    assert_eq!(encoded.len(), page.encoded_len(), "{page:?}");
    let again = Page::decode(&encoded).unwrap_or_else(|| panic!("{page:?} does not come back"));
    assert!(same(&again) && again.checksum() == page.checksum(), "{page:?} comes back as {again:?}");
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbers {
    byte: u8,
    long: u64,
    signed: i32,
    longest: (u128, i128),
    float: f32,
    flag: bool,
    sign: char,
    fixed: [u16; 3],
    shade: Shade,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Shade {
    Plain,
    Named(String),
    Mixed { parts: Vec<u8>, share: f64 },
    Pair(i16, Option<Box<u32>>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Texts {
    name: String,
    lines: Vec<String>,
    counts: BTreeMap<String, u64>,
    nested: Option<Vec<Vec<i64>>>,
    nothing: (),
}

/// A row that is read is written, and read again as the same.
fn row<V: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Some(row) = decode_row::<V>(bytes) else { return };
    let encoded = encode_row(&row).unwrap_or_else(|| panic!("{row:?} is read and cannot be written"));
    let again = decode_row::<V>(&encoded).and_then(|row| encode_row(&row));
    assert_eq!(again, Some(encoded), "{row:?}");
}
