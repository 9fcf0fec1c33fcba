//! Carving: finds every frame in the raw files of a page store, without the engine that wrote them.
//!
//! A frame says what it is and proves that it is whole, so a search for its first bytes finds all that is left, wherever
//! the engine put it. Superseded frames are found too, and the same frame several times, since the engine moves them
//! about. What is in force is decided later. Directory entries are kept; of pages and page lists only their places are,
//! some 60 bytes each.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use smallvec::SmallVec;

use crate::codec::chunk;
use crate::codec::frame::{self, Frame, FrameKind, HEADER_BYTES};
use crate::options::MAX_STORED_BYTES;
use crate::storage::RawFile;
use crate::table::entry::{DirectoryEntry, open_directory_entry};
use crate::table::page::PageAddress;

/// Bytes of a file that are searched at once.
const WINDOW_BYTES: usize = 4 << 20;

/// Where a frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    file: u16,
    bytes: u16,
    offset: u64,
    pub(super) kind: FrameKind,
    pub(super) commit: u64,
    /// Which chunk of how many.
    pub(super) chunk: (u32, u32),
    crc: u32,
}

/// A page or a page list: its table and its address.
pub(super) type Owner = (u32, PageAddress);

/// An entry of the directory, with the bytes that the root's hash is of.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) entry: DirectoryEntry,
    pub(super) value: Vec<u8>,
}

/// All frames of a page store.
#[derive(Debug, Default)]
pub(super) struct Carved {
    files: Vec<RawFile>,
    places: HashMap<Owner, SmallVec<[Place; 1]>, ahash::RandomState>,
    /// Every entry of each segment, by table and segment.
    pub(super) entries: BTreeMap<(u32, u64), Vec<Entry>>,
    /// The checkpoints that noted the end of a segment.
    pub(super) gone: BTreeMap<(u32, u64), Vec<u64>>,
    /// Parts of definitions by table, checkpoint and part, as stored.
    pub(super) catalog: BTreeMap<(u32, u64, u16), Vec<u8>>,
    /// Where frames are that are not whole, by what their headers claim.
    broken: HashMap<Owner, (u16, u64), ahash::RandomState>,
    /// Files that cannot be opened and pieces that cannot be read.
    pub(super) unreadable: Vec<(PathBuf, u64)>,
}

impl Carved {
    /// Searches the files.
    pub(super) fn new(paths: Vec<PathBuf>) -> Carved {
        let mut carved = Carved::default();
        for path in paths {
            match (RawFile::open(path.clone()), u16::try_from(carved.files.len())) {
                (Ok(file), Ok(number)) => {
                    carved.search(&file, number);
                    carved.files.push(file);
                }
                _ => carved.unreadable.push((path, 0)),
            }
        }
        carved
    }

    fn search(&mut self, file: &RawFile, number: u16) {
        let mut window = vec![0; WINDOW_BYTES + MAX_STORED_BYTES];
        // The window begins here, and what lies before `from` was searched.
        let (mut start, mut from) = (0, 0);
        while start < file.len() {
            let len = usize::try_from(file.len() - start).unwrap_or(usize::MAX).min(window.len());
            let bytes = &mut window[..len];
            self.unreadable.extend(file.read(start, bytes).into_iter().map(|at| (file.path().to_owned(), at)));
            // A frame that begins in the last part is read as a whole with the next window.
            let end = if start + len as u64 == file.len() { len } else { WINDOW_BYTES };
            while let Some(at) = frame::find_magic(bytes, from).filter(|at| *at < end) {
                let front = &bytes[at..len.min(at + MAX_STORED_BYTES)];
                from = at + 1;
                match frame::open_front(front) {
                    Ok((frame, rest)) => {
                        let bytes = front.len() - rest.len();
                        self.add(&frame, &front[..bytes], (number, start + at as u64));
                        // Frames inside of a row's bytes are the program's.
                        from = at + bytes;
                    }
                    Err(_) => {
                        if let Some(claimed) = frame::claimed(front) {
                            let owner = (claimed.table, PageAddress { segment: claimed.segment, page: claimed.page });
                            self.broken.entry(owner).or_insert((number, start + at as u64));
                        }
                    }
                }
            }
            from = from.max(end) - end;
            start += end as u64;
        }
    }

