//! Many rows of a transaction at once: counted, put, or changed where they were found.

use std::panic::Location;

use super::sizes::checked_key;
use super::transaction::{State, Transaction};
use super::write_set::Write;
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::lock::{Mode, check_all};
use crate::table::typed;
use crate::table::{Row, Shared, Table};

impl Transaction {
    /// The number of rows, those that are over included.
    pub(crate) fn stored_rows<K: Key, V: Row>(
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

    /// Writes rows in the order of their keys. Of two with one key the later counts.
    pub(crate) fn put_all<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        rows: &[(K, V)],
        site: &'static Location<'static>,
    ) -> Result<u64> {
        let keyed = rows.iter().map(|(key, row)| Ok((checked_key(table, key.as_ref())?, row)));
        let mut sorted = keyed.collect::<Result<Vec<_>>>()?;
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        let last = sorted.chunk_by(|(a, _), (b, _)| a == b).filter_map(<[_]>::last);
        let hits = last.map(|(key, row)| (key.clone(), V::clone(row))).collect::<Vec<_>>();
        match hits.first() {
            Some((_, row)) => self.engine.table_for_row(table, row).map(drop)?,
            None => return Ok(0),
        }
        self.write_hits(table, hits, site)
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
}
