//! Reading rows by their stored shape, without the type that wrote them.

use std::fmt::{self, Write};

use super::{Fields, Shape, Variant};
use crate::codec::wire::{Reader, WireFault};

/// Values nest at most this deep. Rows nest half as deep, and a type inside of itself counts twice here.
const MAX_VALUE_DEPTH: usize = 300;

/// A row as a tree that tells what it is. Shows itself as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `None`, a unit or a struct without fields.
    Null,
    Bool(bool),
    Unsigned(u128),
    Signed(i128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<(String, Value)>),
    /// The variant's name and, unless it has no fields, what it holds.
    Variant(String, Option<Box<Value>>),
}

impl Shape {
    /// Reads a row of this shape, which `bytes` must hold exactly; `bytes` may be anything.
    pub(crate) fn read_value(&self, bytes: &[u8]) -> Result<Value, WireFault> {
        let mut reading = Reading { reader: Reader::new(bytes), enclosing: Vec::new(), depth: 0 };
        let value = reading.value(self)?;
        reading.reader.finish()?;
        Ok(value)
    }
}

struct Reading<'s, 'a> {
    reader: Reader<'a>,
    /// The structs and enums around the present place, innermost last.
    enclosing: Vec<&'s Shape>,
    depth: usize,
}

impl<'s> Reading<'s, '_> {
    fn value(&mut self, shape: &'s Shape) -> Result<Value, WireFault> {
        if self.depth >= MAX_VALUE_DEPTH {
            return Err(self.reader.fault("the row nests too deep"));
        }
        self.depth += 1;
        let value = self.value_inside(shape)?;
        self.depth -= 1;
        Ok(value)
    }

    fn value_inside(&mut self, shape: &'s Shape) -> Result<Value, WireFault> {
        Ok(match shape {
            Shape::Unknown => return Err(self.reader.fault("the shape of what follows is not known")),
            Shape::Unit => Value::Null,
            Shape::Bool => match self.reader.u8()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(self.reader.fault("a bool is neither 0 nor 1")),
            },
            Shape::I8 => Value::Signed(i128::from(self.reader.u8()? as i8)),
            Shape::U8 => Value::Unsigned(u128::from(self.reader.u8()?)),
            Shape::I16 => Value::Signed(self.signed(16)?),
            Shape::I32 => Value::Signed(self.signed(32)?),
            Shape::I64 => Value::Signed(self.signed(64)?),
            Shape::I128 => Value::Signed(self.signed(128)?),
            Shape::U16 => Value::Unsigned(self.unsigned(16)?),
            Shape::U32 => Value::Unsigned(self.unsigned(32)?),
            Shape::U64 => Value::Unsigned(self.unsigned(64)?),
            Shape::U128 => Value::Unsigned(self.unsigned(128)?),
            Shape::F32 => Value::F32(f32::from_bits(self.reader.u32()?)),
            Shape::F64 => Value::F64(f64::from_bits(self.reader.u64()?)),
            Shape::Char => Value::Char(self.char()?),
            Shape::Text => {
                let at = self.reader.at();
                let text = std::str::from_utf8(self.bytes()?).map_err(|_| WireFault::new(at, "a text is not utf-8"))?;
                Value::Text(text.to_string())
            }
            Shape::Bytes => Value::Bytes(self.bytes()?.to_vec()),
            Shape::Option(inner) => match self.reader.u8()? {
                0 => Value::Null,
                1 => self.value(inner)?,
                _ => return Err(self.reader.fault("an option is neither 0 nor 1")),
            },
            Shape::List(inner) => {
                let count = self.count()?;
                Value::List((0..count).map(|_| self.value(inner)).collect::<Result<_, _>>()?)
            }
            Shape::Map(key, value) => {
                let count = self.count()?;
                Value::Map((0..count).map(|_| Ok((self.value(key)?, self.value(value)?))).collect::<Result<_, _>>()?)
            }
            Shape::Tuple(parts) => self.tuple(parts)?,
            Shape::Struct { fields, .. } => {
                self.enclosing.push(shape);
                let value = self.fields(fields)?.unwrap_or(Value::Null);
                self.enclosing.pop();
                value
            }
            Shape::Enum { variants, .. } => {
                self.enclosing.push(shape);
                let value = self.variant(variants)?;
                self.enclosing.pop();
                value
            }
            Shape::Recursive(outwards) => self.recursive(*outwards)?,
        })
    }

    /// A type inside of itself: it stands where it stands, so what is between there and here is not around it.
    fn recursive(&mut self, outwards: u32) -> Result<Value, WireFault> {
        let Some(outer) = self.enclosing.len().checked_sub(outwards as usize + 1) else {
            return Err(self.reader.fault("the shape of the row refers to something outside of it"));
        };
        let between = self.enclosing.split_off(outer);
        let value = self.value(between[0])?;
        self.enclosing.extend(between);
        Ok(value)
    }

    fn tuple(&mut self, parts: &'s [Shape]) -> Result<Value, WireFault> {
        Ok(Value::List(parts.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?))
    }

    fn fields(&mut self, fields: &'s Fields) -> Result<Option<Value>, WireFault> {
        Ok(match fields {
            Fields::Unknown => return Err(self.reader.fault("the shape of what follows is not known")),
            Fields::Unit => None,
            Fields::Newtype(inner) => Some(self.value(inner)?),
            Fields::Tuple(parts) => Some(self.tuple(parts)?),
            Fields::Named(fields) => {
                let named = fields.iter().map(|(name, shape)| Ok((name.clone(), self.value(shape)?)));
                Some(Value::Struct(named.collect::<Result<_, WireFault>>()?))
            }
        })
    }

    fn variant(&mut self, variants: &'s [Variant]) -> Result<Value, WireFault> {
        let at = self.reader.at();
        let index = usize::try_from(self.unsigned(32)?).ok();
        let Some(variant) = index.and_then(|index| variants.get(index)) else {
            return Err(WireFault::new(at, "an enum has no variant of this number"));
        };
        Ok(Value::Variant(variant.name.clone(), self.fields(&variant.fields)?.map(Box::new)))
    }

    /// A varint as rows have it: up to 250 in one byte, else a byte that tells the width and the number in it.
    fn unsigned(&mut self, bits: u32) -> Result<u128, WireFault> {
        let at = self.reader.at();
        let value = match self.reader.u8()? {
            small @ 0..=250 => u128::from(small),
            251 => u128::from(self.reader.u16()?),
            252 => u128::from(self.reader.u32()?),
            253 => u128::from(self.reader.u64()?),
            254 => u128::from(self.reader.u64()?) | u128::from(self.reader.u64()?) << 64,
            255 => return Err(WireFault::new(at, "a number has an unknown width")),
        };
        if bits < 128 && value >> bits != 0 {
            return Err(WireFault::new(at, "a number is larger than its type"));
        }
        Ok(value)
    }

    fn signed(&mut self, bits: u32) -> Result<i128, WireFault> {
        let value = self.unsigned(bits)?;
        Ok((value >> 1) as i128 ^ -((value & 1) as i128))
    }

    /// The number of entries of a list or map. Entries take at least a byte each; lists of nothing are never stored.
    fn count(&mut self) -> Result<usize, WireFault> {
        let at = self.reader.at();
        match usize::try_from(self.unsigned(64)?) {
            Ok(count) if count <= self.reader.remaining() => Ok(count),
            _ => Err(WireFault::new(at, "a count is larger than the bytes that follow")),
        }
    }

    fn bytes(&mut self) -> Result<&[u8], WireFault> {
        let count = self.count()?;
        self.reader.take(count)
    }

    fn char(&mut self) -> Result<char, WireFault> {
        let at = self.reader.at();
        let width = match self.reader.rest().first() {
            None => return Err(self.reader.fault("the bytes end too early")),
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            Some(_) => 4,
        };
        let text = std::str::from_utf8(self.reader.take(width)?).ok();
        text.and_then(|text| text.chars().next()).ok_or(WireFault::new(at, "a char is not utf-8"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Unsigned(value) => write!(f, "{value}"),
            Value::Signed(value) => write!(f, "{value}"),
            // JSON has no infinities and no NaN.
            Value::F32(value) if value.is_finite() => write!(f, "{value:?}"),
            Value::F64(value) if value.is_finite() => write!(f, "{value:?}"),
            Value::F32(value) => write!(f, "\"{value}\""),
            Value::F64(value) => write!(f, "\"{value}\""),
            Value::Char(value) => write_text(f, value.encode_utf8(&mut [0; 4])),
            Value::Text(text) => write_text(f, text),
            Value::Bytes(bytes) => {
                f.write_char('"')?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_char('"')
            }
            Value::List(values) => write_joined(f, ['[', ']'], values, |f, value| write!(f, "{value}")),
            Value::Map(entries) if entries.iter().all(|(key, _)| matches!(key, Value::Text(_))) => {
                write_joined(f, ['{', '}'], entries, |f, (key, value)| write!(f, "{key}:{value}"))
            }
            Value::Map(entries) => write_joined(f, ['[', ']'], entries, |f, (key, value)| write!(f, "[{key},{value}]")),
            Value::Struct(fields) => write_joined(f, ['{', '}'], fields, |f, (name, value)| {
                write_text(f, name)?;
                write!(f, ":{value}")
            }),
            Value::Variant(name, None) => write_text(f, name),
            Value::Variant(name, Some(value)) => {
                f.write_char('{')?;
                write_text(f, name)?;
                write!(f, ":{value}}}")
            }
        }
    }
}

fn write_joined<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    parts: &[T],
    mut write_part: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        write_part(f, part)?;
    }
    f.write_char(close)
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
