//! Reading rows by their stored shape, without the type that wrote them.

use super::{Fields, Shape, Variant};
use crate::codec::StoredValue;
use crate::codec::wire::{Reader, WireFault};

/// Values nest at most this deep. Rows nest half as deep, and a type inside of itself counts twice here.
const MAX_VALUE_DEPTH: usize = 300;

impl Shape {
    /// Reads a row of this shape, which `bytes` must hold exactly; `bytes` may be anything.
    pub(crate) fn read_value(&self, bytes: &[u8]) -> Result<StoredValue, WireFault> {
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
    fn value(&mut self, shape: &'s Shape) -> Result<StoredValue, WireFault> {
        if self.depth >= MAX_VALUE_DEPTH {
            return Err(self.reader.fault("the row nests too deep"));
        }
        self.depth += 1;
        let value = self.value_inside(shape)?;
        self.depth -= 1;
        Ok(value)
    }

    fn value_inside(&mut self, shape: &'s Shape) -> Result<StoredValue, WireFault> {
        Ok(match shape {
            Shape::Unknown => return Err(self.reader.fault("the shape of what follows is not known")),
            Shape::Unit => StoredValue::Unit,
            Shape::Bool => match self.reader.u8()? {
                0 => StoredValue::Bool(false),
                1 => StoredValue::Bool(true),
                _ => return Err(self.reader.fault("a bool is neither 0 nor 1")),
            },
            Shape::I8 => StoredValue::Signed(i128::from(self.reader.u8()? as i8)),
            Shape::U8 => StoredValue::Unsigned(u128::from(self.reader.u8()?)),
            Shape::I16 => StoredValue::Signed(self.signed(16)?),
            Shape::I32 => StoredValue::Signed(self.signed(32)?),
            Shape::I64 => StoredValue::Signed(self.signed(64)?),
            Shape::I128 => StoredValue::Signed(self.signed(128)?),
            Shape::U16 => StoredValue::Unsigned(self.unsigned(16)?),
            Shape::U32 => StoredValue::Unsigned(self.unsigned(32)?),
            Shape::U64 => StoredValue::Unsigned(self.unsigned(64)?),
            Shape::U128 => StoredValue::Unsigned(self.unsigned(128)?),
            Shape::F32 => StoredValue::F32(f32::from_bits(self.reader.u32()?)),
            Shape::F64 => StoredValue::F64(f64::from_bits(self.reader.u64()?)),
            Shape::Char => StoredValue::Char(self.char()?),
            Shape::Text => {
                let at = self.reader.at();
                let text = std::str::from_utf8(self.bytes()?).map_err(|_| WireFault::new(at, "a text is not utf-8"))?;
                StoredValue::Text(text.to_string())
            }
            Shape::Bytes => StoredValue::Bytes(self.bytes()?.to_vec()),
            Shape::Option(inner) => match self.reader.u8()? {
                0 => StoredValue::Option(None),
                1 => StoredValue::Option(Some(Box::new(self.value(inner)?))),
                _ => return Err(self.reader.fault("an option is neither 0 nor 1")),
            },
            Shape::List(inner) => {
                let count = self.count()?;
                StoredValue::List((0..count).map(|_| self.value(inner)).collect::<Result<_, _>>()?)
            }
            Shape::Map(key, value) => {
                let count = self.count()?;
                StoredValue::Map(
                    (0..count).map(|_| Ok((self.value(key)?, self.value(value)?))).collect::<Result<_, _>>()?,
                )
            }
            Shape::Tuple(parts) => self.tuple(parts)?,
            Shape::Struct { fields, .. } => {
                self.enclosing.push(shape);
                let value = self.fields(fields)?.unwrap_or(StoredValue::Unit);
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
    fn recursive(&mut self, outwards: u32) -> Result<StoredValue, WireFault> {
        let Some(outer) = self.enclosing.len().checked_sub(outwards as usize + 1) else {
            return Err(self.reader.fault("the shape of the row refers to something outside of it"));
        };
        let between = self.enclosing.split_off(outer);
        let value = self.value(between[0])?;
        self.enclosing.extend(between);
        Ok(value)
    }

    fn tuple(&mut self, parts: &'s [Shape]) -> Result<StoredValue, WireFault> {
        Ok(StoredValue::List(parts.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?))
    }

    fn fields(&mut self, fields: &'s Fields) -> Result<Option<StoredValue>, WireFault> {
        Ok(match fields {
            Fields::Unknown => return Err(self.reader.fault("the shape of what follows is not known")),
            Fields::Unit => None,
            Fields::Newtype(inner) => Some(self.value(inner)?),
            Fields::Tuple(parts) => Some(self.tuple(parts)?),
            Fields::Named(fields) => {
                let named = fields.iter().map(|(name, shape)| Ok((name.clone(), self.value(shape)?)));
                Some(StoredValue::Struct(named.collect::<Result<_, WireFault>>()?))
            }
        })
    }

    fn variant(&mut self, variants: &'s [Variant]) -> Result<StoredValue, WireFault> {
        let at = self.reader.at();
        let index = usize::try_from(self.unsigned(32)?).ok();
        let Some(variant) = index.and_then(|index| variants.get(index)) else {
            return Err(WireFault::new(at, "an enum has no variant of this number"));
        };
        Ok(StoredValue::Variant(variant.name.clone(), self.fields(&variant.fields)?.map(Box::new)))
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
