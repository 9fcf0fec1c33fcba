//! `count`: how many rows there are.

use std::ops::ControlFlow;

use super::condition::{Select, fits};
use super::driver::{Drive, Enough, fold_keys, fold_parts};
use super::request::Query;
use super::scan::{Parts, RowAt, Scan};
use crate::codec::Key;
use crate::error::Result;
use crate::table::Row;

impl<K: Key, V: Row> Query<'_, K, V> {
    /// How many rows there are. Without a predicate no row is decoded, but every page of the range is looked at;
    /// [`Db::len`](crate::Db::len) tells the rows of a whole table at once.
    ///
    /// # Errors
    /// As [`Projected::collect`](crate::Projected::collect).
    pub fn count(self) -> Result<u64> {
        let Some(opened) = self.open()? else { return Ok(0) };
        let (scan, window, end) = (opened.scan, opened.window, opened.window.end());
        let enough = |counts: &[usize]| counts.iter().sum::<usize>() >= end;
        let enough = window.limit.is_some().then_some(&enough as Enough<'_, _>);
        let counts = count_parts(&scan, &scan.parts()?, opened.select.as_ref(), &opened.drive, enough)?;
        let all: usize = counts.into_iter().sum();
        Ok(all.min(end).saturating_sub(window.offset) as u64)
    }
}

/// How many rows of each part fit, part after part until it is enough.
pub(super) fn count_parts<V: Row>(
    scan: &Scan<V>,
    parts: &Parts,
    select: Option<&Select<'_, V>>,
    drive: &Drive,
    enough: Option<Enough<'_, usize>>,
) -> Result<Vec<usize>> {
    let add = |count: &mut usize, fits: bool| {
        *count += usize::from(fits);
        ControlFlow::Continue(())
    };
    if select.is_none() {
        return fold_keys(scan, parts, drive, || 0, |count, _| add(count, true), enough);
    }
    let step = |count: &mut usize, _: RowAt<'_, V>, row: &V| add(count, fits(select, row));
    fold_parts(scan, parts, drive, || 0, step, enough)
}
