//! Text to the bytes of a key, by the stored shape of the keys.

use super::json::{Json, Kind};
use super::mismatch::Mismatch;
use super::plain::{self, float, hex, integer};
use crate::codec::{Key, TotalF64};

/// Options and tuples within each other that are followed, as where keys are read.
const DEPTH: u32 = 16;

/// Appends a key of this shape. One of a type with an encoding of its own is the bytes of that encoding.
pub(super) fn encode_key_json(shape: &str, json: Json<'_>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if !is_built_in(shape) {
        out.extend(hex(&text_of(json)?, json.at)?);
        return Ok(());
    }
    let mut rest = shape;
    put(&mut rest, json, out, DEPTH)
}

/// Appends a key out of what stands in a cell or on a command line: as it is where it has no parts, else as JSON.
pub(super) fn encode_key_text(shape: &str, text: &str, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if !is_built_in(shape) {
        out.extend(hex(text, 0)?);
        return Ok(());
    }
    match put_plain(shape, text, 0, out) {
        Some(done) => done,
        None => encode_key_json(shape, Json::parse(text)?, out),
    }
}

/// Whether keys of this shape are written as they are where there is no JSON around them.
pub(super) fn is_plain_key(shape: &str) -> bool {
    !is_built_in(shape) || !shape.contains('(') || shape.starts_with("array(")
}

/// Whether all of the shape is of types that the library knows.
fn is_built_in(shape: &str) -> bool {
    const WORDS: [&str; 19] = [
        "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "bool", "char", "f64", "string", "bytes",
        "uuid", "array", "option", "reverse",
    ];
    // The length of an array, or nothing between two brackets.
    let is_length = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    !shape.is_empty() && shape.split(['(', ')', ',']).all(|word| WORDS.contains(&word) || is_length(word))
}

/// Takes a shape's first word off its front.
fn take_word<'s>(shape: &mut &'s str) -> &'s str {
    let end = shape.find(['(', ')', ',']).unwrap_or(shape.len());
    let (word, rest) = shape.split_at(end);
    *shape = rest;
    word
}

fn put(shape: &mut &str, json: Json<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), Mismatch> {
    let depth = depth.checked_sub(1).ok_or_else(|| unknown(json))?;
    let whole = *shape;
    match take_word(shape) {
        "option" => put_option(shape, json, out, depth),
        "reverse" => {
            open(shape, json)?;
            let start = out.len();
            put(shape, json, out, depth)?;
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
            close(shape, json)
        }
        "" => put_tuple(shape, json, out, depth),
        "array" => {
            let end = shape.find(')').ok_or_else(|| unknown(json))? + 1;
            let array = &whole[..whole.len() - shape.len() + end];
            *shape = &shape[end..];
            put_plain(array, &text_of(json)?, json.at, out).unwrap_or_else(|| Err(unknown(json)))
        }
        word => put_plain(word, &text_of(json)?, json.at, out).unwrap_or_else(|| Err(unknown(json))),
    }
}

/// What stands in a text, or a number, or a bool as it is.
fn text_of(json: Json<'_>) -> Result<String, Mismatch> {
    match json.kind() {
        Kind::Text => json.text(),
        Kind::Number | Kind::Bool => Ok(json.literal().to_owned()),
        other => Err(Mismatch::expected(json.at, "a part of a key", other)),
    }
}

fn put_option(shape: &mut &str, json: Json<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), Mismatch> {
    open(shape, json)?;
    if json.kind() == Kind::Null {
        out.push(0);
        skip(shape);
        return close(shape, json);
    }
    out.push(1);
    let mut inner = *shape;
    while let Some(turned) = inner.strip_prefix("reverse(") {
        inner = turned;
    }
    // What can be null itself stands in brackets.
    let inside = if inner.starts_with("option(") { json.only_part()? } else { json };
    put(shape, inside, out, depth)?;
    close(shape, json)
}

