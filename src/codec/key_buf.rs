//! An encoded key that owns its bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

/// The bytes of an encoded key. Up to 24 bytes are kept in place, longer keys on the heap. Compares as bytes do, which
/// is the order of the keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct KeyBuf(SmallVec<[u8; 24]>);

impl KeyBuf {
    /// The empty key: it sorts before all others, and is the low key of a table's first segment.
    pub(crate) fn empty() -> Self {
        Self::default()
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
