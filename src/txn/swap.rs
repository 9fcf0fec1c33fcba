//! `compare_and_swap`: a change that is made only where a row is what it is thought to be.

use std::panic::Location;

use super::sizes::checked_key;
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::lock::Mode;
use crate::table::{Row, Shared, Table};
use crate::txn::Transaction;

/// How a [`compare_and_swap`](crate::Db::compare_and_swap) came out: done, or what stands there in place of what was
/// expected.
pub type Swap<V> = std::result::Result<(), Option<Shared<V>>>;

impl Transaction {
    /// Writes `new` (none: removes the row) if the row is as `expected` (none: not there); else gives what is there. The
    /// key stays locked either way.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const LEADERS: Table<String, u64> = Table::new("leaders");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// assert!(db.compare_and_swap(LEADERS, "north", None, Some(7))?.is_ok());
    /// let there = db.compare_and_swap(LEADERS, "north", None, Some(8))?.unwrap_err();
    /// assert_eq!(there.as_deref(), Some(&7));
    /// assert!(db.compare_and_swap(LEADERS, "north", Some(&7), None)?.is_ok());
    /// assert!(db.get(LEADERS, "north")?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn compare_and_swap<K: Key, V: Row + PartialEq>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        expected: Option<&V>,
        new: Option<V>,
    ) -> Result<Swap<V>> {
        let new = new.map(Shared::from);
        self.swap_at(table, &checked_key::<K, V>(table, key)?, expected, new, Location::caller())
    }

    pub(crate) fn swap_at<K: Key, V: Row + PartialEq>(
        &self,
        table: Table<K, V>,
        key: &KeyBuf,
        expected: Option<&V>,
        new: Option<Shared<V>>,
        site: &'static Location<'static>,
    ) -> Result<Swap<V>> {
        let there = self.get_at(table, key, Mode::X, site)?;
        if there.as_deref() != expected {
            return Ok(Err(there));
        }
        match new {
            Some(row) => self.put_at(table, key.clone(), row, site)?,
            None => drop(self.remove_at(table, key.clone(), site)?),
        }
        Ok(Ok(()))
    }
}
