//! Reading keys by the shape of their table, without the type that wrote them.

use super::{Key, TotalF64};
use crate::codec::StoredValue;

/// Options and tuples within each other that are followed.
const DEPTH: u32 = 16;

/// A key of this shape. None where `key`, which may be anything, is no such key: the low key of a segment need not be one, and
/// a type of the program's may have a shape of its own.
pub(crate) fn read_key(shape: &str, key: &[u8]) -> Option<StoredValue> {
    let (mut shape, mut bytes) = (shape, key);
    let value = read(&mut shape, &mut bytes, DEPTH)?;
    (shape.is_empty() && bytes.is_empty()).then_some(value)
}

/// Reads one key off the front of `bytes` and its shape off the front of `shape`.
fn read(shape: &mut &str, bytes: &mut &[u8], depth: u32) -> Option<StoredValue> {
    let depth = depth.checked_sub(1)?;
    let end = shape.find(['(', ')', ',']).unwrap_or(shape.len());
    let (word, rest) = shape.split_at(end);
    *shape = rest;
    Some(match word {
        "u8" => StoredValue::Unsigned(u8::decode(bytes)?.into()),
        "u16" => StoredValue::Unsigned(u16::decode(bytes)?.into()),
        "u32" => StoredValue::Unsigned(u32::decode(bytes)?.into()),
        "u64" => StoredValue::Unsigned(u64::decode(bytes)?.into()),
        "u128" => StoredValue::Unsigned(u128::decode(bytes)?),
        "i8" => StoredValue::Signed(i8::decode(bytes)?.into()),
        "i16" => StoredValue::Signed(i16::decode(bytes)?.into()),
        "i32" => StoredValue::Signed(i32::decode(bytes)?.into()),
        "i64" => StoredValue::Signed(i64::decode(bytes)?.into()),
        "i128" => StoredValue::Signed(i128::decode(bytes)?),
        "bool" => StoredValue::Bool(bool::decode(bytes)?),
        "char" => StoredValue::Char(char::decode(bytes)?),
        "f64" => StoredValue::F64(TotalF64::decode(bytes)?.into()),
        "string" => StoredValue::Text(String::decode(bytes)?),
        "bytes" => StoredValue::Bytes(Vec::<u8>::decode(bytes)?),
        "uuid" => StoredValue::Bytes(bytes.split_off(..16)?.to_vec()),
        "array" => {
            let (length, rest) = shape.strip_prefix("(u8,")?.split_once(')')?;
            *shape = rest;
            StoredValue::Bytes(bytes.split_off(..length.parse::<usize>().ok()?)?.to_vec())
        }
        "option" => StoredValue::Option(read_option(shape, bytes, depth)?.map(Box::new)),
        "reverse" => {
            *shape = shape.strip_prefix('(')?;
            let turned: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            let mut rest = &turned[..];
            let value = read(shape, &mut rest, depth)?;
            bytes.split_off(..turned.len() - rest.len())?;
            *shape = shape.strip_prefix(')')?;
            value
        }
        "" => StoredValue::List(read_tuple(shape, bytes, depth)?),
        _ => return None,
    })
}

fn read_option(shape: &mut &str, bytes: &mut &[u8], depth: u32) -> Option<Option<StoredValue>> {
    let inside = shape.strip_prefix('(')?;
    *shape = inside;
    let value = match bytes.split_off_first()? {
        0 => {
            let mut open = 1;
            let end = inside.find(|c| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            })?;
            *shape = &inside[end..];
            None
        }
        1 => Some(read(shape, bytes, depth)?),
        _ => return None,
    };
    *shape = shape.strip_prefix(')')?;
    Some(value)
}

fn read_tuple(shape: &mut &str, bytes: &mut &[u8], depth: u32) -> Option<Vec<StoredValue>> {
    let mut parts = Vec::new();
    *shape = shape.strip_prefix('(')?;
    loop {
        parts.push(read(shape, bytes, depth)?);
        if let Some(rest) = shape.strip_prefix(',') {
            *shape = rest;
            continue;
        }
        *shape = shape.strip_prefix(')')?;
        return Some(parts);
    }
}
