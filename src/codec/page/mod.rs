//! A page as bytes: rows sorted by key that can be found, changed and cut without knowing their type.
//!
//! Three buffers, so that a copy is three plain copies and a search touches little memory:
//!
//! - `keys`: the keys in order, without gaps. Where all have eight bytes, which is every integer key, a search reads
//!   nothing else.
//! - `slots`: where each key ends and where its row is.
//! - `rows`: the rows in no order. A row that shrinks or goes leaves a gap; when gaps make up over half, or would be
//!   enough for the next row, the buffer is written anew.
//!
//! Encoded, a page is a [`frame`] of kind `Page` with this body (numbers are [varints](crate::codec::wire)):
//!
//! | part | what |
//! | --- | --- |
//! | count | number of rows |
//! | lengths | for each row the length of the key, then the length of the row |
//! | keys | all keys in order, which must ascend strictly |
//! | rows | all rows in the same order |

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use crate::codec::frame::{self, FrameKind, HEADER_BYTES, PageIdentity};
use crate::codec::interpolation::count_below;
use crate::codec::wire::{Reader, WireFault, put_varint, varint_len};

/// Rows sorted by key, as bytes. What a search looks at comes first and side by side.
#[derive(Clone, Default)]
#[repr(C)]
pub(crate) struct PageBytes {
    /// The first and the last key as numbers, where all have eight bytes.
    ends: (u64, u64),
    keys: Vec<u8>,
    /// Whether every key has eight bytes.
    eight_byte_keys: bool,
    slots: Vec<Slot>,
    rows: Vec<u8>,
    /// Bytes of `rows` that no slot refers to.
    gap_bytes: u32,
    /// What the lengths of all rows take when encoded.
    length_bytes: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    key_end: u32,
    row_start: u32,
    row_bytes: u32,
}

