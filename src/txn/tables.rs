//! Tables of the program meet tables of the store.

use std::sync::Arc;

use super::engine::Engine;
use super::record::definitions_record;
use crate::codec::{Key, Shape, check_row, encode_row};
use crate::context;
use crate::error::{Error, ErrorKind, Result};
use crate::table::catalog::{check_definition, program_definition};
use crate::table::declared::{declared, fit_indexes};
use crate::table::table_core::{Definition, TableCore};
use crate::table::{Row, Table};

impl Engine {
    /// The table, if it was ever written to.
    ///
    /// # Errors
    /// `SchemaMismatch` when keys or rows are stored in another shape than the program's.
    #[inline]
    pub(crate) fn table_if_any<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<Arc<TableCore>>> {
        let Some(core) = self.catalog.find(table.name()) else {
            return Ok(None);
        };
        if core.version() != table.row_version() || !core.is_checked(table.types()) {
            check_types(table, &core)?;
        }
        Ok(Some(core))
    }

    /// The table that a reader of a number sees, if there was one.
    ///
    /// # Errors
    /// As [`table_if_any`](Self::table_if_any).
    pub(crate) fn table_at<K: Key, V: Row>(&self, table: Table<K, V>, number: u64) -> Result<Option<Arc<TableCore>>> {
        match self.catalog.dropped_since(table.name(), number) {
            // Its indexes are not there any more, and are not compared.
            Some(core) => {
                check_definition(&core.definition(), &program_definition(table, core.id())?)?;
                Ok(Some(core))
            }
            None => self.table_if_any(table),
        }
    }

    /// The table; makes it when it is not there.
    #[inline]
    pub(crate) fn table<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Arc<TableCore>> {
        match self.table_if_any(table)? {
            Some(core) => Ok(core),
            None => self.create_table(table, None),
        }
    }

    /// The table for putting a row: makes it when it is not there, and sees to it that the row can be read again.
    ///
    /// # Errors
    /// `UnsupportedRow` when the row is of a type that cannot be stored; nothing was written then.
    #[inline]
    pub(crate) fn table_for_row<K: Key, V: Row>(&self, table: Table<K, V>, row: &V) -> Result<Arc<TableCore>> {
        match self.table_if_any(table)? {
            Some(core) if core.needs_no_look() => Ok(core),
            Some(core) => self.complete_shape(table, core, row),
            None => self.create_table(table, Some(row)),
        }
    }

    #[cold]
    fn create_table<K: Key, V: Row>(&self, table: Table<K, V>, row: Option<&V>) -> Result<Arc<TableCore>> {
        context::check_may_block()?;
        let _creating = self.catalog.creating.lock();
        if let Some(core) = self.table_if_any(table)? {
            return Ok(core);
        }
        let mut definition = program_definition(table, self.catalog.fresh_id())?;
        if let Some(row) = row {
            learn(table, row, &mut definition.row_shape)?;
        }
        let complete = row.is_some() && definition.row_shape.is_complete();
        let declared = declared(table)?;
        let indexes = declared.iter().map(|index| index.definition(&definition, self.catalog.fresh_index_id(), true));
        let definitions: Vec<Definition> = indexes.collect();
        let core = self.commit_tables([definition].into_iter().chain(definitions).collect())?;
        fit_indexes(table, &core)?;
        core.looked_at(complete);
        Ok(core)
    }

    /// The table of this name, and whether it was made now, by a definition that does not come from the program's types.
    #[cfg(feature = "admin")]
    pub(crate) fn table_by(
        &self,
        name: &str,
        definition: impl FnOnce() -> Result<Definition>,
    ) -> Result<(Arc<TableCore>, bool)> {
        let _creating = self.catalog.creating.lock();
        match self.catalog.find(name) {
            Some(core) => Ok((core, false)),
            None => Ok((self.commit_tables(vec![definition()?])?, true)),
        }
    }

    /// Replaces the stored row shape of a table by one that says more.
    pub(crate) fn replace_shape(&self, core: &TableCore, row_shape: Shape) -> Result<()> {
        let definition = Definition { row_shape, ..core.definition() };
        self.commit_catalog(
            || definitions_record(std::slice::from_ref(&definition)),
            |_| {
                core.set_row_shape(definition.row_shape.clone());
                self.catalog.mark_dirty(core.id());
            },
        )
    }

    /// Makes tables and indexes, in one commit. Gives the first of them.
    pub(crate) fn commit_tables(&self, definitions: Vec<Definition>) -> Result<Arc<TableCore>> {
        let ids: Vec<u64> = definitions.iter().map(|_| self.pager.fresh_id()).collect();
        let record = || definitions_record(&definitions);
        let made = self.commit_catalog(record, |number| {
            let made = definitions.iter().zip(&ids).map(|(definition, segment)| {
                let core = TableCore::empty(definition.clone(), number, *segment);
                core.settle(&self.pager.cache);
                self.catalog.add(Arc::clone(&core), number).map(|()| core)
            });
            made.collect::<Result<Vec<_>>>()
        })??;
        made.into_iter().next().ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "there is no table to make"))
    }

    /// A shape that was traced without a row may have parts that only a row shows. The rows put first complete it.
    #[cold]
    fn complete_shape<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        core: Arc<TableCore>,
        row: &V,
    ) -> Result<Arc<TableCore>> {
        context::check_may_block()?;
        let checking = core.checking.lock();
        let before = core.definition();
        let mut after = before.clone();
        learn(table, row, &mut after.row_shape)?;
        if let Some(difference) = Shape::difference(&before.row_shape, &after.row_shape) {
            return Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!("the rows of table {:?} have another shape: {difference}", table.name()),
            ));
        }
        let complete = after.row_shape.is_complete();
        if after != before {
            self.replace_shape(&core, after.row_shape)?;
        }
        core.looked_at(complete);
        drop(checking);
        Ok(core)
    }
}

/// Sees to it that the row comes back from its stored form, and completes the shape by it.
pub(crate) fn learn<K: Key, V: Row>(table: Table<K, V>, row: &V, shape: &mut Shape) -> Result<()> {
    let mut bytes = Vec::new();
    encode_row(row, &mut bytes)
        .and_then(|_| check_row::<V>(&bytes))
        .and_then(|()| shape.refine_with(row))
        .map_err(|fault| fault.into_error(table.name()))
}

#[cold]
fn check_types<K: Key, V: Row>(table: Table<K, V>, core: &TableCore) -> Result<()> {
    let program = program_definition(table, core.id())?;
    check_definition(&core.definition(), &program)?;
    fit_indexes(table, core)
}
