//! Rows one after another for a task: a `Stream` of them.
//!
//! It is an iterator of a query that goes to a thread of the database and back. There it fills some pages' worth of
//! results, which are then given out where the task stands; meanwhile no thread is kept for it.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use futures_core::{FusedStream, Stream};

use crate::codec::Key;
use crate::context;
use crate::db::Db;
use crate::error::Result;
use crate::pool::Running;
use crate::query::{Query, Results, Source};
use crate::table::{Row, Table};
use crate::txn::Snapshot;

/// Results that are fetched at once: some 25 pages of small rows.
const FETCHED: usize = 1_000;

/// What begins the query, on a thread.
type Begin<V, T> = Box<dyn FnOnce() -> Result<Results<'static, V, T>> + Send>;

/// Some results, and the iterator that gives more, if there may be any.
type Fetched<V, T> = (Vec<Result<T>>, Option<Box<Results<'static, V, T>>>);

/// The results of a query, one after another, for a task. Made by [`Db::stream`] and [`Snapshot::stream`].
///
/// It reads a snapshot, which it holds until it is dropped or has ended. Some 1,000 results are read ahead at a time, on a
/// thread of the database. The first error ends it.
#[must_use = "a stream does nothing until it is asked"]
pub struct Rows<V: 'static, T> {
    snapshot: Snapshot,
    call: &'static str,
    site: &'static Location<'static>,
    state: State<V, T>,
    /// What was fetched and not given out yet.
    ready: vec::IntoIter<Result<T>>,
}

/// What it holds is not pinned.
impl<V, T> Unpin for Rows<V, T> {}

enum State<V: 'static, T> {
    Unbegun(Begin<V, T>),
    Waiting(Box<Results<'static, V, T>>),
    Fetching(Running<Fetched<V, T>>),
    Ended,
}

impl<V, T> fmt::Debug for Rows<V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = matches!(self.state, State::Ended);
        f.debug_struct("Rows").field("ended", &ended).field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

impl<V: Row, T: Send + 'static> Rows<V, T> {
    /// The next result; none at the end. For programs that have no extension trait of streams at hand.
    ///
    /// # Errors
    /// What reading gives.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<V: Row, T: Send + 'static> Stream for Rows<V, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = self.get_mut();
        loop {
            if let Some(result) = this.ready.next() {
                return Poll::Ready(Some(result));
            }
            let threads = this.snapshot.engine.blocking();
            this.state = match std::mem::replace(&mut this.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Unbegun(begin) => {
                    if let Err(error) = context::check_free(this.call, this.site) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    State::Fetching(threads.long(move || match begin() {
                        Ok(results) => fetch(Box::new(results)),
                        Err(error) => (vec![Err(error)], None),
                    }))
                }
                State::Waiting(results) => State::Fetching(threads.long(move || fetch(results))),
                State::Fetching(mut running) => match Pin::new(&mut running).poll(task) {
                    Poll::Pending => {
                        this.state = State::Fetching(running);
                        return Poll::Pending;
                    }
                    Poll::Ready((fetched, rest)) => {
                        this.ready = fetched.into_iter();
                        rest.map_or(State::Ended, State::Waiting)
                    }
                },
            };
        }
    }
}

impl<V: Row, T: Send + 'static> FusedStream for Rows<V, T> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Ended) && self.ready.len() == 0
    }
}

fn fetch<V: Row, T>(mut results: Box<Results<'static, V, T>>) -> Fetched<V, T> {
    let fetched: Vec<_> = results.by_ref().take(FETCHED).collect();
    let goes_on = fetched.len() == FETCHED && fetched.last().is_some_and(Result::is_ok);
    (fetched, goes_on.then_some(results))
}

impl Snapshot {
    /// The results of a query, one after another: `ask` says the query, up to [`iter`](Query::iter).
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NUMBERS: Table<u32, u32> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// # smol::block_on(async {
    /// let db = Db::in_memory()?;
    /// db.put_many_async(NUMBERS, (0..5_000).map(|n| (n, n * 2))).await?;
    /// let mut rows = db.snapshot().stream(NUMBERS, |query| query.range(10..).select(|n| n % 3 == 0).iter());
    /// let mut found = 0;
    /// while let Some(entry) = rows.next().await {
    ///     let (key, double) = entry?;
    ///     assert_eq!(key * 2, *double);
    ///     found += 1;
    /// }
    /// assert_eq!(found, 1_663);
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// Its items are what [`Query::iter`] gives.
    #[track_caller]
    pub fn stream<K: Key, V: Row, T, F>(&self, table: Table<K, V>, ask: F) -> Rows<V, T>
    where
        T: Send + 'static,
        F: FnOnce(Query<'static, K, V>) -> Result<Results<'static, V, T>> + Send + 'static,
    {
        rows(self.clone(), "Snapshot::stream", Location::caller(), table, ask)
    }
}

impl Db {
    /// The results of a query on the state of now, one after another: see [`Snapshot::stream`].
    #[track_caller]
    pub fn stream<K: Key, V: Row, T, F>(&self, table: Table<K, V>, ask: F) -> Rows<V, T>
    where
        T: Send + 'static,
        F: FnOnce(Query<'static, K, V>) -> Result<Results<'static, V, T>> + Send + 'static,
    {
        rows(self.snapshot(), "Db::stream", Location::caller(), table, ask)
    }
}

fn rows<K: Key, V: Row, T, F>(
    snapshot: Snapshot,
    call: &'static str,
    site: &'static Location<'static>,
    table: Table<K, V>,
    ask: F,
) -> Rows<V, T>
where
    F: FnOnce(Query<'static, K, V>) -> Result<Results<'static, V, T>> + Send + 'static,
{
    let of_query = snapshot.clone();
    let begin = Box::new(move || ask(Query::new(Source::KeptSnapshot(of_query), table, site)));
    Rows { snapshot, call, site, state: State::Unbegun(begin), ready: Vec::new().into_iter() }
}
