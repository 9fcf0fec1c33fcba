//! Applies the journal behind the root to the tables, as bytes.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::table::apply::{Applier, Image, pinned_place};
use crate::table::catalog::Catalog;
use crate::table::pager::Pager;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Record, RecordRow, read_record};

/// Applies one record.
pub(crate) fn apply_record(pager: &Pager, catalog: &Catalog, commit: u64, bytes: &[u8]) -> Result<()> {
    match read_record(commit, bytes)? {
        Record::Tables(definitions) => {
            definitions.into_iter().try_for_each(|definition| apply_definition(pager, catalog, commit, definition))
        }
        Record::Drop(index) => {
            catalog.remove_index(index, commit);
            Ok(())
        }
        Record::Rows(rows) => apply_rows(pager, catalog, commit, &rows),
    }
}

fn apply_definition(pager: &Pager, catalog: &Catalog, commit: u64, definition: Definition) -> Result<()> {
    match catalog.by_id(definition.id) {
        Some(table) => {
            if definition.index.is_some_and(|index| index.ready) {
                catalog.set_index_ready(&table, commit);
            }
            table.set_row_shape(definition.row_shape);
            catalog.mark_dirty(table.id());
            Ok(())
        }
        None => {
            let table = TableCore::empty(definition, commit, pager.fresh_id());
            table.settle(&pager.cache);
            catalog.add(table, commit)
        }
    }
}

fn apply_rows(pager: &Pager, catalog: &Catalog, commit: u64, rows: &[RecordRow<'_>]) -> Result<()> {
    let mut applier = Applier::new(pager, commit);
    let mut table: Option<Arc<TableCore>> = None;
    // Nothing is evicted between a page's coming in and its edit.
    let _held = pager.cache.hold();
    for row in rows {
        let same = table.take().filter(|table| table.id() == row.table).or_else(|| catalog.by_id(row.table));
        let core = same.ok_or_else(|| {
            Error::corrupted(format!("commit {commit} in the journal writes table {}, which is not there", row.table))
        })?;
        pager.make_resident(&core, row.key)?;
        let place = pinned_place(&core, row.key)
            .ok_or_else(|| Error::corrupted(format!("a page of table {:?} cannot be kept in memory", core.name())))?;
        let image = row.row.map(|bytes| Image { bytes, decoded: None, heap: 0 });
        applier.apply(&core, &place, row.key, image);
        table = Some(core);
    }
    drop(applier.finish());
    Ok(())
}
