//! Tuples of two to six keys: their parts one after the other, which keeps the order because each part is
//! self-delimiting.

use super::Key;

macro_rules! tuple_key {
    ($($part:ident $at:tt),*) => {
        impl<$($part: Key),*> Key for ($($part,)*) {
            type Ref<'a> = ($($part::Ref<'a>,)*);

            #[inline]
            fn encode(key: Self::Ref<'_>, out: &mut Vec<u8>) {
                $($part::encode(key.$at, out);)*
            }

            #[inline]
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)*))
            }

            #[inline]
            fn as_ref(&self) -> Self::Ref<'_> {
                ($(self.$at.as_ref(),)*)
            }

            fn shape(out: &mut String) {
                let mut separator = '(';
                $(
                    out.push(std::mem::replace(&mut separator, ','));
                    $part::shape(out);
                )*
                debug_assert_eq!(separator, ',');
                out.push(')');
            }
        }
    };
}

tuple_key!(A 0, B 1);
tuple_key!(A 0, B 1, C 2);
tuple_key!(A 0, B 1, C 2, D 3);
tuple_key!(A 0, B 1, C 2, D 3, E 4);
tuple_key!(A 0, B 1, C 2, D 3, E 4, F 5);
