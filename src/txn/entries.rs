//! The index entries of a commit: what the rows that a transaction wrote change in the indexes of their tables.
//!
//! They are found when the closure has ended, from the rows as they are stored and as they will be; both are under the
//! transaction's locks. Then they are locked in one batch, in order: indexes sort after all tables, so a transaction that
//! has read no index waits for them like for its first lock. Only then are unique indexes looked at, since what another
//! transaction is about to put or to remove is under its lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::transaction::{State, Transaction};
use super::write_set::{TableWrites, WriteSet};
use crate::codec::KeyBuf;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::Mode;
use crate::table::index_core::{IndexCore, Indexes};
use crate::table::row_keys::{KeysOfRow, RowKeys};
use crate::table::table_core::TableCore;
use crate::table::typed;

/// What becomes of one entry.
#[derive(Default)]
struct Change {
    /// The row that loses it.
    from: Option<KeyBuf>,
    /// The row that gets it, and the entry's own row.
    to: Option<(KeyBuf, KeyBuf)>,
}

/// The changes of one index of a table.
struct IndexChanges {
    table: Arc<TableCore>,
    index: Arc<IndexCore>,
    entries: BTreeMap<KeyBuf, Change>,
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
        changes.sort_by_key(|changes| changes.index.core.id());
        self.lock_entries(state, &changes)?;
        for IndexChanges { table, index, entries } in changes {
            for (key, change) in entries {
                if !self.takes_effect(&table, &index, &key, &change)? {
                    continue;
                }
                let row = change.to.as_ref().map(|(_, row)| &row[..]);
                state.writes.put_entry(&index.core, key, row);
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
            entries: BTreeMap::new(),
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
            changes[first..].iter_mut().enumerate().try_for_each(|(at, index)| {
                let of = |keys: &Option<KeysOfRow>| keys.as_ref().map_or(&[][..], |keys| &keys[at]).to_vec();
                index.add(key, &of(&before), &of(&after))
            })?;
        }
        Ok(())
    }

    /// Locks all entries in order: the indexes first, and what is in them then.
    fn lock_entries(&self, state: &mut State, changes: &[IndexChanges]) -> Result<()> {
        let all: usize = changes.iter().map(|changes| changes.entries.len()).sum();
        let (escalate, most) = (self.engine.locks.escalate_rows(), self.engine.options.max_row_locks);
        let too_many = all + state.writes.rows() > most;
        let whole = |changes: &IndexChanges| too_many || changes.entries.len() >= escalate;
        state.locks.asked_at(self.site);
        for changes in changes.iter().filter(|changes| !changes.entries.is_empty()) {
            let mode = if whole(changes) { Mode::X } else { Mode::IX };
            state.locks.lock_table(&changes.index.core, mode)?;
        }
        for changes in changes.iter().filter(|changes| !whole(changes)) {
            for key in changes.entries.keys() {
                state.locks.lock_row(&changes.index.core, key, Mode::X)?;
            }
        }
        Ok(())
    }

    /// Whether an entry is to be changed, as far as the rows of others go.
    fn takes_effect(&self, table: &TableCore, index: &IndexCore, key: &[u8], change: &Change) -> Result<bool> {
        if !index.unique || (index.is_ready() && change.from.is_some()) {
            return Ok(true);
        }
        let owner = typed::value(&self.engine.pager, &index.core, key)?;
        let is_owner = |row: Option<&KeyBuf>| row.is_some_and(|row| owner.as_deref() == Some(&row[..]));
        let (from, to) = (is_owner(change.from.as_ref()), is_owner(change.to.as_ref().map(|(row, _)| row)));
        match (&owner, &change.to) {
            (Some(owner), Some(_)) if !from && !to => Err(index.exists(key, owner, table)),
            // The index is still built, and the entry of the row that gives the key up is not there yet.
            (_, None) => Ok(from),
            _ => Ok(true),
        }
    }
}

impl IndexChanges {
    /// A row leaves the keys `before` that are not in `after`, and gets those that are only in `after`.
    fn add(&mut self, row: &KeyBuf, before: &[Vec<u8>], after: &[Vec<u8>]) -> Result<()> {
        for key in before.iter().filter(|key| after.binary_search(key).is_err()) {
            let (entry, _) = self.index.entry(key, row)?;
            self.entries.entry(entry).or_default().from = Some(row.clone());
        }
        for key in after.iter().filter(|key| before.binary_search(key).is_err()) {
            let (entry, value) = self.index.entry(key, row)?;
            let change = self.entries.entry(entry).or_default();
            if let Some((other, _)) = &change.to {
                return Err(self.index.exists(key, other, &self.table));
            }
            change.to = Some((row.clone(), value));
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
