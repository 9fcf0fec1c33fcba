//! Gangline: an embedded, typed key-value store with parallel scans and locks that cannot deadlock.
//!
//! A gangline is the line that keeps a sled team in order, so that many pull at once and none gets tangled. Rows of the
//! program's own types live in sled trees. [`Db::read`] selects and projects them in parallel; [`Db::transact`] changes
//! them in serializable transactions, any number at once, under locks that are taken in one global order, so that
//! no deadlock can happen and no transaction fails with a conflict.
//!
//! ```
//! use gangline::{Db, Table};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Clone)]
//! struct Product {
//!     name: String,
//!     price: u64,
//! }
//! const PRODUCTS: Table<u32, Product> = Table::new("products");
//!
//! # fn main() -> gangline::Result<()> {
//! let db = Db::in_memory()?; // or Db::open("shop.gangline")?
//! db.put(PRODUCTS, 1, Product { name: "harness".into(), price: 4_900 })?;
//! db.put(PRODUCTS, 2, Product { name: "booties".into(), price: 900 })?;
//! let cheap = db.read(PRODUCTS, |product| product.price < 1_000, |product| product.name.clone())?;
//! assert_eq!(cheap, ["booties"]);
//! # Ok(()) }
//! ```
//!
//! # Where to start
//!
//! - [`Db`] and [`Options`]: open, read, write, close. [`Table`]: what a program says of a table.
//! - [`Db::bulk_load`] and its like: many rows at once. [`Migration`]: rows of an older version of their type.
//! - [`Transaction`]: several rows, all or nothing. [`Snapshot`]: one instant, for as long as wanted.
//! - [`CancelToken`] and [`TransactionOptions`]: deadlines, cancelling, labels.
//! - [`Db::stored_rows`]: rows without the types of the program that wrote them.
//! - [`Query`]: ranges, conditions, folds, groups, orders, streams, plans. [`Index`]: other keys for rows, and reads by them.
//!   [`Access`]: one service over all three.
//! - [`Db::subscribe`]: the commits of a table, as they happen and from where one has got to.
//! - [`Db::lock`]: names of the program, in the same order as the data. [`OwnedLockGuard`]: across threads and awaits. [`Pool`]: threads for its jobs.
//! - [`Db::backup`], [`Db::verify`], [`repair`]: copies, checks, and what to do when a disk has failed.
//! - [`Db::transact_async`], [`AsyncTransaction`], [`Db::stream`]: the same for tasks, on any executor.
//! - [`cookbook`]: tasks that programs have, each as a program that runs.
//! - With the feature `admin`: `Db::export` and `Db::import`, tables as JSON lines and CSV, and `Db::serve_status`. With the
//!   feature `cli`: the `gangline` command.
//! - [`lab`]: threads, pools, locks and asynchronous calls, each with a program that runs.
//! - [`architecture`] and [`design`]: how it works, and why so.
//!
//! # What it is not
//!
//! It is not a server, not a query language, and not for several processes at once: a store has one process. Rows are up to
//! 16 MiB ([`Options::max_row_bytes`]), keys up to [`MAX_KEY_BYTES`].
//!
//! # Isolation and durability
//!
//! Transactions are serializable, in the order of their commits, ranges and absent keys included. Reads outside
//! transactions see the state after one commit, and never wait for writers. With [`Durability::Immediate`] (the default)
//! a commit returns when it is on disk; with [`Durability::Eventual`] within 100 ms after, and what survives is always a
//! prefix of the commits. A reader may see a commit that is not on disk yet; [`Db::sync`] closes that gap.

#![deny(missing_docs, unnameable_types)]

mod error;
mod options;
mod sync;

mod codec;
mod context;
mod events;
pub mod lock;
mod meters;
mod storage;

mod table;

mod txn;

mod recovery;

mod query;

mod feed;

#[cfg(feature = "admin")]
mod admin;

mod access;
mod db;
mod pool;
mod status;
mod tasks;

#[cfg(feature = "torture")]
#[doc(hidden)]
pub mod torture;

pub use access::Access;
#[cfg(feature = "admin")]
pub use admin::{Export, Import, ImportReport, ImportedTable};
pub use codec::{First, Key, KeyVia, Prefix, StoredValue, TotalF64};
pub use db::{Db, Migration, Migrations};
pub use error::{Error, ErrorKind, Result};
pub use feed::{Bulk, BulkKind, Change, Event, Events, Lag, Old, Position, Subscribe, Subscription};
pub use lock::{CancelToken, LockGuard, LockManager, OwnedLockGuard};
pub use options::{Durability, MAX_KEY_BYTES, MAX_NAME_BYTES, Options};
pub use pool::{Pool, Task};
pub use query::{
    Grouped, IndexProgress, Indexed, Joined, MigrationProgress, Number, ParallelResults, Plan, Projected, Query,
    ReadLock, Results, StoredRows,
};
pub use recovery::{
    BackupReport, CompactReport, DamagedRange, FileDamage, RepairReport, RepairedTable, TableReport, VerifyReport,
    repair,
};
#[cfg(feature = "admin")]
pub use status::{LiveStatus, StatusSocket};
pub use status::{Status, TableInfo};
pub use table::{Emit, Index, IndexDef, Row, Shared, Table};
pub use tasks::{AsyncTransaction, Rows, repair_async};
pub use txn::{Footprint, Snapshot, Swap, Transaction, TransactionOptions};

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("lab.md")]
pub mod lab {}

#[doc = include_str!("../ARCHITECTURE.md")]
pub mod architecture {}

#[doc = include_str!("../DESIGN.md")]
pub mod design {}

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
