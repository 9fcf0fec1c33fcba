//! Making, ending and dropping indexes of a table that is in use.
//!
//! Which indexes a table has changes only under X on the table: no commit is under way then that has looked them up
//! before. What is made so is not ready. From then on every commit keeps it up, whoever builds it fills it with the rows
//! that were there before, and a last commit makes it ready. One that is not ready at an opening is dropped.

use std::panic::Location;
use std::sync::Arc;

use super::engine::Engine;
use super::record::{definitions_record, drop_record};
use crate::codec::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{LockSet, Mode};
use crate::table::catalog::{check_definition, program_definition};
use crate::table::declared::{declared, undeclared, use_functions};
use crate::table::index_core::IndexCore;
use crate::table::table_core::{Definition, TableCore};
use crate::table::{Row, Table};

impl Engine {
    /// The table whatever indexes it has; makes it, with those of the program, when it is not there.
    pub(crate) fn table_for_build<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Arc<TableCore>> {
        match self.catalog.find(table.name()) {
            Some(core) => {
                check_definition(&core.definition(), &program_definition(table, core.id())?)?;
                Ok(core)
            }
            None => self.table(table),
        }
    }

    /// Makes the declared indexes of a table that are not stored, or differ from those that are, not ready. Gives them.
    ///
    /// # Errors
    /// `SchemaMismatch` for a stored index that is not declared; `LockTimeout`.
    pub(crate) fn make_indexes<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        core: &Arc<TableCore>,
        site: &'static Location<'static>,
    ) -> Result<Vec<Arc<IndexCore>>> {
        let declared = declared(table)?;
        let mut locks = LockSet::begin(&self.locks, site, Some("build indexes".into()));
        locks.lock_table(core, Mode::X)?;
        let stored = core.indexes();
        undeclared(table.name(), &stored, &declared)?;
        let stale = stored.list.iter().filter(|index| {
            let wanted = declared.iter().find(|declared| declared.name() == index.name());
            !index.is_ready() || wanted.is_none_or(|wanted| wanted.difference(index).is_some())
        });
        self.drop_locked(stale)?;
        let stored = core.indexes();
        let of_table = core.definition();
        let definitions: Vec<Definition> = declared
            .iter()
            .filter(|index| stored.find(index.name()).is_none())
            .map(|index| index.definition(&of_table, self.catalog.fresh_index_id(), false))
            .collect();
        if definitions.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<u32> = definitions.iter().map(|definition| definition.id).collect();
        self.commit_tables(definitions)?;
        core.change_indexes(|indexes| use_functions(table, indexes));
        Ok(core.indexes().list.iter().filter(|index| ids.contains(&index.core.id())).cloned().collect())
    }

    /// Says that indexes have all rows from now on.
    pub(crate) fn end_indexes(&self, indexes: &[Arc<IndexCore>]) -> Result<()> {
        let ready = |index: &Arc<IndexCore>| {
            let mut definition = index.core.definition();
            definition.index.iter_mut().for_each(|of| of.ready = true);
            definition
        };
        let definitions: Vec<Definition> = indexes.iter().map(ready).collect();
        self.commit_catalog(
            || definitions_record(&definitions),
            |number| indexes.iter().for_each(|index| self.catalog.set_index_ready(&index.core, number)),
        )
    }

    /// Drops indexes of a table, ready or not.
    ///
    /// # Errors
    /// `LockTimeout`.
    pub(crate) fn drop_indexes(
        &self,
        core: &Arc<TableCore>,
        indexes: &[Arc<IndexCore>],
        site: &'static Location<'static>,
    ) -> Result<()> {
        let mut locks = LockSet::begin(&self.locks, site, Some("drop index".into()));
        locks.lock_table(core, Mode::X)?;
        let now = core.indexes();
        let still = indexes.iter().filter(|index| now.list.iter().any(|other| Arc::ptr_eq(index, other)));
        self.drop_locked(still)
    }

    /// Under X on their table: a transaction that has read an index holds an intent there, so it has ended.
    fn drop_locked<'i>(&self, indexes: impl Iterator<Item = &'i Arc<IndexCore>>) -> Result<()> {
        indexes.map(|index| &index.core).try_for_each(|core| self.drop_index_core(core))
    }

    fn drop_index_core(&self, core: &TableCore) -> Result<()> {
        let id = core.id();
        self.commit_catalog(|| drop_record(id), |number| self.catalog.remove_index(id, number))?;
        core.release(&self.pager.cache);
        Ok(())
    }

    /// Drops what a build that was cut off has left, before the database is used.
    pub(crate) fn drop_unready_indexes(&self) -> Result<()> {
        let unready = |core: &Arc<TableCore>| core.definition().index.is_some_and(|index| !index.ready);
        self.catalog.tables().into_iter().filter(unready).try_for_each(|core| self.drop_index_core(&core))
    }

    /// Drops an index by its name. False when there is none.
    ///
    /// # Errors
    /// `InvalidArgument` for a table that is not there, and as [`drop_indexes`](Self::drop_indexes).
    pub(crate) fn drop_index(&self, table: &str, index: &str, site: &'static Location<'static>) -> Result<bool> {
        let Some(core) = self.catalog.find(table) else {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("there is no table {table:?}")));
        };
        let indexes = core.indexes();
        let Some(found) = indexes.find(index) else { return Ok(false) };
        self.drop_indexes(&core, std::slice::from_ref(found), site)?;
        Ok(true)
    }
}
