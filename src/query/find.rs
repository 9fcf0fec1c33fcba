//! `any`, `all`, `first` and `find`: questions that one row can answer.

use super::request::Query;
use crate::codec::Key;
use crate::error::Result;
use crate::table::{Row, Shared};

impl<K: Key, V: Row> Query<'_, K, V> {
    /// Whether a row fits. The rest of the table is not looked at once one is found.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn any(self) -> Result<bool> {
        Ok(self.limit(1).count()? > 0)
    }

    /// Whether `holds` is true of every row that fits; so also when none fits. The rest of the table is not looked at once
    /// a row is found of which it is not.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const STOCK: Table<u32, i64> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(STOCK, 1, 3)?;
    /// db.put(STOCK, 2, 0)?;
    /// assert!(db.query(STOCK).all(|pieces| *pieces >= 0)?);
    /// assert!(db.query(STOCK).range(2..).select(|pieces| *pieces == 0).any()?);
    /// assert_eq!(db.query(STOCK).find(|pieces| *pieces < 3)?.map(|(key, _)| key), Some(2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn all(self, holds: impl Fn(&V) -> bool + Send + Sync) -> Result<bool> {
        if self.window.is_all() {
            return Ok(!self.select(|row| !holds(row)).any()?);
        }
        // The rows that are given are a matter of those that fit; `holds` is asked of these alone.
        self.project(holds).reduce(|a, b| a && b).map(|all| all.unwrap_or(true))
    }

    /// The first row in the order of the query, with its key.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn first(self) -> Result<Option<(K, Shared<V>)>> {
        Ok(self.limit(1).entries()?.pop())
    }

    /// The first row, in the order of the query, for which `wanted` is true, with its key.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn find(self, wanted: impl Fn(&V) -> bool + Send + Sync) -> Result<Option<(K, Shared<V>)>> {
        if self.window.is_all() {
            return self.select(wanted).first();
        }
        self.iter()?.find(|entry| entry.as_ref().map_or(true, |(_, row)| wanted(row))).transpose()
    }
}
