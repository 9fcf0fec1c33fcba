//! Transactions: what they write, how they commit, how they start over, and the numbers that readers read at.
//!
//! A transaction locks what it reads and writes ([`crate::lock`]), buffers its writes ([`write_set`]) and applies them
//! all at once when it commits ([`commit`]):
//!
//! 1. The write set is encoded as one journal record, and room for it is reserved. This may fail; nothing has happened.
//! 2. Under the commit latch the transaction gets the next number, its record is appended to the journal's buffer and
//!    its rows are applied to pages in memory. This cannot fail.
//! 3. The locks are given back. Others may read what is not on disk yet.
//! 4. With [`Durability::Immediate`](crate::Durability) the caller waits for the sync that covers its record.
//!
//! So commit order, journal order and apply order are one order, and it is the serial order of the transactions: each
//! holds all its locks while it is given its number. Readers outside transactions register the last number under the
//! same latch and read at it for as long as they like ([`snapshot`]).

mod admission;
mod bulk;
mod commit;
mod ending;
mod engine;
mod entries;
mod footprint;
mod ids;
mod indexes;
mod locking;
mod many;
mod merge;
mod old_rows;
#[cfg(feature = "admin")]
mod raw_put;
mod raw_writer;
mod record;
mod run;
mod settings;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod sizes;
mod snapshot;
mod split;
mod swap;
mod tables;
mod transaction;
mod write_set;

pub(crate) use admission::Wake;
pub(crate) use bulk::BulkAct;
pub(crate) use ending::Applied;
pub(crate) use engine::Engine;
pub use footprint::Footprint;
#[cfg(feature = "admin")]
pub(crate) use ids::MARKS;
pub(crate) use old_rows::WantsOldRows;
pub(crate) use raw_writer::RawWriter;
pub(crate) use record::{BulkRecord, Record, RecordRow, read_record};
pub(crate) use run::{once, run};
pub use settings::TransactionOptions;
pub(crate) use sizes::{check_key_length, check_row_bytes, checked_key};
pub use snapshot::Snapshot;
pub use swap::Swap;
pub(crate) use tables::learn;
pub use transaction::Transaction;
pub(crate) use write_set::{OwnRows, WriteSet};
