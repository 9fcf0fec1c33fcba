//! Rows of one table or index on their way into it: in order at once, in any order through memory and runs.

use std::sync::Arc;

use super::builder::{Allowance, Builder, Run};
use super::merge::{Source, merge};
use super::rows::PageRows;
use super::sorter::Sorter;
use super::splice::Splice;
use crate::codec::KeyBuf;
use crate::error::{Error, Result};
use crate::table::pager::Pager;
use crate::table::table_core::TableCore;

/// What becomes of a key that two rows have: gets the key and the first of the rows.
pub(crate) type Taken<'t> = &'t dyn Fn(&[u8], &[u8]) -> Error;

/// Collects rows for one table. Those that ascend go into pages as they come; the others are sorted when they fill
/// memory and when all are there.
pub(crate) struct Sorting<'a> {
    pager: &'a Pager,
    pub(crate) table: Arc<TableCore>,
    number: u64,
    segment_rows: usize,
    ascending: Builder<'a>,
    greatest: Vec<u8>,
    any: bool,
    sorter: Sorter,
    runs: Vec<Run<'a>>,
    /// The least and the greatest key of what was not in order.
    others: Option<(KeyBuf, KeyBuf)>,
    /// Memory that rows may take that are not in order.
    limit: usize,
}

impl<'a> Sorting<'a> {
    /// `number` is what pages in the page store say they are of.
    pub(crate) fn new(pager: &'a Pager, table: &Arc<TableCore>, number: u64, segment_rows: usize) -> Self {
        Sorting {
            pager,
            table: Arc::clone(table),
            number,
            segment_rows,
            ascending: Builder::new(pager, table.id(), number, segment_rows),
            greatest: Vec::new(),
            any: false,
            sorter: Sorter::default(),
            runs: Vec::new(),
            others: None,
            limit: Allowance::most(pager),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// What the page store says, and `taken` for a key that came before.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], row: &[u8], allowance: &Allowance, taken: Taken<'_>) -> Result<()> {
        if !self.any || *key > self.greatest[..] {
            self.any = true;
            self.greatest.clear();
            self.greatest.extend_from_slice(key);
            return self.ascending.push(key, row, allowance);
        }
        if *key == self.greatest[..] {
            return Err(taken(key, row));
        }
        self.sorter.push(key, Some(row));
        if self.sorter.memory() < self.limit {
            return Ok(());
        }
        self.end_run(taken)
    }

    /// Sorts what is in memory, and writes it out as a run.
    #[cold]
    fn end_run(&mut self, taken: Taken<'_>) -> Result<()> {
        let sorter = self.sort();
        let mut builder = Builder::new(self.pager, self.table.id(), self.number, self.segment_rows);
        let nothing = Allowance::nothing();
        merge(vec![Box::new(sorter)], |key, row| builder.push(key, row, &nothing), taken)?;
        self.runs.push(builder.finish(&nothing)?);
        Ok(())
    }

    fn sort(&mut self) -> Sorter {
        let mut sorter = std::mem::take(&mut self.sorter);
        sorter.sort();
        if let Some((low, high)) = sorter.ends() {
            let (low, high) = (KeyBuf::from(low), KeyBuf::from(high));
            self.others = Some(match self.others.take() {
                Some((least, greatest)) => (least.min(low), greatest.max(high)),
                None => (low, high),
            });
        }
        sorter
    }

    /// Puts the rows together, with those that the table has between the first and the last of them, which nobody may
    /// change meanwhile. None when no row came.
    ///
    /// # Errors
    /// As [`push`](Self::push); `taken` also for a key that the table has.
    pub(crate) fn finish(mut self, allowance: &Allowance, taken: Taken<'_>) -> Result<Option<Splice<'a>>> {
        if !self.any {
            return Ok(None);
        }
        let sorter = self.sort();
        let Sorting { pager, table, number, segment_rows, ascending, mut greatest, runs, others, .. } = self;
        let ascending = ascending.finish(allowance)?;
        let first = ascending.low().cloned().into_iter().chain(others.map(|(least, _)| least)).min();
        let low = first.unwrap_or_else(KeyBuf::empty);
        // The least key above the greatest, which ascends for sure.
        greatest.push(0);
        let bounds = (low, Some(KeyBuf::from(&greatest[..])));
        let stored = |bounds: (KeyBuf, Option<KeyBuf>)| PageRows::of_range(pager, &table, bounds.0, bounds.1);
        if runs.is_empty() && sorter.is_empty() && stored(bounds.clone()).step()?.is_none() {
            return Splice::prepare(pager, &table, bounds, Some(ascending)).map(Some);
        }
        // Once more as much memory while both are there, but not in the record.
        allowance.give_back(&ascending);
        let mut sources: Vec<Box<dyn Source + '_>> = vec![Box::new(stored(bounds.clone())), Box::new(sorter)];
        sources.extend(
            [ascending]
                .into_iter()
                .chain(runs)
                .map(|run| -> Box<dyn Source + '_> { Box::new(PageRows::of_run(&table, run)) }),
        );
        let mut builder = Builder::new(pager, table.id(), number, segment_rows);
        merge(sources, |key, row| builder.push(key, row, allowance), taken)?;
        Splice::prepare(pager, &table, bounds, Some(builder.finish(allowance)?)).map(Some)
    }
}