    fn add(&mut self, frame: &Frame<'_>, bytes: &[u8], (file, offset): (u16, u64)) {
        let identity = frame.identity;
        match frame.kind {
            FrameKind::Directory if frame.body.is_empty() => {
                let notes = self.gone.entry((identity.table, identity.segment)).or_default();
                if !notes.contains(&identity.commit) {
                    notes.push(identity.commit);
                }
            }
            FrameKind::Directory => {
                let opened = open_directory_entry(identity.table, identity.segment, identity.commit, bytes);
                let entries = self.entries.entry((identity.table, identity.segment)).or_default();
                if let Ok(entry) = opened
                    && !entries.iter().any(|known| known.value == bytes)
                {
                    entries.push(Entry { entry, value: bytes.to_vec() });
                }
            }
            FrameKind::Catalog => {
                if let Ok(part) = u16::try_from(identity.page) {
                    self.catalog.insert((identity.table, identity.commit, part), bytes.to_vec());
                }
            }
            FrameKind::Page | FrameKind::Chunk | FrameKind::PageList | FrameKind::ChunkedPageList => {
                let Ok(length) = u16::try_from(bytes.len()) else { return };
                let chunk = match frame.kind {
                    FrameKind::Chunk => chunk::numbers(frame.body).unwrap_or_default(),
                    _ => (0, 1),
                };
                let crc = bytes.get(HEADER_BYTES - 4..).and_then(|rest| rest.first_chunk()).copied();
                let crc = u32::from_le_bytes(crc.unwrap_or_default());
                let place =
                    Place { file, bytes: length, offset, kind: frame.kind, commit: identity.commit, chunk, crc };
                let owner = (identity.table, PageAddress { segment: identity.segment, page: identity.page });
                let places = self.places.entry(owner).or_default();
                let same = |known: &Place| {
                    (known.kind, known.commit, known.chunk, known.crc, known.bytes)
                        == (place.kind, place.commit, place.chunk, crc, length)
                };
                if !places.iter().any(same) {
                    places.push(place);
                }
            }
        }
    }

    /// The places of what this owner was at some time, the newest first.
    pub(super) fn places(&self, owner: Owner) -> SmallVec<[Place; 1]> {
        let mut places = self.places.get(&owner).cloned().unwrap_or_default();
        places.sort_by_key(|place| std::cmp::Reverse(place.commit));
        places
    }

    /// Every owner with its places.
    pub(super) fn all(&self) -> impl Iterator<Item = (Owner, &[Place])> {
        self.places.iter().map(|(owner, places)| (*owner, &places[..]))
    }

    /// The newest commit that a page or a page list is of.
    pub(super) fn newest_commit(&self) -> u64 {
        self.places.values().flatten().map(|place| place.commit).max().unwrap_or(0)
    }

