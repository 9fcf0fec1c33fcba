//! The low keys of a directory or a page list, laid out for searching.
//!
//! Beside each key stands a number made of its first eight bytes, and the search runs over these: they lie side by
//! side, where the keys themselves are four times as large and are compared by a call. Only among keys with the same
//! first eight bytes the keys decide.

use std::ops::Deref;

use crate::codec::KeyBuf;
use crate::codec::interpolation::count_below;

/// Ascending keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct LowKeys {
    heads: Vec<u64>,
    keys: Vec<KeyBuf>,
}

/// The first eight bytes as a number. Compares as the keys do, but for keys that it cannot tell apart.
#[inline]
pub(crate) fn head(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(first)
        }
    }
}

impl LowKeys {
    /// How many keys are at or below `key`.
    #[inline]
    pub(crate) fn up_to(&self, key: &[u8]) -> usize {
        self.count(key, |at| *at <= *key)
    }

    /// How many keys are below `key`.
    #[inline]
    pub(crate) fn below(&self, key: &[u8]) -> usize {
        self.count(key, |at| *at < *key)
    }

    /// Keys with a lesser head than `key`, and of those with the same one all that are `before` it.
    #[inline]
    fn count(&self, key: &[u8], before: impl Fn(&[u8]) -> bool) -> usize {
        let head = head(key);
        let (Some(first), Some(last)) = (self.heads.first(), self.heads.last()) else { return 0 };
        let from = count_below(self.heads.len(), (*first, *last), head, |at| self.heads[at]);
        if self.heads.get(from) != Some(&head) {
            return from;
        }
        let same = self.heads[from..].partition_point(|at| *at == head);
        from + self.keys[from..from + same].partition_point(|at| before(at))
    }

    pub(crate) fn insert(&mut self, at: usize, key: KeyBuf) {
        self.heads.insert(at, head(&key));
        self.keys.insert(at, key);
    }

    pub(crate) fn remove(&mut self, at: usize) -> KeyBuf {
        self.heads.remove(at);
        self.keys.remove(at)
    }

    pub(crate) fn set(&mut self, at: usize, key: KeyBuf) {
        self.heads[at] = head(&key);
        self.keys[at] = key;
    }
}

impl Deref for LowKeys {
    type Target = [KeyBuf];

    #[inline]
    fn deref(&self) -> &[KeyBuf] {
        &self.keys
    }
}

impl FromIterator<KeyBuf> for LowKeys {
    fn from_iter<I: IntoIterator<Item = KeyBuf>>(keys: I) -> Self {
        let keys: Vec<KeyBuf> = keys.into_iter().collect();
        LowKeys { heads: keys.iter().map(|key| head(key)).collect(), keys }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Short and long keys, many with the same beginning, and zeros, which the head of a short key cannot show.
        #[test]
        fn searches_as_a_list_of_keys_does(
            mut keys in proptest::collection::btree_set(proptest::collection::vec(0u8..3, 0..12), 1..40),
            wanted in proptest::collection::vec(0u8..3, 0..12),
            other in proptest::collection::vec(0u8..3, 0..12),
        ) {
            let mut lows: LowKeys = keys.iter().map(|key| KeyBuf::from(&key[..])).collect();
            for round in 0..2 {
                let up_to = keys.iter().filter(|key| **key <= wanted).count();
                let below = keys.iter().filter(|key| **key < wanted).count();
                prop_assert_eq!((lows.up_to(&wanted), lows.below(&wanted)), (up_to, below));
                if round == 0 && keys.insert(other.clone()) {
                    lows.insert(lows.up_to(&other), KeyBuf::from(&other[..]));
                    let gone = lows.remove(0);
                    keys.remove(&gone[..]);
                }
            }
        }
    }
}
