//! The deserializer that reads rows.
//!
//! It reads what bincode 2 `standard()` would, several times faster, since it reads from a slice and need not count what it
//! reads against a limit: no length is believed that is larger than the bytes that follow, so a damaged one cannot make a
//! type allocate more than a small multiple of the row. Values nest at most [`MAX_DEPTH`] deep, so that no row, however
//! damaged, can use up the stack of a type that holds itself; the encoder refuses deeper ones.

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::MAX_DEPTH;
use super::fault::RowFault;

/// Reads one row off the front of a slice.
pub(super) struct RowDecoder<'de> {
    rest: &'de [u8],
    depth_left: usize,
}

impl<'de> RowDecoder<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        RowDecoder { rest: bytes, depth_left: MAX_DEPTH }
    }

    /// What was not read.
    #[inline]
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'de [u8], RowFault> {
        match self.rest.split_at_checked(count) {
            Some((front, rest)) => {
                self.rest = rest;
                Ok(front)
            }
            None => Err(ends_too_early()),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RowFault> {
        match self.rest.split_first_chunk::<N>() {
            Some((front, rest)) => {
                self.rest = rest;
                Ok(*front)
            }
            None => Err(ends_too_early()),
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, RowFault> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, RowFault> {
        match self.byte()? {
            small @ 0..=250 => Ok(u64::from(small)),
            251 => self.array().map(|bytes| u64::from(u16::from_le_bytes(bytes))),
            252 => self.array().map(|bytes| u64::from(u32::from_le_bytes(bytes))),
            253 => self.array().map(u64::from_le_bytes),
            _ => Err(too_large()),
        }
    }

    fn varint_128(&mut self) -> Result<u128, RowFault> {
        if let Some((&254, rest)) = self.rest.split_first() {
            self.rest = rest;
            return self.array().map(u128::from_le_bytes);
        }
        self.varint().map(u128::from)
    }

    #[inline]
    fn zigzag(&mut self) -> Result<i64, RowFault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The length of a text, list or map, whose entries take at least a byte each.
    #[inline]
    fn count(&mut self) -> Result<usize, RowFault> {
        let count = self.varint()?;
        if count > self.rest.len() as u64 {
            return Err(RowFault::damaged("a length is larger than the bytes that follow"));
        }
        Ok(count as usize)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], RowFault> {
        let count = self.count()?;
        self.take(count)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, RowFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RowFault::damaged("a text is not utf-8"))
    }

    fn char(&mut self) -> Result<char, RowFault> {
        let width = match self.rest.first() {
            None => return Err(ends_too_early()),
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            Some(_) => 4,
        };
        let text = std::str::from_utf8(self.take(width)?).ok();
        text.and_then(|text| text.chars().next()).ok_or_else(|| RowFault::damaged("a char is not utf-8"))
    }

    /// Reads something that has parts, one step deeper.
    #[inline]
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, RowFault>) -> Result<T, RowFault> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            return Err(RowFault::damaged("it nests too deep"));
        };
        self.depth_left = depth_left;
        let value = read(self)?;
        self.depth_left += 1;
        Ok(value)
    }
}

#[cold]
fn ends_too_early() -> RowFault {
    RowFault::damaged("its bytes end too early")
}

#[cold]
fn too_large() -> RowFault {
    RowFault::damaged("a number is larger than its type")
}

impl de::Error for RowFault {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        RowFault::damaged(message.to_string())
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $int:ident $read:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
            visitor.$visit($int::try_from(self.$read()?).map_err(|_| too_large())?)
        }
    )*};
}

macro_rules! plain {
    ($($method:ident $visit:ident $number:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
            visitor.$visit($number::from_le_bytes(self.array()?))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut RowDecoder<'de> {
    type Error = RowFault;

    numbers! {
        deserialize_u16 visit_u16 u16 varint;
        deserialize_u32 visit_u32 u32 varint;
        deserialize_u64 visit_u64 u64 varint;
        deserialize_i16 visit_i16 i16 zigzag;
        deserialize_i32 visit_i32 i32 zigzag;
        deserialize_i64 visit_i64 i64 zigzag;
        deserialize_u128 visit_u128 u128 varint_128;
    }

    plain! {
        deserialize_u8 visit_u8 u8;
        deserialize_i8 visit_i8 i8;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        let value = self.varint_128()?;
        visitor.visit_i128((value >> 1) as i128 ^ -((value & 1) as i128))
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(RowFault::damaged("a bool is neither 0 nor 1")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_char(self.char()?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => self.deeper(|decoder| visitor.visit_some(decoder)),
            _ => Err(RowFault::damaged("an option is neither 0 nor 1")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowFault> {
        self.deeper(|decoder| visitor.visit_newtype_struct(decoder))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        let count = self.count()?;
        self.deserialize_tuple(count, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, RowFault> {
        self.deeper(|decoder| visitor.visit_seq(Parts { decoder, left: count }))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, RowFault> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowFault> {
        let count = self.count()?;
        self.deeper(|decoder| visitor.visit_map(Parts { decoder, left: count }))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowFault> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowFault> {
        self.deeper(|decoder| visitor.visit_enum(decoder))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, RowFault> {
        Err(RowFault::damaged("its type asks for whatever is there, which a stored row does not tell"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, RowFault> {
        Err(RowFault::damaged("its type skips a value of unknown kind, which a stored row does not allow"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, RowFault> {
        Err(RowFault::damaged("its type asks for the name of a field, which a stored row does not have"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The entries of a list or map, or the parts of a tuple or struct.
struct Parts<'d, 'de> {
    decoder: &'d mut RowDecoder<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Parts<'_, 'de> {
    type Error = RowFault;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, RowFault> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for Parts<'_, 'de> {
    type Error = RowFault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, RowFault> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, RowFault> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::EnumAccess<'de> for &mut RowDecoder<'de> {
    type Error = RowFault;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), RowFault> {
        let index = u32::try_from(self.varint()?).map_err(|_| too_large())?;
        let index: de::value::U32Deserializer<RowFault> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut RowDecoder<'de> {
    type Error = RowFault;

    #[inline]
    fn unit_variant(self) -> Result<(), RowFault> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, RowFault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, RowFault> {
        visitor.visit_seq(Parts { decoder: self, left: count })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowFault> {
        visitor.visit_seq(Parts { decoder: self, left: fields.len() })
    }
}
