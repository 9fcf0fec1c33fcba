//! Rows: values of the program as bytes, by serde and bincode 2 `standard()`.
//!
//! That form has no names and no tags: numbers are varints (signed ones zigzag), a text or list has its length in front, an
//! `Option` one byte, an enum the number of its variant, and a struct is its fields in order. So a row can be read back only
//! by a type that asks for exactly what was written, which some serde attributes do not. [`measure`] refuses what cannot come
//! back, naming type and field, before bincode writes it, and [`check_row`] refuses types that can never be read.
//!
//! bincode always reads under [`READ_LIMIT`], without which nine damaged bytes could ask for more memory than there is. It
//! does not count how deep what it reads nests: that is bounded where rows are written, and rows are read from pages whose
//! checksum held.

mod check;
mod fault;
mod measure;

#[cfg(test)]
mod tests;

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use check::check_row;
pub(crate) use fault::RowFault;

use crate::options::MAX_ROW_BYTES;
use measure::RowMeasure;

/// How deep values may nest: lists, structs, enums, options and newtypes all count.
const MAX_DEPTH: usize = 128;

/// What bincode may claim to read one row. A damaged length can make it allocate as much, never more. Numbers claim their
/// full width, so this is twice the largest row: texts of that size fit, and small `u64`s in a row of the default size.
const READ_LIMIT: usize = 2 * MAX_ROW_BYTES + (1 << 20);

const FORM: Configuration<LittleEndian, Varint, Limit<READ_LIMIT>> = config::standard().with_limit::<READ_LIMIT>();

/// What a row takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowSize {
    /// An estimate of the heap memory behind the decoded value, its own `size_of` not included.
    pub(crate) heap_bytes: usize,
}

/// Lets bincode append to the buffer that rows are collected in.
struct Append<'o>(&'o mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends the bytes of `row`. If it fails, `out` is as it was.
pub(crate) fn encode_row<V: Serialize + ?Sized>(row: &V, out: &mut Vec<u8>) -> Result<RowSize, RowFault> {
    let heap_bytes = RowMeasure::heap_bytes(row).map_err(RowFault::of_type::<V>)?;
    let start = out.len();
    if let Err(error) = bincode::serde::encode_into_writer(row, Append(out), FORM) {
        out.truncate(start);
        return Err(RowFault::unsupported(error.to_string()).of_type::<V>());
    }
    Ok(RowSize { heap_bytes })
}

/// An estimate of the heap memory behind `row`. Zero for a row that cannot be encoded.
pub(crate) fn heap_bytes<V: Serialize + ?Sized>(row: &V) -> usize {
    RowMeasure::heap_bytes(row).unwrap_or(0)
}

/// Reads a row that `bytes` must hold exactly; a damaged one is refused.
#[inline]
pub(crate) fn decode_row<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, RowFault> {
    match bincode::serde::decode_from_slice(bytes, FORM) {
        Ok((row, used)) if used == bytes.len() => Ok(row),
        Ok((_, used)) => {
            Err(RowFault::damaged(format!("{} bytes are left over behind it", bytes.len() - used)).of_type::<V>())
        }
        Err(error) => Err(RowFault::damaged(error.to_string()).of_type::<V>()),
    }
}
