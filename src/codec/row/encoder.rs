//! The serializer that writes rows.
//!
//! One pass does three things: it writes the bytes that bincode 2 `standard()` would (a property test compares them), it
//! estimates the heap memory of the value for the memory budget, and it refuses what bincode could write but never read:
//! fields that are left out, maps and lists without a length, and counts that do not hold.
//!
//! Each value returns the bytes that it takes in place, so that a list knows what its buffer takes; buffers are added up as
//! they are met. The sizes are those of the common types (`String` and `Vec` 24, a map 48) and of glibc's allocator. A `Box`
//! is invisible to serde and counts as if in place.

use serde::ser::{self, Serialize, Serializer};

use super::MAX_DEPTH;
use super::fault::RowFault;

/// Where the bytes go.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Takes the bytes nowhere, for counting alone.
pub(super) struct Discard;

impl Sink for Discard {
    #[inline]
    fn put(&mut self, _bytes: &[u8]) {}
}

/// Writes one row into a [`Sink`].
pub(super) struct RowEncoder<'s, S> {
    sink: &'s mut S,
    heap_bytes: usize,
    depth_left: usize,
}

const BUFFER_HEAD: usize = 24;
const MAP_HEAD: usize = 48;

impl<'s, S: Sink> RowEncoder<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        RowEncoder { sink, heap_bytes: 0, depth_left: MAX_DEPTH }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Unsigned numbers: up to 250 in one byte, else a byte that tells the width and the number in it.
    #[inline]
    fn varint(&mut self, value: u64) {
        match value {
            0..=250 => self.sink.put(&[value as u8]),
            251..=0xffff => {
                let [a, b] = (value as u16).to_le_bytes();
                self.sink.put(&[251, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                let [a, b, c, d] = (value as u32).to_le_bytes();
                self.sink.put(&[252, a, b, c, d]);
            }
            _ => {
                self.sink.put(&[253]);
                self.sink.put(&value.to_le_bytes());
            }
        }
    }

    #[inline]
    fn varint_128(&mut self, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.varint(value),
            Err(_) => {
                self.sink.put(&[254]);
                self.sink.put(&value.to_le_bytes());
            }
        }
    }

    /// Signed numbers, so that those near zero stay short: 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
    #[inline]
    fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    #[inline]
    fn buffer(&mut self, bytes: &[u8]) -> usize {
        self.varint(bytes.len() as u64);
        self.sink.put(bytes);
        self.heap_bytes += allocated(bytes.len());
        BUFFER_HEAD
    }

    /// Starts something that has parts; [`Parts::finish`] ends it.
    #[inline]
    fn list(&mut self, name: &'static str, count: usize) -> Result<Parts<'_, 's, S>, RowFault> {
        self.enter()?;
        Ok(Parts { encoder: self, name, place: PartsPlace::Here, left: count, inline: 0 })
    }

    /// Writes what is inside of something else, one step deeper.
    #[inline]
    fn inside<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<usize, RowFault> {
        self.enter()?;
        let inline = value.serialize(&mut *self)?;
        self.depth_left += 1;
        Ok(inline)
    }

    #[inline]
    fn enter(&mut self) -> Result<(), RowFault> {
        match self.depth_left.checked_sub(1) {
            Some(left) => {
                self.depth_left = left;
                Ok(())
            }
            None => Err(RowFault::unsupported(format!("it nests deeper than {MAX_DEPTH} steps; store it flat"))),
        }
    }
}

/// What the allocator hands out for `bytes`: a word of its own, in steps of 16, at least 32.
#[inline]
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// The parts of a list, map, tuple or struct.
pub(super) struct Parts<'e, 's, S> {
    encoder: &'e mut RowEncoder<'s, S>,
    name: &'static str,
    place: PartsPlace,
    /// Parts that were announced and did not come yet.
    left: usize,
    /// What the parts take in place.
    inline: usize,
}

