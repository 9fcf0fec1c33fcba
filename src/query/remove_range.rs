//! Removes all rows of a range of keys at once.

use std::ops::ControlFlow;
use std::panic::Location;
use std::sync::Arc;

use super::source::open_locked;
use crate::codec::{Key, KeyBuf};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{LockSet, Mode};
use crate::options::Durability;
use crate::table::bulk::{Allowance, Builder, PageRows, Sorter, Splice, merge};
use crate::table::index_core::{IndexCore, Indexes};
use crate::table::table_core::TableCore;
use crate::table::{Row, Table};
use crate::txn::{BulkAct, Engine, Transaction};

/// Removes the rows of `low..high`. Gives their number.
pub(crate) fn remove_range<K: Key, V: Row>(
    engine: &Engine,
    call: &'static str,
    table: Table<K, V>,
    (low, high): (KeyBuf, Option<KeyBuf>),
    site: &'static Location<'static>,
) -> Result<u64> {
    context::check_free(call, site)?;
    engine.check_alive()?;
    if high.as_ref().is_some_and(|high| *high <= low) {
        return Ok(0);
    }
    engine.admit(&[])?;
    let Some(core) = engine.table_if_any(table)? else { return Ok(0) };
    let mut locks = LockSet::begin(&engine.locks, site, Some(call.into()));
    locks.lock_table(&core, Mode::X)?;
    let indexes = core.indexes();
    indexes.list.iter().try_for_each(|index| locks.lock_table(&index.core, Mode::X))?;
    let mut act = BulkAct::default();
    if low.is_empty() && high.is_none() {
        for core in [&core].into_iter().chain(indexes.list.iter().map(|index| &index.core)) {
            act.splices.push(Splice::prepare(&engine.pager, core, (KeyBuf::empty(), None), None)?);
        }
    } else {
        let entries = {
            // Runs the functions of the indexes.
            let _scope = context::enter(Activity::Closure, site);
            entries_of(engine, &core, &indexes, (&low, high.as_ref()))?
        };
        for (index, entries) in indexes.list.iter().zip(entries) {
            act.splices.extend(without(engine, index, entries)?);
        }
        act.splices.push(Splice::prepare(&engine.pager, &core, (low, high), None)?);
    }
    let before = core.rows();
    let removed = |core: &TableCore| before - core.rows();
    engine.commit_bulk_with(act, locks, Durability::Immediate, || removed(&core))
}

/// The same in the write set of a transaction, row by row, whose entries go with its commit. What holds the range is locked
/// for this transaction alone, so that none of its keys comes back before the end.
pub(crate) fn remove_range_inside<K: Key, V: Row>(
    tx: &Transaction,
    table: Table<K, V>,
    (low, high): (KeyBuf, Option<KeyBuf>),
    site: &'static Location<'static>,
) -> Result<u64> {
    // Rows that are over go as well.
    let scan = open_locked(tx, table, (low, high), Mode::X, site, Vec::new())?.expiring(None);
    let (mut keys, mut bytes, most) = (Vec::new(), 0, tx.engine.options.max_transaction_bytes);
    for part in scan.segments()?.list {
        let flow = scan.feed_keys(&part, |key| {
            bytes += Transaction::removal_bytes(key);
            keys.push(KeyBuf::from(key));
            // More are refused, however many they are.
            if bytes > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if flow.is_break() {
            break;
        }
    }
    drop(scan);
    tx.remove_hits(&tx.engine.table(table)?, keys)
}

/// The entries of all rows of a range, in each index, as removals.
fn entries_of(
    engine: &Engine,
    core: &Arc<TableCore>,
    indexes: &Indexes,
    (low, high): (&KeyBuf, Option<&KeyBuf>),
) -> Result<Vec<Sorter>> {
    let mut all: Vec<Sorter> = indexes.list.iter().map(|_| Sorter::default()).collect();
    if all.is_empty() {
        return Ok(all);
    }
    let keys = indexes.keys.as_ref().ok_or_else(|| {
        let text = format!("the indexes of table {:?} were changed meanwhile; try again", core.name());
        Error::new(ErrorKind::SchemaMismatch, text)
    })?;
    let mut rows = PageRows::of_range(&engine.pager, core, low.clone(), high.cloned());
    while let Some((key, row)) = rows.step()? {
        for ((index, keys), entries) in indexes.list.iter().zip(keys.of_bytes(core, key, row)?).zip(&mut all) {
            for index_key in keys {
                entries.push(&index.entry(&index_key, key)?.0, None);
            }
        }
    }
    all.iter_mut().for_each(Sorter::sort);
    Ok(all)
}

/// An index without some of its entries.
fn without<'e>(engine: &'e Engine, index: &IndexCore, entries: Sorter) -> Result<Option<Splice<'e>>> {
    let Some((least, greatest)) = entries.ends() else { return Ok(None) };
    let bounds = (KeyBuf::from(least), Some(KeyBuf::joined(greatest, &[0])));
    let pager = &engine.pager;
    let rows = PageRows::of_range(pager, &index.core, bounds.0.clone(), bounds.1.clone());
    let allowance = Allowance::of(pager);
    let mut builder = Builder::new(pager, index.core.id(), engine.capture().number(), engine.options.segment_rows);
    let twice = |_: &[u8], _: &[u8]| Error::corrupted(format!("the index {:?} has a key twice", index.name()));
    merge(vec![Box::new(rows), Box::new(entries)], |key, row| builder.push(key, row, &allowance), &twice)?;
    Splice::prepare(pager, &index.core, bounds, Some(builder.finish(&allowance)?)).map(Some)
}
