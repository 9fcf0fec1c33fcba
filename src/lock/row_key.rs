//! The name of a row lock: a table and a key, made to be copied, compared and hashed as a whole.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Longest key that is kept in place, in bytes.
const SHORT: usize = 24;

/// Names a row, whether it exists or not.
///
/// Each row lock makes one, hashes it twice, compares it and copies it. So a short key is kept as three words, the bytes
/// from high to low and padded with zeros: it is put together in registers, and words compare as the bytes do.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum RowKey {
    Short { table: u32, length: u8, words: [u64; 3] },
    Long { table: u32, bytes: Box<[u8]> },
}

const _: () = assert!(size_of::<RowKey>() == 32);

/// Room for the bytes of a short key.
pub(crate) type KeyRoom = [u8; SHORT];

impl RowKey {
    #[inline]
    pub(crate) fn new(table: u32, key: &[u8]) -> Self {
        let length = key.len();
        if length > SHORT {
            return RowKey::Long { table, bytes: key.into() };
        }
        let words = if length <= 8 {
            [word(key), 0, 0]
        } else if length <= 16 {
            [word(&key[..8]), word(&key[8..]), 0]
        } else {
            [word(&key[..8]), word(&key[8..16]), word(&key[16..])]
        };
        RowKey::Short { table, length: length as u8, words }
    }

    #[inline]
    pub(crate) fn table(&self) -> u32 {
        match self {
            RowKey::Short { table, .. } | RowKey::Long { table, .. } => *table,
        }
    }

    /// The bytes of the key, in `room` if it is a short one.
    pub(crate) fn key<'a>(&'a self, room: &'a mut KeyRoom) -> &'a [u8] {
        match self {
            RowKey::Short { length, words, .. } => {
                for (bytes, word) in room.chunks_exact_mut(8).zip(words) {
                    bytes.copy_from_slice(&word.to_be_bytes());
                }
                &room[..usize::from(*length)]
            }
            RowKey::Long { bytes, .. } => bytes,
        }
    }
}

/// Up to eight bytes as the high bytes of a word. Reads whole words where it can: bytes that are written one by one
/// and read as a word right after would stall.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    if let Ok(all) = <[u8; 8]>::try_from(bytes) {
        return u64::from_be_bytes(all);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two halves overlap in bytes that are the same in both.
        let high = u64::from(u32::from_be_bytes(*first)) << 32;
        let low = u64::from(u32::from_be_bytes(*last)) << (64 - 8 * bytes.len());
        return high | low;
    }
    bytes.iter().enumerate().fold(0, |word, (index, byte)| word | u64::from(*byte) << (56 - 8 * index))
}

impl Hash for RowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            RowKey::Short { table, length, words: [first, second, third] } => {
                state.write_u64(u64::from(*table) << 8 | u64::from(*length));
                state.write_u64(*first);
                if *length > 8 {
                    state.write_u64(*second);
                    state.write_u64(*third);
                }
            }
            RowKey::Long { table, bytes } => {
                state.write_u32(*table);
                state.write(bytes);
            }
        }
    }
}

impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut one, mut two) = ([0; SHORT], [0; SHORT]);
        (self.table(), self.key(&mut one)).cmp(&(other.table(), other.key(&mut two)))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:02x?}", self.table(), self.key(&mut [0; SHORT]))
    }
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;

    use super::*;

    #[test]
    fn equal_keys_are_equal_and_no_others() {
        let hasher = RandomState::new();
        let mut keys: Vec<Vec<u8>> = (0..60).map(|length| vec![0; length]).collect();
        keys.extend((0..60).map(|length| (1..=length).collect()));
        keys.extend((1..40).flat_map(|length| (0..length).map(move |at| one_at(length, at))));
        for a in &keys {
            assert_eq!(RowKey::new(3, a).key(&mut [0xff; SHORT]), a);
            assert_ne!(RowKey::new(3, a), RowKey::new(4, a));
            for b in &keys {
                let (x, y) = (RowKey::new(3, a), RowKey::new(3, b));
                assert_eq!(x == y, a == b, "{a:?} {b:?}");
                assert_eq!(x.cmp(&y), a.cmp(b), "{a:?} {b:?}");
                assert_eq!(hasher.hash_one(&x) == hasher.hash_one(&y), a == b, "{a:?} {b:?}");
            }
        }
    }

    fn one_at(length: usize, at: usize) -> Vec<u8> {
        let mut key = vec![0; length];
        key[at] = 1;
        key
    }
}