/// Where the parts of a value are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartsPlace {
    Here,
    InBuffer,
    InMap,
}

impl<S: Sink> Parts<'_, '_, S> {
    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.inline += value.serialize(&mut *self.encoder)?;
        Ok(())
    }

    #[inline]
    fn counted<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.count_down()?;
        self.part(value)
    }

    #[inline]
    fn named<T: Serialize + ?Sized>(&mut self, part: &'static str, value: &T) -> Result<(), RowFault> {
        self.counted(value).map_err(|fault| fault.within(self.name, part))
    }

    #[inline]
    fn count_down(&mut self) -> Result<(), RowFault> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(RowFault::unsupported(format!("`{}` has more parts than it announced", self.name))),
        }
    }

    fn left_out(&self, part: &'static str) -> RowFault {
        RowFault::unsupported(
            "the field is left out (`skip_serializing_if`), and a stored row has no names to tell; write the field always",
        )
        .within(self.name, part)
    }

    #[inline]
    fn finish(self) -> Result<usize, RowFault> {
        if self.left > 0 {
            return Err(RowFault::unsupported(format!("`{}` has fewer parts than it announced", self.name)));
        }
        self.encoder.depth_left += 1;
        Ok(match self.place {
            PartsPlace::Here if self.inline > 8 => self.inline.next_multiple_of(8),
            PartsPlace::Here => self.inline,
            PartsPlace::InBuffer => {
                self.encoder.heap_bytes += allocated(self.inline);
                BUFFER_HEAD
            }
            // Maps are on average three quarters full and keep a little for each entry.
            PartsPlace::InMap => {
                self.encoder.heap_bytes += allocated(self.inline + self.inline / 3);
                MAP_HEAD
            }
        })
    }
}

macro_rules! numbers {
    ($($method:ident $int:ident $write:ident $wide:ident;)*) => {$(
        #[inline]
        fn $method(self, value: $int) -> Result<usize, RowFault> {
            self.$write($wide::from(value));
            Ok(size_of::<$int>())
        }
    )*};
}

macro_rules! plain {
    ($($method:ident $number:ident;)*) => {$(
        #[inline]
        fn $method(self, value: $number) -> Result<usize, RowFault> {
            self.sink.put(&value.to_le_bytes());
            Ok(size_of::<$number>())
        }
    )*};
}

impl<'e, 's, S: Sink> Serializer for &'e mut RowEncoder<'s, S> {
    /// The bytes that the value takes in place.
    type Ok = usize;
    type Error = RowFault;
    type SerializeSeq = Parts<'e, 's, S>;
    type SerializeTuple = Parts<'e, 's, S>;
    type SerializeTupleStruct = Parts<'e, 's, S>;
    type SerializeTupleVariant = Parts<'e, 's, S>;
    type SerializeMap = Parts<'e, 's, S>;
    type SerializeStruct = Parts<'e, 's, S>;
    type SerializeStructVariant = Parts<'e, 's, S>;

    numbers! {
        serialize_u16 u16 varint u64;
        serialize_u32 u32 varint u64;
        serialize_u64 u64 varint u64;
        serialize_i16 i16 zigzag i64;
        serialize_i32 i32 zigzag i64;
        serialize_i64 i64 zigzag i64;
        serialize_u128 u128 varint_128 u128;
    }

    plain! {
        serialize_u8 u8;
        serialize_i8 i8;
        serialize_f32 f32;
        serialize_f64 f64;
    }

