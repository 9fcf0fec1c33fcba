//! Rows as they are stored, for those who do not know the program's types.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use crate::codec::{StoredValue, read_key};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockTable;
use crate::table::bulk::PageRows;
use crate::table::catalog::RESERVED_NAMES;
use crate::table::registry::Registration;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Engine, Snapshot};

impl Snapshot {
    /// All rows of a table in key order, read by what is stored of their types, as
    /// [`Db::stored_rows`](crate::Db::stored_rows).
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when there is no such table;
    /// [`SnapshotTooOld`](ErrorKind::SnapshotTooOld).
    pub fn stored_rows(&self, table: &str) -> Result<StoredRows<'_>> {
        self.engine.check_alive()?;
        self.check_age()?;
        self.kept(StoredRows::new(&self.engine, table, self.commit_number(), None, Some(self)))
    }
}

/// Keys and rows of a table one after another, without the program's types: see
/// [`Db::stored_rows`](crate::Db::stored_rows).
///
/// Rows that have [expired](crate::Table::expires) and are not removed yet are among them. A key of a type with an encoding of
/// its own, which is no shape that is built in, comes as the [`Bytes`](StoredValue::Bytes) of that encoding.
///
/// A row that cannot be read is an error of its own, and the next row follows: [`SchemaMismatch`](ErrorKind::SchemaMismatch)
/// where what is stored does not tell the row's shape in full, [`Corrupted`](ErrorKind::Corrupted) where the row does not
/// fit it. Any other error ends it: a damaged page, [`SnapshotTooOld`](ErrorKind::SnapshotTooOld).
///
/// Memory: as [`Query::iter`](crate::Query::iter).
#[must_use = "an iterator does nothing until it is asked"]
pub struct StoredRows<'a> {
    table: Arc<TableCore>,
    definition: Definition,
    _registration: Option<Registration>,
    /// Whose number is read at, if it may be taken away meanwhile.
    snapshot: Option<&'a Snapshot>,
    /// None: it has ended.
    rows: Option<PageRows<'a>>,
}

impl fmt::Debug for StoredRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRows").field("table", &self.table.name()).finish_non_exhaustive()
    }
}

impl<'a> StoredRows<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        name: &str,
        number: u64,
        registration: Option<Registration>,
        snapshot: Option<&'a Snapshot>,
    ) -> Result<Self> {
        let found = engine.catalog.dropped_since(name, number).or_else(|| engine.catalog.find(name));
        let seen = found.filter(|table| !name.starts_with(RESERVED_NAMES) && table.directory(Some(number)).is_some());
        let table =
            seen.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("there is no table {name:?}")))?;
        let rows = Some(PageRows::at(&engine.pager, &table, number));
        Ok(StoredRows { definition: table.definition(), table, _registration: registration, snapshot, rows })
    }
}

impl Iterator for StoredRows<'_> {
    type Item = Result<(StoredValue, StoredValue)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.as_mut()?.step();
        let next = self.snapshot.map_or_else(|| Ok(()), |snapshot| snapshot.kept(Ok(()))).and(next);
        match next {
            Ok(Some((key, row))) => Some(read(&self.table, &self.definition, key, row)),
            Ok(None) => {
                self.rows = None;
                None
            }
            Err(error) => {
                self.rows = None;
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for StoredRows<'_> {}

fn read(table: &TableCore, definition: &Definition, key: &[u8], row: &[u8]) -> Result<(StoredValue, StoredValue)> {
    let (keys, rows) = (&definition.key_shape, &definition.row_shape);
    let row = rows.read_value(row).map_err(|fault| {
        let (name, key) = (table.name(), table.show_key(key));
        if rows.is_complete() {
            return Error::corrupted(format!("table {name:?}: the row under {key} does not have the stored shape: {fault}"));
        }
        let text = format!(
            "table {name:?}: the row under {key} cannot be read by the stored shape, which is not known in full: {fault}; read \
             it with the program's type"
        );
        Error::new(ErrorKind::SchemaMismatch, text)
    })?;
    Ok((read_key(keys, key).unwrap_or_else(|| StoredValue::Bytes(key.to_vec())), row))
}
