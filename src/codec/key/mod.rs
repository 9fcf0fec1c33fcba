//! Keys: how values become bytes that sort as the values do.
//!
//! Everything below the typed interface compares keys as bytes, so a key type is defined by its encoding. The bytes are
//! stored and stay what they are:
//!
//! | type | bytes | shape |
//! | --- | --- | --- |
//! | `u8` ... `u128` | big-endian | `u8` ... `u128` |
//! | `i8` ... `i128` | big-endian, sign bit turned over | `i8` ... `i128` |
//! | `bool` | `00` or `01` | `bool` |
//! | `char` | its number as a `u32` | `char` |
//! | [`TotalF64`] | its bits, sign bit turned over, all bits if negative | `f64` |
//! | `[u8; N]` | as they are | `array(u8,N)` |
//! | `uuid::Uuid` (feature `uuid`) | as they are | `uuid` |
//! | `String`, `Vec<u8>` | with `00` as `00 FF`, then `00 00` | `string`, `bytes` |
//! | `Option<K>` | `00`, or `01` and the key | `option(K)` |
//! | `Reverse<K>` | the key's bytes, each turned over | `reverse(K)` |
//! | tuples of 2 to 6 | one after the other | `(A,B)` |
//! | a type with [`KeyVia`] | those of what it goes via | that of what it goes via |

mod encoded;
mod float;
mod numbers;
mod prefix;
mod show;
mod stored;
mod text;
mod tuples;
#[cfg(feature = "uuid")]
mod uuid;
mod via;
mod wrappers;

#[cfg(test)]
mod tests;

pub(crate) use encoded::{decode_key, encode_key, entry_bounds, key_bounds, narrow, prefix_bounds};
pub use float::TotalF64;
pub use prefix::{First, Prefix};
pub(crate) use show::show_key;
pub(crate) use stored::read_key;
pub use via::KeyVia;

/// A type that can be the key of a table or an index.
///
/// Built-in keys are the integers, `bool`, `char`, [`TotalF64`], `String`, `Vec<u8>`, `[u8; N]`, `Option`,
/// [`Reverse`](std::cmp::Reverse) and tuples of two to six keys. For a newtype or an enum implement [`KeyVia`], which is
/// three lines; this trait is for types that need bytes of their own.
///
/// # Laws
///
/// An implementation must keep these for all `a` and `b`, or ranges miss rows:
///
/// 1. Order: `a < b` exactly where the bytes of `a` sort before the bytes of `b`, and equal values have equal bytes.
/// 2. Inverse: `decode` of the bytes of `a` gives `a` and consumes exactly them, whatever follows.
/// 3. Self-delimiting: the bytes of `a` are never the start of the bytes of a different `b`, so that keys can follow one
///    another in a tuple.
/// 4. Refusal: `decode` returns `None` for bytes that `encode` cannot have written, and does not panic.
/// 5. Stability: the bytes of a value, and the shape, are the same in every build; they are stored.
///
/// ```
/// use gangline::Key;
///
/// let mut low = Vec::new();
/// let mut high = Vec::new();
/// <(i32, String)>::encode((-5, "b"), &mut low);
/// <(i32, String)>::encode((3, "a"), &mut high);
/// assert!(low < high);
///
/// let mut rest = &high[..];
/// assert_eq!(<(i32, String)>::decode(&mut rest), Some((3, "a".to_string())));
/// assert!(rest.is_empty());
/// ```
pub trait Key: Ord + Clone + Send + Sync + 'static {
    /// What callers pass and get: `u64` for `u64`, `&str` for `String`, `(u64, &str)` for `(u64, String)`.
    type Ref<'a>: Copy + Send;

    /// Appends the bytes of `key`.
    fn encode(key: Self::Ref<'_>, out: &mut Vec<u8>);

    /// Reads a key from the front of `bytes` and moves `bytes` behind it; `None` for bytes that [`encode`](Key::encode)
    /// cannot have written, and then `bytes` may have moved by any amount.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;

    /// The borrowed form of this key.
    fn as_ref(&self) -> Self::Ref<'_>;

    /// Appends a name of the encoding, such as `u64` or `(string,u32)`. It is stored with the table; opening the table
    /// with a key type of another shape is refused.
    fn shape(out: &mut String);
}
