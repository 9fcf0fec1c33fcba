//! Turns records of the journal into what happened to one table.

use super::event::{Bulk, BulkKind, Change, Old};
use crate::codec::{Key, KeyBuf, decode_row};
use crate::error::{Error, Result};
use crate::query::decode_stored_key;
use crate::table::catalog::check_definition;
use crate::table::table_core::Definition;
use crate::table::typed::hex;
use crate::table::{Row, Shared, Table};
use crate::txn::{BulkRecord, Record, RecordRow, read_record};

/// What a record says of the table.
#[derive(Debug)]
pub(super) enum News<K, V> {
    Rows(Vec<Change<K, V>>),
    Bulk(Bulk),
    Dropped,
    /// From here on the table has another version than the program's.
    OtherTypes,
}

/// Knows which id the table has where the reading is.
#[derive(Debug)]
pub(super) struct Decoder {
    /// What the program says of the table.
    program: Definition,
    /// None: there is no table, or one of other types.
    pub(super) id: Option<u32>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    with_old: bool,
}

impl Decoder {
    pub(super) fn new(
        program: Definition,
        id: Option<u32>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        with_old: bool,
    ) -> Self {
        Decoder { program, id, low, high, with_old }
    }

    pub(super) fn program(&self) -> &Definition {
        &self.program
    }

    /// What the record of a commit says of the table, if it says anything.
    ///
    /// # Errors
    /// `Corrupted` for a record or a row that cannot be read.
    pub(super) fn take<K: Key, V: Row>(
        &mut self,
        table: Table<K, V>,
        commit: u64,
        record: &[u8],
    ) -> Result<Option<News<K, V>>> {
        match read_record(commit, record)? {
            Record::Rows(rows) => {
                let ours = rows.iter().filter(|row| self.follows(row));
                let changes = ours.map(|row| change(table, row, self.with_old)).collect::<Result<Vec<_>>>()?;
                Ok((!changes.is_empty()).then_some(News::Rows(changes)))
            }
            Record::Tables(definitions) => {
                definitions.iter().for_each(|definition| self.adopt(definition));
                Ok(None)
            }
            Record::Drop(_) => Ok(None),
            Record::Bulk(bulk) => Ok(self.bulk(bulk)),
        }
    }

    fn follows(&self, row: &RecordRow<'_>) -> bool {
        Some(row.table) == self.id && *row.key >= *self.low && self.high.as_ref().is_none_or(|high| *row.key < **high)
    }

    /// A table was made. One of this name whose types are others is not the one that is followed.
    fn adopt(&mut self, made: &Definition) {
        let is_ours = made.index.is_none() && made.name == self.program.name;
        if is_ours && Some(made.id) != self.id {
            self.id = check_definition(made, &self.program).is_ok().then_some(made.id);
        }
    }

    fn bulk<K, V>(&mut self, bulk: BulkRecord) -> Option<News<K, V>> {
        let id = self.id?;
        if bulk.drops.contains(&id) {
            self.id = None;
            return Some(News::Dropped);
        }
        let redefined = bulk.definitions.iter().find(|definition| definition.id == id);
        if redefined.is_some_and(|definition| check_definition(definition, &self.program).is_err()) {
            return Some(News::OtherTypes);
        }
        let splice = bulk.splices.into_iter().find(|splice| splice.table == id)?;
        let is_empty = splice.is_empty();
        let (low, high) = splice.bounds();
        let whole = low.is_empty() && high.is_none();
        let apart =
            self.high.as_ref().is_some_and(|end| low >= *end) || high.as_ref().is_some_and(|end| *end <= self.low);
        if apart {
            return None;
        }
        let kind = match (redefined.is_some(), is_empty, whole) {
            (true, ..) => BulkKind::Migrated,
            (_, true, true) => BulkKind::Cleared,
            (_, true, false) => BulkKind::Removed,
            _ => BulkKind::Loaded,
        };
        Some(News::Bulk(Bulk { kind, low, high }))
    }
}

fn change<K: Key, V: Row>(table: Table<K, V>, row: &RecordRow<'_>, with_old: bool) -> Result<Change<K, V>> {
    let decode = |bytes: &[u8]| -> Result<Shared<V>> {
        decode_row::<V>(bytes).map(Shared::from).map_err(|fault| {
            let key = hex(row.key);
            let text = format!("a row of table {:?} under key {key} in the journal does not decode", table.name());
            Error::corrupted(text).with_source(fault)
        })
    };
    let key = decode_stored_key::<K>(table.name(), row.key)?;
    let old = match row.old.filter(|_| with_old) {
        None => Old::Unknown,
        Some(None) => Old::Absent,
        Some(Some(bytes)) => Old::Row(decode(bytes)?),
    };
    Ok(Change { key, new: row.row.map(decode).transpose()?, old })
}
