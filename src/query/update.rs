//! `update(table, select, change)`: changes every row that fits.

use std::ops::ControlFlow;
use std::panic::Location;

use super::driver::{Drive, fold_parts};
use super::scan::RowAt;
use super::source::open_locked;
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::lock::Mode;
use crate::table::{Row, Table};
use crate::txn::Transaction;

/// Takes SIX on the table, so that nobody else writes it while point readers go on, looks for the rows in parallel, and
/// then locks and writes the hits in key order. Many hits take the table for this transaction alone: that waits for the
/// point readers, which is allowed since SIX on the table is the highest lock held.
pub(crate) fn update<K: Key, V: Row>(
    tx: &Transaction,
    table: Table<K, V>,
    select: impl Fn(&V) -> bool + Sync,
    change: impl Fn(&mut V) + Sync,
    site: &'static Location<'static>,
) -> Result<u64> {
    let scan = open_locked(tx, table, (KeyBuf::empty(), None), Mode::SIX, site, Vec::new())?;
    let step = |hits: &mut Vec<_>, at: RowAt<'_, V>, row: &V| {
        if select(row) {
            let mut row = V::clone(row);
            change(&mut row);
            hits.push((KeyBuf::from(at.key()), row));
        }
        ControlFlow::Continue(())
    };
    let hits = fold_parts(&scan, &scan.parts()?, &Drive::default(), Vec::new, step, None)?;
    // The scan holds own rows and a commit number, which must be free again when the rows are committed.
    drop(scan);
    tx.write_hits(table, hits.into_iter().flatten().collect(), site)
}
