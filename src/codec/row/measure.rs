//! The serializer that measures rows and refuses those that would not come back.
//!
//! It writes nothing. One pass estimates the heap memory of the value for the memory budget, counts what reading it will
//! claim of bincode's limit, and refuses what bincode would write but could never read: fields that are left out, maps and
//! lists without a length, counts that do not hold, values that nest too deep, and lists whose entries take no bytes, where a
//! damaged length would keep a reader busy for ever.
//!
//! Each value returns the bytes that it takes in place, so that a list knows what its buffer takes; buffers are added up as
//! they are met. The sizes are those of the common types (`String` and `Vec` 24, a map 48) and of glibc's allocator. A `Box`
//! is invisible to serde and counts as if in place.

use serde::ser::{self, Serialize, Serializer};

use super::fault::RowFault;
use super::{MAX_DEPTH, READ_LIMIT};

/// Measures one row.
pub(super) struct RowMeasure {
    heap_bytes: usize,
    /// What reading the row claims of [`READ_LIMIT`]: numbers claim their full width, however short they are written.
    read_bytes: usize,
    depth_left: usize,
}

const BUFFER_HEAD: usize = 24;
const MAP_HEAD: usize = 48;

impl RowMeasure {
    /// The heap memory behind `row`, or why it cannot be stored.
    pub(super) fn heap_bytes<V: Serialize + ?Sized>(row: &V) -> Result<usize, RowFault> {
        let mut measure = RowMeasure { heap_bytes: 0, read_bytes: 0, depth_left: MAX_DEPTH };
        row.serialize(&mut measure)?;
        if measure.read_bytes > READ_LIMIT {
            return Err(RowFault::unsupported(format!(
                "it takes more than {} MiB to read; cut it into several rows",
                READ_LIMIT >> 20
            )));
        }
        Ok(measure.heap_bytes)
    }

    /// Counts a number, a length or a variant, read as `bytes` bytes.
    #[inline]
    fn number(&mut self, bytes: usize) -> usize {
        self.read_bytes += bytes;
        bytes
    }

    #[inline]
    fn length(&mut self) {
        self.number(size_of::<u64>());
    }

    #[inline]
    fn variant(&mut self) {
        self.number(size_of::<u32>());
    }

    #[inline]
    fn buffer(&mut self, bytes: &[u8]) -> usize {
        self.length();
        self.number(bytes.len());
        self.heap_bytes += allocated(bytes.len());
        BUFFER_HEAD
    }

    /// Starts something that has parts; [`Parts::finish`] ends it.
    #[inline]
    fn list(&mut self, name: &'static str, count: usize) -> Result<Parts<'_>, RowFault> {
        self.enter()?;
        let read_before = self.read_bytes;
        Ok(Parts { measure: self, name, place: PartsPlace::Here, count, left: count, read_before, inline: 0 })
    }

    /// Measures what is inside of something else, one step deeper.
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
pub(super) struct Parts<'e> {
    measure: &'e mut RowMeasure,
    name: &'static str,
    place: PartsPlace,
    /// Parts that were announced.
    count: usize,
    /// Those of them that did not come yet.
    left: usize,
    /// What had been claimed before the first part.
    read_before: usize,
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

impl Parts<'_> {
    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.inline += value.serialize(&mut *self.measure)?;
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
        if self.place != PartsPlace::Here && self.count > 0 && self.measure.read_bytes == self.read_before {
            return Err(RowFault::unsupported(
                "it holds a list of values that take no bytes; store their number instead",
            ));
        }
        self.measure.depth_left += 1;
        Ok(match self.place {
            PartsPlace::Here if self.inline > 8 => self.inline.next_multiple_of(8),
            PartsPlace::Here => self.inline,
            PartsPlace::InBuffer => {
                self.measure.heap_bytes += allocated(self.inline);
                BUFFER_HEAD
            }
            // Maps are on average three quarters full and keep a little for each entry.
            PartsPlace::InMap => {
                self.measure.heap_bytes += allocated(self.inline + self.inline / 3);
                MAP_HEAD
            }
        })
    }
}

macro_rules! numbers {
    ($($method:ident $number:ident;)*) => {$(
        #[inline]
        fn $method(self, _value: $number) -> Result<usize, RowFault> {
            Ok(self.number(size_of::<$number>()))
        }
    )*};
}

impl<'e> Serializer for &'e mut RowMeasure {
    /// The bytes that the value takes in place.
    type Ok = usize;
    type Error = RowFault;
    type SerializeSeq = Parts<'e>;
    type SerializeTuple = Parts<'e>;
    type SerializeTupleStruct = Parts<'e>;
    type SerializeTupleVariant = Parts<'e>;
    type SerializeMap = Parts<'e>;
    type SerializeStruct = Parts<'e>;
    type SerializeStructVariant = Parts<'e>;

    numbers! {
        serialize_bool bool;
        serialize_char char;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_f32 f32;
        serialize_f64 f64;
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
        self.number(1);
        Ok(8)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, RowFault> {
        self.number(1);
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
        _index: u32,
        _variant: &'static str,
    ) -> Result<usize, RowFault> {
        self.variant();
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
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<usize, RowFault> {
        self.variant();
        self.inside(value).map(|inline| inline + 8).map_err(|fault| fault.within(name, variant))
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Parts<'e>, RowFault> {
        let Some(count) = count else {
            return Err(RowFault::unsupported(
                "a list that does not tell its length cannot be stored; collect it first",
            ));
        };
        self.length();
        Ok(Parts { place: PartsPlace::InBuffer, ..self.list("list", count)? })
    }

    #[inline]
    fn serialize_tuple(self, count: usize) -> Result<Parts<'e>, RowFault> {
        self.list("tuple", count)
    }

    #[inline]
    fn serialize_tuple_struct(self, name: &'static str, count: usize) -> Result<Parts<'e>, RowFault> {
        self.list(name, count)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Parts<'e>, RowFault> {
        self.variant();
        Ok(Parts { inline: 8, ..self.list(variant, count)? })
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Parts<'e>, RowFault> {
        let Some(count) = count else {
            return Err(RowFault::unsupported(
                "a map that does not tell its length cannot be stored; `flatten` makes such maps, write the fields out",
            ));
        };
        self.length();
        Ok(Parts { place: PartsPlace::InMap, ..self.list("map", count)? })
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, count: usize) -> Result<Parts<'e>, RowFault> {
        self.list(name, count)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Parts<'e>, RowFault> {
        self.variant();
        Ok(Parts { inline: 8, ..self.list(variant, count)? })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl ser::SerializeMap for Parts<'_> {
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
        impl ser::$trait for Parts<'_> {
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
        impl ser::$trait for Parts<'_> {
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
