//! Ids for new rows.

use std::panic::Location;

use super::Db;
use crate::codec::Key;
use crate::context;
use crate::error::Result;
use crate::table::{Row, Table};

impl Db {
    /// An id for a new row of a table, which no other call was or will be given, whatever happens to the row, the
    /// transaction or the process. Inside a transaction it is [`Transaction::next_id`](crate::Transaction::next_id).
    ///
    /// Ids grow from 1 on. They are noted on disk by blocks of 16 up to 1,024 before they go out, so some are skipped when the
    /// database is opened again: at most as many as were given out before, and 15. A restored backup goes on where the
    /// backup was made.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const ORDERS: Table<u64, String> = Table::new("orders");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// let (a, b) = (db.next_id(ORDERS)?, db.next_id(ORDERS)?);
    /// assert_eq!((a, b), (1, 2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Nested`](crate::ErrorKind::Nested) inside a closure of the database; else as a commit.
    #[track_caller]
    pub fn next_id<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        let site = Location::caller();
        context::check_free("Db::next_id", site)?;
        self.engine().next_id(table.name(), site)
    }

    /// Gives no id up to `up_to` for a table any more: for rows that were put with ids of their own, an import say.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const ORDERS: Table<u64, String> = Table::new("orders");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(ORDERS, 4_711, "imported".to_owned())?;
    /// db.skip_ids(ORDERS, 4_711)?;
    /// assert_eq!(db.next_id(ORDERS)?, 4_712);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`next_id`](Self::next_id).
    #[track_caller]
    pub fn skip_ids<K: Key, V: Row>(&self, table: Table<K, V>, up_to: u64) -> Result<()> {
        let site = Location::caller();
        context::check_free("Db::skip_ids", site)?;
        self.engine().skip_ids(table.name(), up_to, site)
    }
}
