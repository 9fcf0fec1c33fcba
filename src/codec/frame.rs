//! The frame around everything that is stored in the page store.
//!
//! Pages, page lists, directory entries and the rest share one header, so that a file that its engine can no longer open
//! can be searched for them byte by byte: each says what it is, whose it is and how new it is, and proves that it is whole.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | magic, `b"GnLn"` |
//! | 4 | 1 | format version, 1 |
//! | 5 | 1 | kind, see [`FrameKind`] |
//! | 6 | 2 | zero |
//! | 8 | 4 | table id |
//! | 12 | 8 | segment id |
//! | 20 | 8 | page id |
//! | 28 | 8 | commit number |
//! | 36 | 4 | length of the body |
//! | 40 | 4 | CRC-32 (IEEE) of the 40 bytes before it and of the body |
//! | 44 | | the body |
//!
//! All numbers are little-endian. Kinds that have no segment or page store zero there, or what their owner says.

use super::wire::{Reader, WireFault, put_u32, put_u64};

/// What every frame starts with.
pub(crate) const MAGIC: [u8; 4] = *b"GnLn";
/// Bytes in front of the body.
pub(crate) const HEADER_BYTES: usize = 44;
const FORMAT_VERSION: u8 = 1;
const CRC_OFFSET: usize = 40;

/// What a frame holds. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum FrameKind {
    Page = 1,
    /// A page list of format 1, whose pages have one entry each. Read only.
    PageList = 2,
    Directory = 3,
    Catalog = 4,
    /// A piece of a page that is too long for one entry.
    Chunk = 5,
    /// A page list that says how many entries each page has.
    ChunkedPageList = 6,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Page, Self::PageList, Self::Directory, Self::Catalog, Self::Chunk, Self::ChunkedPageList]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Whose bytes a frame holds and which commit made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct PageIdentity {
    pub(crate) table: u32,
    pub(crate) segment: u64,
    pub(crate) page: u64,
    pub(crate) commit: u64,
}

impl PageIdentity {
    /// Whether it is that of this page, of whatever commit.
    pub(crate) fn is_of(&self, table: u32, segment: u64, page: u64) -> bool {
        (self.table, self.segment, self.page) == (table, segment, page)
    }
}

/// An opened frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) identity: PageIdentity,
    pub(crate) body: &'a [u8],
}

/// Appends a frame around `body`.
pub(crate) fn seal(kind: FrameKind, identity: &PageIdentity, body: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_BYTES + body.len());
    let start = begin(kind, identity, out);
    out.extend_from_slice(body);
    finish(start, out);
}

/// Appends a header whose length and CRC [`finish`] fills in, so that a body can be written in place behind it. Returns
/// where the frame starts.
pub(crate) fn begin(kind: FrameKind, identity: &PageIdentity, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT_VERSION, kind as u8, 0, 0]);
    put_u32(out, identity.table);
    put_u64(out, identity.segment);
    put_u64(out, identity.page);
    put_u64(out, identity.commit);
    out.extend_from_slice(&[0; 8]);
    start
}

/// Closes the frame that [`begin`] started at `start`; everything behind its header is the body.
pub(crate) fn finish(start: usize, out: &mut [u8]) {
    let frame = &mut out[start..];
    let body_bytes = u32::try_from(frame.len() - HEADER_BYTES).expect("a frame's body is far below 4 GiB");
    frame[CRC_OFFSET - 4..CRC_OFFSET].copy_from_slice(&body_bytes.to_le_bytes());
    let crc = checksum(&frame[..CRC_OFFSET], &frame[HEADER_BYTES..]);
    frame[CRC_OFFSET..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// Opens a frame that `bytes` must hold exactly.
pub(crate) fn open(bytes: &[u8]) -> Result<Frame<'_>, WireFault> {
    let (frame, rest) = open_front(bytes)?;
    if rest.is_empty() {
        Ok(frame)
    } else {
        Err(WireFault::new(bytes.len() - rest.len(), "bytes follow where the frame should end"))
    }
}

/// Opens a frame that `bytes` must hold exactly, and gives its body. It must be of this kind and of this owner; its
/// commit is not looked at.
pub(crate) fn open_as<'a>(kind: FrameKind, owner: &PageIdentity, bytes: &'a [u8]) -> Result<&'a [u8], WireFault> {
    let frame = open(bytes)?;
    if frame.kind != kind {
        return Err(WireFault::new(5, "a frame of another kind"));
    }
    if !frame.identity.is_of(owner.table, owner.segment, owner.page) {
        return Err(WireFault::new(8, "a frame of another owner"));
    }
    Ok(frame.body)
}

