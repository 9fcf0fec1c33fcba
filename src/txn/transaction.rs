//! What a closure can do inside a transaction.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use super::engine::Engine;
use super::settings::TransactionOptions;
use super::sizes::checked_key;
use super::write_set::{Write, WriteSet};
use crate::codec::{Key, KeyBuf, encode_row};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::mutant::{self, Mutant};
use crate::lock::{LockSet, Mode, check_all};
use crate::options::Durability;
use crate::table::rows::AnyRow;
use crate::table::table_core::TableCore;
use crate::table::typed::{self, hex};
use crate::table::{Expiry, Row, Shared, Table, if_alive};

/// A transaction: what it reads stays as it was read until its end, its writes are seen by itself only, and they are
/// committed all together or not at all.
///
/// Every read locks what it read and every write what it will write, until the end. Locks are taken in one order; where
/// a closure asks for them in another order and a lock is not free, it is run again, with the locks that it will need
/// taken first. So a closure may run several times, and must have no effect but through the transaction.
///
/// ```
/// use gangline::{Db, Table};
///
/// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(ACCOUNTS, 1, 100)?;
/// db.put(ACCOUNTS, 2, 0)?;
/// db.transact(|tx| {
///     tx.modify(ACCOUNTS, 1, |balance| *balance -= 30)?;
///     tx.modify(ACCOUNTS, 2, |balance| *balance += 30)?;
///     Ok(())
/// })?;
/// assert_eq!(db.get(ACCOUNTS, 2)?.as_deref(), Some(&30));
/// # Ok(()) }
/// ```
pub struct Transaction {
    pub(crate) engine: Arc<Engine>,
    pub(crate) site: &'static Location<'static>,
    /// What is over by now is not there, in all runs.
    pub(crate) now: SystemTime,
    pub(super) state: RefCell<State>,
}

pub(super) struct State {
    pub(super) locks: LockSet,
    pub(super) writes: WriteSet,
    pub(super) durability: Durability,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("begun_at", &self.site.to_string()).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(crate) fn new(engine: Arc<Engine>, site: &'static Location<'static>, options: &TransactionOptions) -> Self {
        let locks = LockSet::begin(&engine.locks, site, options.label.clone());
        let mut locks = locks.limited(options.lock_time(), options.limit(site).into_iter().collect());
        locks.set_strict(options.strict);
        let durability = options.durability.unwrap_or(engine.options.durability);
        let state = State { locks, writes: WriteSet::default(), durability };
        Transaction { engine, site, now: SystemTime::now(), state: RefCell::new(state) }
    }

    /// A transaction of a task: its calls stop at a lock that they would have to wait for, see [`has_put_off`](Self::has_put_off).
    pub(crate) fn of_task(mut self) -> Self {
        self.state.get_mut().locks.set_of_task();
        self
    }

