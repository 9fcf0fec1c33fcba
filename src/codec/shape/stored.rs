//! Shapes as stored bytes.
//!
//! One version byte, 1, then the shape. A shape is a tag byte and what belongs to it; counts are varints, names are a varint
//! length and UTF-8:
//!
//! | tag | shape | followed by |
//! | --- | --- | --- |
//! | 0 | unknown | |
//! | 1 - 17 | unit, bool, i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, f32, f64, char, text, bytes | |
//! | 18 | option | shape |
//! | 19 | list | shape |
//! | 20 | map | shape of keys, shape of values |
//! | 21 | tuple | count, shapes |
//! | 22 | struct | name, fields |
//! | 23 | enum | name, 1 if all variants are known or else 0, count, for each variant: name, fields |
//! | 24 | recursive | how many structs and enums outwards |
//!
//! Fields are a tag byte too: 0 unknown, 1 none, 2 one without a name (shape), 3 several without names (count, shapes), 4
//! with names (count, for each: name, shape).

use super::{Fields, MAX_DEPTH, Shape, Variant};
use crate::codec::wire::{Reader, WireFault, put_bytes, put_varint};

const FORMAT_VERSION: u8 = 1;

/// The shapes without parts, at the places of their tags.
const PLAIN: [Shape; 18] = [
    Shape::Unknown,
    Shape::Unit,
    Shape::Bool,
    Shape::I8,
    Shape::I16,
    Shape::I32,
    Shape::I64,
    Shape::I128,
    Shape::U8,
    Shape::U16,
    Shape::U32,
    Shape::U64,
    Shape::U128,
    Shape::F32,
    Shape::F64,
    Shape::Char,
    Shape::Text,
    Shape::Bytes,
];
const OPTION: u8 = 18;
const LIST: u8 = 19;
const MAP: u8 = 20;
const TUPLE: u8 = 21;
const STRUCT: u8 = 22;
const ENUM: u8 = 23;
const RECURSIVE: u8 = 24;

impl Shape {
    /// Appends the stored form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT_VERSION);
        put_shape(self, out);
    }

    /// Reads a stored form, which `bytes` must hold exactly; `bytes` may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Shape, WireFault> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT_VERSION {
            return Err(WireFault::new(0, "unknown format version of a shape"));
        }
        let shape = take_shape(&mut reader, Place { depth: 0, named: 0 })?;
        reader.finish()?;
        Ok(shape)
    }
}

fn put_shape(shape: &Shape, out: &mut Vec<u8>) {
    if let Some(tag) = PLAIN.iter().position(|plain| plain == shape) {
        return out.push(tag as u8);
    }
    match shape {
        Shape::Option(inner) => {
            out.push(OPTION);
            put_shape(inner, out);
        }
        Shape::List(inner) => {
            out.push(LIST);
            put_shape(inner, out);
        }
        Shape::Map(key, value) => {
            out.push(MAP);
            put_shape(key, out);
            put_shape(value, out);
        }
        Shape::Tuple(parts) => {
            out.push(TUPLE);
            put_parts(parts, out);
        }
        Shape::Struct { name, fields } => {
            out.push(STRUCT);
            put_bytes(out, name.as_bytes());
            put_fields(fields, out);
        }
        Shape::Enum { name, variants, whole } => {
            out.push(ENUM);
            put_bytes(out, name.as_bytes());
            out.push(u8::from(*whole));
            put_varint(out, variants.len() as u64);
            for variant in variants {
                put_bytes(out, variant.name.as_bytes());
                put_fields(&variant.fields, out);
            }
        }
        Shape::Recursive(outwards) => {
            out.push(RECURSIVE);
            put_varint(out, u64::from(*outwards));
        }
        _ => unreachable!("a shape without parts stands in the table"),
    }
}

fn put_parts(parts: &[Shape], out: &mut Vec<u8>) {
    put_varint(out, parts.len() as u64);
    parts.iter().for_each(|part| put_shape(part, out));
}

fn put_fields(fields: &Fields, out: &mut Vec<u8>) {
    match fields {
        Fields::Unknown => out.push(0),
        Fields::Unit => out.push(1),
        Fields::Newtype(inner) => {
            out.push(2);
            put_shape(inner, out);
        }
        Fields::Tuple(parts) => {
            out.push(3);
            put_parts(parts, out);
        }
        Fields::Named(fields) => {
            out.push(4);
            put_varint(out, fields.len() as u64);
            for (name, shape) in fields {
                put_bytes(out, name.as_bytes());
                put_shape(shape, out);
            }
        }
    }
}

/// How deep the reader is, and in how many structs and enums.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    named: u32,
}

impl Place {
    fn named(self) -> Place {
        Place { named: self.named + 1, ..self }
    }
}

fn take_shape(reader: &mut Reader<'_>, place: Place) -> Result<Shape, WireFault> {
    let at = reader.at();
    if place.depth > MAX_DEPTH {
        return Err(WireFault::new(at, "a shape nests too deep"));
    }
    let inner = Place { depth: place.depth + 1, ..place };
    let tag = reader.u8()?;
    Ok(match tag {
        OPTION => Shape::Option(Box::new(take_shape(reader, inner)?)),
        LIST => Shape::List(Box::new(take_shape(reader, inner)?)),
        MAP => Shape::Map(Box::new(take_shape(reader, inner)?), Box::new(take_shape(reader, inner)?)),
        TUPLE => Shape::Tuple(take_parts(reader, inner)?),
        STRUCT => Shape::Struct { name: reader.text()?.to_string(), fields: take_fields(reader, inner.named())? },
        ENUM => {
            let name = reader.text()?.to_string();
            let whole = match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(reader.fault("a flag of an enum is neither 0 nor 1")),
            };
            // A variant takes at least the length of its name and a tag.
            let variants = (0..reader.count(2)?)
                .map(|_| {
                    let name = reader.text()?.to_string();
                    Ok(Variant { name, fields: take_fields(reader, inner.named())? })
                })
                .collect::<Result<_, WireFault>>()?;
            Shape::Enum { name, variants, whole }
        }
        RECURSIVE => match reader.varint_u32()? {
            outwards if outwards < place.named => Shape::Recursive(outwards),
            _ => return Err(WireFault::new(at, "a shape refers to something outside of it")),
        },
        plain => match PLAIN.get(usize::from(plain)) {
            Some(shape) => shape.clone(),
            None => return Err(WireFault::new(at, "unknown kind of shape")),
        },
    })
}

fn take_parts(reader: &mut Reader<'_>, place: Place) -> Result<Vec<Shape>, WireFault> {
    (0..reader.count(1)?).map(|_| take_shape(reader, place)).collect()
}

fn take_fields(reader: &mut Reader<'_>, place: Place) -> Result<Fields, WireFault> {
    let at = reader.at();
    Ok(match reader.u8()? {
        0 => Fields::Unknown,
        1 => Fields::Unit,
        2 => Fields::Newtype(Box::new(take_shape(reader, place)?)),
        3 => Fields::Tuple(take_parts(reader, place)?),
        4 => {
            let fields = (0..reader.count(2)?)
                .map(|_| Ok((reader.text()?.to_string(), take_shape(reader, place)?)))
                .collect::<Result<_, WireFault>>()?;
            Fields::Named(fields)
        }
        _ => return Err(WireFault::new(at, "unknown kind of fields")),
    })
}
