//! `top_k` and `sort_by`: rows in another order than that of the keys.

use super::request::Query;
use super::scan::RowAt;
use crate::codec::Key;
use crate::error::Result;
use crate::table::{Row, Shared};

impl<K: Key, V: Row> Query<'_, K, V> {
    /// The `k` rows with the greatest `score`, the greatest first; of equal ones those that come first in the order of the
    /// query. For the least ones the score is a [`Reverse`](std::cmp::Reverse). Each part of the table keeps at most
    /// twice `k` rows.
    ///
    /// ```
    /// use std::cmp::Reverse;
    /// use gangline::{Db, Table};
    ///
    /// const SCORES: Table<u32, i64> = Table::new("scores");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..100).try_for_each(|n| tx.put(SCORES, n, i64::from(n) * 7 % 100)))?;
    /// let best = db.query(SCORES).top_k(3, |score| *score)?;
    /// assert_eq!(best.iter().map(|row| **row).collect::<Vec<_>>(), [99, 98, 97]);
    /// let worst = db.query(SCORES).top_k(2, |score| Reverse(*score))?;
    /// assert_eq!(worst.iter().map(|row| **row).collect::<Vec<_>>(), [0, 1]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn top_k<T: Ord + Send>(self, k: usize, score: impl Fn(&V) -> T + Sync) -> Result<Vec<Shared<V>>> {
        let step = |top: &mut Top<T, V>, at: RowAt<'_, V>, row: &V| top.offer(score(row), || at.shared());
        let top = self.fold_in_place(|| Top::of(k), step, Top::merge)?;
        Ok(top.finish())
    }

    /// All rows, the least `by` first; of equal ones those that come first in the order of the query.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const WORDS: Table<u32, String> = Table::new("words");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// for (key, word) in ["wheel", "sled", "lead", "swing"].into_iter().enumerate() {
    ///     db.put(WORDS, key as u32, word.to_owned())?;
    /// }
    /// let by_length = db.query(WORDS).sort_by(|word| word.len())?;
    /// assert_eq!(by_length.iter().map(|word| word.as_str()).collect::<Vec<_>>(), ["sled", "lead", "wheel", "swing"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn sort_by<T: Ord + Send>(self, by: impl Fn(&V) -> T + Sync) -> Result<Vec<Shared<V>>> {
        let step = |rows: &mut Vec<(T, Shared<V>)>, at: RowAt<'_, V>, row: &V| rows.push((by(row), at.shared()));
        let mut rows = self.fold_in_place(Vec::new, step, |rows, mut next| rows.append(&mut next))?;
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// The best rows so far. Rows are added behind those that are in order, until there are twice as many as wanted: then
/// all are put in order and the worse half goes. Sorting keeps the order of equal ones, which is that of the query.
struct Top<T, V> {
    most: usize,
    rows: Vec<(T, Shared<V>)>,
    /// As many as wanted are in order, and a row must be better than the last of these.
    full: bool,
}

impl<T: Ord, V> Top<T, V> {
    fn of(most: usize) -> Self {
        Top { most, rows: Vec::new(), full: most == 0 }
    }

    #[inline]
    fn offer(&mut self, score: T, row: impl FnOnce() -> Shared<V>) {
        if self.full && self.rows.get(self.most.wrapping_sub(1)).is_none_or(|(last, _)| score <= *last) {
            return;
        }
        self.rows.push((score, row()));
        if self.rows.len() >= self.most.saturating_mul(2) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.rows.sort_by(|(a, _), (b, _)| b.cmp(a));
        self.rows.truncate(self.most);
        self.full = self.rows.len() == self.most;
    }

    fn merge(&mut self, mut next: Self) {
        self.settle();
        next.settle();
        self.rows.append(&mut next.rows);
        self.settle();
    }

    fn finish(mut self) -> Vec<Shared<V>> {
        self.settle();
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}
