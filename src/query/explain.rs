//! `explain`: how a query would be done, without doing it.

use std::fmt;

use super::by_index::{IndexRange, look_by};
use super::driver::pool;
use super::request::Query;
use super::scan::Parts;
use super::source::Source;
use crate::codec::Key;
use crate::error::Result;
use crate::table::Row;

/// What a query locks before it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadLock {
    /// Nothing: a snapshot is read as of its number.
    None,
    /// The table in shared mode if that is free, never waiting for it. It goes back as soon as the number of the last commit
    /// is noted, before the first row is read.
    Tried,
    /// The table in shared mode, until the transaction ends.
    Table,
    /// So many segments of the table in shared mode, until the transaction ends.
    Segments(usize),
}

/// How a query would be done: see [`Query::explain`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The table.
    pub table: String,
    /// The index that the rows are found by. Segments, parts and rows are then those of the index, and so is the lock; a
    /// transaction also locks the rows that it finds.
    pub index: Option<String>,
    /// What is locked before the first row is read.
    pub lock: ReadLock,
    /// Segments that hold the key range.
    pub segments: usize,
    /// Parts that may be read by different threads.
    pub parts: usize,
    /// Rows of these segments: no more are looked at.
    pub rows_max: u64,
    /// Threads that read. One: the query runs on the thread that asks.
    pub threads: usize,
    /// Whether a predicate is asked of each row.
    pub selects: bool,
    /// From the greatest key down.
    pub reverse: bool,
    /// Rows passed over.
    pub offset: usize,
    /// Most rows given. Parts are then read in waves, and no more of them than it takes.
    pub limit: Option<usize>,
}

impl<K: Key, V: Row> Query<'_, K, V> {
    /// How the query would be done now. Locks nothing and reads no row; segments may be split or merged before it runs.
    ///
    /// ```
    /// use gangline::{Db, ReadLock, Table};
    ///
    /// const NUMBERS: Table<u32, u32> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..20_000).try_for_each(|n| tx.put(NUMBERS, n, n)))?;
    /// let plan = db.query(NUMBERS).range(10_000..).explain()?;
    /// assert_eq!(plan.lock, ReadLock::Tried);
    /// assert!(plan.rows_max >= 10_000 && plan.parts > 1);
    /// println!("{plan}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn explain(self) -> Result<Plan> {
        let whole = self.by.as_ref().map_or(self.low.is_empty() && self.high.is_none(), IndexRange::is_all);
        let index = self.by.as_ref().map(|by| by.name().to_owned());
        let scan = match &self.by {
            None => self.source.look(self.table, self.low.clone(), self.high.clone(), self.site)?,
            Some(by) => look_by(self.source.clone(), self.table, by, self.site)?,
        };
        let parts = scan.as_ref().map_or_else(|| Ok(Parts::default()), |scan| scan.parts())?;
        let lock = match &self.source {
            Source::Snapshot(_) | Source::KeptSnapshot(_) => ReadLock::None,
            Source::Db(_) => ReadLock::Tried,
            Source::Transaction(_) if whole => ReadLock::Table,
            Source::Transaction(_) => ReadLock::Segments(parts.segments),
        };
        let pool = scan.as_ref().and_then(|scan| pool(scan, &parts, &self.drive));
        Ok(Plan {
            table: self.table.name().to_owned(),
            index,
            lock,
            segments: parts.segments,
            parts: parts.list.len(),
            rows_max: parts.rows,
            threads: pool.map_or(1, |pool| pool.current_num_threads().min(parts.list.len())),
            selects: self.select.is_some(),
            reverse: self.reverse,
            offset: self.window.offset,
            limit: self.window.limit,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        writeln!(f, "read of table {:?}", self.table)?;
        match self.lock {
            ReadLock::None => writeln!(f, "  locks: none, it reads as of its snapshot")?,
            ReadLock::Tried => writeln!(f, "  locks: the table shared if that is free, given back before the scan")?,
            ReadLock::Table => writeln!(f, "  locks: the table shared, until the transaction ends")?,
            ReadLock::Segments(segments) => {
                writeln!(f, "  locks: {} shared, until the transaction ends", count(segments, "segment"))?;
            }
        }
        let by = self.index.as_ref().map_or_else(|| "key".to_owned(), |index| format!("the index {index:?}"));
        let order = if self.reverse { "from the greatest key down" } else { "in key order" };
        writeln!(f, "  rows: at most {}, by {by}, {order}, in {}", self.rows_max, count(self.segments, "segment"))?;
        if self.threads > 1 {
            writeln!(f, "  parallel: {} on {}", count(self.parts, "part"), count(self.threads, "thread"))?;
        } else {
            writeln!(f, "  inline: on the calling thread")?;
        }
        if self.selects {
            writeln!(f, "  select: asked of each row")?;
        }
        if self.offset > 0 {
            writeln!(f, "  offset: {} passed over", count(self.offset, "row"))?;
        }
        match self.limit {
            Some(limit) => writeln!(f, "  limit: {}, in waves of parts until they are found", count(limit, "row")),
            None => Ok(()),
        }
    }
}
