//! Filling a table before what is looked at begins.

use gangline::{Db, Result, Row, Table};

/// Few enough for the smallest memory budget that is tried.
const ROWS_A_COMMIT: u64 = 500;

/// Puts a row under each key below `rows`, and makes a checkpoint.
pub(crate) fn fill<V: Row>(db: &Db, table: Table<u64, V>, rows: u64, row: impl Fn(u64) -> V) -> Result<()> {
    for first in (0..rows).step_by(ROWS_A_COMMIT as usize) {
        let keys = first..rows.min(first + ROWS_A_COMMIT);
        db.transact(|tx| keys.clone().try_for_each(|key| tx.put(table, key, row(key))))?;
    }
    db.checkpoint()
}
