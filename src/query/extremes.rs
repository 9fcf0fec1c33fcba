//! `min` and `max` of what is given of each row.

use super::projected::Projected;
use crate::codec::Key;
use crate::error::Result;
use crate::table::Row;

impl<K: Key, V: Row, T: Ord + Send> Projected<'_, K, V, T> {
    /// The least result; the first of several. None: no row fits. Floats have an order as [`TotalF64`](crate::TotalF64).
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const TRACKS: Table<u32, (String, u64)> = Table::new("tracks");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(TRACKS, 1, ("north".to_owned(), 120))?;
    /// db.put(TRACKS, 2, ("south".to_owned(), 80))?;
    /// assert_eq!(db.query(TRACKS).project(|track| track.1).min()?, Some(80));
    /// assert_eq!(db.query(TRACKS).project(|track| track.1).max()?, Some(120));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn min(self) -> Result<Option<T>> {
        self.reduce(|a, b| if b < a { b } else { a })
    }

    /// The greatest result; the first of several. None: no row fits.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn max(self) -> Result<Option<T>> {
        self.reduce(|a, b| if b > a { b } else { a })
    }
}
