//! The leading parts of composite keys, and the beginnings of strings.

use super::Key;
use super::text::escape;

/// Something that many keys of a table may start with: pass it to a query to read just those.
///
/// - `&str` for `String` keys and `&[u8]` for `Vec<u8>` keys: the keys that start with this text.
/// - [`First`]`(a)` for a tuple: the keys whose first part is `a`.
/// - `(a, b)`, `(a, b, c)` and so on for a longer tuple: the keys that start with these parts.
///
/// ```
/// use gangline::{First, Key, Prefix};
///
/// let mut prefix = Vec::new();
/// Prefix::<(u16, String)>::encode_prefix(&First(3), &mut prefix);
/// let mut key = Vec::new();
/// <(u16, String)>::encode((3, "any"), &mut key);
/// assert!(key.starts_with(&prefix));
/// ```
pub trait Prefix<K: Key> {
    /// Appends the bytes that the encoded keys start with, and no other key does.
    fn encode_prefix(&self, out: &mut Vec<u8>);
}

/// The first part of a tuple key, as a [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First<T>(pub T);

impl Prefix<String> for &str {
    fn encode_prefix(&self, out: &mut Vec<u8>) {
        escape(self.as_bytes(), out);
    }
}

impl Prefix<Vec<u8>> for &[u8] {
    fn encode_prefix(&self, out: &mut Vec<u8>) {
        escape(self, out);
    }
}

macro_rules! first_part {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Key, $($rest: Key),*> Prefix<($first, $($rest,)*)> for First<$first::Ref<'_>> {
            fn encode_prefix(&self, out: &mut Vec<u8>) {
                $first::encode(self.0, out);
            }
        }
    };
}

first_part!(A B);
first_part!(A B C);
first_part!(A B C D);
first_part!(A B C D E);
first_part!(A B C D E F);

macro_rules! leading_parts {
    ($($part:ident $at:tt),*; $($rest:ident)*) => {
        impl<'a, $($part: Key,)* $($rest: Key,)*> Prefix<($($part,)* $($rest,)*)> for ($($part::Ref<'a>,)*) {
            fn encode_prefix(&self, out: &mut Vec<u8>) {
                $($part::encode(self.$at, out);)*
            }
        }
    };
}

leading_parts!(A 0, B 1; C);
leading_parts!(A 0, B 1; C D);
leading_parts!(A 0, B 1; C D E);
leading_parts!(A 0, B 1; C D E F);
leading_parts!(A 0, B 1, C 2; D);
leading_parts!(A 0, B 1, C 2; D E);
leading_parts!(A 0, B 1, C 2; D E F);
leading_parts!(A 0, B 1, C 2, D 3; E);
leading_parts!(A 0, B 1, C 2, D 3; E F);
leading_parts!(A 0, B 1, C 2, D 3, E 4; F);
