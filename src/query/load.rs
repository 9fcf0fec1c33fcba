//! Loads many rows of the program at once: encodes them for a [`RawLoad`].

use std::borrow::Borrow;
use std::panic::Location;

use super::raw_load::{RawLoad, changed};
use crate::codec::{Key, encode_row};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::options::Durability;
use crate::table::declared::functions_of;
use crate::table::row_keys::keys_of;
use crate::table::{IndexDef, Row, Table};
use crate::txn::Engine;

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
        load.raw.end(site)?
    };
    engine.commit_bulk(act, locks, Durability::Immediate)?;
    Ok(count)
}

struct Load<'a, K, V: 'static> {
    engine: &'a Engine,
    table: Table<K, V>,
    raw: RawLoad<'a>,
    /// Those of the indexes, in their order.
    functions: Vec<&'static dyn IndexDef<V>>,
    key: Vec<u8>,
    row: Vec<u8>,
}

impl<'a, K: Key, V: Row> Load<'a, K, V> {
    fn begin(engine: &'a Engine, table: Table<K, V>, first: &V) -> Result<Self> {
        let core = engine.table_for_row(table, first)?;
        let stored = core.indexes();
        let functions = functions_of(table, &stored.list).ok_or_else(|| changed(&core))?;
        let raw = RawLoad::begin(engine, &core, &stored.list);
        Ok(Load { engine, table, raw, functions, key: Vec::new(), row: Vec::new() })
    }

    #[inline]
    fn add(&mut self, key: &K, row: &V) -> Result<()> {
        if !self.raw.core.needs_no_look() {
            self.engine.table_for_row(self.table, row)?;
        }
        self.key.clear();
        K::encode(key.as_ref(), &mut self.key);
        self.row.clear();
        encode_row(row, &mut self.row).map_err(|fault| fault.into_error(self.raw.core.name()))?;
        self.raw.add(&self.key, &self.row)?;
        for (at, function) in self.functions.iter().enumerate() {
            for index_key in keys_of(*function, row) {
                self.raw.add_entry(at, &index_key, &self.key)?;
            }
        }
        Ok(())
    }
}
