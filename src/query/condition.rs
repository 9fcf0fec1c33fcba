//! `select` and `or`: which rows fit.

use super::request::Query;
use crate::codec::Key;
use crate::table::Row;

pub(super) type Select<'a, V> = Box<dyn Fn(&V) -> bool + Send + Sync + 'a>;

/// Whether a row fits.
#[inline]
pub(super) fn fits<V>(select: Option<&Select<'_, V>>, row: &V) -> bool {
    select.is_none_or(|select| select(row))
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Only the rows for which `select` is true. Several of them must all be true.
    pub fn select<'b>(self, select: impl Fn(&V) -> bool + Send + Sync + 'b) -> Query<'b, K, V>
    where
        'a: 'b,
    {
        let mut query: Query<'b, K, V> = self;
        query.select = Some(match query.select.take() {
            None => Box::new(select),
            Some(first) => Box::new(move |row| first(row) && select(row)),
        });
        query
    }

    /// Also the rows for which `other` is true, though not all that was selected so far is. What is selected after it
    /// must be true of both. It does not reach beyond the key range; without a `select` before it, it is one.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NUMBERS: Table<u32, u32> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..20).try_for_each(|n| tx.put(NUMBERS, n, n)))?;
    /// let some = db.query(NUMBERS).select(|n| n % 5 == 0).or(|n| n % 7 == 0).select(|n| *n > 0);
    /// assert_eq!(some.keys()?, [5, 7, 10, 14, 15]);
    /// # Ok(()) }
    /// ```
    pub fn or<'b>(self, other: impl Fn(&V) -> bool + Send + Sync + 'b) -> Query<'b, K, V>
    where
        'a: 'b,
    {
        let mut query: Query<'b, K, V> = self;
        query.select = Some(match query.select.take() {
            None => Box::new(other),
            Some(first) => Box::new(move |row| first(row) || other(row)),
        });
        query
    }
}
