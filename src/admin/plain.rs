//! Values without parts, out of their plain text: numbers, texts, bytes, names of variants.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;

use super::json::shorten;
use super::mismatch::Mismatch;
use crate::codec::{Fields, Shape, Variant, encode_row};

/// Appends the bytes of a value without parts, out of its plain text: what a cell of a table calculation has. None: the
/// shape has parts, and is written as JSON.
pub(super) fn encode_plain(shape: &Shape, text: &str, out: &mut Vec<u8>) -> Option<Result<(), Mismatch>> {
    let plain = match shape {
        Shape::Text => {
            put(text, out);
            Ok(())
        }
        Shape::Struct { fields: Fields::Newtype(inner), .. } => return encode_plain(inner, text, out),
        Shape::Enum { variants, .. } if is_plain(shape) => {
            variant_number(variants, text, 0).map(|number| put(&number, out))
        }
        Shape::Char => char(text, 0).map(|char| put(&char, out)),
        Shape::Bytes => hex(text, 0).map(|bytes| put_bytes(&bytes, out)),
        Shape::Bool => bool(text, 0).map(|value| put(&value, out)),
        _ => return number(shape, text, 0, out),
    };
    Some(plain)
}

/// Whether values of the shape are written as they are where there is no JSON around them.
pub(super) fn is_plain(shape: &Shape) -> bool {
    match shape {
        Shape::Struct { fields: Fields::Newtype(inner), .. } => is_plain(inner),
        Shape::Enum { variants, .. } => {
            !variants.is_empty() && variants.iter().all(|variant| matches!(variant.fields, Fields::Unit))
        }
        Shape::Text | Shape::Char | Shape::Bytes | Shape::Bool => true,
        _ => is_number(shape),
    }
}

/// Appends what bincode makes of a value that it can always write.
pub(super) fn put<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    encode_row(value, out).map(drop).expect("numbers and texts can be stored");
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put(&(bytes.len() as u64), out);
    out.extend_from_slice(bytes);
}

fn quoted(text: &str) -> String {
    format!("{:?}", shorten(text))
}

pub(super) fn variant_number(variants: &[Variant], name: &str, at: usize) -> Result<u32, Mismatch> {
    let number = variants.iter().position(|variant| variant.name == name && !name.is_empty());
    number.map(|number| number as u32).ok_or_else(|| {
        let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
        Mismatch::expected(at, format!("one of {}", shorten(&names.join(", "))), quoted(name))
    })
}

pub(super) fn bool(text: &str, at: usize) -> Result<bool, Mismatch> {
    text.parse().map_err(|_| Mismatch::expected(at, "true or false", quoted(text)))
}

pub(super) fn char(text: &str, at: usize) -> Result<char, Mismatch> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Ok(char),
        _ => Err(Mismatch::expected(at, "a single character", quoted(text))),
    }
}

/// Bytes in hexadecimal, in whatever case.
pub(super) fn hex(text: &str, at: usize) -> Result<Vec<u8>, Mismatch> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| Some((digit(&pair[0])? << 4 | digit(&pair[1])?) as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| byte(pair)).collect::<Option<Vec<u8>>>();
    let bytes = bytes.filter(|_| rest.is_empty());
    bytes.ok_or_else(|| Mismatch::expected(at, "bytes in hexadecimal, two digits each", quoted(text)))
}

pub(super) fn is_number(shape: &Shape) -> bool {
    use Shape::{F32, F64, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128};
    matches!(shape, U8 | U16 | U32 | U64 | U128 | I8 | I16 | I32 | I64 | I128 | F32 | F64)
}

/// Appends a number out of its text. None: the shape is none.
pub(super) fn number(shape: &Shape, text: &str, at: usize, out: &mut Vec<u8>) -> Option<Result<(), Mismatch>> {
    Some(match shape {
        Shape::U8 => integer(text, (u8::MIN, u8::MAX), at).map(|value| put(&value, out)),
        Shape::U16 => integer(text, (u16::MIN, u16::MAX), at).map(|value| put(&value, out)),
        Shape::U32 => integer(text, (u32::MIN, u32::MAX), at).map(|value| put(&value, out)),
        Shape::U64 => integer(text, (u64::MIN, u64::MAX), at).map(|value| put(&value, out)),
        Shape::U128 => integer(text, (u128::MIN, u128::MAX), at).map(|value| put(&value, out)),
        Shape::I8 => integer(text, (i8::MIN, i8::MAX), at).map(|value| put(&value, out)),
        Shape::I16 => integer(text, (i16::MIN, i16::MAX), at).map(|value| put(&value, out)),
        Shape::I32 => integer(text, (i32::MIN, i32::MAX), at).map(|value| put(&value, out)),
        Shape::I64 => integer(text, (i64::MIN, i64::MAX), at).map(|value| put(&value, out)),
        Shape::I128 => integer(text, (i128::MIN, i128::MAX), at).map(|value| put(&value, out)),
        Shape::F32 => float::<f32>(text, at).map(|value| put(&value, out)),
        Shape::F64 => float::<f64>(text, at).map(|value| put(&value, out)),
        _ => return None,
    })
}

pub(super) fn integer<T: FromStr + Display>(text: &str, (least, most): (T, T), at: usize) -> Result<T, Mismatch> {
    text.parse().map_err(|_| Mismatch::expected(at, format!("a whole number from {least} to {most}"), quoted(text)))
}

/// A float: what Rust reads, but nothing that only becomes infinite by its size. A NaN that is not the usual one has its
/// bits behind it.
pub(super) fn float<T: Float>(text: &str, at: usize) -> Result<T, Mismatch> {
    let bits = text.strip_prefix("NaN(0x").and_then(|rest| rest.strip_suffix(')'));
    let value = match bits {
        Some(bits) => T::of_bits(bits).filter(|value| value.is_nan()),
        // A name, or digits that stay finite.
        None => text.parse().ok().filter(|value: &T| value.is_finite() != text.ends_with(char::is_alphabetic)),
    };
    value.ok_or_else(|| Mismatch::expected(at, "a number, or \"inf\", \"-inf\" or \"NaN\"", quoted(text)))
}

/// What the two kinds of floats have in common.
pub(super) trait Float: FromStr {
    fn of_bits(digits: &str) -> Option<Self>;
    fn is_nan(&self) -> bool;
    fn is_finite(&self) -> bool;
}

impl Float for f32 {
    fn of_bits(digits: &str) -> Option<Self> {
        u32::from_str_radix(digits, 16).ok().map(f32::from_bits)
    }

    fn is_nan(&self) -> bool {
        f32::is_nan(*self)
    }

    fn is_finite(&self) -> bool {
        f32::is_finite(*self)
    }
}

impl Float for f64 {
    fn of_bits(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().map(f64::from_bits)
    }

    fn is_nan(&self) -> bool {
        f64::is_nan(*self)
    }

    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}
