//! The table that an import is reading rows into.

use std::panic::Location;
use std::sync::Arc;

use super::import::{ImportReport, ImportedTable};
use super::schema::Schema;
use super::sink::Sink;
use crate::error::Result;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Engine, MARKS};

/// See the module's text.
pub(super) struct OpenTable<'e> {
    core: Arc<TableCore>,
    pub(super) definition: Definition,
    sink: Sink<'e>,
    created: bool,
    /// Lines with a row of it, bad ones included, and rows that were added.
    pub(super) lines: u64,
    rows: u64,
    /// It began with what the table is, and has to end with the number of its rows.
    pub(super) framed: bool,
}

impl<'e> OpenTable<'e> {
    pub(super) fn new(
        engine: &'e Arc<Engine>,
        core: Arc<TableCore>,
        created: bool,
        replace: bool,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        let sink = Sink::new(engine, &core, replace, site)?;
        Ok(OpenTable { definition: core.definition(), core, sink, created, lines: 0, rows: 0, framed: false })
    }

    pub(super) fn by_schema(
        engine: &'e Arc<Engine>,
        schema: &Schema,
        name: &str,
        replace: bool,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        let (core, created) = if name == MARKS {
            (engine.table_of_marks()?, false)
        } else {
            engine.table_by(name, || schema.definition(engine.catalog.fresh_id(), name))?
        };
        schema.check(&core.definition())?;
        OpenTable::new(engine, core, created, replace, site)
    }

    pub(super) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.sink.add(key, row)?;
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(self, report: &mut ImportReport) -> Result<()> {
        self.sink.finish()?;
        let name = self.core.name().to_owned();
        report.tables.push(ImportedTable { name, rows: self.rows, created: self.created });
        Ok(())
    }

    /// An import that fails leaves no table behind that it has made, unless rows are in it.
    pub(super) fn give_up(self, engine: &Arc<Engine>, site: &'static Location<'static>) {
        let OpenTable { core, sink, created, .. } = self;
        drop(sink);
        if created && core.rows() == 0 {
            // What failed first is what counts.
            let _ = engine.drop_table(core.name(), site);
        }
    }
}
