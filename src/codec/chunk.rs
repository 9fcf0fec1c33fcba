//! Chunks: a frame that is too long for one entry of the page store, cut into several.
//!
//! A page with a row of megabytes is encoded as any other page. Where its frame is longer than [`MAX_STORED_BYTES`], its
//! bytes are cut, and each piece is framed once more, as a [`FrameKind::Chunk`] that says which page it is a piece of and
//! which one. So a piece can be recognised by itself, and the frame inside proves that all pieces were put together.
//!
//! | offset in the body | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | number of the chunk, from 0 |
//! | 4 | 4 | count of the page's chunks, at least 2 |
//! | 8 | | bytes of the page's frame |

use super::frame::{self, FrameKind, HEADER_BYTES, PageIdentity};
use super::wire::{Reader, WireFault, put_u32};
use crate::options::{MAX_KEY_BYTES, MAX_ROW_BYTES, MAX_STORED_BYTES};

/// Bytes of a page's frame in one chunk.
const CHUNK_BYTES: usize = MAX_STORED_BYTES - HEADER_BYTES - 8;
/// Most chunks of one page: those of the largest row there can be, with its key.
pub(crate) const MAX_CHUNKS: u32 = (MAX_ROW_BYTES + MAX_KEY_BYTES + 2 * HEADER_BYTES).div_ceil(CHUNK_BYTES) as u32;

/// How many entries a frame of so many bytes takes: one, unless it has to be cut.
pub(crate) fn entries_of(frame_bytes: usize) -> u32 {
    if frame_bytes <= MAX_STORED_BYTES { 1 } else { frame_bytes.div_ceil(CHUNK_BYTES) as u32 }
}

/// Cuts a frame into the values of its [`entries_of`] entries; one that needs no cut is its only value.
pub(crate) fn cut(identity: &PageIdentity, frame_bytes: Vec<u8>) -> impl Iterator<Item = Vec<u8>> + use<> {
    let count = entries_of(frame_bytes.len());
    let identity = *identity;
    let mut whole = Some(frame_bytes);
    (0..count).map_while(move |number| {
        if count == 1 {
            return whole.take();
        }
        let bytes = whole.as_ref()?;
        let from = number as usize * CHUNK_BYTES;
        let part = &bytes[from..bytes.len().min(from + CHUNK_BYTES)];
        let mut out = Vec::with_capacity(HEADER_BYTES + 8 + part.len());
        let start = frame::begin(FrameKind::Chunk, &identity, &mut out);
        put_u32(&mut out, number);
        put_u32(&mut out, count);
        out.extend_from_slice(part);
        frame::finish(start, &mut out);
        Some(out)
    })
}

/// Which chunk of how many a chunk's body is.
pub(crate) fn numbers(body: &[u8]) -> Result<(u32, u32), WireFault> {
    let mut reader = Reader::new(body);
    Ok((reader.u32()?, reader.u32()?))
}

/// Opens a chunk, which must be this one of so many, and of this page. Its commit is not looked at.
pub(crate) fn open<'a>(
    identity: &PageIdentity,
    number: u32,
    count: u32,
    bytes: &'a [u8],
) -> Result<&'a [u8], WireFault> {
    let mut reader = Reader::new(frame::open_as(FrameKind::Chunk, identity, bytes)?);
    if (reader.u32()?, reader.u32()?) != (number, count) {
        return Err(WireFault::new(HEADER_BYTES, "another chunk of the page than the one that belongs here"));
    }
    Ok(reader.rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: PageIdentity = PageIdentity { table: 7, segment: 8, page: 9, commit: 10 };

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[test]
    fn a_frame_comes_back_from_its_chunks() {
        let sizes = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, MAX_STORED_BYTES - 1, MAX_STORED_BYTES];
        let larger = [MAX_STORED_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1, 100_000];
        for size in sizes.into_iter().chain(larger) {
            let whole = bytes(size);
            let parts: Vec<Vec<u8>> = cut(&IDENTITY, whole.clone()).collect();
            let count = entries_of(size);
            assert_eq!(parts.len(), count as usize);
            assert!(parts.iter().all(|part| part.len() <= MAX_STORED_BYTES));
            if size <= MAX_STORED_BYTES {
                assert_eq!(parts, [whole], "a frame that fits is not cut");
                continue;
            }
            let opened = parts.iter().zip(0..).map(|(part, number)| open(&IDENTITY, number, count, part).unwrap());
            assert_eq!(opened.collect::<Vec<_>>().concat(), whole);
        }
    }

    #[test]
    fn a_chunk_in_a_wrong_place_is_refused() {
        let parts: Vec<Vec<u8>> = cut(&IDENTITY, bytes(3 * CHUNK_BYTES)).collect();
        assert!(open(&IDENTITY, 1, 3, &parts[1]).is_ok());
        assert!(open(&PageIdentity { commit: 0, ..IDENTITY }, 1, 3, &parts[1]).is_ok(), "the commit is not asked for");
        for (number, count) in [(0, 3), (2, 3), (1, 2), (1, 4)] {
            assert!(open(&IDENTITY, number, count, &parts[1]).is_err(), "{number} of {count}");
        }
        assert!(open(&PageIdentity { page: 1, ..IDENTITY }, 1, 3, &parts[1]).is_err(), "a chunk of another page");
        let mut page = Vec::new();
        frame::seal(FrameKind::Page, &IDENTITY, &[1, 0, 0, 0, 3, 0, 0, 0, 5], &mut page);
        assert!(open(&IDENTITY, 1, 3, &page).is_err(), "a frame of another kind");
    }

    #[test]
    fn the_largest_row_fits_the_most_chunks() {
        assert_eq!(MAX_CHUNKS, entries_of(MAX_ROW_BYTES + MAX_KEY_BYTES + 2 * HEADER_BYTES));
        assert_eq!(MAX_CHUNKS, 9_431);
    }
}
