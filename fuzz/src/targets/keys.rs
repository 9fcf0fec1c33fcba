//! Keys out of hostile bytes: the laws of [`Key`], which any bytes that decode at all must keep.

use std::cmp::Reverse;
use std::fmt::Debug;

use gangline::torture::show_key;
use gangline::{Key, TotalF64};

/// Longest text of a key, with the sign that it was cut.
const SHOWN_CHARS: usize = 81;

/// Reads the bytes as keys of every kind.
///
/// # Panics
///
/// Where a law is broken.
pub fn replay(bytes: &[u8]) {
    numbers(bytes);
    texts(bytes);
    compounds(bytes);
    shown(bytes);
}

fn numbers(bytes: &[u8]) {
    check::<u8>(bytes);
    check::<u16>(bytes);
    check::<u32>(bytes);
    check::<u64>(bytes);
    check::<u128>(bytes);
    check::<i8>(bytes);
    check::<i16>(bytes);
    check::<i32>(bytes);
    check::<i64>(bytes);
    check::<i128>(bytes);
    check::<bool>(bytes);
    check::<char>(bytes);
    check::<TotalF64>(bytes);
}

fn texts(bytes: &[u8]) {
    check::<String>(bytes);
    check::<Vec<u8>>(bytes);
    check::<[u8; 0]>(bytes);
    check::<[u8; 16]>(bytes);
    check::<Reverse<String>>(bytes);
    check::<Reverse<Vec<u8>>>(bytes);
}

fn compounds(bytes: &[u8]) {
    check::<Option<String>>(bytes);
    check::<Option<Option<u16>>>(bytes);
    check::<Reverse<Option<i32>>>(bytes);
    check::<(String, u8)>(bytes);
    check::<(Vec<u8>, Vec<u8>)>(bytes);
    check::<(Option<bool>, Reverse<(String, i16)>, char)>(bytes);
    check::<(u8, (i8, Option<Vec<u8>>), Reverse<TotalF64>, [u8; 3], bool, String)>(bytes);
}

/// Two keys, one behind the other, as in a tuple.
fn check<K: Key + Debug>(bytes: &[u8]) {
    let Some((first, first_bytes, rest)) = take::<K>(bytes) else { return };
    let Some((second, second_bytes, _)) = take::<K>(rest) else { return };
    assert_eq!(first.cmp(&second), first_bytes.cmp(second_bytes), "the order of {first:?} and {second:?}");
    let one_begins_the_other = first_bytes.starts_with(second_bytes) || second_bytes.starts_with(first_bytes);
    assert!(first == second || !one_begins_the_other, "{first:?} and {second:?} cannot be told apart in a tuple");
    let mut shape = String::new();
    K::shape(&mut shape);
    let text = show_key(&shape, first_bytes);
    assert!(text.chars().count() <= SHOWN_CHARS, "{text}");
}

/// The key at the front, its bytes and those behind it.
fn take<K: Key + Debug>(bytes: &[u8]) -> Option<(K, &[u8], &[u8])> {
    let mut rest = bytes;
    let key = K::decode(&mut rest)?;
    let (used, rest) = bytes.split_at(bytes.len() - rest.len());
    let mut again = Vec::new();
    K::encode(key.as_ref(), &mut again);
    assert_eq!(again, used, "{key:?} has other bytes than those it was read from");
    Some((key, used, rest))
}

/// A shape and a key of it, both hostile.
fn shown(bytes: &[u8]) {
    let Some((&length, rest)) = bytes.split_first() else { return };
    let (shape, key) = rest.split_at(usize::from(length).min(rest.len()));
    let text = show_key(&String::from_utf8_lossy(shape), key);
    assert!(text.chars().count() <= SHOWN_CHARS, "{text}");
}
