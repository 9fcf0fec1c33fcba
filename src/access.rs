//! One trait for the three things that can be read, so that a service is written once.

use std::panic::Location;

use crate::codec::Key;
use crate::db::Db;
use crate::error::Result;
use crate::query::{self, Query, Source};
use crate::table::{Index, Row, Shared, Table};
use crate::txn::{Snapshot, Transaction};

mod sealed {
    #[expect(unnameable_types, reason = "only this crate may implement what needs it")]
    pub trait Sealed {}

    impl Sealed for crate::Db {}
    impl Sealed for crate::Snapshot {}
    impl Sealed for crate::Transaction {}
}

/// What can be read: a [`Db`], a [`Snapshot`] or a [`Transaction`].
///
/// ```
/// use gangline::{Access, Db, Result, Table};
///
/// const SALES: Table<u32, u64> = Table::new("sales");
///
/// fn revenue(data: &impl Access) -> Result<u64> {
///     data.query(SALES).fold(|| 0, |sum, sale| sum + sale, |a, b| a + b)
/// }
///
/// # fn main() -> Result<()> {
/// let db = Db::in_memory()?;
/// db.put(SALES, 1, 30)?;
/// assert_eq!(revenue(&db)?, 30);
/// assert_eq!(revenue(&db.snapshot())?, 30);
/// assert_eq!(db.transact(|tx| revenue(tx))?, 30);
/// # Ok(()) }
/// ```
pub trait Access: sealed::Sealed {
    /// Reads a row.
    ///
    /// # Errors
    /// As [`Db::get`], and [`Transaction::get`] inside a transaction.
    #[track_caller]
    fn get<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>>;

    /// Reads a row by a unique index, and gives it with its key.
    ///
    /// # Errors
    /// As [`Db::get_by`], and [`Transaction::get_by`] inside a transaction.
    #[track_caller]
    fn get_by<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &Index<I, V>,
        key: I::Ref<'_>,
    ) -> Result<Option<(K, Shared<V>)>>;

    /// Reads the whole table in parallel: `project` of every row for which `select` is true, in key order.
    ///
    /// # Errors
    /// As [`Db::read`].
    #[track_caller]
    fn read<K: Key, V: Row, T: Send>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        project: impl Fn(&V) -> T + Sync,
    ) -> Result<Vec<T>>;

    /// A read of many rows with ranges, limits and folds.
    #[track_caller]
    fn query<K: Key, V: Row>(&self, table: Table<K, V>) -> Query<'_, K, V>;
}

macro_rules! access {
    ($type:ty, $this:ident => $source:expr) => {
        impl Access for $type {
            #[track_caller]
            fn get<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
                <$type>::get(self, table, key)
            }

            #[track_caller]
            fn get_by<K: Key, V: Row, I: Key>(
                &self,
                table: Table<K, V>,
                index: &Index<I, V>,
                key: I::Ref<'_>,
            ) -> Result<Option<(K, Shared<V>)>> {
                let $this = self;
                query::get_by($source, table, index, key, Location::caller())
            }

            #[track_caller]
            fn read<K: Key, V: Row, T: Send>(
                &self,
                table: Table<K, V>,
                select: impl Fn(&V) -> bool + Sync,
                project: impl Fn(&V) -> T + Sync,
            ) -> Result<Vec<T>> {
                let $this = self;
                query::read($source, table, select, project, Location::caller())
            }

            #[track_caller]
            fn query<K: Key, V: Row>(&self, table: Table<K, V>) -> Query<'_, K, V> {
                let $this = self;
                Query::new($source, table, Location::caller())
            }
        }
    };
}

access!(Db, this => Source::Db(this.engine()));
access!(Snapshot, this => Source::Snapshot(this));
access!(Transaction, this => Source::Transaction(this));
