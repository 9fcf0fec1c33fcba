//! Rows: values of the program as bytes, by serde, in the form of bincode 2 `standard()`.
//!
//! That form has no names and no tags: numbers are varints (signed ones zigzag), a text or list has its length in front, an
//! `Option` one byte, an enum the number of its variant, and a struct is its fields in order. So a row can be read back only
//! by a type that asks for exactly what was written, which some serde attributes do not. The [encoder](encoder) refuses
//! what cannot come back, naming type and field, and [`check_row`] refuses types that can never be read.

mod check;
mod encoder;
mod fault;

#[cfg(test)]
mod tests;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use check::check_row;
pub(crate) use fault::{RowFault, RowFaultKind};

use encoder::{Discard, RowEncoder};

/// No row may take more memory than this while it is decoded. Far above the largest row that the options allow, and what
/// keeps a damaged length from taking all memory.
const DECODE_LIMIT_BYTES: usize = 64 * 1024 * 1024;

const DECODING: Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT_BYTES>> =
    bincode::config::standard().with_limit::<DECODE_LIMIT_BYTES>();

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

/// Reads a row that `bytes` must hold exactly.
#[inline]
pub(crate) fn decode_row<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, RowFault> {
    match bincode::serde::borrow_decode_from_slice::<V, _>(bytes, DECODING) {
        Ok((row, used)) if used == bytes.len() => Ok(row),
        Ok((_, used)) => {
            Err(RowFault::damaged(format!("{} bytes are left over behind it", bytes.len() - used)).of_type::<V>())
        }
        Err(error) => Err(RowFault::damaged(error.to_string()).of_type::<V>()),
    }
}