impl PageBytes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes all rows out and keeps the buffers.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.slots.clear();
        self.rows.clear();
        (self.gap_bytes, self.length_bytes) = (0, 0);
    }

    /// A page with one row.
    pub(crate) fn of_row(key: &[u8], row: &[u8]) -> Self {
        let mut page = Self::new();
        page.insert(0, key, row);
        page
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The key at `at`, which must be below [`len`](Self::len).
    #[inline]
    pub(crate) fn key(&self, at: usize) -> &[u8] {
        &self.keys[self.key_start(at)..self.slots[at].key_end as usize]
    }

    /// The row at `at`, which must be below [`len`](Self::len).
    #[inline]
    pub(crate) fn row(&self, at: usize) -> &[u8] {
        self.slots[at].row(&self.rows)
    }

    /// All keys with their rows, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        (0..self.len()).map(|at| (self.key(at), self.row(at)))
    }

    /// The first key, if there is one.
    pub(crate) fn low_key(&self) -> Option<&[u8]> {
        (!self.is_empty()).then(|| self.key(0))
    }

    /// Where `key` is, or where it would have to be inserted.
    #[inline]
    pub(crate) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        if self.eight_byte_keys
            && let Ok(key) = <[u8; 8]>::try_from(key)
        {
            let (keys, _) = self.keys.as_chunks::<8>();
            let at = count_below(keys.len(), self.ends, u64::from_be_bytes(key), |at| u64::from_be_bytes(keys[at]));
            return if keys.get(at) == Some(&key) { Ok(at) } else { Err(at) };
        }
        self.search_any(key)
    }

    fn search_any(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Inserts a row at `at`, where [`search`](Self::search) said that its key belongs.
    pub(crate) fn insert(&mut self, at: usize, key: &[u8], row: &[u8]) {
        debug_assert!(at == 0 || self.key(at - 1) < key, "keys ascend");
        debug_assert!(at == self.len() || key < self.key(at), "keys ascend");
        self.eight_byte_keys = key.len() == 8 && (self.eight_byte_keys || self.is_empty());
        let key_start = self.key_start(at);
        insert_bytes(&mut self.keys, key_start, key);
        for slot in &mut self.slots[at..] {
            slot.key_end += key.len() as u32;
        }
        let row_start = self.put_row(row);
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(room_for(self.slots.len(), 1));
        }
        let key_end = (key_start + key.len()) as u32;
        self.slots.insert(at, Slot { key_end, row_start, row_bytes: row.len() as u32 });
        self.length_bytes += (varint_len(key.len() as u64) + varint_len(row.len() as u64)) as u32;
        self.note_ends();
    }

    /// Replaces the row at `at`, in place where the new one is not longer.
    pub(crate) fn replace(&mut self, at: usize, row: &[u8]) {
        let slot = self.slots[at];
        self.length_bytes -= varint_len(u64::from(slot.row_bytes)) as u32;
        self.length_bytes += varint_len(row.len() as u64) as u32;
        if row.len() <= slot.row_bytes as usize {
            let start = slot.row_start as usize;
            self.rows[start..start + row.len()].copy_from_slice(row);
            self.slots[at].row_bytes = row.len() as u32;
            self.gap_bytes += slot.row_bytes - row.len() as u32;
        } else {
            self.slots[at].row_bytes = 0;
            self.gap_bytes += slot.row_bytes;
            if self.slots.len() == 1 {
                // Nothing of the buffer is needed, and it may be large.
                self.rows = Vec::new();
                self.gap_bytes = 0;
            }
            let row_start = self.put_row(row);
            self.slots[at] = Slot { row_start, row_bytes: row.len() as u32, ..slot };
        }
        self.compact_if_worth_it();
    }

    /// Removes the row at `at`.
    pub(crate) fn remove(&mut self, at: usize) {
        let key = self.key_start(at)..self.slots[at].key_end as usize;
        let key_bytes = key.len() as u32;
        self.keys.drain(key);
        let slot = self.slots.remove(at);
        for later in &mut self.slots[at..] {
            later.key_end -= key_bytes;
        }
        self.gap_bytes += slot.row_bytes;
        self.length_bytes -= (varint_len(u64::from(key_bytes)) + varint_len(u64::from(slot.row_bytes))) as u32;
        self.note_ends();
        self.compact_if_worth_it();
    }

    /// Moves the rows from `at` on into a new page.
    pub(crate) fn split_off(&mut self, at: usize) -> PageBytes {
        let right = self.copy_of(at, self.len());
        *self = self.copy_of(0, at);
        right
    }

    /// Appends all rows of `other`, whose keys must be above those that are here.
    pub(crate) fn append(&mut self, other: &PageBytes) {
        self.keys.reserve_exact(other.keys.len());
        self.slots.reserve_exact(other.slots.len());
        self.rows.reserve_exact(other.rows.len() - other.gap_bytes as usize);
        for (key, row) in other.iter() {
            self.insert(self.len(), key, row);
        }
    }

    /// How many bytes [`encode`](Self::encode) appends.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        HEADER_BYTES + varint_len(self.len() as u64) + self.length_bytes as usize + self.keys.len() + self.row_bytes()
    }

    /// The memory that this page takes, itself included.
    #[inline]
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.slots.capacity() * size_of::<Slot>() + self.keys.capacity() + self.rows.capacity()
    }

    /// The sum of [`row_checksum`] over all rows, wrapping, which does not depend on how rows are spread over pages.
    pub(crate) fn checksum(&self) -> u64 {
        self.iter().fold(0, |sum, (key, row)| sum.wrapping_add(row_checksum(key, row)))
    }

    /// Appends the page as a frame.
    pub(crate) fn encode(&self, identity: &PageIdentity, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        let start = frame::begin(FrameKind::Page, identity, out);
        put_varint(out, self.len() as u64);
        for (key, row) in self.iter() {
            put_varint(out, key.len() as u64);
            put_varint(out, row.len() as u64);
        }
        out.extend_from_slice(&self.keys);
        for slot in &self.slots {
            out.extend_from_slice(slot.row(&self.rows));
        }
        frame::finish(start, out);
        debug_assert_eq!(out.len() - start, self.encoded_len());
    }

    /// Reads a page that [`encode`](Self::encode) wrote; `bytes` may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(PageIdentity, PageBytes), WireFault> {
        let frame = frame::open(bytes)?;
        if frame.kind != FrameKind::Page {
            return Err(WireFault::new(5, "the frame holds something else than a page"));
        }
        let page =
            Self::decode_body(frame.body).map_err(|fault| WireFault::new(HEADER_BYTES + fault.at, fault.what))?;
        Ok((frame.identity, page))
    }

    fn decode_body(body: &[u8]) -> Result<PageBytes, WireFault> {
        let mut reader = Reader::new(body);
        // Two length bytes for each row bound the count, so that no more is allocated than the body's own size allows.
        let count = reader.count(2)?;
        let mut page = PageBytes { slots: Vec::with_capacity(count), eight_byte_keys: true, ..PageBytes::default() };
        let lengths_at = reader.at();
        let (mut key_end, mut row_start) = (0u32, 0u32);
        for _ in 0..count {
            let at = reader.at();
            let (key_bytes, row_bytes) = (reader.varint_u32()?, reader.varint_u32()?);
            page.eight_byte_keys &= key_bytes == 8;
            let too_long = WireFault::new(at, "the rows of a page are longer than the page");
            key_end = key_end.checked_add(key_bytes).ok_or(too_long)?;
            page.slots.push(Slot { key_end, row_start, row_bytes });
            row_start = row_start.checked_add(row_bytes).ok_or(too_long)?;
        }
        page.length_bytes = (reader.at() - lengths_at) as u32;
        let keys_at = reader.at();
        page.keys = reader.take(key_end as usize)?.to_vec();
        page.rows = reader.take(row_start as usize)?.to_vec();
        page.note_ends();
        reader.finish()?;
        match (1..count).find(|&at| page.key(at - 1) >= page.key(at)) {
            None => Ok(page),
            Some(at) => Err(WireFault::new(keys_at + page.key_start(at), "the keys of a page do not ascend")),
        }
    }

    #[inline]
    fn key_start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.slots[at - 1].key_end as usize }
    }

    #[inline]
    fn row_bytes(&self) -> usize {
        self.rows.len() - self.gap_bytes as usize
    }

    /// Puts a row into the buffer and returns where. Gaps are closed rather than the buffer grown when they suffice.
    fn put_row(&mut self, row: &[u8]) -> u32 {
        if self.rows.capacity() - self.rows.len() < row.len() {
            if self.gap_bytes as usize >= row.len() {
                self.compact(row.len());
            } else {
                self.rows.reserve_exact(room_for(self.rows.len(), row.len()));
            }
        }
        let start = self.rows.len() as u32;
        self.rows.extend_from_slice(row);
        start
    }

    #[inline]
    fn compact_if_worth_it(&mut self) {
        if self.gap_bytes as usize * 2 > self.rows.len() {
            self.compact(0);
        }
    }

    #[cold]
    fn compact(&mut self, room: usize) {
        let mut rows = Vec::with_capacity(self.row_bytes() + room);
        for slot in &mut self.slots {
            let start = rows.len() as u32;
            rows.extend_from_slice(slot.row(&self.rows));
            slot.row_start = start;
        }
        self.rows = rows;
        self.gap_bytes = 0;
    }

    fn copy_of(&self, from: usize, to: usize) -> PageBytes {
        let mut copy = PageBytes::new();
        let (keys_from, keys_to) = (self.key_start(from), self.key_start(to));
        copy.keys = self.keys[keys_from..keys_to].to_vec();
        copy.rows.reserve_exact(self.slots[from..to].iter().map(|slot| slot.row_bytes as usize).sum());
        copy.slots.reserve_exact(to - from);
        copy.eight_byte_keys = from < to;
        for at in from..to {
            let (key_bytes, row) = (self.key(at).len(), self.row(at));
            copy.eight_byte_keys &= key_bytes == 8;
            copy.length_bytes += (varint_len(key_bytes as u64) + varint_len(row.len() as u64)) as u32;
            let key_end = self.slots[at].key_end - keys_from as u32;
            let row_start = copy.put_row(row);
            copy.slots.push(Slot { key_end, row_start, row_bytes: row.len() as u32 });
        }
        copy.note_ends();
        copy
    }

    /// Brings `ends` up to date after keys have come or gone.
    fn note_ends(&mut self) {
        if self.eight_byte_keys
            && let (Some(first), Some(last)) = (self.keys.first_chunk(), self.keys.last_chunk())
        {
            self.ends = (u64::from_be_bytes(*first), u64::from_be_bytes(*last));
        }
    }
}

