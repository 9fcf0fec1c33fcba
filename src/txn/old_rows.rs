//! Rows as they were before a commit, for those who follow a table and want them.
//!
//! A commit writes them into its record, beside the new ones, while somebody asks for them: they are under its locks when
//! it is about to be written down, so nothing else has to remember them, and whoever reads the record later has both.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::engine::Engine;
use super::write_set::WriteSet;
use crate::codec::KeyBuf;
use crate::error::Result;
use crate::lock::FIRST_INDEX;
use crate::storage::journal::MAX_PAYLOAD_BYTES;
use crate::table::table_core::TableCore;
use crate::table::typed;

/// What a row costs in a record beside its bytes, at most.
const ROW_OVERHEAD: usize = 8;

/// The tables whose old rows are wanted.
#[derive(Debug, Default)]
pub(crate) struct OldRows {
    /// How many ask, over all tables: what a commit looks at that nobody follows.
    wanted: AtomicUsize,
    /// By name, since a table that is made anew is followed on.
    tables: RwLock<HashMap<String, usize>>,
}

/// Somebody wants the old rows of a table, until it is dropped.
#[derive(Debug)]
pub(crate) struct WantsOldRows {
    engine: Arc<Engine>,
    table: String,
}

/// For each table of a write set of which they are wanted, the rows before, in the order of the keys.
pub(super) type OldImages = BTreeMap<u32, Vec<Option<KeyBuf>>>;

impl WantsOldRows {
    /// Commits that begin after this call write them down.
    pub(crate) fn of(engine: &Arc<Engine>, table: &str) -> WantsOldRows {
        let old = &engine.old_rows;
        *old.tables.write().entry(table.to_owned()).or_default() += 1;
        old.wanted.fetch_add(1, Ordering::Relaxed);
        WantsOldRows { engine: Arc::clone(engine), table: table.to_owned() }
    }
}

impl Drop for WantsOldRows {
    fn drop(&mut self) {
        let old = &self.engine.old_rows;
        old.wanted.fetch_sub(1, Ordering::Relaxed);
        let mut tables = old.tables.write();
        if let Some(count) = tables.get_mut(&self.table) {
            *count -= 1;
            if *count == 0 {
                tables.remove(&self.table);
            }
        }
    }
}

impl Engine {
    /// The rows before a commit, as far as they are wanted. None at all where they are too large to be written down
    /// beside the new ones. The caller has locks on the rows.
    ///
    /// # Errors
    /// `Corrupted`, and what reading pages gives.
    #[inline]
    pub(super) fn old_images(&self, writes: &WriteSet) -> Result<OldImages> {
        if self.old_rows.wanted.load(Ordering::Relaxed) == 0 {
            return Ok(OldImages::new());
        }
        self.read_old_images(writes)
    }

    /// Whose old rows are wanted.
    #[cfg(test)]
    pub(crate) fn tables_with_old_rows(&self) -> Vec<String> {
        self.old_rows.tables.read().keys().cloned().collect()
    }

    #[cold]
    fn read_old_images(&self, writes: &WriteSet) -> Result<OldImages> {
        let wanted = self.old_rows.tables.read().clone();
        let overhead = writes.rows() * ROW_OVERHEAD + 64;
        let room = MAX_PAYLOAD_BYTES.saturating_sub(writes.bytes() + overhead);
        let mut room = self.options.max_transaction_bytes.min(room);
        let mut images = OldImages::new();
        let is_wanted = |core: &TableCore| core.id() < FIRST_INDEX && wanted.contains_key(core.name());
        for table in writes.tables().filter(|table| is_wanted(&table.core)) {
            let mut rows = Vec::with_capacity(table.rows.len());
            for key in table.rows.keys() {
                let row = typed::value(&self.pager, &table.core, key)?;
                match room.checked_sub(row.as_ref().map_or(0, |row| row.len())) {
                    Some(rest) => room = rest,
                    None => return Ok(OldImages::new()),
                }
                rows.push(row);
            }
            images.insert(table.core.id(), rows);
        }
        Ok(images)
    }
}
