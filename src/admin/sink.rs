//! Where imported rows go: into a table all at once, into it batch by batch, or into the marks of ids.

use std::panic::Location;
use std::sync::Arc;

use crate::codec::{decode_key, decode_row};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Durability;
use crate::query::RawLoad;
use crate::table::row_keys::RowKeys;
use crate::table::table_core::TableCore;
use crate::txn::{self, Engine, MARKS, TransactionOptions};

/// Rows and bytes of one batch at most, but for a row that is larger.
const BATCH_ROWS: usize = 2_000;
const BATCH_BYTES: usize = 1 << 20;

/// See the module's text.
pub(super) enum Sink<'e> {
    Load(Box<Load<'e>>),
    Batches(Batches<'e>),
    Ids(&'e Engine, &'static Location<'static>),
}

impl<'e> Sink<'e> {
    /// # Errors
    /// `SchemaMismatch` for a table with indexes whose functions are not known.
    pub(super) fn new(
        engine: &'e Arc<Engine>,
        core: &Arc<TableCore>,
        replace: bool,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        if core.name() == MARKS {
            return Ok(Sink::Ids(engine, site));
        }
        let indexes = core.indexes();
        if !indexes.list.is_empty() && indexes.keys.is_none() {
            let names: Vec<&str> = indexes.list.iter().map(|index| index.name()).collect();
            let text = format!(
                "table {:?} has indexes ({}), and only the program knows their functions: have the program read the table \
                 and then import, or drop them first (Db::drop_index) and build them again afterwards",
                core.name(),
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::SchemaMismatch, text));
        }
        if replace {
            return Ok(Sink::Batches(Batches { engine, core: Arc::clone(core), rows: Vec::new(), bytes: 0, site }));
        }
        engine.admit(&[])?;
        let load = RawLoad::begin(engine, core, &indexes.list);
        Ok(Sink::Load(Box::new(Load { engine, load, keys: indexes.keys.clone(), site })))
    }

    pub(super) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        match self {
            Sink::Load(load) => load.add(key, row),
            Sink::Batches(batches) => batches.add(key, row),
            Sink::Ids(engine, site) => {
                let table: String =
                    decode_key(key).ok_or_else(|| Error::corrupted("a mark of ids is under no table's name"))?;
                let mark: u64 = decode_row(row).map_err(|fault| fault.into_error(MARKS))?;
                engine.skip_ids(&table, mark.saturating_sub(1), site)
            }
        }
    }

    /// All rows have come: they are there from now on.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            Sink::Load(load) => load.finish(),
            Sink::Batches(mut batches) => batches.commit(),
            Sink::Ids(..) => Ok(()),
        }
    }
}

pub(super) struct Load<'e> {
    engine: &'e Engine,
    load: RawLoad<'e>,
    /// The functions of the indexes, if there are some.
    keys: Option<Arc<dyn RowKeys>>,
    site: &'static Location<'static>,
}

impl Load<'_> {
    fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.load.add(key, row)?;
        let Some(keys) = &self.keys else { return Ok(()) };
        // Runs code of the row type and of the indexes.
        let _scope = context::enter(Activity::Closure, self.site);
        for (at, keys) in keys.of_bytes(&self.load.core, key, row)?.iter().enumerate() {
            keys.iter().try_for_each(|index_key| self.load.add_entry(at, index_key, key))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let (act, locks, _) = self.load.end(self.site)?;
        if act.splices.is_empty() {
            return Ok(());
        }
        self.engine.commit_bulk(act, locks, Durability::Immediate)
    }
}

pub(super) struct Batches<'e> {
    engine: &'e Arc<Engine>,
    core: Arc<TableCore>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    site: &'static Location<'static>,
}

impl Batches<'_> {
    fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.bytes += key.len() + row.len();
        self.rows.push((key.to_vec(), row.to_vec()));
        let full = self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES;
        if full { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        self.bytes = 0;
        let mut rows = std::mem::take(&mut self.rows);
        // In the order of the locks. Of two with one key the later counts: sorting keeps their order.
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        txn::run(self.engine, "Db::import", self.site, &TransactionOptions::default(), |tx| {
            rows.iter().try_for_each(|(key, row)| tx.put_bytes(&self.core, key, row, self.site))
        })
    }
}