    fn serialize_i128(self, value: i128) -> Result<usize, RowFault> {
        self.varint_128(((value << 1) ^ (value >> 127)) as u128);
        Ok(size_of::<i128>())
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<usize, RowFault> {
        self.serialize_u8(u8::from(value))
    }

    fn serialize_char(self, value: char) -> Result<usize, RowFault> {
        self.sink.put(value.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(size_of::<char>())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<usize, RowFault> {
        Ok(self.buffer(value.as_bytes()))
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<usize, RowFault> {
        Ok(self.buffer(value))
    }

    // What the value would take is unknown here; a word stands for it.
    #[inline]
    fn serialize_none(self) -> Result<usize, RowFault> {
        self.sink.put(&[0]);
        Ok(8)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, RowFault> {
        self.sink.put(&[1]);
        // Types above a word mostly have room for the tag.
        self.inside(value).map(|inline| if inline <= 8 { inline * 2 } else { inline })
    }

    fn serialize_unit(self) -> Result<usize, RowFault> {
        Ok(0)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<usize, RowFault> {
        Ok(0)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<usize, RowFault> {
        self.varint(u64::from(index));
        self.enter()?;
        self.depth_left += 1;
        Ok(1)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<usize, RowFault> {
        self.inside(value).map_err(|fault| fault.within(name, "0"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<usize, RowFault> {
        self.varint(u64::from(index));
        self.inside(value).map(|inline| inline + 8).map_err(|fault| fault.within(name, variant))
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Parts<'e, 's, S>, RowFault> {
        let Some(count) = count else {
            return Err(RowFault::unsupported(
                "a list that does not tell its length cannot be stored; collect it first",
            ));
        };
        self.varint(count as u64);
        Ok(Parts { place: PartsPlace::InBuffer, ..self.list("list", count)? })
    }

    #[inline]
    fn serialize_tuple(self, count: usize) -> Result<Parts<'e, 's, S>, RowFault> {
        self.list("tuple", count)
    }

    #[inline]
    fn serialize_tuple_struct(self, name: &'static str, count: usize) -> Result<Parts<'e, 's, S>, RowFault> {
        self.list(name, count)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Parts<'e, 's, S>, RowFault> {
        self.varint(u64::from(index));
        Ok(Parts { inline: 8, ..self.list(variant, count)? })
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Parts<'e, 's, S>, RowFault> {
        let Some(count) = count else {
            return Err(RowFault::unsupported(
                "a map that does not tell its length cannot be stored; `flatten` makes such maps, write the fields out",
            ));
        };
        self.varint(count as u64);
        Ok(Parts { place: PartsPlace::InMap, ..self.list("map", count)? })
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, count: usize) -> Result<Parts<'e, 's, S>, RowFault> {
        self.list(name, count)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Parts<'e, 's, S>, RowFault> {
        self.varint(u64::from(index));
        Ok(Parts { inline: 8, ..self.list(variant, count)? })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<S: Sink> ser::SerializeMap for Parts<'_, '_, S> {
    type Ok = usize;
    type Error = RowFault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RowFault> {
        self.counted(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.part(value)
    }

    fn end(self) -> Result<usize, RowFault> {
        self.finish()
    }
}

macro_rules! unnamed_parts {
    ($($trait:ident $method:ident),*) => {$(
        impl<S: Sink> ser::$trait for Parts<'_, '_, S> {
            type Ok = usize;
            type Error = RowFault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
                self.counted(value)
            }

            #[inline]
            fn end(self) -> Result<usize, RowFault> {
                self.finish()
            }
        }
    )*};
}

unnamed_parts!(SerializeSeq serialize_element, SerializeTuple serialize_element);
unnamed_parts!(SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

macro_rules! named_parts {
    ($($trait:ident),*) => {$(
        impl<S: Sink> ser::$trait for Parts<'_, '_, S> {
            type Ok = usize;
            type Error = RowFault;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                part: &'static str,
                value: &T,
            ) -> Result<(), RowFault> {
                self.named(part, value)
            }

            fn skip_field(&mut self, part: &'static str) -> Result<(), RowFault> {
                Err(self.left_out(part))
            }

            #[inline]
            fn end(self) -> Result<usize, RowFault> {
                self.finish()
            }
        }
    )*};
}

named_parts!(SerializeStruct, SerializeStructVariant);
