//! Encoded keys as text, by the shape of their table: for errors, where the program's types are not known.

use super::read_key;
use crate::codec::StoredValue;

/// Longest text of a key, in characters.
const SHOWN_CHARS: usize = 80;

/// A key of this shape as a program would write it: `7`, `(7, "ann")`. Bytes in hex where they are no such key.
pub(crate) fn show_key(shape: &str, key: &[u8]) -> String {
    let mut text = read_key(shape, key).map_or_else(|| hex(key), |value| show(&value));
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

fn show(value: &StoredValue) -> String {
    match value {
        StoredValue::Char(value) => format!("{value:?}"),
        StoredValue::F64(value) => format!("{value:?}"),
        StoredValue::Text(value) => format!("{value:?}"),
        StoredValue::Bytes(value) => hex(value),
        StoredValue::Option(None) => "None".to_owned(),
        StoredValue::Option(Some(value)) => format!("Some({})", show(value)),
        StoredValue::List(parts) => format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use crate::codec::{Key, TotalF64, encode_key};

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
