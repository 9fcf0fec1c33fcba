//! What a program asks for.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{ControlFlow, RangeBounds};
use std::panic::Location;
use std::time::Duration;

use super::by_index::{IndexRange, open_by};
use super::driver::{Drive, fold_parts};
use super::scan::{RowAt, Scan};
use super::source::Source;
use crate::codec::{Key, KeyBuf, Prefix, decode_key, key_bounds, prefix_bounds};
use crate::error::{Error, Result};
use crate::lock::CancelToken;
use crate::table::{Row, Shared, Table};

type Select<'a, V> = Box<dyn Fn(&V) -> bool + Sync + 'a>;

/// A read of many rows of one table, in the order of its keys.
///
/// ```
/// use gangline::{Db, Table};
///
/// const SQUARES: Table<u32, u64> = Table::new("squares");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// for n in 0..100u32 {
///     db.put(SQUARES, n, u64::from(n * n))?;
/// }
/// let even = db.query(SQUARES).range(10..20).select(|square| square % 2 == 0).count()?;
/// assert_eq!(even, 5);
/// let sum = db.query(SQUARES).fold(|| 0, |sum, square| sum + square, |a, b| a + b)?;
/// assert_eq!(sum, 328_350);
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing until it is collected, counted or folded"]
pub struct Query<'a, K, V: 'static> {
    source: Source<'a>,
    table: Table<K, V>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    select: Option<Select<'a, V>>,
    limit: Option<usize>,
    drive: Drive,
    by: Option<IndexRange>,
    site: &'static Location<'static>,
}

