//! Floating point numbers as keys, in their total order.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::Key;

/// An `f64` that can be a key: ordered and compared by [`f64::total_cmp`].
///
/// Negative NaN, negative infinity, negative numbers, -0, +0, positive numbers, infinity, NaN. Two values are equal only if
/// their bits are, so `-0.0` and `0.0` are different keys and a NaN equals itself.
///
/// ```
/// use gangline::TotalF64;
///
/// assert!(TotalF64(-1.5) < TotalF64(0.0));
/// assert!(TotalF64(-0.0) < TotalF64(0.0));
/// assert_eq!(TotalF64(f64::NAN), TotalF64(f64::NAN));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TotalF64(pub f64);

const SIGN: u64 = 1 << 63;

impl Key for TotalF64 {
    type Ref<'a> = TotalF64;

    // Positive floats count upwards in their bits already and move above the negative ones with their sign bit set; the
    // bits of negative floats count downwards, so all of them are turned over.
    #[inline]
    fn encode(key: TotalF64, out: &mut Vec<u8>) {
        let bits = key.0.to_bits();
        u64::encode(if bits & SIGN == 0 { bits | SIGN } else { !bits }, out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let bits = u64::decode(bytes)?;
        Some(TotalF64(f64::from_bits(if bits & SIGN == 0 { !bits } else { bits ^ SIGN })))
    }

    #[inline]
    fn as_ref(&self) -> TotalF64 {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str("f64");
    }
}

impl PartialEq for TotalF64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for TotalF64 {}

impl PartialOrd for TotalF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalF64 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for TotalF64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl From<f64> for TotalF64 {
    fn from(value: f64) -> Self {
        TotalF64(value)
    }
}

impl From<TotalF64> for f64 {
    fn from(key: TotalF64) -> Self {
        key.0
    }
}
