//! `fold` and `reduce`: one value out of all rows, in parallel. Most other operators are folds.

use std::ops::ControlFlow;

use super::condition::fits;
use super::driver::fold_parts;
use super::projected::Projected;
use super::request::Query;
use super::scan::RowAt;
use crate::codec::{Key, KeyBuf};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::table::{Row, Shared};

/// A step that takes its value and gives it back, as one in place: the value is taken out and put back around each call,
/// and the empty place is never seen.
pub(super) fn stepping<A, V>(step: impl Fn(A, &V) -> A + Sync) -> impl Fn(&mut Option<A>, RowAt<'_, V>, &V) + Sync {
    move |place, _, row| *place = place.take().map(|value| step(value, row))
}

/// The same for a merge.
pub(super) fn merging<A>(merge: impl Fn(A, A) -> A) -> impl Fn(&mut Option<A>, Option<A>) {
    move |place, next| *place = place.take().zip(next).map(|(value, next)| merge(value, next))
}

impl<K: Key, V: Row> Query<'_, K, V> {
    /// Folds the rows: each part of the table from `init()` on by `step`, then the parts by `merge`, in the order of the
    /// query. The parts are an implementation detail, so `merge(a, init())` must be `a`. With a limit or an offset the
    /// rows are found first, and folded as one part.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn fold<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(A, &V) -> A + Sync,
        merge: impl Fn(A, A) -> A + Sync,
    ) -> Result<A> {
        let folded = self.fold_in_place(|| Some(init()), stepping(step), merging(merge))?;
        Ok(folded.unwrap_or_else(init))
    }

    /// As [`fold`](Self::fold), for steps that change their value in place and may want a handle of the row.
    pub(super) fn fold_in_place<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, RowAt<'_, V>, &V) + Sync,
        merge: impl Fn(&mut A, A),
    ) -> Result<A> {
        let site = self.site;
        if !self.window.is_all() {
            let keep = |at: RowAt<'_, V>, _: &V| Ok((KeyBuf::from(at.key()), at.shared()));
            let kept: Vec<(KeyBuf, Shared<V>)> = Projected { query: self, project: Box::new(keep) }.collect()?;
            let _scope = context::enter(Activity::Closure, site);
            let mut value = init();
            kept.iter().for_each(|(key, row)| step(&mut value, RowAt::Kept(key, row), row));
            return Ok(value);
        }
        let values = match self.open()? {
            None => Vec::new(),
            Some(opened) => {
                let select = opened.select.as_ref();
                let step = |value: &mut A, at: RowAt<'_, V>, row: &V| {
                    if fits(select, row) {
                        step(value, at, row);
                    }
                    ControlFlow::Continue(())
                };
                fold_parts(&opened.scan, &opened.scan.parts()?, &opened.drive, &init, step, None)?
            }
        };
        let _scope = context::enter(Activity::Closure, site);
        let mut values = values.into_iter();
        let mut folded = values.next().unwrap_or_else(init);
        values.for_each(|value| merge(&mut folded, value));
        Ok(folded)
    }
}

impl<K: Key, V: Row, T: Send> Projected<'_, K, V, T> {
    /// Puts all results together by `merge`, two at a time, neighbours first. None: no row fits.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const WORDS: Table<u32, String> = Table::new("words");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(WORDS, 1, "gang".to_owned())?;
    /// db.put(WORDS, 2, "line".to_owned())?;
    /// let all = db.query(WORDS).project(|word| word.clone()).reduce(|a, b| a + &b)?;
    /// assert_eq!(all.as_deref(), Some("gangline"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn reduce(self, merge: impl Fn(T, T) -> T + Sync) -> Result<Option<T>> {
        let join = |place: &mut Option<T>, next: T| {
            *place = Some(match place.take() {
                None => next,
                Some(value) => merge(value, next),
            });
        };
        self.fold_results(
            || None,
            join,
            |place, next| {
                if let Some(next) = next {
                    join(place, next);
                }
            },
        )
    }

    /// Folds the results.
    pub(super) fn fold_results<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, T) + Sync,
        merge: impl Fn(&mut A, A),
    ) -> Result<A> {
        let Projected { query, project } = self;
        let step = |value: &mut Result<A>, at: RowAt<'_, V>, row: &V| {
            let Ok(folded) = value else { return };
            match project(at, row) {
                Ok(result) => step(folded, result),
                Err(error) => *value = Err(error),
            }
        };
        let merge = |value: &mut Result<A>, next: Result<A>| match (&mut *value, next) {
            (Ok(folded), Ok(next)) => merge(folded, next),
            (Ok(_), Err(error)) => *value = Err(error),
            (Err(_), _) => {}
        };
        query.fold_in_place(|| Ok(init()), step, merge)?
    }
}
