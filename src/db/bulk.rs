//! Many rows at once.

use std::borrow::Borrow;
use std::ops::RangeBounds;
use std::panic::Location;

use super::Db;
use crate::codec::{Key, KeyBuf, key_bounds};
use crate::context;
use crate::error::Result;
use crate::query;
use crate::table::{Row, Table};
use crate::txn::{self, TransactionOptions};

impl Db {
    /// Adds many rows at once, and gives their number. The rows may come in any order; in that of their keys it is
    /// fastest. They are visible and durable all together when this returns, or not at all.
    ///
    /// They go straight into pages, without a lock, a journal record and a decoded copy for each, at a fraction of what
    /// puts cost. While they come, others use the table; then it is locked, what the table has between the first and the
    /// last new key is written anew with them, and so are its indexes. So load into an empty table or beyond its last
    /// key where you can, and use [`put_many`](Db::put_many) for few rows in a large table.
    ///
    /// Memory: an eighth of [`Options::cache_bytes`](crate::Options::cache_bytes) (at most 192 MiB) each for what is
    /// ready, for rows out of order, and for those that are merged; what is more goes to disk meanwhile. The rows count as
    /// the iterator's. It runs on the calling thread, and must not call the database.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const SQUARES: Table<u64, u64> = Table::new("squares");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// assert_eq!(db.bulk_load(SQUARES, (0..10_000).map(|n| (n, n * n)))?, 10_000);
    /// assert_eq!(db.get(SQUARES, 99)?.as_deref(), Some(&9_801));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) with the key when the table has a row under it, or two new rows have it, or a
    /// key of a unique index; a row that has [expired](Table::expires) is in the way until it is removed; [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) also when the table's indexes were
    /// changed meanwhile; [`LockTimeout`](crate::ErrorKind::LockTimeout); and as [`put`](Db::put). Nothing is loaded then.
    #[track_caller]
    pub fn bulk_load<K: Key, V: Row, R: Borrow<V>>(
        &self,
        table: Table<K, V>,
        rows: impl IntoIterator<Item = (K, R)>,
    ) -> Result<u64> {
        query::bulk_load(self.engine(), table, rows, Location::caller())
    }

    /// Writes many rows in one transaction, whether they are there or not, and gives their number. Of two rows with one
    /// key the later counts. All of them must fit
    /// [`max_transaction_bytes`](crate::Options::max_transaction_bytes).
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NAMES: Table<u32, String> = Table::new("names");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put_many(NAMES, [(2, "Bo".to_owned()), (1, "Ada".to_owned())])?;
    /// assert_eq!(db.len(NAMES)?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`put`](Db::put), and [`TransactionTooLarge`](crate::ErrorKind::TransactionTooLarge).
    #[track_caller]
    pub fn put_many<K: Key, V: Row>(&self, table: Table<K, V>, rows: impl IntoIterator<Item = (K, V)>) -> Result<u64> {
        let site = Location::caller();
        let rows: Vec<(K, V)> = rows.into_iter().collect();
        txn::run(self.engine(), "Db::put_many", site, &TransactionOptions::default(), |tx| {
            tx.put_many_at(table, rows.iter().cloned(), site)
        })
    }

    /// Removes all rows of a range of keys at once, and gives their number. Where whole segments (some 4,000 rows) lie in
    /// the range, their rows are not looked at; in a table with indexes each row is, to find its entries.
    ///
    /// The table is locked; readers outside transactions go on with what they began with.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const EVENTS: Table<u64, String> = Table::new("events");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.bulk_load(EVENTS, (0..1_000).map(|n| (n, format!("event {n}"))))?;
    /// assert_eq!(db.remove_range(EVENTS, ..900)?, 900);
    /// assert_eq!(db.first(EVENTS)?.map(|(key, _)| key), Some(900));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), and as [`transact`](Db::transact).
    #[track_caller]
    pub fn remove_range<'k, K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        range: impl RangeBounds<K::Ref<'k>>,
    ) -> Result<u64> {
        let site = Location::caller();
        query::remove_range(self.engine(), "Db::remove_range", table, key_bounds::<K>(range), site)
    }

    /// Removes all rows of a table at once, and gives their number. Looks at none of them.
    ///
    /// # Errors
    /// As [`remove_range`](Db::remove_range).
    #[track_caller]
    pub fn clear<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        let site = Location::caller();
        query::remove_range(self.engine(), "Db::clear", table, (KeyBuf::empty(), None), site)
    }

    /// Removes a table with its rows and indexes, by its name: it need not be known to the program. False when there is
    /// none. The next write to a table of this name makes a new one, of any types.
    ///
    /// Waits for transactions that use the table; readers that have begun outside transactions go on. The space is given
    /// back when the last of them is done.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const OLD: Table<u32, u32> = Table::new("numbers");
    /// const NEW: Table<String, u64> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(OLD, 1, 1)?;
    /// assert!(db.drop_table("numbers")?);
    /// db.put(NEW, "one", 1)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), and as [`transact`](Db::transact).
    #[track_caller]
    pub fn drop_table(&self, table: &str) -> Result<bool> {
        let (engine, site) = (self.engine(), Location::caller());
        context::check_free("Db::drop_table", site)?;
        engine.check_alive()?;
        let _alone = query::alone(engine)?;
        engine.drop_table(table, site)
    }
}
