//! Rows as bytes on their way into a table and its indexes, many at once.
//!
//! The rows go straight into pages aside, and their index entries are sorted, while others read and write the table.
//! Only then the table and its indexes are locked, what is there is merged with what came, and one commit shows it all.

use std::panic::Location;
use std::sync::Arc;

use crate::codec::show_key;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{LockSet, Mode};
use crate::table::bulk::{Allowance, Sorting};
use crate::table::index_core::IndexCore;
use crate::table::table_core::TableCore;
use crate::txn::{BulkAct, Engine, check_key_length, check_row_bytes};

/// An index that the loaded rows come into.
struct IndexLoad<'a> {
    index: Arc<IndexCore>,
    entries: Sorting<'a>,
}

/// See the module's text.
pub(crate) struct RawLoad<'a> {
    engine: &'a Engine,
    pub(crate) core: Arc<TableCore>,
    rows: Sorting<'a>,
    indexes: Vec<IndexLoad<'a>>,
    allowance: Allowance,
    count: u64,
}

impl<'a> RawLoad<'a> {
    /// A load into a table with these indexes, which must be its own when the load ends.
    pub(crate) fn begin(engine: &'a Engine, core: &Arc<TableCore>, indexes: &[Arc<IndexCore>]) -> Self {
        let number = engine.capture().number();
        let sorting = |core: &Arc<TableCore>| Sorting::new(&engine.pager, core, number, engine.options.segment_rows);
        let load = |index: &Arc<IndexCore>| IndexLoad { index: Arc::clone(index), entries: sorting(&index.core) };
        let indexes = indexes.iter().map(load).collect();
        let (rows, allowance) = (sorting(core), Allowance::of(&engine.pager));
        RawLoad { engine, core: Arc::clone(core), rows, indexes, allowance, count: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `KeyTooLarge`, `RowTooLarge`, `Exists`, and what the page store says.
    #[inline]
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        let core = &self.core;
        check_key_length(core.name(), key)?;
        check_row_bytes(core, key, row.len(), self.engine.options.max_row_bytes)?;
        self.rows.push(key, row, &self.allowance, &|key, _| exists(core, key))?;
        self.count += 1;
        Ok(())
    }

    /// Adds a key of the row under `key` in the index at this place.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn add_entry(&mut self, at: usize, index_key: &[u8], key: &[u8]) -> Result<()> {
        let IndexLoad { index, entries } = &mut self.indexes[at];
        let (entry, value) = index.entry(index_key, key)?;
        let core = &self.core;
        entries.push(&entry, &value, &self.allowance, &|key, row| index.taken(key, row, core))
    }

    /// All rows have come: locks the table and its indexes, in their order, and puts everything together.
    ///
    /// # Errors
    /// `SchemaMismatch` when table or indexes have changed meanwhile, `LockTimeout`, and as [`add`](Self::add).
    pub(crate) fn end(self, site: &'static Location<'static>) -> Result<(BulkAct<'a>, LockSet, u64)> {
        let RawLoad { engine, core, rows, indexes, allowance, count } = self;
        let mut locks = LockSet::begin(&engine.locks, site, Some("bulk load".into()));
        locks.lock_table(&core, Mode::X)?;
        let now = core.indexes();
        let same = now.list.len() == indexes.len()
            && now.list.iter().zip(&indexes).all(|(now, loaded)| Arc::ptr_eq(now, &loaded.index));
        if core.is_dropped() || !same {
            return Err(changed(&core));
        }
        indexes.iter().try_for_each(|index| locks.lock_table(&index.index.core, Mode::X))?;
        let mut act = BulkAct::default();
        act.splices.extend(rows.finish(&allowance, &|key, _| exists(&core, key))?);
        for IndexLoad { index, entries } in indexes {
            act.splices.extend(entries.finish(&allowance, &|key, row| index.taken(key, row, &core))?);
        }
        Ok((act, locks, count))
    }
}

fn exists(table: &TableCore, key: &[u8]) -> Error {
    let key = show_key(&table.definition().key_shape, key);
    let text = format!(
        "table {:?} has a row under key {key} already, or the rows to load have it twice; a bulk load only adds rows: \
         remove it first, or write with put_many",
        table.name()
    );
    Error::new(ErrorKind::Exists, text)
}

/// The table or its indexes are not what they were when the load began.
pub(crate) fn changed(table: &TableCore) -> Error {
    let text = format!("table {:?} or its indexes were dropped or built during a bulk load; load again", table.name());
    Error::new(ErrorKind::SchemaMismatch, text)
}
