//! The shape of one row, from what its `Serialize` writes.
//!
//! This shows what made-up values cannot reach, but only what this row has: the variant that it is, the entries that its
//! lists have.

use serde::ser::{self, Serialize, Serializer};

use super::{Fields, MAX_DEPTH, Shape, Variant};
use crate::codec::row::RowFault;

/// How many entries of a list or map are looked at.
const ENTRIES_LOOKED_AT: usize = 64;
/// A variant number above this is not believed.
const MAX_VARIANTS: u32 = 65_536;

impl Shape {
    /// Fills what is unknown from a row. Costs about as much as encoding the row several times over.
    pub(crate) fn refine_with<V: Serialize + ?Sized>(&mut self, row: &V) -> Result<(), RowFault> {
        if !self.is_complete() {
            self.fill_from(row.serialize(Observer { depth: 0 }).map_err(RowFault::of_type::<V>)?);
        }
        Ok(())
    }
}

/// Turns one value into its shape.
#[derive(Clone, Copy)]
struct Observer {
    depth: usize,
}

impl Observer {
    fn inner<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, RowFault> {
        if self.depth >= MAX_DEPTH {
            return Ok(Shape::Unknown);
        }
        value.serialize(Observer { depth: self.depth + 1 })
    }

    fn parts(self, finish: Finish) -> Parts {
        Parts { observer: self, shapes: Vec::new(), names: Vec::new(), finish }
    }
}

/// An enum of which only one variant is known.
fn seen_variant(name: &str, index: u32, variant: &str, fields: Fields) -> Shape {
    if index >= MAX_VARIANTS {
        return Shape::Unknown;
    }
    let mut variants = vec![Variant { name: String::new(), fields: Fields::Unknown }; index as usize];
    variants.push(Variant { name: variant.to_string(), fields });
    Shape::Enum { name: name.to_string(), variants, whole: false }
}

/// What the collected parts belong to.
enum Finish {
    List,
    Map,
    Tuple,
    Struct { name: &'static str, named: bool },
    Variant { name: &'static str, index: u32, variant: &'static str, named: bool },
}

/// Collects the parts of a value.
struct Parts {
    observer: Observer,
    shapes: Vec<Shape>,
    names: Vec<&'static str>,
    finish: Finish,
}

impl Parts {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.shapes.push(self.observer.inner(value)?);
        Ok(())
    }

    /// Adds an entry to those at `slot`, where all have one shape.
    fn merge<T: Serialize + ?Sized>(&mut self, slot: usize, value: &T) -> Result<(), RowFault> {
        self.shapes.resize_with(self.shapes.len().max(slot + 1), || Shape::Unknown);
        if self.names.len() < ENTRIES_LOOKED_AT {
            self.names.push("");
            let shape = self.observer.inner(value)?;
            self.shapes[slot].fill_from(shape);
        }
        Ok(())
    }

    fn into_fields(self, named: bool) -> Fields {
        if named {
            Fields::Named(self.names.iter().map(|name| name.to_string()).zip(self.shapes).collect())
        } else {
            Fields::Tuple(self.shapes)
        }
    }

    fn into_shape(mut self) -> Shape {
        match self.finish {
            Finish::List => Shape::List(Box::new(self.shapes.pop().unwrap_or(Shape::Unknown))),
            Finish::Map => {
                let value = self.shapes.pop().unwrap_or(Shape::Unknown);
                Shape::Map(Box::new(self.shapes.pop().unwrap_or(Shape::Unknown)), Box::new(value))
            }
            Finish::Tuple => Shape::Tuple(self.shapes),
            Finish::Struct { name, named } => Shape::Struct { name: name.to_string(), fields: self.into_fields(named) },
            Finish::Variant { name, index, variant, named } => {
                seen_variant(name, index, variant, self.into_fields(named))
            }
        }
    }
}

macro_rules! plain {
    ($($method:ident $value:ty => $shape:ident;)*) => {$(
        fn $method(self, _value: $value) -> Result<Shape, RowFault> {
            Ok(Shape::$shape)
        }
    )*};
}

impl Serializer for Observer {
    type Ok = Shape;
    type Error = RowFault;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    plain! {
        serialize_bool bool => Bool;
        serialize_i8 i8 => I8;
        serialize_i16 i16 => I16;
        serialize_i32 i32 => I32;
        serialize_i64 i64 => I64;
        serialize_i128 i128 => I128;
        serialize_u8 u8 => U8;
        serialize_u16 u16 => U16;
        serialize_u32 u32 => U32;
        serialize_u64 u64 => U64;
        serialize_u128 u128 => U128;
        serialize_f32 f32 => F32;
        serialize_f64 f64 => F64;
        serialize_char char => Char;
        serialize_str &str => Text;
        serialize_bytes &[u8] => Bytes;
    }

    fn serialize_none(self) -> Result<Shape, RowFault> {
        Ok(Shape::Option(Box::new(Shape::Unknown)))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, RowFault> {
        Ok(Shape::Option(Box::new(self.inner(value)?)))
    }

    fn serialize_unit(self) -> Result<Shape, RowFault> {
        Ok(Shape::Unit)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Shape, RowFault> {
        Ok(Shape::Struct { name: name.to_string(), fields: Fields::Unit })
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<Shape, RowFault> {
        Ok(seen_variant(name, index, variant, Fields::Unit))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Shape, RowFault> {
        Ok(Shape::Struct { name: name.to_string(), fields: Fields::Newtype(Box::new(self.inner(value)?)) })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Shape, RowFault> {
        Ok(seen_variant(name, index, variant, Fields::Newtype(Box::new(self.inner(value)?))))
    }

    fn serialize_seq(self, _count: Option<usize>) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::List))
    }

    fn serialize_tuple(self, _count: usize) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Tuple))
    }

    fn serialize_tuple_struct(self, name: &'static str, _count: usize) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Struct { name, named: false }))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _count: usize,
    ) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Variant { name, index, variant, named: false }))
    }

    fn serialize_map(self, _count: Option<usize>) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Map))
    }

    fn serialize_struct(self, name: &'static str, _count: usize) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Struct { name, named: true }))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _count: usize,
    ) -> Result<Parts, RowFault> {
        Ok(self.parts(Finish::Variant { name, index, variant, named: true }))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl ser::SerializeSeq for Parts {
    type Ok = Shape;
    type Error = RowFault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.merge(0, value)
    }

    fn end(self) -> Result<Shape, RowFault> {
        Ok(self.into_shape())
    }
}

impl ser::SerializeMap for Parts {
    type Ok = Shape;
    type Error = RowFault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RowFault> {
        self.merge(0, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
        self.merge(1, value)
    }

    fn end(self) -> Result<Shape, RowFault> {
        Ok(self.into_shape())
    }
}

macro_rules! unnamed_parts {
    ($($trait:ident $method:ident),*) => {$(
        impl ser::$trait for Parts {
            type Ok = Shape;
            type Error = RowFault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowFault> {
                self.add(value)
            }

            fn end(self) -> Result<Shape, RowFault> {
                Ok(self.into_shape())
            }
        }
    )*};
}

unnamed_parts!(SerializeTuple serialize_element, SerializeTupleStruct serialize_field);
unnamed_parts!(SerializeTupleVariant serialize_field);

macro_rules! named_parts {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Parts {
            type Ok = Shape;
            type Error = RowFault;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), RowFault> {
                self.names.push(name);
                self.add(value)
            }

            fn end(self) -> Result<Shape, RowFault> {
                Ok(self.into_shape())
            }
        }
    )*};
}

named_parts!(SerializeStruct, SerializeStructVariant);
