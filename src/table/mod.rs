//! Tables: definition, directory, segments, pages, and the memory that they may take.
//!
//! A table is a list of segments, a segment a list of pages, a page some 40 rows; everything below [`definition`] and
//! [`typed`] sees bytes only. The three lists are versioned by commit number ([`versioned`], [`registry`]): a reader
//! that registered a number sees the table as of that commit for as long as it likes, whatever commits change
//! meanwhile. Commits edit pages in place ([`apply`]) unless a registered number needs what was there.
//!
//! The latches, in the order in which they are taken: commit latch (in `txn`), directory, slot of a page, page list of
//! a segment, clock of the cache, registry.

pub(crate) mod apply;
mod beside;
pub(crate) mod bulk;
mod cache;
pub(crate) mod catalog;
mod chunks;
pub(crate) mod declared;
mod definition;
pub(crate) mod directory;
pub(crate) mod entry;
mod expiry;
pub(crate) mod index_core;
pub(crate) mod join;
pub(crate) mod low_keys;
pub(crate) mod page;
pub(crate) mod pager;
mod put_off;
mod read_ahead;
pub(crate) mod registry;
pub(crate) mod row_keys;
pub(crate) mod rows;
pub(crate) mod sealed;
pub(crate) mod segment;
mod shared;
pub(crate) mod table_core;
pub(crate) mod typed;
mod versioned;

pub(crate) use definition::ProgramTypes;
pub use definition::{Emit, Index, IndexDef, Row, Table};
pub(crate) use expiry::{Expiry, if_alive};
pub(crate) use read_ahead::ReadAhead;
pub use shared::Shared;