impl Slot {
    #[inline]
    fn row(self, rows: &[u8]) -> &[u8] {
        &rows[self.row_start as usize..(self.row_start + self.row_bytes) as usize]
    }
}

impl std::fmt::Debug for PageBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for PageBytes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PageBytes {}

/// The checksum of one row: xxh3 of the key's length as a little-endian `u32`, the key and the row.
fn row_checksum(key: &[u8], row: &[u8]) -> u64 {
    thread_local! {
        static JOINED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // One run over joined bytes is several times faster than a streaming hasher with its 600 bytes of state.
    let mut joined = JOINED.try_with(Cell::take).unwrap_or_default();
    joined.clear();
    joined.extend_from_slice(&(key.len() as u32).to_le_bytes());
    joined.extend_from_slice(key);
    joined.extend_from_slice(row);
    let sum = xxh3_64(&joined);
    if joined.capacity() <= 64 * 1024 {
        // A thread that is ending has no slot any more, and then the buffer is simply dropped.
        let _ = JOINED.try_with(|slot| slot.set(joined));
    }
    sum
}

/// How much to reserve when `more` do not fit: an eighth beyond, since pages are many and doubling would waste memory.
fn room_for(present: usize, more: usize) -> usize {
    more.max(present / 8).max(4)
}

fn insert_bytes(buffer: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        buffer.reserve_exact(room_for(buffer.len(), bytes.len()));
    }
    let end = buffer.len();
    buffer.extend_from_slice(bytes);
    if at < end {
        buffer.copy_within(at..end, at + bytes.len());
        buffer[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
