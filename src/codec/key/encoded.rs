//! From typed keys and ranges to bytes, and back.
//!
//! Bounds are normalised here, once: whatever a program writes as a range becomes an inclusive low and an exclusive high
//! byte string, and nothing below knows about `Included` and `Excluded`.

use std::cell::Cell;
use std::ops::{Bound, RangeBounds};

use super::{Key, Prefix};
use crate::codec::KeyBuf;

/// A scratch buffer that grew beyond this is given back rather than kept by its thread.
const KEPT_SCRATCH_BYTES: usize = 4096;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Encodes a key. Allocates nothing for keys that a [`KeyBuf`] keeps in place.
#[inline]
pub(crate) fn encode_key<K: Key>(key: K::Ref<'_>) -> KeyBuf {
    with_scratch(|out| {
        K::encode(key, out);
        KeyBuf::from(&out[..])
    })
}

/// Decodes a key that `bytes` must hold exactly; `None` says that these bytes are no such key.
#[inline]
pub(crate) fn decode_key<K: Key>(mut bytes: &[u8]) -> Option<K> {
    let key = K::decode(&mut bytes)?;
    bytes.is_empty().then_some(key)
}

/// The encoded keys of a range: from the first byte string, inclusive, up to the second, exclusive. `None` is no upper
/// end. A range that holds nothing (its start above its end) comes out with the low end at or above the high end.
pub(crate) fn key_bounds<'k, K: Key>(range: impl RangeBounds<K::Ref<'k>>) -> (KeyBuf, Option<KeyBuf>) {
    let low = match range.start_bound() {
        Bound::Unbounded => KeyBuf::empty(),
        Bound::Included(&key) => encode_key::<K>(key),
        Bound::Excluded(&key) => encode_after::<K>(key),
    };
    let high = match range.end_bound() {
        Bound::Unbounded => None,
        Bound::Excluded(&key) => Some(encode_key::<K>(key)),
        Bound::Included(&key) => Some(encode_after::<K>(key)),
    };
    (low, high)
}

/// The entries of an index whose keys are in a range, as [`key_bounds`] returns them. Something may follow the key in an
/// entry, so the first that is above a key is above all that begins with it.
pub(crate) fn entry_bounds<'k, K: Key>(range: impl RangeBounds<K::Ref<'k>>) -> (KeyBuf, Option<KeyBuf>) {
    let after = |key: K::Ref<'k>| successor(&encode_key::<K>(key));
    let low = match range.start_bound() {
        Bound::Unbounded => Some(KeyBuf::empty()),
        Bound::Included(&key) => Some(encode_key::<K>(key)),
        Bound::Excluded(&key) => after(key),
    };
    // Nothing is above a key of which all bytes are the greatest.
    let Some(low) = low else { return (KeyBuf::empty(), Some(KeyBuf::empty())) };
    let high = match range.end_bound() {
        Bound::Unbounded => None,
        Bound::Excluded(&key) => Some(encode_key::<K>(key)),
        Bound::Included(&key) => after(key),
    };
    (low, high)
}

/// What two ranges of encoded keys have in common.
pub(crate) fn narrow(a: (KeyBuf, Option<KeyBuf>), b: (KeyBuf, Option<KeyBuf>)) -> (KeyBuf, Option<KeyBuf>) {
    let high = match (a.1, b.1) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    (a.0.max(b.0), high)
}

/// The encoded keys that start with a prefix, as [`key_bounds`] returns them.
pub(crate) fn prefix_bounds<K: Key>(prefix: &impl Prefix<K>) -> (KeyBuf, Option<KeyBuf>) {
    with_scratch(|out| {
        prefix.encode_prefix(out);
        let low = KeyBuf::from(&out[..]);
        let high = successor(&low);
        (low, high)
    })
}

/// The smallest byte string above all that start with `prefix`; `None` if there is none, because `prefix` is empty or all
/// `FF`.
pub(super) fn successor(prefix: &[u8]) -> Option<KeyBuf> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    with_scratch(|out| {
        out.extend_from_slice(&prefix[..=last]);
        out[last] += 1;
        Some(KeyBuf::from(&out[..]))
    })
}

/// The smallest byte string above the key: one zero byte more.
fn encode_after<K: Key>(key: K::Ref<'_>) -> KeyBuf {
    with_scratch(|out| {
        K::encode(key, out);
        out.push(0);
        KeyBuf::from(&out[..])
    })
}

/// Lends the thread's scratch buffer, empty. It is taken out for the time of the call: a key type of the program's may come
/// back here from its own `encode`, and then finds a new one.
#[inline]
fn with_scratch<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.clear();
    let result = use_it(&mut scratch);
    if scratch.capacity() <= KEPT_SCRATCH_BYTES {
        // A thread that is ending has no slot any more, and then the buffer is simply dropped.
        let _ = SCRATCH.try_with(|slot| slot.set(scratch));
    }
    result
}
