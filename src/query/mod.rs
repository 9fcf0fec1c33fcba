//! Reading many rows: what a program asks for, and how it is done in parallel.
//!
//! A [`Query`] names a table, a key range, a predicate and what to do with the rows that fit. Running it takes three
//! steps:
//!
//! 1. **Where from** ([`source`]). A `Db` registers the last commit number, a `Snapshot` has one, a `Transaction` locks
//!    the range in shared mode and holds it. From here on no lock is wanted: the rows as of that number cannot change.
//! 2. **Parts** ([`scan`]). The range is cut into runs of pages. A part is independent of all others.
//! 3. **Driving** ([`driver`]). The parts are folded on the database's own rayon pool, each into a value of its own,
//!    and the values are put together in key order. Small ranges are folded where the caller stands, and so is
//!    everything when the caller is itself a rayon worker: one that waited for another pool would run strangers' jobs.
//!
//! The operators are a file each: [`condition`] and [`window`] say which rows, [`projected`] and [`group_by`] what of
//! them, and the others what becomes of it. Most are a [`fold`]; [`collect`] keeps order and stops early; [`stream`] and
//! [`par_iter`] hand the rows out while they are read.
//!
//! With an index ([`by_index`]) the parts are cut from its entries, and each entry leads to its row ([`behind`]).
//!
//! Closures of the program run on the pool's threads, with the thread marked, so that a call of the database from
//! inside one is an error at once and not a hang. A panic in a closure reaches the caller.

mod behind;
mod build;
mod by_index;
mod collect;
mod condition;
mod count;
mod driver;
mod ends;
mod explain;
mod extremes;
mod find;
mod fold;
mod group_by;
mod indexed;
mod join;
mod load;
mod migrate;
mod on_snapshot;
mod on_transaction;
mod par_iter;
mod projected;
mod raw_load;
mod remove_range;
mod request;
mod scan;
mod source;
mod stored;
mod stream;
mod sum;
mod top;
mod update;
mod window;

pub use build::IndexProgress;
pub(crate) use build::{alone, build_indexes};
pub(crate) use by_index::get_by;
pub(crate) use collect::read;
pub(crate) use ends::{first, last};
pub use explain::{Plan, ReadLock};
pub use group_by::Grouped;
pub use indexed::Indexed;
pub use join::Joined;
pub(crate) use load::bulk_load;
pub use migrate::MigrationProgress;
pub(crate) use migrate::{Closure, Convert, Migrate, add_migration, migrate};
pub use par_iter::ParallelResults;
pub use projected::Projected;
#[cfg(feature = "admin")]
pub(crate) use raw_load::RawLoad;
pub(crate) use remove_range::{remove_range, remove_range_inside};
pub use request::Query;
pub(crate) use request::decode_stored_key;
pub(crate) use source::Source;
pub use stored::StoredRows;
pub use stream::Results;
pub use sum::Number;
pub(crate) use update::update;
