//! Bytes of keys, rows and pages.

pub(crate) mod chunk;
pub(crate) mod frame;
pub(crate) mod interpolation;
pub(crate) mod wire;

mod key;
mod key_buf;
mod page;
mod row;
mod shape;
mod value;

pub(crate) use frame::PageIdentity;
pub use key::{First, Key, KeyVia, Prefix, TotalF64};
pub(crate) use key::{decode_key, encode_key, entry_bounds, key_bounds, narrow, prefix_bounds, read_key, show_key};
pub(crate) use key_buf::KeyBuf;
pub(crate) use page::PageBytes;
pub(crate) use row::{check_row, decode_row, encode_row, heap_bytes};
pub(crate) use shape::Shape;
#[cfg(feature = "admin")]
pub(crate) use shape::{Fields, Variant};
pub use value::StoredValue;
