//! Integers, `bool` and `char` as keys: fixed width, so order and self-delimitation come from the width.

use super::Key;

macro_rules! unsigned_key {
    ($($int:ident)*) => {$(
        impl Key for $int {
            type Ref<'a> = $int;

            #[inline]
            fn encode(key: $int, out: &mut Vec<u8>) {
                out.extend_from_slice(&key.to_be_bytes());
            }

            #[inline]
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                take_array(bytes).map($int::from_be_bytes)
            }

            #[inline]
            fn as_ref(&self) -> $int {
                *self
            }

            fn shape(out: &mut String) {
                out.push_str(stringify!($int));
            }
        }
    )*};
}

// Turning the sign bit over moves the negative numbers below the positive ones; within each half two's complement already
// counts upwards.
macro_rules! signed_key {
    ($($int:ident)*) => {$(
        impl Key for $int {
            type Ref<'a> = $int;

            #[inline]
            fn encode(key: $int, out: &mut Vec<u8>) {
                out.extend_from_slice(&(key ^ $int::MIN).to_be_bytes());
            }

            #[inline]
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                take_array(bytes).map(|bytes| $int::from_be_bytes(bytes) ^ $int::MIN)
            }

            #[inline]
            fn as_ref(&self) -> $int {
                *self
            }

            fn shape(out: &mut String) {
                out.push_str(stringify!($int));
            }
        }
    )*};
}

unsigned_key!(u8 u16 u32 u64 u128);
signed_key!(i8 i16 i32 i64 i128);

impl Key for bool {
    type Ref<'a> = bool;

    #[inline]
    fn encode(key: bool, out: &mut Vec<u8>) {
        out.push(u8::from(key));
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match take_array(bytes)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    #[inline]
    fn as_ref(&self) -> bool {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str("bool");
    }
}

impl Key for char {
    type Ref<'a> = char;

    #[inline]
    fn encode(key: char, out: &mut Vec<u8>) {
        u32::encode(u32::from(key), out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        char::from_u32(u32::decode(bytes)?)
    }

    #[inline]
    fn as_ref(&self) -> char {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str("char");
    }
}

/// Takes `N` bytes off the front.
#[inline]
pub(super) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*front)
}
