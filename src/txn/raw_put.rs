//! Writing a row of which only the bytes are known: what an import does inside a transaction.

use std::panic::Location;
use std::sync::Arc;

use super::sizes::check_key_length;
use super::transaction::Transaction;
use crate::codec::KeyBuf;
use crate::error::Result;
use crate::lock::Mode;
use crate::table::table_core::TableCore;

impl Transaction {
    /// Puts a row. Where the table has indexes, the program must have used it, so that their functions are known.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(crate) fn put_bytes(
        &self,
        core: &Arc<TableCore>,
        key: &[u8],
        row: &[u8],
        site: &'static Location<'static>,
    ) -> Result<()> {
        check_key_length(core.name(), key)?;
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.lock_row(core, key, Mode::X)?;
        self.check_row_size(core, key, row.len())?;
        self.check_size(state.writes.bytes() + key.len() + row.len(), state.writes.rows())?;
        state.writes.write_bytes(core, KeyBuf::from(key), Some(row));
        Ok(())
    }
}
