//! Gangline: an embedded, typed key-value store with parallel scans and locks that cannot deadlock.

mod error;
mod options;

mod codec;
mod storage;

pub use error::{Error, ErrorKind, Result};
pub use options::{Durability, MAX_KEY_BYTES, MAX_NAME_BYTES, Options};
