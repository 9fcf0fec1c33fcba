//! What a program asks for: the query before anything is done with it.

use std::fmt;
use std::ops::RangeBounds;
use std::panic::Location;
use std::time::Duration;

use super::by_index::{IndexRange, open_by};
use super::condition::Select;
use super::driver::Drive;
use super::scan::Scan;
use super::source::Source;
use super::window::Window;
use crate::codec::{Key, KeyBuf, Prefix, decode_key, key_bounds, narrow, prefix_bounds};
use crate::error::{Error, Result};
use crate::lock::CancelToken;
use crate::table::{Row, Table};

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
    pub(super) source: Source<'a>,
    pub(super) table: Table<K, V>,
    pub(super) low: KeyBuf,
    pub(super) high: Option<KeyBuf>,
    pub(super) select: Option<Select<'a, V>>,
    pub(super) window: Window,
    pub(super) reverse: bool,
    pub(super) drive: Drive,
    /// By which index, if not by the keys.
    pub(super) by: Option<IndexRange>,
    /// Fixes another table as of the number that the query reads at.
    pub(super) joined: Option<Fix<'a>>,
    pub(super) site: &'static Location<'static>,
}

/// What is to be fixed together with a query.
pub(super) type Fix<'a> = Box<dyn FnOnce(u64) -> Result<()> + 'a>;

/// A query that has begun: what it reads is fixed.
pub(super) struct Opened<'a, V: 'static> {
    pub(super) scan: Scan<V>,
    pub(super) select: Option<Select<'a, V>>,
    pub(super) window: Window,
    pub(super) drive: Drive,
}

impl<K, V> fmt::Debug for Query<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("low", &self.low)
            .field("high", &self.high)
            .field("selects", &self.select.is_some())
            .field("window", &self.window)
            .field("reverse", &self.reverse)
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
            window: Window::default(),
            reverse: false,
            drive: Drive::default(),
            by: None,
            joined: None,
            site,
        }
    }

    /// Only the keys of a range. Several ranges and prefixes narrow each other.
    pub fn range<'k>(self, range: impl RangeBounds<K::Ref<'k>>) -> Self {
        self.narrow(key_bounds::<K>(range))
    }

    /// Only the keys that start with a prefix: leading parts of a tuple as [`First`](crate::First), or the beginning of
    /// a text.
    pub fn prefix(self, prefix: impl Prefix<K>) -> Self {
        self.narrow(prefix_bounds::<K>(&prefix))
    }

    fn narrow(mut self, bounds: (KeyBuf, Option<KeyBuf>)) -> Self {
        (self.low, self.high) = narrow((self.low, self.high), bounds);
        self
    }

    /// From the greatest key down: results come in that order, and a limit takes the greatest keys. Pages that are not
    /// in memory are then read one by one, and not in runs.
    pub fn reverse(mut self) -> Self {
        self.reverse = !self.reverse;
        self
    }

    /// At most `rows` rows, the first in the order of the query.
    pub fn limit(mut self, rows: usize) -> Self {
        self.window.take(rows);
        self
    }

    /// Passes over the first `rows` rows that fit. With a limit, before or after it, that many are given of those that
    /// follow. The rows passed over are counted each time, so going on from the last key seen, by
    /// [`range`](Self::range), is faster far inside.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NUMBERS: Table<u32, u32> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..100).try_for_each(|n| tx.put(NUMBERS, n, n)))?;
    /// let third_page = db.query(NUMBERS).offset(20).limit(10).keys()?;
    /// assert_eq!(third_page, (20..30).collect::<Vec<_>>());
    /// # Ok(()) }
    /// ```
    pub fn offset(mut self, rows: usize) -> Self {
        self.window.offset = self.window.offset.saturating_add(rows);
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

    /// Fixes what is read. None: there is no such table yet.
    pub(super) fn open(self) -> Result<Option<Opened<'a, V>>> {
        let limits = self.drive.limit(self.site).into_iter().collect();
        let scan = match self.by {
            None => self.source.open(self.table, self.low, self.high, self.site, limits)?,
            Some(by) => open_by(self.source, self.table, by, (self.low, self.high), self.site, limits)?,
        };
        if let (Some(scan), Some(fix)) = (&scan, self.joined) {
            fix(scan.number())?;
        }
        let (select, window, drive) = (self.select, self.window, self.drive);
        Ok(scan.map(|scan| Opened { scan: scan.reversed(self.reverse), select, window, drive }))
    }
}

pub(crate) fn decode_stored_key<K: Key>(table: &str, bytes: &[u8]) -> Result<K> {
    decode_key::<K>(bytes).ok_or_else(|| {
        Error::corrupted(format!("a key of table {table:?} does not decode: {}", crate::table::typed::hex(bytes)))
    })
}
