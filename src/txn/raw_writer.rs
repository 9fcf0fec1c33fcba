//! Rows as bytes, committed by who has the database for himself and does not know the program's types.

use std::sync::Arc;

use super::engine::Engine;
use super::write_set::WriteSet;
use crate::codec::KeyBuf;
use crate::error::Result;
use crate::options::Durability;
use crate::table::table_core::TableCore;

/// Rows and bytes of one commit at most, but for a row that is larger.
const MAX_ROWS: usize = 2_000;
const MAX_BYTES: usize = 1 << 20;

/// Gathers rows into commits. It takes no locks: nobody else may use the database.
#[derive(Debug)]
pub(crate) struct RawWriter<'a> {
    engine: &'a Engine,
    writes: WriteSet,
}

impl<'a> RawWriter<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        RawWriter { engine, writes: WriteSet::default() }
    }

    /// Puts a row, or removes one. What the same commit already has of the key is replaced.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(crate) fn write(&mut self, table: &Arc<TableCore>, key: &[u8], row: Option<&[u8]>) -> Result<()> {
        self.writes.write_bytes(table, KeyBuf::from(key), row);
        let full = self.writes.rows() >= MAX_ROWS || self.writes.bytes() >= MAX_BYTES;
        if full { self.finish() } else { Ok(()) }
    }

    /// Commits what was gathered. It is on disk after the next sync or checkpoint.
    ///
    /// # Errors
    /// `DiskFull`, and `Poisoned` after a failed checkpoint.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(());
        }
        self.engine.check_alive()?;
        self.engine.admit(&[])?;
        let committed = self.engine.apply(writes)?;
        self.engine.reshape(&committed);
        self.engine.finish(committed, Durability::Eventual)
    }
}