    /// The state, unless the transaction has to start over, is cancelled or late, or the call stands inside one of its
    /// own closures.
    pub(super) fn state(&self) -> Result<RefMut<'_, State>> {
        let Ok(state) = self.state.try_borrow_mut() else {
            return Err(Error::new(
                ErrorKind::Nested,
                format!("a call on the transaction of {} from inside one of its own closures", self.site),
            ));
        };
        if let Some(error) = state.locks.strict_failure() {
            return Err(error);
        }
        if state.locks.restart_wanted() {
            return Err(Error::new(
                ErrorKind::Restart,
                format!("the transaction of {} starts over: return from its closure", self.site),
            ));
        }
        check_all(state.locks.limits(), "before its next call")?;
        Ok(state)
    }

    fn lock_row(
        state: &mut State,
        table: &Arc<TableCore>,
        key: &[u8],
        mode: Mode,
        site: &'static Location<'static>,
    ) -> Result<()> {
        state.locks.asked_at(site);
        state.locks.lock_row(table, key, mode)
    }

    /// Whether rows of a table with indexes were written.
    pub(super) fn writes_indexed_tables(&self) -> bool {
        self.state.borrow().writes.tables().any(|table| table.core.is_indexed())
    }

    /// When this transaction's commit is on disk; the database's option decides where nothing is said.
    pub fn durability(&self, durability: Durability) -> Result<()> {
        self.state()?.durability = durability;
        Ok(())
    }

    /// Reads a row. Its key stays locked in shared mode, whether the row is there or not.
    ///
    /// # Errors
    /// [`LockTimeout`](ErrorKind::LockTimeout) with the holders, [`SchemaMismatch`](ErrorKind::SchemaMismatch),
    /// [`Corrupted`](ErrorKind::Corrupted), and [`Restart`](ErrorKind::Restart), which the closure passes on.
    #[track_caller]
    pub fn get<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        self.get_at(table, &checked_key::<K, V>(table, key)?, Mode::S, Location::caller())
    }

    /// Reads a row that will probably be written. One transaction at a time can hold this lock, while others may still
    /// read the row, so the write that follows does not have to start over.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn get_for_update<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        self.get_at(table, &checked_key::<K, V>(table, key)?, Mode::U, Location::caller())
    }

    /// Reads a row under its encoded key, for a call of the program at `site`. So do the others that end in `_at`.
    pub(crate) fn get_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: &KeyBuf,
        mode: Mode,
        site: &'static Location<'static>,
    ) -> Result<Option<Shared<V>>> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        if mutant::on(Mutant::NoLockOnAbsentKey) && !self.is_there(state, table, &core, key)? {
            return Ok(None);
        }
        Self::lock_row(state, &core, key, mode, site)?;
        self.current(state, table, &core, key)
    }

    /// The row as this transaction sees it.
    fn current<K: Key, V: Row>(
        &self,
        state: &State,
        table: Table<K, V>,
        core: &Arc<TableCore>,
        key: &[u8],
    ) -> Result<Option<Shared<V>>> {
        let expiry = Expiry::of(table, || self.now);
        Ok(if_alive(expiry, self.stored(state, core, key)?))
    }

    /// The row, whether it is over or not.
    fn stored<V: Row>(&self, state: &State, core: &Arc<TableCore>, key: &[u8]) -> Result<Option<Shared<V>>> {
        match state.writes.find::<V>(core.id(), key)? {
            Some(own) => Ok(own.map(Shared::from_arc)),
            None => typed::get(&self.engine.pager, core, None, key),
        }
    }

    fn is_there<K: Key, V: Row>(
        &self,
        state: &State,
        table: Table<K, V>,
        core: &Arc<TableCore>,
        key: &[u8],
    ) -> Result<bool> {
        if table.until().is_some() {
            return Ok(self.current(state, table, core, key)?.is_some());
        }
        match state.writes.presence(core.id(), key) {
            Some(own) => Ok(own),
            None => Ok(typed::contains(&self.engine.pager, core, key)?.0),
        }
    }

    /// Whether a row is there. Its key stays locked in shared mode.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn contains<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<bool> {
        self.contains_at(table, &checked_key::<K, V>(table, key)?, Location::caller())
    }

    pub(crate) fn contains_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: &KeyBuf,
        site: &'static Location<'static>,
    ) -> Result<bool> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        Self::lock_row(state, &core, key, Mode::S, site)?;
        self.is_there(state, table, &core, key)
    }

    /// Reads several rows. Locks them in key order, so that it does not start over for its own sake, and gives them in
    /// the order of `keys`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn get_many<'k, K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        keys: impl IntoIterator<Item = K::Ref<'k>>,
    ) -> Result<Vec<Option<Shared<V>>>> {
        let keys = keys.into_iter().map(|key| checked_key::<K, V>(table, key)).collect::<Result<Vec<_>>>()?;
        self.get_many_at(table, &keys, Location::caller())
    }

    pub(crate) fn get_many_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        keys: &[KeyBuf],
        site: &'static Location<'static>,
    ) -> Result<Vec<Option<Shared<V>>>> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
        for at in order {
            Self::lock_row(state, &core, &keys[at], Mode::S, site)?;
        }
        keys.iter().map(|key| self.current(state, table, &core, key)).collect()
    }

    /// Writes a row, whether one is there or not.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`RowTooLarge`](ErrorKind::RowTooLarge), [`KeyTooLarge`](ErrorKind::KeyTooLarge),
    /// [`UnsupportedRow`](ErrorKind::UnsupportedRow) for a type that bincode cannot give back, and
    /// [`TransactionTooLarge`](ErrorKind::TransactionTooLarge).
    #[track_caller]
    pub fn put<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>, row: impl Into<Shared<V>>) -> Result<()> {
        self.put_at(table, checked_key::<K, V>(table, key)?, row.into(), Location::caller())
    }

    pub(crate) fn put_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: KeyBuf,
        row: Shared<V>,
        site: &'static Location<'static>,
    ) -> Result<()> {
        let core = self.engine.table_for_row(table, &*row)?;
        let state = &mut *self.state()?;
        Self::lock_row(state, &core, &key, Mode::X, site)?;
        self.write(state, &core, key, row).map(drop)
    }

    /// Writes a row that must not be there yet.
    ///
    /// # Errors
    /// [`Exists`](ErrorKind::Exists) with table and key when it is; else as [`put`](Self::put).
    #[track_caller]
    pub fn insert<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>, row: impl Into<Shared<V>>) -> Result<()> {
        self.insert_at(table, checked_key::<K, V>(table, key)?, row.into(), Location::caller())
    }

    pub(crate) fn insert_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: KeyBuf,
        row: Shared<V>,
        site: &'static Location<'static>,
    ) -> Result<()> {
        let core = self.engine.table_for_row(table, &*row)?;
        let state = &mut *self.state()?;
        Self::lock_row(state, &core, &key, Mode::X, site)?;
        if self.is_there(state, table, &core, &key)? {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("table {:?} has a row under key {} already", table.name(), hex(&key)),
            ));
        }
        self.write(state, &core, key, row).map(drop)
    }

    /// Changes a row in place. Gives what the change gave, or `None` when there is no such row. The change runs once
    /// in each run of the transaction's closure, and must not call the transaction or the database.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn modify<K: Key, V: Row, T>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        change: impl FnOnce(&mut V) -> T,
    ) -> Result<Option<T>> {
        self.modify_at(table, checked_key::<K, V>(table, key)?, change, Location::caller())
    }

    pub(crate) fn modify_at<K: Key, V: Row, T>(
        &self,
        table: Table<K, V>,
        key: KeyBuf,
        change: impl FnOnce(&mut V) -> T,
        site: &'static Location<'static>,
    ) -> Result<Option<T>> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        Self::lock_row(state, &core, &key, Mode::X, site)?;
        let Some(row) = self.current(state, table, &core, &key)? else { return Ok(None) };
        let mut row = V::clone(&row);
        let value = {
            let _scope = context::enter(Activity::Closure, self.site);
            change(&mut row)
        };
        let core = self.engine.table_for_row(table, &row)?;
        self.write(state, &core, key, Shared::from(row))?;
        Ok(Some(value))
    }

    /// Removes a row and gives it, if it was there.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn remove<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        self.remove_at(table, checked_key::<K, V>(table, key)?, Location::caller())
    }

    pub(crate) fn remove_at<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: KeyBuf,
        site: &'static Location<'static>,
    ) -> Result<Option<Shared<V>>> {
        let core = self.engine.table(table)?;
        let state = &mut *self.state()?;
        Self::lock_row(state, &core, &key, Mode::X, site)?;
        let before = self.stored(state, &core, &key)?;
        if before.is_some() {
            self.check_size(state.writes.bytes() + key.len(), state.writes.rows())?;
            state.writes.remove(&core, key);
        }
        Ok(if_alive(Expiry::of(table, || self.now), before))
    }

    /// Adds a write to the set. Gives the one that it stands in place of.
    pub(super) fn write<V: Row>(
        &self,
        state: &mut State,
        core: &Arc<TableCore>,
        key: KeyBuf,
        row: Shared<V>,
    ) -> Result<Option<Write>> {
        let row = row.into_arc();
        let arena = state.writes.arena();
        let start = arena.len();
        let encoded = encode_row(&*row, arena);
        let bytes = arena.len() - start;
        let size = encoded.map_err(|fault| {
            arena.truncate(start);
            Error::new(
                ErrorKind::UnsupportedRow,
                format!("the row of table {:?} under key {} cannot be stored: {fault}", core.name(), hex(&key)),
            )
            .with_source(fault)
        })?;
        let checked = self.check_row_size(core, &key, bytes);
        let all = state.writes.bytes() + key.len() + bytes;
        if let Err(error) = checked.and_then(|()| self.check_size(all, state.writes.rows())) {
            state.writes.arena().truncate(start);
            return Err(error);
        }
        let row: Arc<dyn AnyRow> = row;
        Ok(state.writes.put(core, key, start, row, size.heap_bytes))
    }
}
