//! Rows: values of the program as bytes, by serde, in the form of bincode 2 `standard()`.
//!
//! That form has no names and no tags: numbers are varints (signed ones zigzag), a text or list has its length in front, an
//! `Option` one byte, an enum the number of its variant, and a struct is its fields in order. So a row can be read back only
//! by a type that asks for exactly what was written, which some serde attributes do not. The [`encoder`] refuses
//! what cannot come back, naming type and field, and [`check_row`] refuses types that can never be read.
//!
//! Encoder and decoder are our own, because ours do in one pass what would take two (size and refusals) and decode faster
//! and safer than bincode with a limit; [`check_row`] holds the first row of each type against bincode itself.

mod check;
mod decoder;
mod encoder;
mod fault;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use check::check_row;
pub(crate) use fault::RowFault;

use decoder::RowDecoder;
use encoder::{Discard, RowEncoder};

/// How deep values may nest: lists, structs, enums, options and newtypes all count.
const MAX_DEPTH: usize = 128;

/// What a row takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowSize {
    /// An estimate of the heap memory behind the decoded value, its own `size_of` not included.
    pub(crate) heap_bytes: usize,
}

/// Appends the bytes of `row`. If it fails, `out` is as it was.
pub(crate) fn encode_row<V: Serialize + ?Sized>(row: &V, out: &mut Vec<u8>) -> Result<RowSize, RowFault> {
    let start = out.len();
    let mut encoder = RowEncoder::new(out);
    match row.serialize(&mut encoder) {
        Ok(_) => Ok(RowSize { heap_bytes: encoder.heap_bytes() }),
        Err(fault) => {
            out.truncate(start);
            Err(fault.of_type::<V>())
        }
    }
}

/// An estimate of the heap memory behind `row`. Zero for a row that cannot be encoded.
pub(crate) fn heap_bytes<V: Serialize + ?Sized>(row: &V) -> usize {
    let mut nowhere = Discard;
    let mut encoder = RowEncoder::new(&mut nowhere);
    match row.serialize(&mut encoder) {
        Ok(_) => encoder.heap_bytes(),
        Err(_) => 0,
    }
}

/// Reads a row that `bytes` must hold exactly; `bytes` may be anything.
#[inline]
pub(crate) fn decode_row<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, RowFault> {
    let mut decoder = RowDecoder::new(bytes);
    let row = V::deserialize(&mut decoder).map_err(RowFault::of_type::<V>)?;
    match decoder.rest().len() {
        0 => Ok(row),
        left => Err(RowFault::damaged(format!("{left} bytes are left over behind it")).of_type::<V>()),
    }
}
