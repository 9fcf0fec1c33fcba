//! What a closure locks inside a transaction beside the rows that it reads and writes.

use std::panic::Location;
use std::sync::Arc;

use super::footprint::Footprint;
use super::transaction::Transaction;
use super::write_set::OwnRows;
use crate::codec::KeyBuf;
use crate::error::Result;
use crate::lock::{Limit, Mode};
use crate::table::Row;
use crate::table::table_core::TableCore;

impl Transaction {
    /// Locks all of a footprint, in order. As the first call of a closure it waits for what is not free, and a closure
    /// that stays inside the footprint then never starts over. Later it is like any other call: what sorts below a lock
    /// that is held already is taken if it is free, and else the closure starts over with all of it taken.
    ///
    /// ```
    /// use gangline::{Db, Footprint, Table};
    ///
    /// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.transact(|tx| {
    ///     tx.declare(&Footprint::new().write_row(ACCOUNTS, 1).write_row(ACCOUNTS, 2))?;
    ///     tx.put(ACCOUNTS, 2, 10)?;
    ///     tx.put(ACCOUNTS, 1, 20)
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get); [`KeyTooLarge`](crate::ErrorKind::KeyTooLarge), and [`OutOfOrder`](crate::ErrorKind::OutOfOrder) as for
    /// [`lock`](Self::lock).
    #[track_caller]
    pub fn declare(&self, footprint: &Footprint) -> Result<()> {
        self.declare_at(footprint, Location::caller())
    }

    /// As [`declare`](Self::declare), for a call of the program at `site`.
    pub(crate) fn declare_at(&self, footprint: &Footprint, site: &'static Location<'static>) -> Result<()> {
        let plan = footprint.plan(&self.engine)?;
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.declare(plan)
    }

    /// Locks a name of the program's own, exclusively, until the end of the transaction.
    ///
    /// # Errors
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) when the thread holds a guard on this or a greater name; else as
    /// [`get`](Self::get).
    #[track_caller]
    pub fn lock(&self, name: &str) -> Result<()> {
        self.lock_name(name, Mode::X, Location::caller())
    }

    /// Locks a name of the program's own in shared mode until the end of the transaction.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_shared(&self, name: &str) -> Result<()> {
        self.lock_name(name, Mode::S, Location::caller())
    }

    pub(crate) fn lock_name(&self, name: &str, mode: Mode, site: &'static Location<'static>) -> Result<()> {
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.lock_name(name, mode)
    }

    /// Keeps the indexes of a table as they are.
    pub(crate) fn lock_for_index(
        &self,
        core: &Arc<TableCore>,
        site: &'static Location<'static>,
        limits: &[Limit],
    ) -> Result<()> {
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.under(limits, |locks| locks.lock_table(core, Mode::IS))
    }

    /// Locks a range of the entries of an index, or one that may not be there, and gives the own writes of its table.
    pub(crate) fn lock_entries_for_scan<V: Row>(
        &self,
        (table, index): (&Arc<TableCore>, &Arc<TableCore>),
        (low, high): (&[u8], Option<&[u8]>),
        point: bool,
        site: &'static Location<'static>,
        limits: &[Limit],
    ) -> Result<OwnRows<V>> {
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.under(limits, |locks| match point {
            true => locks.lock_row(index, low, Mode::S),
            false => locks.lock_range(index, low, high, Mode::S),
        })?;
        state.writes.range(table.id(), &[], None)
    }

    /// Locks the rows that a scan of an index will come to, in order; the whole table where they are many.
    pub(crate) fn lock_rows_for_scan(
        &self,
        table: &Arc<TableCore>,
        keys: &[KeyBuf],
        site: &'static Location<'static>,
        limits: &[Limit],
    ) -> Result<()> {
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        let many = keys.len() >= self.engine.locks.escalate_rows();
        state.locks.under(limits, |locks| {
            if many {
                return locks.lock_table(table, Mode::S);
            }
            keys.iter().try_for_each(|key| locks.lock_row(table, key, Mode::S))
        })
    }

    /// Locks a range of keys (encoded) for a scan, and gives the own writes in it. `limits` end the wait for it, beside
    /// those of the transaction.
    pub(crate) fn lock_for_scan<V: Row>(
        &self,
        core: &Arc<TableCore>,
        low: &[u8],
        high: Option<&[u8]>,
        mode: Mode,
        site: &'static Location<'static>,
        limits: &[Limit],
    ) -> Result<OwnRows<V>> {
        let state = &mut *self.state()?;
        state.locks.asked_at(site);
        state.locks.under(limits, |locks| locks.lock_range(core, low, high, mode))?;
        state.writes.range(core.id(), low, high)
    }
}
