//! Many rows at once inside a transaction.

use std::panic::Location;
use std::sync::Arc;

use super::sizes::checked_key;
use super::transaction::{State, Transaction};
use super::write_set::{WRITE_OVERHEAD, Write};
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::lock::{Mode, check_all};
use crate::table::table_core::TableCore;
use crate::table::typed;
use crate::table::{Row, Shared, Table};

impl Transaction {
    /// Writes many rows, whether they are there or not, and gives their number: all of them or, with an error, none. Of two
    /// rows with one key the later counts. They are locked in the order of their keys, and the table as a whole where they
    /// are many; so this starts over less often than one [`put`](Self::put) after another.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const NAMES: Table<u32, String> = Table::new("names");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| {
    ///     tx.put_many(NAMES, [(2, "Bo".to_owned()), (1, "Ada".to_owned())])?;
    ///     assert_eq!(tx.len(NAMES)?, 2);
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn put_many<K: Key, V: Row>(&self, table: Table<K, V>, rows: impl IntoIterator<Item = (K, V)>) -> Result<u64> {
        self.put_many_at(table, rows, Location::caller())
    }

    /// As [`put_many`](Self::put_many), for a call of the program at `site`.
    pub(crate) fn put_many_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        rows: impl IntoIterator<Item = (K, V)>,
        site: &'static Location<'static>,
    ) -> Result<u64> {
        let keyed = rows.into_iter().map(|(key, row)| Ok((checked_key(table, key.as_ref())?, row)));
        let mut sorted = keyed.collect::<Result<Vec<_>>>()?;
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        sorted.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        match sorted.first() {
            Some((_, row)) => self.engine.table_for_row(table, row).map(drop)?,
            None => return Ok(0),
        }
        self.write_hits(table, sorted, site)
    }

    /// The number of rows, those that are over included.
    pub(crate) fn row_count<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        site: &'static Location<'static>,
    ) -> Result<u64> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.lock_table(&core, Mode::S)?;
        let mut rows = core.rows();
        let own = state.writes.tables().find(|writes| writes.core.id() == core.id());
        for (key, write) in own.iter().flat_map(|writes| &writes.rows) {
            match (typed::contains(&self.engine.pager, &core, key)?.0, write.image.is_some()) {
                (false, true) => rows += 1,
                (true, false) => rows -= 1,
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Writes the changed rows of an update, in key order: all of them or, with an error, none. The program may go on
    /// after the error. When they are many, the table is locked first for this transaction alone, and then no row.
    pub(crate) fn write_hits<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        hits: Vec<(KeyBuf, V)>,
        site: &'static Location<'static>,
    ) -> Result<u64> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        if hits.len() >= self.engine.locks.escalate_rows() {
            state.locks.lock_table_alone(&core)?;
        }
        let count = hits.len() as u64;
        let mark = state.writes.mark();
        let mut written = Vec::with_capacity(hits.len());
        for (key, row) in hits {
            let in_time = check_all(state.locks.limits(), "while it wrote what it had found");
            match in_time.and_then(|()| self.write_hit(state, table, key.clone(), row)) {
                Ok(before) => written.push((key, before)),
                Err(error) => {
                    state.writes.take_back(core.id(), written, mark);
                    return Err(error);
                }
            }
        }
        Ok(count)
    }

    fn write_hit<K: Key, V: Row>(
        &self,
        state: &mut State,
        table: Table<K, V>,
        key: KeyBuf,
        row: V,
    ) -> Result<Option<Write>> {
        let core = self.engine.table_for_row(table, &row)?;
        state.locks.lock_row(&core, &key, Mode::X)?;
        self.write(state, &core, key, Shared::from(row))
    }

    /// What removing a row adds to the bytes of a transaction.
    pub(crate) fn removal_bytes(key: &[u8]) -> usize {
        key.len() + WRITE_OVERHEAD
    }

    /// Removes rows that are there, under a lock on all of them that others can put none of them under: all of them or, with
    /// an error, none.
    pub(crate) fn remove_hits(&self, core: &Arc<TableCore>, keys: Vec<KeyBuf>) -> Result<u64> {
        let state = &mut *self.state()?;
        let bytes: usize = keys.iter().map(|key| Self::removal_bytes(key)).sum();
        self.check_size(state.writes.bytes() + bytes, state.writes.rows())?;
        let count = keys.len() as u64;
        keys.into_iter().for_each(|key| state.writes.remove(core, key));
        Ok(count)
    }
}