/// Opens a frame at the front of `bytes` and returns what follows it. This is what carving uses: try it at each place
/// where [`find_magic`] points.
pub(crate) fn open_front(bytes: &[u8]) -> Result<(Frame<'_>, &[u8]), WireFault> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(WireFault::new(0, "the magic bytes of a frame are missing"));
    }
    if reader.u8()? != FORMAT_VERSION {
        return Err(WireFault::new(4, "unknown format version of a frame"));
    }
    let kind = FrameKind::from_byte(reader.u8()?).ok_or(WireFault::new(5, "unknown kind of frame"))?;
    if reader.u16()? != 0 {
        return Err(WireFault::new(6, "reserved bytes of a frame are not zero"));
    }
    let identity =
        PageIdentity { table: reader.u32()?, segment: reader.u64()?, page: reader.u64()?, commit: reader.u64()? };
    let body_bytes = reader.u32()? as usize;
    let crc = reader.u32()?;
    if body_bytes > reader.remaining() {
        return Err(WireFault::new(CRC_OFFSET - 4, "a frame is longer than the bytes that are there"));
    }
    let body = reader.take(body_bytes)?;
    if checksum(&bytes[..CRC_OFFSET], body) != crc {
        return Err(WireFault::new(CRC_OFFSET, "the checksum of a frame does not match"));
    }
    Ok((Frame { kind, identity, body }, reader.rest()))
}

/// The next place at or after `from` where a frame may start.
pub(crate) fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(MAGIC.len()).position(|window| window == MAGIC).map(|at| from + at)
}

/// What the header at the front of `bytes` says, though the frame is not whole: a hint for messages, and no more.
pub(crate) fn claimed(bytes: &[u8]) -> Option<PageIdentity> {
    let mut reader = Reader::new(bytes);
    let sane = reader.take(MAGIC.len()).ok()? == MAGIC && reader.u8().ok()? == FORMAT_VERSION;
    FrameKind::from_byte(reader.u8().ok()?).filter(|_| sane)?;
    reader.u16().ok()?;
    let mut read = || -> Result<PageIdentity, WireFault> {
        let (table, segment) = (reader.u32()?, reader.u64()?);
        Ok(PageIdentity { table, segment, page: reader.u64()?, commit: reader.u64()? })
    };
    read().ok()
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = FrameKind> {
        prop::sample::select(vec![
            FrameKind::Page,
            FrameKind::PageList,
            FrameKind::Directory,
            FrameKind::Catalog,
            FrameKind::Chunk,
            FrameKind::ChunkedPageList,
        ])
    }

    proptest! {
        #[test]
        fn a_frame_comes_back(kind in kinds(), table: u32, segment: u64, page: u64, commit: u64, body: Vec<u8>) {
            let identity = PageIdentity { table, segment, page, commit };
            let mut out = vec![7; 3];
            seal(kind, &identity, &body, &mut out);
            prop_assert_eq!(out.len(), 3 + HEADER_BYTES + body.len());
            prop_assert_eq!(open(&out[3..]), Ok(Frame { kind, identity, body: &body }));
        }

        #[test]
        fn a_changed_or_cut_frame_is_refused(body: Vec<u8>, at: prop::sample::Index, change in 1u8.., cut: prop::sample::Index) {
            let mut out = Vec::new();
            seal(FrameKind::Page, &PageIdentity::default(), &body, &mut out);
            prop_assert!(open(&out[..cut.index(out.len())]).is_err());
            let at = at.index(out.len());
            out[at] ^= change;
            prop_assert!(open(&out).is_err());
        }

        #[test]
        fn hostile_bytes_are_refused(mut bytes: Vec<u8>) {
            prop_assert!(open(&bytes).is_err());
            bytes.splice(0..0, MAGIC);
            prop_assert!(open(&bytes).is_err());
        }
    }

    #[test]
    fn a_frame_of_another_kind_or_owner_is_refused() {
        let owner = PageIdentity { table: 1, segment: 2, page: 3, commit: 4 };
        let mut out = Vec::new();
        seal(FrameKind::Chunk, &owner, b"body", &mut out);
        let later = PageIdentity { commit: 9, ..owner };
        assert_eq!(open_as(FrameKind::Chunk, &later, &out), Ok(&b"body"[..]), "the commit is not asked for");
        assert_eq!(open_as(FrameKind::Page, &owner, &out).map_err(|fault| fault.at), Err(5));
        for other in [
            PageIdentity { table: 9, ..owner },
            PageIdentity { segment: 9, ..owner },
            PageIdentity { page: 9, ..owner },
        ] {
            assert_eq!(open_as(FrameKind::Chunk, &other, &out).map_err(|fault| fault.at), Err(8), "{other:?}");
        }
    }

    #[test]
    fn frames_are_found_in_a_raw_file() {
        let mut file = b"GnGnLGnLn some other bytes".to_vec();
        let identity = PageIdentity { table: 1, segment: 2, page: 3, commit: 4 };
        let start = file.len();
        seal(FrameKind::Directory, &identity, b"low key", &mut file);
        file.extend_from_slice(b"trailing");
        let false_start = find_magic(&file, 0).unwrap();
        assert!(open_front(&file[false_start..]).is_err());
        assert_eq!(find_magic(&file, false_start + 1), Some(start));
        assert_eq!(claimed(&file[start..]), Some(identity));
        assert_eq!(claimed(&file[false_start..]), None);
        let (frame, rest) = open_front(&file[start..]).unwrap();
        assert_eq!((frame.kind, frame.identity, frame.body), (FrameKind::Directory, identity, &b"low key"[..]));
        assert_eq!(rest, b"trailing");
        assert_eq!(open(&file[start..]).map_err(|fault| fault.at), Err(HEADER_BYTES + 7));
        assert_eq!(find_magic(&file, start + 1), None);
    }
}
