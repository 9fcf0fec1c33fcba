//! The index entries of a commit: what the rows that a transaction wrote change in the indexes of their tables.
//!
//! They are found when the closure has ended, from the rows as they are stored and as they will be; both are under the
//! transaction's locks. Then they are locked in one batch, in order: indexes sort after all tables, so a transaction that
//! has read no index waits for them like for its first lock. Only then are unique indexes looked at, since what another
//! transaction is about to put or to remove is under its lock.

use std::sync::Arc;

use smallvec::SmallVec;

use super::transaction::{State, Transaction};
use super::write_set::{TableWrites, WriteSet};
use crate::codec::KeyBuf;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::Mode;
use crate::table::index_core::{IndexCore, Indexes};
use crate::table::row_keys::RowKeys;
use crate::table::table_core::TableCore;
use crate::table::typed;

/// A row gets or loses an entry. Ascending, what is lost comes before what is got.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    entry: KeyBuf,
    got: bool,
    row: KeyBuf,
}

/// The changes of one index of a table, in their order.
struct IndexChanges {
    table: Arc<TableCore>,
    index: Arc<IndexCore>,
    all: SmallVec<[Change; 2]>,
}

impl Transaction {
    /// Locks and adds the index entries of all that was written. To be called once, at the end; runs the functions of
    /// the indexes.
    ///
    /// # Errors
    /// `Exists` with index and key, `KeyTooLarge`, `TransactionTooLarge`, and what locks give: `Restart` as well.
    pub(crate) fn add_index_entries(&self) -> Result<()> {
        if !self.writes_indexed_tables() {
            return Ok(());
        }
        let state = &mut *self.state()?;
        let mut changes = Vec::new();
        for writes in state.writes.tables().filter(|writes| writes.core.is_indexed()) {
            self.find_changes(&state.writes, writes, &mut changes)?;
        }
        changes.retain(|changes| !changes.all.is_empty());
        changes.iter_mut().for_each(|changes| changes.all.sort_unstable());
        changes.sort_by_key(|changes| changes.index.core.id());
        self.lock_entries(state, &changes)?;
        for IndexChanges { table, index, all } in &changes {
            for same in all.chunk_by(|a, b| a.entry == b.entry) {
                if let Some(row) = self.outcome(table, index, same)? {
                    let row = row.map(|row| index.entry_row(&same[0].entry, row));
                    state.writes.write_bytes(&index.core, same[0].entry.clone(), row.as_deref());
                }
            }
        }
        self.check_size(state.writes.bytes(), state.writes.rows())
    }

    fn find_changes(&self, writes: &WriteSet, table: &TableWrites, changes: &mut Vec<IndexChanges>) -> Result<()> {
        let core = &table.core;
        let indexes = core.indexes();
        let keys = functions(&indexes, core)?;
        let first = changes.len();
        changes.extend(indexes.list.iter().map(|index| IndexChanges {
            table: Arc::clone(core),
            index: Arc::clone(index),
            all: SmallVec::new(),
        }));
        for (key, write) in &table.rows {
            let before = keys.of_stored(&self.engine.pager, core, key)?;
            let after = match &write.image {
                None => None,
                Some(image) => match image.row().and_then(|row| keys.of_row(row)) {
                    Some(keys) => Some(keys),
                    None => Some(keys.of_bytes(core, key, writes.image_bytes(image))?),
                },
            };
            for (at, changes) in changes[first..].iter_mut().enumerate() {
                let before = before.as_ref().map_or(&[][..], |keys| &keys[at]);
                let after = after.as_ref().map_or(&[][..], |keys| &keys[at]);
                changes.add(key, before, after)?;
            }
        }
        Ok(())
    }

    /// Locks all entries in order: the indexes first, and what is in them then.
    fn lock_entries(&self, state: &mut State, changes: &[IndexChanges]) -> Result<()> {
        let all: usize = changes.iter().map(|changes| changes.all.len()).sum();
        let (escalate, most) = (self.engine.locks.escalate_rows(), self.engine.options.max_row_locks);
        let too_many = all + state.writes.rows() > most;
        let whole = |changes: &IndexChanges| too_many || changes.all.len() >= escalate;
        state.locks.asked_at(self.site);
        for changes in changes {
            let mode = if whole(changes) { Mode::X } else { Mode::IX };
            state.locks.lock_table(&changes.index.core, mode)?;
        }
        for changes in changes.iter().filter(|changes| !whole(changes)) {
            for change in &changes.all {
                state.locks.lock_row(&changes.index.core, &change.entry, Mode::X)?;
            }
        }
        Ok(())
    }

    /// What becomes of an entry by the changes of it: the row that has it then, or none. Nothing, if it stays as it is.
    fn outcome<'c>(
        &self,
        table: &TableCore,
        index: &IndexCore,
        changes: &'c [Change],
    ) -> Result<Option<Option<&'c KeyBuf>>> {
        let from = changes.iter().find(|change| !change.got).map(|change| &change.row);
        let mut got = changes.iter().filter(|change| change.got).map(|change| &change.row);
        let (to, entry) = (got.next(), &changes[0].entry);
        if let (Some(first), Some(_)) = (to, got.next()) {
            return Err(index.exists(entry, first, table));
        }
        if !index.unique || (index.is_ready() && from.is_some()) {
            return Ok(Some(to));
        }
        let owner = typed::value(&self.engine.pager, &index.core, entry)?;
        let is_owner = |row: Option<&KeyBuf>| row.is_some() && owner.as_ref() == row;
        match (&owner, to) {
            (Some(owner), Some(_)) if !is_owner(from) && !is_owner(to) => Err(index.exists(entry, owner, table)),
            // The index is still built, and the entry of the row that loses the key is not there yet.
            (_, None) if !is_owner(from) => Ok(None),
            _ => Ok(Some(to)),
        }
    }
}

impl IndexChanges {
    /// A row loses the keys `before` that are not in `after`, and gets those that are only in `after`.
    fn add(&mut self, row: &KeyBuf, before: &[Vec<u8>], after: &[Vec<u8>]) -> Result<()> {
        for (keys, others, got) in [(before, after, false), (after, before, true)] {
            for key in keys.iter().filter(|key| others.binary_search(key).is_err()) {
                let entry = self.index.entry_key(key, row)?;
                self.all.push(Change { entry, got, row: row.clone() });
            }
        }
        Ok(())
    }
}

/// The functions that give the keys. A program that has put a row has said what they are.
fn functions<'i>(indexes: &'i Indexes, table: &TableCore) -> Result<&'i Arc<dyn RowKeys>> {
    indexes.keys.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::SchemaMismatch,
            format!("the indexes of table {:?} were changed while it was written; try again", table.name()),
        )
    })
}
