//! The program's own small types as keys, in three lines.

use super::Key;

/// Makes a newtype or an enum a [`Key`] by way of a key that exists.
///
/// Two laws: `from_repr(to_repr(a))` is `Some(a)`, and `a < b` exactly where `to_repr(a) < to_repr(b)`. For an enum this
/// means: number the variants in the order in which they are declared, if `Ord` is derived.
///
/// ```
/// use gangline::{Key, KeyVia};
///
/// #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
/// struct OrderId([u8; 16]);
///
/// impl KeyVia for OrderId {
///     type Repr = [u8; 16];
///     fn to_repr(self) -> [u8; 16] { self.0 }
///     fn from_repr(repr: [u8; 16]) -> Option<Self> { Some(OrderId(repr)) }
/// }
///
/// let mut bytes = Vec::new();
/// OrderId::encode(OrderId([7; 16]), &mut bytes);
/// assert_eq!(bytes, [7; 16]);
/// ```
pub trait KeyVia: Ord + Copy + Send + Sync + 'static {
    /// The key that stands for it.
    type Repr: Key + Copy;

    /// The key that stands for this value.
    fn to_repr(self) -> Self::Repr;

    /// The value that `repr` stands for, or `None` if there is none.
    fn from_repr(repr: Self::Repr) -> Option<Self>;

    /// Appends the name of the encoding; that of the representation unless it is written anew.
    fn shape(out: &mut String) {
        <Self::Repr as Key>::shape(out);
    }
}

impl<T: KeyVia> Key for T {
    type Ref<'a> = T;

    #[inline]
    fn encode(key: T, out: &mut Vec<u8>) {
        T::Repr::encode(key.to_repr().as_ref(), out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        T::from_repr(T::Repr::decode(bytes)?)
    }

    #[inline]
    fn as_ref(&self) -> T {
        *self
    }

    fn shape(out: &mut String) {
        <T as KeyVia>::shape(out);
    }
}
