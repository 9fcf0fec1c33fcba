//! What a transaction (many rows at once) can be asked.

use std::ops::RangeBounds;
use std::panic::Location;

use super::by_index::get_by;
use super::collect::read;
use super::ends;
use super::remove_range::remove_range_inside;
use super::request::Query;
use super::source::Source;
use super::update::update;
use crate::codec::{Key, KeyBuf, key_bounds};
use crate::error::Result;
use crate::table::{Index, Row, Shared, Table};
use crate::txn::Transaction;

impl Transaction {
    /// Reads a row by a unique index, and gives it with its key. The index key stays locked in shared mode, whether a row
    /// has it or not, and so does the row.
    ///
    /// # Errors
    /// As [`Db::get_by`](crate::Db::get_by) and [`Transaction::get`].
    #[track_caller]
    pub fn get_by<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &Index<I, V>,
        key: I::Ref<'_>,
    ) -> Result<Option<(K, Shared<V>)>> {
        get_by(Source::Transaction(self), table, index, key, Location::caller())
    }

    /// Reads the whole table in parallel, this transaction's own writes included. The table stays locked in shared
    /// mode.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    #[track_caller]
    pub fn read<K: Key, V: Row, T: Send>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        project: impl Fn(&V) -> T + Sync,
    ) -> Result<Vec<T>> {
        read(Source::Transaction(self), table, select, project, Location::caller())
    }

    /// A read of many rows with ranges, limits and folds, this transaction's own writes included. The segments that
    /// hold the range stay locked in shared mode.
    #[track_caller]
    pub fn query<K: Key, V: Row>(&self, table: Table<K, V>) -> Query<'_, K, V> {
        Query::new(Source::Transaction(self), table, Location::caller())
    }

    /// The number of rows, in constant time but for the rows that this transaction wrote; where rows
    /// [expire](Table::expires), they are counted one by one. Locks the table in shared mode: the number stays right until
    /// the end.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    #[track_caller]
    pub fn len<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        if table.until().is_some() { self.query(table).count() } else { self.row_count(table, Location::caller()) }
    }

    /// The first row in key order. Locks what it looked at.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    #[track_caller]
    pub fn first<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        ends::first(Source::Transaction(self), table, Location::caller())
    }

    /// The last row in key order. Locks what it looked at.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    #[track_caller]
    pub fn last<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        ends::last(Source::Transaction(self), table, Location::caller())
    }

    /// Changes every row for which `select` is true, and gives their number.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    #[track_caller]
    pub fn update<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        change: impl Fn(&mut V) + Sync,
    ) -> Result<u64> {
        update(self, table, select, change, Location::caller())
    }

    /// Removes all rows of a range of keys, this transaction's own included, and gives their number: all of them or, with an
    /// error, none. Nobody else reads or writes a row in the range, or puts one there, until the end: the segments that hold
    /// it are locked for this transaction alone.
    ///
    /// It looks at each key and keeps it until the commit, so all of them must fit
    /// [`max_transaction_bytes`](crate::Options::max_transaction_bytes); [`Db::remove_range`](crate::Db::remove_range) drops
    /// whole segments instead. Rows that have [expired](Table::expires) and are still stored count, as they do there.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const EVENTS: Table<u64, String> = Table::new("events");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.bulk_load(EVENTS, (0..100).map(|n| (n, format!("event {n}"))))?;
    /// db.transact(|tx| {
    ///     let removed = tx.remove_range(EVENTS, ..90)?;
    ///     tx.put(EVENTS, 0, format!("{removed} events were removed"))
    /// })?;
    /// assert_eq!(db.len(EVENTS)?, 11);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TransactionTooLarge`](crate::ErrorKind::TransactionTooLarge); else as [`Transaction::get`].
    #[track_caller]
    pub fn remove_range<'k, K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        range: impl RangeBounds<K::Ref<'k>>,
    ) -> Result<u64> {
        remove_range_inside(self, table, key_bounds::<K>(range), Location::caller())
    }

    /// Removes all rows of a table, and gives their number, as [`remove_range`](Self::remove_range) does with a range.
    ///
    /// # Errors
    /// As [`remove_range`](Self::remove_range).
    #[track_caller]
    pub fn clear<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        remove_range_inside(self, table, (KeyBuf::empty(), None), Location::caller())
    }
}