fn put_tuple(shape: &mut &str, json: Json<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), Mismatch> {
    open(shape, json)?;
    if json.kind() != Kind::List {
        return Err(Mismatch::expected(json.at, "a list of the parts of a key", json.shown()));
    }
    let parts = json.list()?;
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            *shape = shape
                .strip_prefix(',')
                .ok_or_else(|| Mismatch::expected(json.at, format!("a list of {at}"), parts.len()))?;
        }
        put(shape, *part, out, depth).map_err(|mismatch| mismatch.within(&format!("[{at}]")))?;
    }
    match shape.starts_with(',') || parts.is_empty() {
        true => Err(Mismatch::expected(json.at, "more parts of a key", parts.len())),
        false => close(shape, json),
    }
}

/// Goes to the end of what is in brackets.
fn skip(shape: &mut &str) {
    let mut open = 1;
    let end = shape.find(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open == 0
    });
    *shape = &shape[end.unwrap_or(shape.len())..];
}

fn open(shape: &mut &str, json: Json<'_>) -> Result<(), Mismatch> {
    *shape = shape.strip_prefix('(').ok_or_else(|| unknown(json))?;
    Ok(())
}

fn close(shape: &mut &str, json: Json<'_>) -> Result<(), Mismatch> {
    *shape = shape.strip_prefix(')').ok_or_else(|| unknown(json))?;
    Ok(())
}

fn unknown(json: Json<'_>) -> Mismatch {
    Mismatch::new(json.at, "the keys of the table are of a shape that is not known")
}

/// Appends a key without parts. None: the shape has some.
fn put_plain(shape: &str, text: &str, at: usize, out: &mut Vec<u8>) -> Option<Result<(), Mismatch>> {
    let put = match shape {
        "u8" => integer(text, (u8::MIN, u8::MAX), at).map(|key| u8::encode(key, out)),
        "u16" => integer(text, (u16::MIN, u16::MAX), at).map(|key| u16::encode(key, out)),
        "u32" => integer(text, (u32::MIN, u32::MAX), at).map(|key| u32::encode(key, out)),
        "u64" => integer(text, (u64::MIN, u64::MAX), at).map(|key| u64::encode(key, out)),
        "u128" => integer(text, (u128::MIN, u128::MAX), at).map(|key| u128::encode(key, out)),
        "i8" => integer(text, (i8::MIN, i8::MAX), at).map(|key| i8::encode(key, out)),
        "i16" => integer(text, (i16::MIN, i16::MAX), at).map(|key| i16::encode(key, out)),
        "i32" => integer(text, (i32::MIN, i32::MAX), at).map(|key| i32::encode(key, out)),
        "i64" => integer(text, (i64::MIN, i64::MAX), at).map(|key| i64::encode(key, out)),
        "i128" => integer(text, (i128::MIN, i128::MAX), at).map(|key| i128::encode(key, out)),
        "f64" => float::<f64>(text, at).map(|key| TotalF64::encode(TotalF64(key), out)),
        "char" => plain::char(text, at).map(|key| char::encode(key, out)),
        "bool" => plain::bool(text, at).map(|key| bool::encode(key, out)),
        "string" => {
            String::encode(text, out);
            Ok(())
        }
        "bytes" => hex(text, at).map(|key| Vec::<u8>::encode(&key, out)),
        // With the hyphens that people write.
        "uuid" => array(&text.replace('-', ""), 16, at).map(|key| out.extend(key)),
        _ => {
            let length = shape.strip_prefix("array(u8,")?.strip_suffix(')')?.parse().ok()?;
            array(text, length, at).map(|key| out.extend(key))
        }
    };
    Some(put)
}

fn array(text: &str, length: usize, at: usize) -> Result<Vec<u8>, Mismatch> {
    let bytes = hex(text, at)?;
    if bytes.len() == length { Ok(bytes) } else { Err(Mismatch::expected(at, format!("{length} bytes"), bytes.len())) }
}
