//! An encoded key that owns its bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

/// The bytes of an encoded key. Up to 24 bytes are kept in place, longer keys on the heap. Compares as bytes do, which
/// is the order of the keys.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct KeyBuf(SmallVec<[u8; 24]>);

impl KeyBuf {
    /// The empty key: it sorts before all others, and is the low key of a table's first segment.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// One after the other.
    pub(crate) fn joined(first: &[u8], second: &[u8]) -> Self {
        let mut bytes = SmallVec::with_capacity(first.len() + second.len());
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        KeyBuf(bytes)
    }
}

impl Clone for KeyBuf {
    /// By slices: the derived clone would copy byte by byte.
    #[inline]
    fn clone(&self) -> Self {
        KeyBuf(SmallVec::from_slice(&self.0))
    }
}

impl From<&[u8]> for KeyBuf {
    fn from(bytes: &[u8]) -> Self {
        KeyBuf(SmallVec::from_slice(bytes))
    }
}

impl Deref for KeyBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for KeyBuf {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Maps are searched with borrowed bytes, so owned and borrowed must agree, in place and on the heap.
        #[test]
        fn a_key_orders_and_hashes_as_its_bytes(
            a in prop::collection::vec(0u8..3, 0..40),
            b in prop::collection::vec(0u8..3, 0..40),
        ) {
            let (left, right) = (KeyBuf::from(&a[..]), KeyBuf::from(&b[..]));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(left == right, a == b);
            prop_assert_eq!(&left[..], &a[..]);
            prop_assert!(KeyBuf::empty() <= left);
            let hasher = RandomState::new();
            prop_assert_eq!(hasher.hash_one(&left), hasher.hash_one(Borrow::<[u8]>::borrow(&left)));
        }
    }
}
