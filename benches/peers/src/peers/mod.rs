//! The stores, one a file, each in the form that a program would use that wants it to be fast.

pub(crate) mod btreemap;
pub(crate) mod fjall;
pub(crate) mod gangline;
pub(crate) mod lmdb;
pub(crate) mod redb;
#[cfg(feature = "rocksdb")]
pub(crate) mod rocksdb;
pub(crate) mod sled;
pub(crate) mod sqlite;
pub(crate) mod vec;
