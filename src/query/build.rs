//! Fills indexes with the rows that their table has.
//!
//! The table is gone through a few segments at a time, so that writers of the others go on. Of these the rows are locked
//! in shared mode, their entries are found in parallel, and a commit adds them; entries that writers have added meanwhile
//! are the same. The commits are in the journal as any other, and the indexes are not ready before the last of them: a
//! build that is cut off leaves nothing.

use std::ops::ControlFlow;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::driver::{Drive, fold_parts};
use super::scan::{RowAt, Scan};
use crate::codec::{Key, KeyBuf};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{LockSet, Mode};
use crate::options::Durability;
use crate::table::declared::functions_of;
use crate::table::index_core::IndexCore;
use crate::table::row_keys::keys_of;
use crate::table::table_core::TableCore;
use crate::table::typed;
use crate::table::{IndexDef, Row, Table};
use crate::txn::{Engine, WriteSet};

/// Segments whose rows are locked at a time.
const SEGMENTS: usize = 8;

/// How far the building of indexes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexProgress {
    /// Rows whose entries are there.
    pub rows: u64,
    /// Rows of the table when the building began.
    pub of: u64,
    /// Entries written.
    pub entries: u64,
}

/// Builds the declared indexes of a table that are not stored, or are stored in another version. Gives their number.
pub(crate) fn build_indexes<K: Key, V: Row>(
    engine: &Arc<Engine>,
    table: Table<K, V>,
    site: &'static Location<'static>,
    progress: &mut dyn FnMut(IndexProgress),
) -> Result<u64> {
    context::check_free("Db::build_indexes", site)?;
    engine.check_alive()?;
    let _alone = alone(engine)?;
    let core = engine.table_for_build(table)?;
    let made = engine.make_indexes(table, &core, site)?;
    if made.is_empty() {
        return Ok(0);
    }
    let count = made.len() as u64;
    let functions = functions_of(table, &made).expect("only what is declared was made");
    // Drops them again if it is not to be.
    let mut build = Build { engine, core, indexes: made, functions, site };
    build.fill(progress)?;
    engine.end_indexes(&build.indexes)?;
    build.indexes.clear();
    engine.sync()?;
    Ok(count)
}

/// Who builds or drops indexes is the only one of the database to do so.
pub(crate) fn alone(engine: &Engine) -> Result<parking_lot::MutexGuard<'_, ()>> {
    engine.catalog.building.try_lock_for(Duration::from_secs(1).min(engine.options.lock_timeout)).ok_or_else(|| {
        Error::new(ErrorKind::LockTimeout, "another thread builds or drops indexes; try again when it is done")
    })
}

/// Indexes in the making.
struct Build<'a, V: 'static> {
    engine: &'a Arc<Engine>,
    core: Arc<TableCore>,
    indexes: Vec<Arc<IndexCore>>,
    /// One for each of them.
    functions: Vec<&'static dyn IndexDef<V>>,
    site: &'static Location<'static>,
}

impl<V> Drop for Build<'_, V> {
    fn drop(&mut self) {
        if !self.indexes.is_empty() {
            // Else the next build does it, or the next opening.
            let _ = self.engine.drop_indexes(&self.core, &self.indexes, self.site);
        }
    }
}

/// The entries of one index: key and row of each, and the row key for which it stands.
type Entries = Vec<(KeyBuf, KeyBuf, KeyBuf)>;

