//! `collect` and its kin: results as a list, in the order of the query.

use std::ops::ControlFlow;
use std::panic::Location;

use super::condition::{Select, fits};
use super::driver::{Drive, Enough, fold_keys, fold_parts};
use super::projected::Projected;
use super::request::{Query, decode_stored_key};
use super::scan::{Parts, RowAt, Scan};
use super::source::Source;
use super::window::Window;
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::table::{Row, Shared, Table};

impl<K: Key, V: Row> Query<'_, K, V> {
    /// The rows themselves. Those of one page share it, so that they cost little until they are kept for long.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn rows(self) -> Result<Vec<Shared<V>>> {
        self.shared().collect()
    }

    /// Keys and rows.
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn entries(self) -> Result<Vec<(K, Shared<V>)>> {
        self.paired().collect()
    }

    /// The keys. Without a predicate no row is decoded.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const WORDS: Table<String, u64> = Table::new("words");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// for word in ["sled", "snow", "team"] {
    ///     db.put(WORDS, word, 1)?;
    /// }
    /// assert_eq!(db.query(WORDS).prefix("s").reverse().keys()?, ["snow", "sled"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Projected::collect`].
    pub fn keys(self) -> Result<Vec<K>> {
        let name = self.table.name();
        let decode = move |key: &[u8]| decode_stored_key::<K>(name, key);
        if self.select.is_some() {
            let project = move |at: RowAt<'_, V>, _: &V| decode(at.key());
            return Projected { query: self, project: Box::new(project) }.collect();
        }
        let Some(opened) = self.open()? else { return Ok(Vec::new()) };
        gather(opened.scan, opened.window, None, &opened.drive, |scan, parts, gathering, enough| {
            let step = |found: &mut Result<Vec<K>>, key: &[u8]| gathering.take(found, || decode(key));
            fold_keys(scan, parts, &opened.drive, || Ok(Vec::new()), step, enough)
        })
    }
}

impl<K: Key, V: Row, T: Send> Projected<'_, K, V, T> {
    /// Runs the query. The results are in the order of the query: that of the keys, if it is not [reversed](Query::reverse).
    ///
    /// # Errors
    /// [`Nested`](crate::ErrorKind::Nested) inside a closure of the database,
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch), [`Corrupted`](crate::ErrorKind::Corrupted) with table and
    /// place, [`Cancelled`](crate::ErrorKind::Cancelled) by a deadline or a token; inside a transaction also what its
    /// locks give.
    pub fn collect(self) -> Result<Vec<T>> {
        let Projected { query, project } = self;
        let Some(opened) = query.open()? else { return Ok(Vec::new()) };
        let (select, drive) = (opened.select.as_ref(), &opened.drive);
        gather(opened.scan, opened.window, select, drive, |scan, parts, gathering, enough| {
            let step = |found: &mut Result<Vec<T>>, at: RowAt<'_, V>, row: &V| {
                if fits(select, row) { gathering.take(found, || project(at, row)) } else { ControlFlow::Continue(()) }
            };
            fold_parts(scan, parts, drive, || Ok(Vec::new()), step, enough)
        })
    }
}

/// `read(table, select, project)`: the whole table, with closures that are known to the compiler.
pub(crate) fn read<K: Key, V: Row, T: Send>(
    source: Source<'_>,
    table: Table<K, V>,
    select: impl Fn(&V) -> bool + Sync,
    project: impl Fn(&V) -> T + Sync,
    site: &'static Location<'static>,
) -> Result<Vec<T>> {
    let Some(scan) = source.open(table, KeyBuf::empty(), None, site, Vec::new())? else { return Ok(Vec::new()) };
    let drive = Drive::default();
    gather(scan, Window::default(), None, &drive, |scan, parts, gathering, enough| {
        let step = |found: &mut Result<Vec<T>>, _: RowAt<'_, V>, row: &V| {
            if select(row) { gathering.take(found, || Ok(project(row))) } else { ControlFlow::Continue(()) }
        };
        fold_parts(scan, parts, &drive, || Ok(Vec::new()), step, enough)
    })
}

/// How much a part is to find.
#[derive(Debug, Clone, Copy)]
struct Gathering {
    most: usize,
}

impl Gathering {
    /// Adds a result to those of a part, and says whether it may want more.
    #[inline]
    fn take<T>(self, found: &mut Result<Vec<T>>, make: impl FnOnce() -> Result<T>) -> ControlFlow<()> {
        let Ok(results) = found else { return ControlFlow::Break(()) };
        if results.len() >= self.most {
            return ControlFlow::Break(());
        }
        match make() {
            Ok(result) => {
                results.push(result);
                ControlFlow::Continue(())
            }
            Err(error) => {
                *found = Err(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// What one part found.
type FoundIn<T> = Result<Vec<T>>;

/// Lets `fold` find results in the parts that can have any, and puts them together.
fn gather<V: Row, T: Send>(
    scan: Scan<V>,
    mut window: Window,
    select: Option<&Select<'_, V>>,
    drive: &Drive,
    fold: impl FnOnce(&Scan<V>, &Parts, Gathering, Option<Enough<'_, FoundIn<T>>>) -> Result<Vec<FoundIn<T>>>,
) -> Result<Vec<T>> {
    let mut parts = scan.parts()?;
    window.drop_parts(&scan, &mut parts, select, drive)?;
    let most = window.end();
    let enough = |found: &[FoundIn<T>]| {
        found.iter().map(|part| part.as_ref().map_or(most, Vec::len)).fold(0, usize::saturating_add) >= most
    };
    let enough = window.limit.is_some().then_some(&enough as Enough<'_, _>);
    let found = fold(&scan, &parts, Gathering { most }, enough)?;
    let mut all = Vec::new();
    for part in found {
        scan.check()?;
        let mut part = part?;
        if all.is_empty() {
            all = part;
        } else {
            all.append(&mut part);
        }
    }
    all.truncate(most);
    all.drain(..window.offset.min(all.len()));
    Ok(all)
}
