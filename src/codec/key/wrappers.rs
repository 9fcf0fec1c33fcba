//! `Option` and `Reverse` of keys.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::Key;
use super::numbers::take_array;

impl<K: Key> Key for Option<K> {
    type Ref<'a> = Option<K::Ref<'a>>;

    #[inline]
    fn encode(key: Self::Ref<'_>, out: &mut Vec<u8>) {
        match key {
            None => out.push(0),
            Some(key) => {
                out.push(1);
                K::encode(key, out);
            }
        }
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match take_array(bytes)? {
            [0] => Some(None),
            [1] => K::decode(bytes).map(Some),
            _ => None,
        }
    }

    #[inline]
    fn as_ref(&self) -> Self::Ref<'_> {
        self.as_ref().map(K::as_ref)
    }

    fn shape(out: &mut String) {
        out.push_str("option(");
        K::shape(out);
        out.push(')');
    }
}

impl<K: Key> Key for Reverse<K> {
    type Ref<'a> = Reverse<K::Ref<'a>>;

    // Turning all bytes over reverses the order of any two different keys, because neither is the start of the other: they
    // differ in a byte that both have.
    #[inline]
    fn encode(key: Self::Ref<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        K::encode(key.0, out);
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }

    // Where the inner key ends is known only after decoding it, so all that follows is turned back: O(rest of the key).
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let turned: SmallVec<[u8; 64]> = bytes.iter().map(|byte| !byte).collect();
        let mut rest = &turned[..];
        let key = K::decode(&mut rest)?;
        *bytes = bytes.get(turned.len() - rest.len()..)?;
        Some(Reverse(key))
    }

    #[inline]
    fn as_ref(&self) -> Self::Ref<'_> {
        Reverse(self.0.as_ref())
    }

    fn shape(out: &mut String) {
        out.push_str("reverse(");
        K::shape(out);
        out.push(')');
    }
}
