//! Gangline: an embedded, typed key-value store with parallel scans and locks that cannot deadlock.

mod error;
mod options;

mod codec;
mod context;
pub mod lock;

mod pool;

pub use codec::{First, Key, KeyVia, Prefix, TotalF64};
pub use error::{Error, ErrorKind, Result};
pub use options::{Durability, MAX_KEY_BYTES, MAX_NAME_BYTES, Options};
pub use pool::{Pool, Task};