impl<K, V> fmt::Debug for Query<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("low", &self.low)
            .field("high", &self.high)
            .field("selects", &self.select.is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    pub(crate) fn new(source: Source<'a>, table: Table<K, V>, site: &'static Location<'static>) -> Self {
        Query {
            source,
            table,
            low: KeyBuf::empty(),
            high: None,
            select: None,
            limit: None,
            drive: Drive::default(),
            by: None,
            site,
        }
    }

    /// Only the keys of a range. Several ranges and prefixes narrow each other.
    pub fn range<'k>(self, range: impl RangeBounds<K::Ref<'k>>) -> Self {
        let (low, high) = key_bounds::<K>(range);
        self.narrow(low, high)
    }

    /// Only the keys that start with a prefix: leading parts of a tuple as [`First`](crate::First), or the beginning of
    /// a text.
    pub fn prefix(self, prefix: impl Prefix<K>) -> Self {
        let (low, high) = prefix_bounds::<K>(&prefix);
        self.narrow(low, high)
    }

    fn narrow(mut self, low: KeyBuf, high: Option<KeyBuf>) -> Self {
        self.low = self.low.max(low);
        self.high = match (self.high, high) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    pub(super) fn by_entries(mut self, range: IndexRange) -> Self {
        self.by = Some(range);
        self
    }

    /// Only the rows for which `select` is true. Several of them must all be true.
    pub fn select<'b>(self, select: impl Fn(&V) -> bool + Sync + 'b) -> Query<'b, K, V>
    where
        'a: 'b,
    {
        let select: Select<'b, V> = match self.select {
            None => Box::new(select),
            Some(first) => Box::new(move |row| first(row) && select(row)),
        };
        Query {
            source: self.source,
            table: self.table,
            low: self.low,
            high: self.high,
            select: Some(select),
            limit: self.limit,
            drive: self.drive,
            by: self.by,
            site: self.site,
        }
    }

    /// At most `rows` rows, the first in key order.
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = Some(self.limit.map_or(rows, |limit| limit.min(rows)));
        self
    }

    /// On the calling thread only.
    pub fn sequential(mut self) -> Self {
        self.drive.sequential = true;
        self
    }

    /// The most time that it may take, from when it is run; then it ends with
    /// [`Cancelled`](crate::ErrorKind::Cancelled). It is looked at before each page, which holds some 4 KiB of
    /// rows, and while the query waits for a lock; not inside the program's closures. The transaction that the query stands in may go on.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.drive.deadline = Some(time);
        self
    }

    /// Ends it with [`Cancelled`](crate::ErrorKind::Cancelled) when the token is cancelled: at once where it waits for a
    /// lock, else before the next page.
    ///
    /// ```
    /// use gangline::{CancelToken, Db, ErrorKind, Table};
    ///
    /// const SQUARES: Table<u32, u64> = Table::new("squares");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(SQUARES, 2, 4)?;
    /// let stop = CancelToken::new();
    /// assert_eq!(db.query(SQUARES).cancel(&stop).count()?, 1);
    /// stop.cancel();
    /// assert_eq!(db.query(SQUARES).cancel(&stop).count().unwrap_err().kind(), ErrorKind::Cancelled);
    /// # Ok(()) }
    /// ```
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.drive.cancel = Some(token.clone());
        self
    }

    /// Gives `project(row)` of each row.
    pub fn project<'b, T: Send>(self, project: impl Fn(&V) -> T + Sync + 'b) -> Projected<'b, K, V, T>
    where
        'a: 'b,
    {
        Projected { query: self, project: Box::new(move |_, row| Ok(project(row))) }
    }

    /// Gives `project(key, row)` of each row. Costs a decoded key a row.
    pub fn project_keyed<'b, T: Send>(self, project: impl Fn(K::Ref<'_>, &V) -> T + Sync + 'b) -> Projected<'b, K, V, T>
    where
        'a: 'b,
    {
        let name = self.table.name();
        let project = move |at: RowAt<'_, V>, row: &V| {
            let key = decode_stored_key::<K>(name, at.key())?;
            Ok(project(key.as_ref(), row))
        };
        Projected { query: self, project: Box::new(project) }
    }

    /// The rows themselves. Those of one page share it, so that they cost little until they are kept for long.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn rows(self) -> Result<Vec<Shared<V>>> {
        Projected { query: self, project: Box::new(|at: RowAt<'_, V>, _: &V| Ok(at.shared())) }.collect()
    }

    /// The keys.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn keys(self) -> Result<Vec<K>> {
        let name = self.table.name();
        let project = move |at: RowAt<'_, V>, _: &V| decode_stored_key::<K>(name, at.key());
        Projected { query: self, project: Box::new(project) }.collect()
    }

    /// Keys and rows.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn entries(self) -> Result<Vec<(K, Shared<V>)>> {
        let name = self.table.name();
        let project = move |at: RowAt<'_, V>, _: &V| Ok((decode_stored_key::<K>(name, at.key())?, at.shared()));
        Projected { query: self, project: Box::new(project) }.collect()
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn count(self) -> Result<u64> {
        if let Some(limit) = self.limit {
            return self.project(|_| ()).collect().map(|rows| rows.len().min(limit) as u64);
        }
        self.fold(|| 0u64, |count, _| count + 1, |a, b| a + b)
    }

    /// Folds the rows: each part of the table from `init()` on by `step`, then the parts by `merge`, in key order. The
    /// parts are an implementation detail, so `merge(a, init())` must be `a`.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn fold<A: Send>(
        self,
        init: impl Fn() -> A + Sync,
        step: impl Fn(A, &V) -> A + Sync,
        merge: impl Fn(A, A) -> A + Sync,
    ) -> Result<A> {
        if self.limit.is_some() {
            let rows = self.rows()?;
            return Ok(rows.iter().fold(init(), |value, row| step(value, row)));
        }
        let Some((scan, select, _, drive)) = self.open()? else { return Ok(init()) };
        // The value is taken out and put back around each step; the empty place is never seen.
        let step = |value: &mut Option<A>, _: RowAt<'_, V>, row: &V| {
            if select.as_ref().is_none_or(|select| select(row)) {
                *value = value.take().map(|value| step(value, row));
            }
            ControlFlow::Continue(())
        };
        let values = fold_parts(&scan, &drive, || Some(init()), step, None)?;
        Ok(values.into_iter().flatten().reduce(merge).unwrap_or_else(init))
    }

    /// Whether a row fits.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn any(self) -> Result<bool> {
        self.limit(1).project(|_| ()).collect().map(|found| !found.is_empty())
    }

    #[expect(clippy::type_complexity, reason = "the parts of a query, taken apart once")]
    fn open(self) -> Result<Option<(Scan<'a, V>, Option<Select<'a, V>>, Option<usize>, Drive)>> {
        let limits = self.drive.limit(self.site).into_iter().collect();
        let scan = match self.by {
            None => self.source.open(self.table, self.low, self.high, self.site, limits)?,
            Some(by) => open_by(self.source, self.table, by, (self.low, self.high), self.site, limits)?,
        };
        Ok(scan.map(|scan| (scan, self.select, self.limit, self.drive)))
    }
}

