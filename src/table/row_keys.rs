//! The index keys of rows, for those who do not know the rows' type: commits, builds, and verify.

use std::any::Any;
use std::sync::Arc;

use super::definition::{IndexDef, Row};
use super::pager::Pager;
use super::table_core::TableCore;
use super::typed;
use crate::error::Result;

/// The keys of one row: a list for each index, ascending and without repetition.
pub(crate) type KeysOfRow = Vec<Vec<Vec<u8>>>;

/// Runs code of the program: never under a latch.
pub(crate) trait RowKeys: Send + Sync {
    /// Those of a decoded row; none when it is of another Rust type.
    fn of_row(&self, row: &dyn Any) -> Option<KeysOfRow>;
    /// Those of an encoded row.
    fn of_bytes(&self, table: &TableCore, key: &[u8], row: &[u8]) -> Result<KeysOfRow>;
    /// Those of the row that is stored under a key now, which is locked; none when there is no row.
    fn of_stored(&self, pager: &Pager, table: &TableCore, key: &[u8]) -> Result<Option<KeysOfRow>>;
    /// Without those of one index, which is no more. Runs no code of the program.
    fn without(&self, at: usize) -> Arc<dyn RowKeys>;
}

/// The functions that a program's definition of a table gives, in the order of the indexes that they are for.
pub(crate) struct TypedKeys<V: 'static>(pub(crate) Vec<&'static dyn IndexDef<V>>);

impl<V: Row> TypedKeys<V> {
    fn of(&self, row: &V) -> KeysOfRow {
        self.0.iter().map(|index| keys_of(*index, row)).collect()
    }
}

/// The keys of a row in one index, ascending and without repetition.
pub(crate) fn keys_of<V>(index: &dyn IndexDef<V>, row: &V) -> Vec<Vec<u8>> {
    let mut keys = index.keys_of(row);
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl<V: Row> RowKeys for TypedKeys<V> {
    fn of_row(&self, row: &dyn Any) -> Option<KeysOfRow> {
        row.downcast_ref().map(|row| self.of(row))
    }

    fn of_bytes(&self, table: &TableCore, key: &[u8], row: &[u8]) -> Result<KeysOfRow> {
        typed::decode_one(table, key, row).map(|row| self.of(&row))
    }

    fn of_stored(&self, pager: &Pager, table: &TableCore, key: &[u8]) -> Result<Option<KeysOfRow>> {
        Ok(typed::get::<V>(pager, table, None, key)?.map(|row| self.of(&row)))
    }

    fn without(&self, at: usize) -> Arc<dyn RowKeys> {
        let mut rest = self.0.clone();
        rest.remove(at);
        Arc::new(TypedKeys(rest))
    }
}
