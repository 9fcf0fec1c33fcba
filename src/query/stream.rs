//! `iter`: results one after another, with the memory of a page.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::ControlFlow;
use std::vec;

use super::condition::fits;
use super::projected::{Project, Projected};
use super::request::{Opened, Query};
use super::scan::{Pages, Part};
use crate::codec::Key;
use crate::context::{self, Activity};
use crate::error::Result;
use crate::table::{Row, Shared};

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Keys and rows one after another, in the order of the query, on the calling thread and with the memory of about a
    /// page of 4 KiB at a time (some 256 KiB where pages are read from the disk). For tables that are larger than what may be
    /// collected.
    ///
    /// What it reads is fixed by this call. On a [`Db`](crate::Db) it holds the number of the last commit until it is
    /// dropped: pages that change meanwhile are kept for it, and nobody waits for it. On a
    /// [`Snapshot`](crate::Snapshot) it holds what the snapshot holds. On a [`Transaction`](crate::Transaction) what it
    /// covers stays locked in shared mode until the transaction ends, and it gives the transaction's writes as they are
    /// now; rows may be written while it goes on, and are not seen by it.
    ///
    /// The first error ends it.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NUMBERS: Table<u32, u32> = Table::new("numbers");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| (0..1_000).try_for_each(|n| tx.put(NUMBERS, n, n * n)))?;
    /// for entry in db.query(NUMBERS).select(|square| square % 2 == 1).iter()? {
    ///     let (key, square) = entry?;
    ///     // No closure of the database: its calls are allowed here.
    ///     db.put(NUMBERS, key, *square + 1)?;
    ///     if key > 100 {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`]; the items give what reading on gives.
    pub fn iter(self) -> Result<Results<'a, V, (K, Shared<V>)>> {
        self.paired().iter()
    }
}

impl<'a, K: Key, V: Row, T: Send> Projected<'a, K, V, T> {
    /// The results one after another: see [`Query::iter`].
    ///
    /// # Errors
    /// As [`Query::iter`].
    pub fn iter(self) -> Result<Results<'a, V, T>> {
        let Projected { query, project } = self;
        let opened = query.open()?;
        let window = opened.as_ref().map(|opened| opened.window).unwrap_or_default();
        let mut results = Results {
            parts: Vec::new().into_iter(),
            pages: None,
            page: Vec::new().into_iter(),
            skip: window.offset,
            left: window.limit.unwrap_or(usize::MAX),
            project,
            opened,
        };
        if results.left == 0 {
            results.end();
        } else if let Some(opened) = &results.opened {
            results.parts = opened.scan.segments()?.list.into_iter();
        }
        Ok(results)
    }
}

/// The results of a query, one after another. Made by [`Query::iter`], which says what it holds.
#[must_use = "an iterator does nothing until it is asked"]
pub struct Results<'a, V: 'static, T> {
    /// None: it has ended, and holds nothing any more.
    opened: Option<Opened<'a, V>>,
    project: Project<'a, V, T>,
    /// Segments that are still to be gone through.
    parts: vec::IntoIter<Part>,
    pages: Option<Pages>,
    /// Results of the page that was looked at last.
    page: vec::IntoIter<T>,
    /// Rows that are still to be passed over.
    skip: usize,
    /// Results that are still to be found.
    left: usize,
}

impl<V, T> fmt::Debug for Results<'_, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("ended", &self.opened.is_none()).finish_non_exhaustive()
    }
}

impl<V: Row, T> Results<'_, V, T> {
    fn end(&mut self) {
        self.opened = None;
        self.pages = None;
        self.parts = Vec::new().into_iter();
    }

    /// Looks at the next page. False: there is none.
    fn next_page(&mut self) -> Result<bool> {
        let Some(Opened { scan, select, .. }) = &self.opened else { return Ok(false) };
        let _scope = context::enter(Activity::Closure, scan.site);
        let pages = match &mut self.pages {
            Some(pages) => pages,
            none => {
                let Some(part) = self.parts.next() else { return Ok(false) };
                none.insert(scan.enter(&part)?)
            }
        };
        let (skip, left, project) = (&mut self.skip, &mut self.left, &self.project);
        let mut found = Ok(Vec::new());
        let flow = scan.feed_next(pages, &mut |at, row| {
            let Ok(results) = &mut found else { return ControlFlow::Break(()) };
            if !fits(select.as_ref(), row) {
                return ControlFlow::Continue(());
            }
            if *skip > 0 {
                *skip -= 1;
                return ControlFlow::Continue(());
            }
            match project(at, row) {
                Ok(result) => results.push(result),
                Err(error) => found = Err(error),
            }
            *left -= 1;
            if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.page = found?.into_iter();
        if flow.is_none() {
            self.pages = None;
        }
        Ok(true)
    }
}

impl<V: Row, T> Iterator for Results<'_, V, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(result) = self.page.next() {
                return Some(Ok(result));
            }
            let more = if self.left == 0 { Ok(false) } else { self.next_page() };
            match more {
                Ok(true) => {}
                Ok(false) => {
                    self.end();
                    return None;
                }
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<V: Row, T> FusedIterator for Results<'_, V, T> {}
