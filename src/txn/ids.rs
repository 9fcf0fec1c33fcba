//! Ids that are given out once and never again: not after a rollback, a removal, a crash.
//!
//! For each table that wants some, a row of a table of the library's own says up to which id they may have been given
//! out. It is raised by blocks, and is on disk before the first id of a block goes out. What a crash or the end of the
//! program leaves of a block is skipped: blocks begin small and grow with the demand, so no more ids are lost than were
//! given out, and fifteen.
//!
//! No lock guards these rows, but the latch over the blocks: whoever waits for it waits for the disk and for no
//! transaction. Nobody but this module reads or writes them.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use super::engine::Engine;
use super::transaction::Transaction;
use super::write_set::WriteSet;
use crate::codec::{Key, KeyBuf, Shape, encode_key, encode_row};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Durability, LARGEST_ID_BLOCK, SMALLEST_ID_BLOCK};
use crate::sync::Mutex;
use crate::table::table_core::{Definition, TableCore};
use crate::table::typed;
use crate::table::{Row, Table};

/// The table of the marks: the name of a table, and the first id that was not given out for it.
pub(crate) const MARKS: &str = "gangline.ids";

/// The blocks of the tables for which ids were wanted since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    blocks: Mutex<HashMap<String, Block>>,
}

/// Ids from `next` up to, not including, `end`, which is the mark on disk.
#[derive(Debug, Clone, Copy)]
struct Block {
    next: u64,
    end: u64,
    /// Of the next block.
    size: u64,
}

impl Engine {
    /// An id for a table that nobody else gets.
    pub(crate) fn next_id(&self, table: &str, site: &'static Location<'static>) -> Result<u64> {
        self.with_block(table, site, |block| {
            if block.next == block.end {
                let end = block.end.saturating_add(block.size);
                if end == block.end {
                    let text = format!("table {table:?} has been given all 2^64 ids; use another table");
                    return Err(Error::new(ErrorKind::InvalidArgument, text));
                }
                self.write_mark(table, end)?;
                block.end = end;
                block.size = (block.size * 2).min(LARGEST_ID_BLOCK);
            }
            block.next += 1;
            Ok(block.next - 1)
        })
    }

    /// Gives no id up to this one for a table any more.
    pub(crate) fn skip_ids(&self, table: &str, up_to: u64, site: &'static Location<'static>) -> Result<()> {
        self.with_block(table, site, |block| {
            let next = up_to.saturating_add(1);
            if next > block.end {
                self.write_mark(table, next)?;
                block.end = next;
            }
            block.next = block.next.max(next);
            Ok(())
        })
    }

    fn with_block<T>(
        &self,
        table: &str,
        site: &'static Location<'static>,
        with: impl FnOnce(&mut Block) -> Result<T>,
    ) -> Result<T> {
        self.check_alive()?;
        // Making room in memory for the mark may drop rows of the program: code of theirs that calls the database must be
        // refused, or it waits for its own thread.
        let _scope = context::enter(Activity::Transaction, site);
        // Whoever has it may be waiting for the disk.
        let mut blocks = match self.ids.blocks.try_lock() {
            Some(blocks) => blocks,
            None => {
                context::check_may_block()?;
                self.ids.blocks.lock()
            }
        };
        if let Some(block) = blocks.get_mut(table) {
            return with(block);
        }
        let mark = match self.catalog.find(MARKS) {
            Some(core) => typed::get::<u64>(&self.pager, &core, None, &key_of(table))?.map_or(1, |mark| *mark),
            None => 1,
        };
        let block = Block { next: mark, end: mark, size: SMALLEST_ID_BLOCK };
        with(blocks.entry(table.to_owned()).or_insert(block))
    }

    /// Notes that ids below `mark` may be in use, and waits for the disk.
    fn write_mark(&self, table: &str, mark: u64) -> Result<()> {
        context::check_may_block()?;
        let core = self.table_of_marks()?;
        let mut writes = WriteSet::default();
        let size = encode_row(&mark, writes.arena()).map_err(|fault| fault.into_error(MARKS))?;
        writes.put(&core, key_of(table), 0, Arc::new(mark), size.heap_bytes);
        let committed = self.apply(writes)?;
        self.finish(committed, Durability::Immediate)
    }

    pub(crate) fn table_of_marks(&self) -> Result<Arc<TableCore>> {
        let _creating = self.catalog.creating.lock();
        if let Some(core) = self.catalog.find(MARKS) {
            return Ok(core);
        }
        let mut key_shape = String::new();
        String::shape(&mut key_shape);
        let row_shape = Shape::of_type::<u64>().map_err(|fault| fault.into_error(MARKS))?;
        let id = self.catalog.fresh_id();
        self.commit_tables(vec![Definition {
            id,
            name: MARKS.to_owned(),
            version: 1,
            key_shape,
            row_shape,
            index: None,
        }])
    }
}

fn key_of(table: &str) -> KeyBuf {
    encode_key::<String>(table)
}

impl Transaction {
    /// An id for a new row of a table, which no other call was or will be given: also not when this transaction is
    /// rolled back or starts over, when the row is removed, or after a crash. Ids grow from 1 on, with gaps. They say nothing of the
    /// order of commits.
    ///
    /// Takes no lock. One call in some hundred waits for the disk, whatever the durability of the transaction.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const ORDERS: Table<u64, String> = Table::new("orders");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// let id = db.transact(|tx| {
    ///     let id = tx.next_id(ORDERS)?;
    ///     tx.insert(ORDERS, id, format!("order {id}"))?;
    ///     Ok(id)
    /// })?;
    /// assert_eq!(id, 1);
    /// assert_eq!(db.next_id(ORDERS)?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Restart`](ErrorKind::Restart), which the closure passes on, and what a commit gives.
    #[track_caller]
    pub fn next_id<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        self.next_id_at(table.name(), Location::caller())
    }

    pub(crate) fn next_id_at(&self, table: &str, site: &'static Location<'static>) -> Result<u64> {
        drop(self.state()?);
        self.engine.next_id(table, site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_of_a_program_has_the_name_of_the_marks() {
        assert!(MARKS.starts_with(crate::table::catalog::RESERVED_NAMES));
    }
}
