//! Gangline: an embedded, typed key-value store with parallel scans and locks that cannot deadlock.

mod error;
mod options;

mod codec;
mod context;
pub mod lock;
mod storage;

mod table;

mod txn;

mod recovery;

mod query;

mod access;
mod db;
mod pool;
mod status;

pub use access::Access;
pub use codec::{First, Key, KeyVia, Prefix, TotalF64};
pub use db::Db;
pub use error::{Error, ErrorKind, Result};
pub use lock::{LockGuard, LockManager};
pub use options::{Durability, MAX_KEY_BYTES, MAX_NAME_BYTES, Options};
pub use pool::{Pool, Task};
pub use query::{Projected, Query};
pub use recovery::{TableReport, VerifyReport};
pub use status::{Status, TableInfo};
pub use table::{Emit, Index, IndexDef, Row, Shared, Table};
pub use txn::{Snapshot, Transaction};
