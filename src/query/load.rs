//! Loads many rows at once.
//!
//! The rows are encoded straight into pages aside, and their index entries are sorted, while others read and write the
//! table. Only then the table and its indexes are locked, what is there is merged with what came, and one commit shows
//! it all.

use std::borrow::Borrow;
use std::panic::Location;
use std::sync::Arc;

use crate::codec::{Key, encode_row, show_key};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{LockSet, Mode};
use crate::options::Durability;
use crate::table::bulk::{Allowance, Sorting};
use crate::table::declared::functions_of;
use crate::table::index_core::IndexCore;
use crate::table::row_keys::keys_of;
use crate::table::table_core::TableCore;
use crate::table::{IndexDef, Row, Table};
use crate::txn::{BulkAct, Engine, check_key_length, check_row_bytes};

/// Loads rows into a table. Gives their number.
pub(crate) fn bulk_load<K: Key, V: Row, R: Borrow<V>>(
    engine: &Engine,
    table: Table<K, V>,
    rows: impl IntoIterator<Item = (K, R)>,
    site: &'static Location<'static>,
) -> Result<u64> {
    context::check_free("Db::bulk_load", site)?;
    engine.check_alive()?;
    engine.admit(&[])?;
    let (act, locks, count) = {
        // Runs the iterator and code of the row type.
        let _scope = context::enter(Activity::Closure, site);
        let mut rows = rows.into_iter();
        let Some((key, row)) = rows.next() else { return Ok(0) };
        let mut load = Load::begin(engine, table, row.borrow())?;
        load.add(&key, row.borrow())?;
        for (key, row) in rows {
            load.add(&key, row.borrow())?;
        }
        load.end(site)?
    };
    engine.commit_bulk(act, locks, Durability::Immediate)?;
    Ok(count)
}

/// An index that the loaded rows come into.
struct IndexLoad<'a, V: 'static> {
    index: Arc<IndexCore>,
    function: &'static dyn IndexDef<V>,
    entries: Sorting<'a>,
}

struct Load<'a, K, V: 'static> {
    engine: &'a Engine,
    table: Table<K, V>,
    core: Arc<TableCore>,
    rows: Sorting<'a>,
    indexes: Vec<IndexLoad<'a, V>>,
    allowance: Allowance,
    key: Vec<u8>,
    row: Vec<u8>,
    count: u64,
}

impl<'a, K: Key, V: Row> Load<'a, K, V> {
    fn begin(engine: &'a Engine, table: Table<K, V>, first: &V) -> Result<Self> {
        let core = engine.table_for_row(table, first)?;
        let number = engine.capture().number();
        let sorting = |core: &Arc<TableCore>| Sorting::new(&engine.pager, core, number, engine.options.segment_rows);
        let stored = core.indexes();
        let functions = functions_of(table, &stored.list).ok_or_else(|| changed(&core))?;
        let load = |(index, function): (&Arc<IndexCore>, _)| {
            let index = Arc::clone(index);
            IndexLoad { function, entries: sorting(&index.core), index }
        };
        let indexes = stored.list.iter().zip(functions).map(load).collect();
        let (rows, allowance) = (sorting(&core), Allowance::of(&engine.pager));
        Ok(Load { engine, table, core, rows, indexes, allowance, key: Vec::new(), row: Vec::new(), count: 0 })
    }

    #[inline]
    fn add(&mut self, key: &K, row: &V) -> Result<()> {
        if !self.core.needs_no_look() {
            self.engine.table_for_row(self.table, row)?;
        }
        self.key.clear();
        K::encode(key.as_ref(), &mut self.key);
        check_key_length(self.core.name(), &self.key)?;
        self.row.clear();
        encode_row(row, &mut self.row).map_err(|fault| fault.into_error(self.core.name()))?;
        check_row_bytes(&self.core, &self.key, self.row.len(), self.engine.options.max_row_bytes)?;
        let core = &self.core;
        self.rows.push(&self.key, &self.row, &self.allowance, &|key, _| exists(core, key))?;
        for IndexLoad { index, function, entries } in &mut self.indexes {
            for index_key in keys_of(*function, row) {
                let (entry, value) = index.entry(&index_key, &self.key)?;
                entries.push(&entry, &value, &self.allowance, &|key, row| index.taken(key, row, core))?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// All rows have come: locks the table and its indexes, in their order, and puts everything together.
    fn end(self, site: &'static Location<'static>) -> Result<(BulkAct<'a>, LockSet, u64)> {
        let Load { engine, core, rows, indexes, allowance, count, .. } = self;
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
        for IndexLoad { index, entries, .. } in indexes {
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

fn changed(table: &TableCore) -> Error {
    let text = format!("table {:?} or its indexes were dropped or built during a bulk load; load again", table.name());
    Error::new(ErrorKind::SchemaMismatch, text)
}
