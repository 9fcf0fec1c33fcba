//! `par_iter`: results for rayon, which splits them as it likes.
//!
//! Where it runs is decided when it is driven, by one rule: nobody who may hold a lock waits for a pool on which jobs may
//! run that want one. From a plain thread it runs on the database's own pool, where nothing runs but the parts of
//! queries, with their threads marked, so that a call of the database is an error there. On a rayon worker, moving to
//! another pool would make the worker run strangers' jobs while it waits, and splitting on its own pool does the same. So
//! it is split there only if the worker's thread holds nothing that a stranger's job could want: it stands in no closure
//! of the database, holds no name, and the query is not of a transaction. A closure behind it that itself waits for
//! rayon may make its worker run a stranger's job under its mark, which then finds the database closed to it: an error,
//! and not a hang.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::Location;

use rayon::iter::ParallelIterator;
use rayon::iter::plumbing::{Folder, UnindexedConsumer, UnindexedProducer, bridge_unindexed};

use super::condition::fits;
use super::driver::{is_worth_splitting, pool};
use super::projected::{Project, Projected};
use super::request::{Opened, Query};
use super::scan::{Part, Parts};
use super::source::Source;
use crate::codec::Key;
use crate::context::{self, Activity};
use crate::error::Result;
use crate::table::{Row, Shared};

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Keys and rows as a parallel iterator of rayon. Collecting it keeps the order of the query. What is read is fixed
    /// by this call, and held as [`iter`](Self::iter) says; parts of the table are read while they are asked for.
    ///
    /// It runs on the database's own threads, whatever pool the program has: on a rayon worker on that worker's pool if its
    /// thread holds no name and stands in no transaction, and else on that worker alone. The closures behind it count as
    /// closures of the query: calls of the database inside them are [`Nested`](crate::ErrorKind::Nested). A handle a row
    /// costs some nanoseconds; [`Projected::par_iter`] gives only what is wanted.
    ///
    /// ```
    /// use gangline::{Db, Table};
    /// use rayon::iter::ParallelIterator;
    ///
    /// const NUMBERS: Table<u32, u64> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..1_000).try_for_each(|n| tx.put(NUMBERS, n, u64::from(n))))?;
    /// let longest = db
    ///     .query(NUMBERS)
    ///     .par_iter()?
    ///     .map(|entry| entry.map(|(key, row)| (row.trailing_zeros(), key)))
    ///     .try_reduce(|| (0, 0), |a, b| Ok(a.max(b)))?;
    /// assert_eq!(longest, (64, 0));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`]; the items give what reading on gives, each part its own.
    pub fn par_iter(self) -> Result<ParallelResults<'a, V, (K, Shared<V>)>> {
        self.paired().par_iter()
    }
}

impl<'a, K: Key, V: Row, T: Send> Projected<'a, K, V, T> {
    /// The results as a parallel iterator of rayon: see [`Query::par_iter`]. With a limit or an offset they are found
    /// first.
    ///
    /// # Errors
    /// As [`Query::par_iter`].
    pub fn par_iter(self) -> Result<ParallelResults<'a, V, T>> {
        let locks = matches!(self.query.source, Source::Transaction(_));
        let site = self.query.site;
        if !self.query.window.is_all() {
            return Ok(ParallelResults(Work::Found(self.collect()?, site)));
        }
        let Projected { query, project } = self;
        let Some(opened) = query.open()? else { return Ok(ParallelResults(Work::Found(Vec::new(), site))) };
        let parts = opened.scan.parts()?;
        Ok(ParallelResults(Work::Scan { opened: Box::new(opened), parts, project, locks }))
    }
}

/// The results of a query for rayon. Made by [`Query::par_iter`].
#[must_use = "a parallel iterator does nothing until it is driven"]
pub struct ParallelResults<'a, V: 'static, T>(Work<'a, V, T>);

enum Work<'a, V: 'static, T> {
    Scan { opened: Box<Opened<'a, V>>, parts: Parts, project: Project<'a, V, T>, locks: bool },
    Found(Vec<T>, &'static Location<'static>),
}

impl<V, T> fmt::Debug for ParallelResults<'_, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelResults").finish_non_exhaustive()
    }
}

impl<V: Row, T: Send> ParallelIterator for ParallelResults<'_, V, T> {
    type Item = Result<T>;

    fn drive_unindexed<C: UnindexedConsumer<Result<T>>>(self, consumer: C) -> C::Result {
        match self.0 {
            Work::Found(results, site) => {
                let _scope = context::enter(Activity::Closure, site);
                let results = results.into_iter().map(Ok);
                consumer.into_folder().consume_iter(results).complete()
            }
            Work::Scan { opened, parts, project, locks } => {
                let producer = || Producer { opened: &opened, parts: &parts.list, project: &project };
                match pool(&opened.scan, &parts, &opened.drive) {
                    Some(pool) => pool.install(|| bridge_unindexed(producer(), consumer)),
                    None if is_worth_splitting(&parts, &opened.drive) && !locks && may_run_others() => {
                        bridge_unindexed(producer(), consumer)
                    }
                    None => producer().fold_with(consumer.into_folder()).complete(),
                }
            }
        }
    }
}

/// Whether this rayon worker may run other jobs of its pool while it waits.
fn may_run_others() -> bool {
    rayon::current_thread_index().is_some() && !context::in_activity() && !context::holds_names()
}

/// Some of the parts, on the way to be folded.
struct Producer<'p, 'a, V: 'static, T> {
    opened: &'p Opened<'a, V>,
    parts: &'p [Part],
    project: &'p Project<'a, V, T>,
}

impl<V: Row, T: Send> UnindexedProducer for Producer<'_, '_, V, T> {
    type Item = Result<T>;

    fn split(mut self) -> (Self, Option<Self>) {
        if self.parts.len() < 2 {
            return (self, None);
        }
        let (left, right) = self.parts.split_at(self.parts.len() / 2);
        self.parts = left;
        let right = Producer { opened: self.opened, parts: right, project: self.project };
        (self, Some(right))
    }

    fn fold_with<F: Folder<Result<T>>>(self, folder: F) -> F {
        let Producer { opened: Opened { scan, select, .. }, parts, project } = self;
        let _scope = context::enter(Activity::Closure, scan.site);
        // The folder is taken out and put back around each result; the empty place is never seen.
        let mut place = Some(folder);
        let mut give = |result: Result<T>| {
            place = place.take().map(|folder| folder.consume(result));
            if place.as_ref().is_none_or(F::full) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        for part in parts {
            let fed = scan.feed(part, |at, row| {
                if fits(select.as_ref(), row) { give(project(at, row)) } else { ControlFlow::Continue(()) }
            });
            match fed {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) => {
                    let _ = give(Err(error));
                    break;
                }
            }
        }
        place.expect("it is put back after each result")
    }
}
