//! Rows whose time is over go.

use std::ops::Bound;
use std::time::SystemTime;

use super::Db;
use crate::codec::Key;
use crate::error::Result;
use crate::table::{Expiry, Row, Table};

/// Rows of one transaction.
const BATCH: usize = 1_000;

impl Db {
    /// Removes the rows of a table whose time is over, and gives their number: see [`Table::expires`]. They are not seen
    /// any more before that; this gives back their room. It works in transactions of a thousand rows, so that nobody
    /// waits for it for long; what it has done when it fails stays done.
    ///
    /// # Errors
    /// As [`read`](Db::read) and [`transact`](Db::transact).
    #[track_caller]
    pub fn remove_expired<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        let Some(expiry) = Expiry::of(table, SystemTime::now) else { return Ok(0) };
        let all = table.lasting();
        let (mut removed, mut after) = (0, None::<K>);
        loop {
            let low = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_ref()));
            let over = self.query(all).range((low, Bound::Unbounded)).select(move |row| expiry.is_over(row));
            let keys = over.limit(BATCH).keys()?;
            removed += self.transact(|tx| {
                let mut removed = 0;
                for key in &keys {
                    // It may have been written since it was found.
                    let still = tx.get_for_update(all, key.as_ref())?.is_some_and(|row| expiry.is_over(&row));
                    if still {
                        tx.remove(all, key.as_ref())?;
                        removed += 1;
                    }
                }
                Ok(removed)
            })?;
            if keys.len() < BATCH {
                return Ok(removed);
            }
            after = keys.into_iter().last();
        }
    }
}
