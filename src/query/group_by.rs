//! `group_by`: the same operators, once for each group.

use std::collections::BTreeMap;
use std::fmt;

use super::fold::{merging, stepping};
use super::request::Query;
use super::scan::RowAt;
use super::sum::{self, Counted, Number};
use crate::codec::Key;
use crate::error::Result;
use crate::table::{Row, Shared};

type Group<'a, V, G> = Box<dyn Fn(&V) -> G + Send + Sync + 'a>;

/// The rows of a query in groups. Made by [`Query::group_by`]. What it gives is in the order of the groups.
///
/// Each part of the table keeps its own groups until all are put together, so memory is for the groups and not for the
/// rows (but for [`rows`](Self::rows)).
#[must_use = "a query does nothing until it is collected, counted or folded"]
pub struct Grouped<'a, K, V: 'static, G> {
    query: Query<'a, K, V>,
    group: Group<'a, V, G>,
}

impl<K, V, G> fmt::Debug for Grouped<'_, K, V, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("query", &self.query).finish_non_exhaustive()
    }
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Puts the rows for which `group` is the same together.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use gangline::{Db, Table};
    ///
    /// const SALES: Table<u32, (String, i64)> = Table::new("sales");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// for (at, (state, cents)) in [("SP", 300), ("RJ", 50), ("SP", 100)].into_iter().enumerate() {
    ///     db.put(SALES, at as u32, (state.to_owned(), cents))?;
    /// }
    /// let by_state = || db.query(SALES).group_by(|sale| sale.0.clone());
    /// assert_eq!(by_state().count()?, BTreeMap::from([("RJ".into(), 1), ("SP".into(), 2)]));
    /// assert_eq!(by_state().sum(|sale| sale.1)?["SP"], 400);
    /// assert_eq!(by_state().max(|sale| sale.1)?["SP"], 300);
    /// # Ok(()) }
    /// ```
    pub fn group_by<'b, G: Ord + Send>(self, group: impl Fn(&V) -> G + Send + Sync + 'b) -> Grouped<'b, K, V, G>
    where
        'a: 'b,
    {
        Grouped { query: self, group: Box::new(group) }
    }
}

impl<K: Key, V: Row, G: Ord + Send> Grouped<'_, K, V, G> {
    /// Folds each group, as [`Query::fold`] folds all rows.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn fold<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(A, &V) -> A + Sync,
        merge: impl Fn(A, A) -> A + Sync,
    ) -> Result<BTreeMap<G, A>> {
        let folded = self.fold_in_place(|| Some(init()), stepping(step), merging(merge))?;
        Ok(folded.into_iter().filter_map(|(group, value)| Some((group, value?))).collect())
    }

    fn fold_in_place<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, RowAt<'_, V>, &V) + Sync,
        merge: impl Fn(&mut A, A),
    ) -> Result<BTreeMap<G, A>> {
        let Grouped { query, group } = self;
        let step = |groups: &mut BTreeMap<G, A>, at: RowAt<'_, V>, row: &V| {
            step(groups.entry(group(row)).or_insert_with(&init), at, row);
        };
        let merge = |groups: &mut BTreeMap<G, A>, next: BTreeMap<G, A>| {
            for (group, value) in next {
                merge(groups.entry(group).or_insert_with(&init), value);
            }
        };
        query.fold_in_place(BTreeMap::new, step, merge)
    }

    /// The number of rows of each group.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn count(self) -> Result<BTreeMap<G, u64>> {
        self.fold_in_place(|| 0, |count, _, _| *count += 1, |count, next| *count += next)
    }

    /// The rows of each group, in the order of the query.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn rows(self) -> Result<BTreeMap<G, Vec<Shared<V>>>> {
        self.fold_in_place(Vec::new, |rows, at, _| rows.push(at.shared()), |rows, mut next| rows.append(&mut next))
    }

    /// The sum of `number` over each group, as [`Projected::sum`](crate::Projected::sum) gives it for all rows.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn sum<T: Number>(self, number: impl Fn(&V) -> T + Sync) -> Result<BTreeMap<G, T::Sum>> {
        let totals = self.totals(number)?;
        Ok(totals.into_iter().map(|(group, (total, _))| (group, sum::sum::<T>(total))).collect())
    }

    /// The mean of `number` over each group.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn mean<T: Number>(self, number: impl Fn(&V) -> T + Sync) -> Result<BTreeMap<G, f64>> {
        let totals = self.totals(number)?;
        let mean = |(group, (total, count))| Some((group, sum::mean::<T>(total, count)?));
        Ok(totals.into_iter().filter_map(mean).collect())
    }

    fn totals<T: Number>(self, number: impl Fn(&V) -> T + Sync) -> Result<BTreeMap<G, Counted<T>>> {
        self.fold_in_place(Default::default, |total, _, row| sum::add::<T>(total, number(row)), sum::merge::<T>)
    }

    /// The least `of(row)` of each group.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn min<T: Ord + Send>(self, of: impl Fn(&V) -> T + Sync) -> Result<BTreeMap<G, T>> {
        self.best(of, |next, best| next < best)
    }

    /// The greatest `of(row)` of each group.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn max<T: Ord + Send>(self, of: impl Fn(&V) -> T + Sync) -> Result<BTreeMap<G, T>> {
        self.best(of, |next, best| next > best)
    }

    fn best<T: Send>(
        self,
        of: impl Fn(&V) -> T + Sync,
        better: impl Fn(&T, &T) -> bool + Sync,
    ) -> Result<BTreeMap<G, T>> {
        let keep = |best: &mut Option<T>, next: T| {
            if best.as_ref().is_none_or(|best| better(&next, best)) {
                *best = Some(next);
            }
        };
        let merge = |best: &mut Option<T>, next: Option<T>| next.into_iter().for_each(|next| keep(best, next));
        let best = self.fold_in_place(|| None, |best, _, row| keep(best, of(row)), merge)?;
        Ok(best.into_iter().filter_map(|(group, best)| Some((group, best?))).collect())
    }
}