    /// The tables of which anything is left.
    pub(super) fn tables(&self) -> Vec<u32> {
        let mut tables: Vec<u32> = self.places.keys().map(|(table, _)| *table).collect();
        tables.extend(self.entries.keys().map(|(table, _)| table));
        tables.extend(self.catalog.keys().map(|(table, ..)| table));
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Reads a frame again.
    pub(super) fn bytes(&self, place: &Place) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(place.bytes)];
        if let Some(file) = self.files.get(usize::from(place.file)) {
            file.read(place.offset, &mut bytes);
        }
        bytes
    }

    /// Where a frame that should be this owner's is damaged, if its header is still readable: file and offset.
    pub(super) fn damage_of(&self, owner: Owner) -> Option<(PathBuf, u64)> {
        let (file, offset) = self.broken.get(&owner)?;
        self.files.get(usize::from(*file)).map(|file| (file.path().to_owned(), *offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{PageBytes, PageIdentity};
    use crate::table::entry::{gone_entry, seal_directory_entry};
    use crate::table::segment::StoredSegment;

    fn page(page: u64, commit: u64, row: &[u8]) -> Vec<u8> {
        let identity = PageIdentity { table: 7, segment: 3, page, commit };
        let mut frame = Vec::new();
        PageBytes::of_row(b"key", row).encode(&identity, &mut frame);
        frame
    }

    fn owner(page: u64) -> Owner {
        (7, PageAddress { segment: 3, page })
    }

    fn carved(bytes: &[u8]) -> Carved {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, bytes).unwrap();
        Carved::new(vec![path, folder.path().join("none")])
    }

    #[test]
    fn frames_are_found_wherever_they_lie() {
        let mut raw = b"GnLn and other bytes".to_vec();
        let mut frames = Vec::new();
        // Some lie across the borders of windows, whatever their offsets.
        for id in 0..3_000u64 {
            raw.resize(raw.len() + (id * 7 % 1_009) as usize, 0x47);
            let frame = page(id, id, &vec![id as u8; 3_000 + (id % 500) as usize]);
            raw.extend_from_slice(&frame);
            frames.push(frame);
        }
        assert!(raw.len() > 2 * WINDOW_BYTES);
        let carved = carved(&raw);
        for (id, frame) in frames.iter().enumerate() {
            let places = carved.places(owner(id as u64));
            assert_eq!(places.len(), 1, "page {id}");
            assert_eq!(carved.bytes(&places[0]), *frame, "page {id}");
        }
        assert_eq!(carved.all().count(), 3_000);
        assert_eq!(carved.unreadable.len(), 1, "the file that is not there");
    }

    #[test]
    fn copies_count_once_versions_newest_first_and_what_is_inside_a_row_not_at_all() {
        let (old, new, inner) = (page(1, 5, b"old"), page(1, 9, b"new"), page(2, 9, b"inner"));
        let outer = page(3, 9, &inner);
        let carved = carved(&[&old[..], &new, &old, &outer].concat());
        let commits: Vec<u64> = carved.places(owner(1)).iter().map(|place| place.commit).collect();
        assert_eq!(commits, [9, 5]);
        assert!(carved.places(owner(2)).is_empty());
        assert_eq!(carved.places(owner(3)).len(), 1);
        assert_eq!(carved.tables(), [7]);
    }

    #[test]
    fn a_damaged_frame_is_no_frame_and_its_place_is_told() {
        let mut raw = vec![0; 100];
        raw.extend_from_slice(&page(1, 5, b"row"));
        let last = raw.len() - 1;
        raw[last] ^= 1;
        raw.extend_from_slice(&page(2, 5, b"row"));
        let carved = carved(&raw);
        assert!(carved.places(owner(1)).is_empty());
        assert_eq!(carved.damage_of(owner(1)).map(|(_, offset)| offset), Some(100));
        assert_eq!(carved.places(owner(2)).len(), 1);
        assert_eq!(carved.damage_of(owner(2)), None);
    }

    #[test]
    fn entries_and_notes_are_told_apart() {
        let stored = StoredSegment { lists: vec![4], rows: 1, checksum: 2 };
        let low = crate::codec::KeyBuf::empty();
        let entry = DirectoryEntry { table: 7, segment: 3, checkpoint: 11, low, stored };
        let value = seal_directory_entry(&entry);
        let carved = carved(&[value.clone(), gone_entry(7, 3, 12).1, value.clone()].concat());
        assert_eq!(carved.entries[&(7, 3)].len(), 1);
        assert_eq!(carved.entries[&(7, 3)][0].value, value);
        assert_eq!(carved.gone[&(7, 3)], [12]);
    }
}
