//! Encoded keys as text, by the shape of their table: for dumps and errors, where the program's types are not known.

use super::{Key, TotalF64};

/// Longest text of a key, in characters.
const SHOWN_CHARS: usize = 80;
/// Options and tuples within each other that are followed.
const DEPTH: u32 = 16;

/// A key of this shape as a program would write it: `7`, `(7, "ann")`. Bytes in hex where they are no such key, as the
/// low key of a segment need not be.
pub(crate) fn show_key(shape: &str, key: &[u8]) -> String {
    let (mut shape, mut bytes, mut text) = (shape, key, String::new());
    let shown = show(&mut shape, &mut bytes, &mut text, DEPTH);
    if shown.is_none() || !shape.is_empty() || !bytes.is_empty() {
        text = hex(key);
    }
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().take(SHOWN_CHARS).flat_map(|byte| [byte >> 4, byte & 15]);
    "0x".chars().chain(digits.map(|digit| char::from_digit(digit.into(), 16).unwrap_or('?'))).collect()
}

/// Reads one key off the front of `bytes` and its shape off the front of `shape`.
fn show(shape: &mut &str, bytes: &mut &[u8], out: &mut String, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let end = shape.find(['(', ')', ',']).unwrap_or(shape.len());
    let (word, rest) = shape.split_at(end);
    *shape = rest;
    match word {
        "u8" => out.push_str(&u8::decode(bytes)?.to_string()),
        "u16" => out.push_str(&u16::decode(bytes)?.to_string()),
        "u32" => out.push_str(&u32::decode(bytes)?.to_string()),
        "u64" => out.push_str(&u64::decode(bytes)?.to_string()),
        "u128" => out.push_str(&u128::decode(bytes)?.to_string()),
        "i8" => out.push_str(&i8::decode(bytes)?.to_string()),
        "i16" => out.push_str(&i16::decode(bytes)?.to_string()),
        "i32" => out.push_str(&i32::decode(bytes)?.to_string()),
        "i64" => out.push_str(&i64::decode(bytes)?.to_string()),
        "i128" => out.push_str(&i128::decode(bytes)?.to_string()),
        "bool" => out.push_str(&bool::decode(bytes)?.to_string()),
        "char" => out.push_str(&format!("{:?}", char::decode(bytes)?)),
        "f64" => out.push_str(&format!("{:?}", f64::from(TotalF64::decode(bytes)?))),
        "string" => out.push_str(&format!("{:?}", String::decode(bytes)?)),
        "bytes" => out.push_str(&hex(&Vec::<u8>::decode(bytes)?)),
        "uuid" => out.push_str(&hex(bytes.split_off(..16)?)),
        "array" => {
            let (length, rest) = shape.strip_prefix("(u8,")?.split_once(')')?;
            *shape = rest;
            out.push_str(&hex(bytes.split_off(..length.parse::<usize>().ok()?)?));
        }
        "option" => show_option(shape, bytes, out, depth)?,
        "reverse" => {
            *shape = shape.strip_prefix('(')?;
            let turned: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            let mut rest = &turned[..];
            show(shape, &mut rest, out, depth)?;
            bytes.split_off(..turned.len() - rest.len())?;
            *shape = shape.strip_prefix(')')?;
        }
        "" => show_tuple(shape, bytes, out, depth)?,
        _ => return None,
    }
    Some(())
}

fn show_option(shape: &mut &str, bytes: &mut &[u8], out: &mut String, depth: u32) -> Option<()> {
    let inside = shape.strip_prefix('(')?;
    *shape = inside;
    match bytes.split_off_first()? {
        0 => {
            out.push_str("None");
            let mut open = 1;
            let end = inside.find(|c| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            })?;
            *shape = &inside[end..];
        }
        1 => {
            out.push_str("Some(");
            show(shape, bytes, out, depth)?;
            out.push(')');
        }
        _ => return None,
    }
    *shape = shape.strip_prefix(')')?;
    Some(())
}

fn show_tuple(shape: &mut &str, bytes: &mut &[u8], out: &mut String, depth: u32) -> Option<()> {
    let mut before = "(";
    *shape = shape.strip_prefix('(')?;
    loop {
        out.push_str(before);
        show(shape, bytes, out, depth)?;
        if let Some(rest) = shape.strip_prefix(',') {
            (*shape, before) = (rest, ", ");
            continue;
        }
        *shape = shape.strip_prefix(')')?;
        out.push(')');
        return Some(());
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use crate::codec::encode_key;

    fn shown<K: Key>(key: K::Ref<'_>) -> String {
        let mut shape = String::new();
        K::shape(&mut shape);
        show_key(&shape, &encode_key::<K>(key))
    }

    #[test]
    fn keys_read_as_a_program_writes_them() {
        assert_eq!(shown::<u64>(42), "42");
        assert_eq!(shown::<i16>(-3), "-3");
        assert_eq!(shown::<String>("an\"n"), "\"an\\\"n\"");
        assert_eq!(shown::<Vec<u8>>(&[0, 255]), "0x00ff");
        assert_eq!(shown::<[u8; 3]>([1, 2, 3]), "0x010203");
        assert_eq!(shown::<(bool, char, TotalF64)>((true, 'x', TotalF64(-0.5))), "(true, 'x', -0.5)");
        assert_eq!(shown::<(Option<(u8, u8)>, Reverse<String>, u32)>((None, Reverse("b"), 7)), "(None, \"b\", 7)");
        assert_eq!(shown::<Option<Option<i64>>>(Some(Some(-9))), "Some(Some(-9))");
    }

    #[test]
    fn what_is_no_key_of_the_shape_is_hex() {
        assert_eq!(show_key("u64", b"a"), "0x61");
        assert_eq!(show_key("u8", &[1, 2]), "0x0102");
        assert_eq!(show_key("mine", &[1]), "0x01");
        assert_eq!(show_key("(u8", &[1]), "0x01");
        assert_eq!(show_key("option(u8", &[0]), "0x00");
        assert_eq!(show_key("array(u8,99999999999999999999)", &[0]), "0x00");
        assert_eq!(show_key(&"option(".repeat(50_000), &[1; 50_000]), format!("0x{}…", "01".repeat(39)));
    }

    #[test]
    fn a_long_key_is_cut_between_characters() {
        let text = shown::<String>(&"ä".repeat(300));
        assert_eq!(text.chars().count(), SHOWN_CHARS + 1);
        assert!(text.starts_with("\"ää") && text.ends_with("ä…"), "{text}");
    }
}