impl<V: Row> Build<'_, V> {
    fn fill(&self, progress: &mut dyn FnMut(IndexProgress)) -> Result<()> {
        let mut state = IndexProgress { rows: 0, of: self.core.rows(), entries: 0 };
        let mut next = Some(KeyBuf::empty());
        while let Some(low) = next {
            // While no lock is held.
            self.engine.check_alive()?;
            self.engine.admit(&[])?;
            let high = self.core.with_directory(|directory| {
                let from = directory.find(&low);
                directory.segments().get(from + SEGMENTS).map(|segment| segment.low().clone())
            });
            self.fill_range(low, high.clone(), &mut state)?;
            let _scope = context::enter(Activity::Closure, self.site);
            progress(state);
            next = high;
        }
        Ok(())
    }

    fn fill_range(&self, low: KeyBuf, high: Option<KeyBuf>, state: &mut IndexProgress) -> Result<()> {
        let mut commits = Vec::new();
        let mut locks = LockSet::begin(&self.engine.locks, self.site, Some("build indexes".into()));
        locks.lock_range(&self.core, &low, high.as_deref(), Mode::S)?;
        let (rows, entries) = self.entries_of(low, high)?;
        // Indexes sort after tables, so this waits in order. It keeps writers of the table for as long as a commit takes.
        self.indexes.iter().try_for_each(|index| locks.lock_table(&index.core, Mode::X))?;
        let most = self.engine.options.max_transaction_bytes;
        let mut writes = WriteSet::default();
        for (index, entries) in self.indexes.iter().zip(entries) {
            for (entry, value, row) in entries {
                if index.unique {
                    self.check_unique(index, &writes, &entry, &row)?;
                }
                writes.write_bytes(&index.core, entry, Some(&value));
                state.entries += 1;
                if writes.bytes() >= most {
                    commits.push(self.engine.apply(std::mem::take(&mut writes))?);
                }
            }
        }
        if !writes.is_empty() {
            commits.push(self.engine.apply(writes)?);
        }
        drop(locks);
        state.rows += rows;
        commits.into_iter().try_for_each(|committed| {
            self.engine.reshape(&committed);
            self.engine.finish(committed, Durability::Eventual)
        })
    }

    /// Rows of a range, and their entries in each index.
    fn entries_of(&self, low: KeyBuf, high: Option<KeyBuf>) -> Result<(u64, Vec<Entries>)> {
        let registration = self.engine.capture();
        let (number, bounds, table) = (registration.number(), (low, high), Arc::clone(&self.core));
        let scan = Scan::new(self.engine, table, number, Some(registration), bounds, Vec::new(), self.site);
        let empty = || Ok((0, vec![Entries::new(); self.indexes.len()]));
        let step = |found: &mut Result<(u64, Vec<Entries>)>, at: RowAt<'_, V>, row: &V| {
            let Ok((rows, entries)) = found else { return ControlFlow::Break(()) };
            *rows += 1;
            if let Err(error) = self.add_row(at.key(), row, entries) {
                *found = Err(error);
            }
            ControlFlow::Continue(())
        };
        let (mut rows, mut all) = (0, vec![Entries::new(); self.indexes.len()]);
        for part in fold_parts(&scan, &scan.parts()?, &Drive::default(), empty, step, None)? {
            let (more, entries) = part?;
            rows += more;
            all.iter_mut().zip(entries).for_each(|(all, mut entries)| all.append(&mut entries));
        }
        Ok((rows, all))
    }

    fn add_row(&self, key: &[u8], row: &V, entries: &mut [Entries]) -> Result<()> {
        for ((index, function), entries) in self.indexes.iter().zip(&self.functions).zip(entries) {
            for index_key in keys_of(*function, row) {
                let (entry, value) = index.entry(&index_key, key)?;
                entries.push((entry, value, KeyBuf::from(key)));
            }
        }
        Ok(())
    }

    /// Refuses a key that another row has.
    fn check_unique(&self, index: &IndexCore, writes: &WriteSet, entry: &[u8], row: &KeyBuf) -> Result<()> {
        let own = writes.entry(index.core.id(), entry).map(KeyBuf::from);
        let owner = match own {
            Some(owner) => Some(owner),
            None => typed::value(&self.engine.pager, &index.core, entry)?,
        };
        match owner {
            Some(owner) if owner != *row => Err(index.exists(entry, &owner, &self.core)),
            _ => Ok(()),
        }
    }
}
