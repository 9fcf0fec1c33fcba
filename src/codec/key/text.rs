//! Strings, byte strings and byte arrays as keys.
//!
//! A string has no fixed length, so its end must show in the bytes and must sort below every byte that could stand there
//! instead. `00 00` ends it; a zero byte inside is written `00 FF`, which is above the end and below every other byte that
//! could follow.

use super::Key;
use super::numbers::take_array;

const ESCAPED_ZERO: u8 = 0xff;
const END: u8 = 0x00;

impl Key for String {
    type Ref<'a> = &'a str;

    #[inline]
    fn encode(key: &str, out: &mut Vec<u8>) {
        encode_delimited(key.as_bytes(), out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        String::from_utf8(decode_delimited(bytes)?).ok()
    }

    #[inline]
    fn as_ref(&self) -> &str {
        self
    }

    fn shape(out: &mut String) {
        out.push_str("string");
    }
}

impl Key for Vec<u8> {
    type Ref<'a> = &'a [u8];

    #[inline]
    fn encode(key: &[u8], out: &mut Vec<u8>) {
        encode_delimited(key, out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        decode_delimited(bytes)
    }

    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }

    fn shape(out: &mut String) {
        out.push_str("bytes");
    }
}

impl<const N: usize> Key for [u8; N] {
    type Ref<'a> = [u8; N];

    #[inline]
    fn encode(key: [u8; N], out: &mut Vec<u8>) {
        out.extend_from_slice(&key);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take_array(bytes)
    }

    #[inline]
    fn as_ref(&self) -> [u8; N] {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str(&format!("array(u8,{N})"));
    }
}

fn encode_delimited(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    escape(text, out);
    out.extend_from_slice(&[0, END]);
}

/// Appends `text` without its end: what every longer string that starts with it starts with.
pub(super) fn escape(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(zero) = text.iter().position(|&byte| byte == 0) {
        out.extend_from_slice(&text[..=zero]);
        out.push(ESCAPED_ZERO);
        text = &text[zero + 1..];
    }
    out.extend_from_slice(text);
}

fn decode_delimited(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let zero = bytes.iter().position(|&byte| byte == 0)?;
        let after = *bytes.get(zero + 1)?;
        text.extend_from_slice(&bytes[..zero]);
        *bytes = &bytes[zero + 2..];
        match after {
            END => return Some(text),
            ESCAPED_ZERO => text.push(0),
            _ => return None,
        }
    }
}