pub(crate) fn decode_stored_key<K: Key>(table: &str, bytes: &[u8]) -> Result<K> {
    decode_key::<K>(bytes).ok_or_else(|| {
        Error::corrupted(format!("a key of table {table:?} does not decode: {}", crate::table::typed::hex(bytes)))
    })
}

type Project<'a, V, T> = Box<dyn Fn(RowAt<'_, V>, &V) -> Result<T> + Sync + 'a>;

/// A query that says what to give of each row.
#[must_use = "a query does nothing until it is collected"]
pub struct Projected<'a, K, V: 'static, T> {
    query: Query<'a, K, V>,
    project: Project<'a, V, T>,
}

impl<K, V, T> fmt::Debug for Projected<'_, K, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projected").field("query", &self.query).field("types", &PhantomData::<T>).finish()
    }
}

impl<K: Key, V: Row, T: Send> Projected<'_, K, V, T> {
    /// At most `rows` results, the first in key order.
    pub fn limit(mut self, rows: usize) -> Self {
        self.query = self.query.limit(rows);
        self
    }

    /// On the calling thread only.
    pub fn sequential(mut self) -> Self {
        self.query = self.query.sequential();
        self
    }

    /// As [`Query::deadline`].
    pub fn deadline(mut self, time: Duration) -> Self {
        self.query = self.query.deadline(time);
        self
    }

    /// As [`Query::cancel`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.query = self.query.cancel(token);
        self
    }

    /// Runs the query. The results are in key order.
    ///
    /// # Errors
    /// [`Nested`](crate::ErrorKind::Nested) inside a closure of the database,
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch), [`Corrupted`](crate::ErrorKind::Corrupted) with table and
    /// place, [`Cancelled`](crate::ErrorKind::Cancelled) by a deadline or a token; inside a transaction also what its
    /// locks give.
    pub fn collect(self) -> Result<Vec<T>> {
        let Projected { query, project } = self;
        let Some((scan, select, limit, drive)) = query.open()? else { return Ok(Vec::new()) };
        collect(&scan, &drive, limit, move |row| select.as_ref().is_none_or(|select| select(row)), project)
    }
}

/// Selects and projects, with closures that are known to the compiler: what `read` uses.
pub(crate) fn collect<V: Row, T: Send>(
    scan: &Scan<'_, V>,
    drive: &Drive,
    limit: Option<usize>,
    select: impl Fn(&V) -> bool + Sync,
    project: impl Fn(RowAt<'_, V>, &V) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let most = limit.unwrap_or(usize::MAX);
    let step = |found: &mut Result<Vec<T>>, at: RowAt<'_, V>, row: &V| {
        if !select(row) {
            return ControlFlow::Continue(());
        }
        let Ok(rows) = found else { return ControlFlow::Break(()) };
        if rows.len() >= most {
            return ControlFlow::Break(());
        }
        match project(at, row) {
            Ok(value) => rows.push(value),
            Err(error) => *found = Err(error),
        }
        ControlFlow::Continue(())
    };
    let init = || Ok(Vec::new());
    let enough = |parts: &[Result<Vec<T>>]| {
        parts.iter().map(|part| part.as_ref().map_or(most, Vec::len)).fold(0, usize::saturating_add) >= most
    };
    let parts = fold_parts(scan, drive, init, step, limit.is_some().then_some(&enough as _))?;
    let mut all = Vec::new();
    for part in parts {
        scan.check()?;
        let mut part = part?;
        if all.is_empty() {
            all = part;
        } else {
            all.append(&mut part);
        }
    }
    all.truncate(most);
    Ok(all)
}

/// `read(table, select, project)`: the whole table.
pub(crate) fn read<K: Key, V: Row, T: Send>(
    source: Source<'_>,
    table: Table<K, V>,
    select: impl Fn(&V) -> bool + Sync,
    project: impl Fn(&V) -> T + Sync,
    site: &'static Location<'static>,
) -> Result<Vec<T>> {
    let Some(scan) = source.open(table, KeyBuf::empty(), None, site, Vec::new())? else { return Ok(Vec::new()) };
    collect(&scan, &Drive::default(), None, select, |_, row| Ok(project(row)))
}
