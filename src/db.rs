//! The database: what a program opens and calls.

mod bulk;
mod copies;
#[cfg(feature = "admin")]
mod exchange;
mod expired;
mod feed;
mod ids;
mod indexes;
mod migration;
mod names;
mod stored;
mod temporary;

use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::codec::Key;
use crate::context;
use crate::error::Result;
use crate::lock::LockManager;
use crate::options::Options;
use crate::pool::Pool;
use crate::query::{self, Query, Source};
use crate::recovery::{self, Keeper, Opened, VerifyReport};
use crate::storage::{LockFile, OsFiles};
use crate::table::{Row, Shared, Table, if_alive, typed};
use crate::txn::{self, Engine, Snapshot, Swap, Transaction, TransactionOptions};

pub use migration::{Migration, Migrations};

/// An open database. Cheap to clone; all clones are the same database. It is closed with [`close`](Db::close), or when
/// the last clone is dropped.
///
/// ```
/// use gangline::{Db, Table};
///
/// const WORDS: Table<String, u64> = Table::new("words");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(WORDS, "sled", 1)?;
/// db.put(WORDS, "team", 2)?;
/// let long = db.read(WORDS, |count| *count > 1, |count| *count)?;
/// assert_eq!(long, [2]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    keeper: Option<Keeper>,
    lock: Mutex<Option<LockFile>>,
    pool: OnceLock<Pool>,
    /// Last, since the files must be closed when it goes.
    temporary: OnceLock<temporary::TemporaryFolder>,
}

/// A database that is not kept open.
#[cfg(feature = "admin")]
pub(crate) struct WeakDb(std::sync::Weak<Inner>);

#[cfg(feature = "admin")]
impl WeakDb {
    pub(crate) fn upgrade(&self) -> Option<Db> {
        self.0.upgrade().map(|inner| Db { inner })
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("tables", &self.inner.engine.catalog.tables().len()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.stop(&self.engine);
        }
        if self.engine.close() {
            // Whatever is appended gets to the disk; what a checkpoint would have added, recovery does.
            if let Some(journal) = &self.engine.journal {
                let _ = journal.close();
            }
            let _ = self.engine.pager.store.close();
        }
    }
}

impl Options {
    /// Opens the database in a folder, and makes it if it is not there.
    ///
    /// # Errors
    /// [`AlreadyOpen`](crate::ErrorKind::AlreadyOpen) when a process has it open,
    /// [`NotAStore`](crate::ErrorKind::NotAStore) for a folder of something else,
    /// [`FormatVersion`](crate::ErrorKind::FormatVersion), [`Corrupted`](crate::ErrorKind::Corrupted) with the place,
    /// [`DiskFull`](crate::ErrorKind::DiskFull), [`Io`](crate::ErrorKind::Io).
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        Db::of(recovery::open(Arc::new(OsFiles), path.as_ref(), self)?)
    }

    /// A database that lives in memory only, until it is dropped.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options that make no sense.
    pub fn in_memory(self) -> Result<Db> {
        Db::of(recovery::in_memory(self)?)
    }
}

impl Db {
    pub(crate) fn of(opened: Opened) -> Result<Db> {
        let Opened { engine, keeper, lock } = opened;
        let (pool, temporary) = (OnceLock::new(), OnceLock::new());
        let inner = Inner { engine, keeper, lock: Mutex::new(lock), pool, temporary };
        Ok(Db { inner: Arc::new(inner) })
    }

    /// Opens the database in a folder with the default options, and makes it if it is not there.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Db> {
        Options::new().open(path)
    }

    /// A database that lives in memory only, with the default options.
    ///
    /// # Errors
    /// None with the default options.
    pub fn in_memory() -> Result<Db> {
        Options::new().in_memory()
    }

    /// The folder that it is in. None in memory.
    #[cfg(feature = "admin")]
    pub(crate) fn folder(&self) -> Option<std::path::PathBuf> {
        self.inner.keeper.as_ref().map(Keeper::folder)
    }

    #[cfg(feature = "admin")]
    pub(crate) fn downgrade(&self) -> WeakDb {
        WeakDb(Arc::downgrade(&self.inner))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.inner.engine
    }

    /// Makes everything durable, writes a last checkpoint and lets go of the files. Other clones get
    /// [`Closed`](crate::ErrorKind::Closed) from then on. Dropping the last clone instead loses nothing that was
    /// promised; the next opening then has the journal to replay.
    ///
    /// # Errors
    /// What the disk says. The files are let go of all the same.
    #[track_caller]
    pub fn close(self) -> Result<()> {
        context::check_free("Db::close", Location::caller())?;
        let engine = self.engine();
        let alive = engine.check_alive();
        if !engine.close() {
            return Ok(());
        }
        let written = match (&self.inner.keeper, &alive) {
            (Some(keeper), Ok(())) => keeper.close(engine),
            (Some(keeper), Err(_)) => {
                keeper.stop(engine);
                Ok(())
            }
            (None, _) => Ok(()),
        };
        // Without the closing checkpoint, too: no commit may follow into a journal that nobody writes any more.
        engine.commits.latch().closed = true;
        let journal = engine.journal.as_ref().map_or(Ok(()), |journal| journal.close());
        let store = engine.pager.store.close();
        drop(self.inner.lock.lock().take());
        alive.and(written).and(journal).and(store)
    }

    /// Runs a closure as a transaction: see [`Transaction`]. The closure may run several times.
    ///
    /// # Errors
    /// What the closure gives, except that a restart is handled here; then what committing gives:
    /// [`DiskFull`](crate::ErrorKind::DiskFull) (nothing happened), or
    /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown) when the journal could not be written.
    #[track_caller]
    pub fn transact<T>(&self, body: impl Fn(&Transaction) -> Result<T>) -> Result<T> {
        txn::run(self.engine(), "Db::transact", Location::caller(), &TransactionOptions::default(), body)
    }

    /// As [`transact`](Db::transact), for closures with the program's own error type. An `Err` aborts the transaction
    /// and comes back as it was.
    ///
    /// # Errors
    /// As [`transact`](Db::transact).
    #[track_caller]
    pub fn try_transact<T, E: From<crate::Error>>(&self, body: impl Fn(&Transaction) -> Result<T, E>) -> Result<T, E> {
        txn::run(self.engine(), "Db::try_transact", Location::caller(), &TransactionOptions::default(), body)
    }

    /// As [`transact`](Db::transact), with settings for this transaction.
    ///
    /// # Errors
    /// As [`transact`](Db::transact).
    #[track_caller]
    pub fn transact_with<T>(
        &self,
        options: &TransactionOptions,
        body: impl Fn(&Transaction) -> Result<T>,
    ) -> Result<T> {
        txn::run(self.engine(), "Db::transact_with", Location::caller(), options, body)
    }

    /// As [`try_transact`](Db::try_transact), with settings for this transaction.
    ///
    /// # Errors
    /// As [`transact`](Db::transact).
    #[track_caller]
    pub fn try_transact_with<T, E: From<crate::Error>>(
        &self,
        options: &TransactionOptions,
        body: impl Fn(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        txn::run(self.engine(), "Db::try_transact_with", Location::caller(), options, body)
    }

    /// The committed state now, for as many reads as wanted, without any lock.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(self.engine()))
    }

    /// Reads a row. Takes no lock: it sees the last commit that was applied.
    ///
    /// # Errors
    /// [`Nested`](crate::ErrorKind::Nested) inside a closure of the database,
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch), [`Corrupted`](crate::ErrorKind::Corrupted).
    #[inline]
    #[track_caller]
    pub fn get<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        let engine = self.engine();
        context::check_free("Db::get", Location::caller())?;
        engine.check_alive()?;
        let Some(core) = engine.table_if_any(table)? else { return Ok(None) };
        let (row, seen) = typed::get_newest(&engine.pager, &core, &crate::codec::encode_key::<K>(key))?;
        engine.commits.wait_applied(seen);
        Ok(if_alive(Source::Db(engine).expiry(table), row))
    }

    /// Reads several rows as of one commit, in the order of `keys`.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn get_many<'k, K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        keys: impl IntoIterator<Item = K::Ref<'k>>,
    ) -> Result<Vec<Option<Shared<V>>>> {
        let engine = self.engine();
        context::check_free("Db::get_many", Location::caller())?;
        engine.check_alive()?;
        let core = engine.table_if_any(table)?;
        let registration = engine.capture();
        let expiry = Source::Db(engine).expiry(table);
        keys.into_iter()
            .map(|key| match &core {
                Some(core) => {
                    let key = crate::codec::encode_key::<K>(key);
                    Ok(if_alive(expiry, typed::get(&engine.pager, core, Some(registration.number()), &key)?))
                }
                None => Ok(None),
            })
            .collect()
    }

    /// Whether a row is there.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn contains<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<bool> {
        if table.until().is_some() {
            return Ok(self.get(table, key)?.is_some());
        }
        let engine = self.engine();
        context::check_free("Db::contains", Location::caller())?;
        engine.check_alive()?;
        let Some(core) = engine.table_if_any(table)? else { return Ok(false) };
        let (there, seen) = typed::contains(&engine.pager, &core, &crate::codec::encode_key::<K>(key))?;
        engine.commits.wait_applied(seen);
        Ok(there)
    }

    /// The number of committed rows, in constant time; where rows [expire](Table::expires), they are counted one by one.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn len<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        if table.until().is_some() {
            return self.query(table).count();
        }
        let engine = self.engine();
        context::check_free("Db::len", Location::caller())?;
        engine.check_alive()?;
        let core = engine.table_if_any(table)?;
        // Under the latch no commit is counted by half.
        let _last = engine.commits.latch();
        Ok(core.map_or(0, |core| core.rows()))
    }

    /// The first row in key order.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn first<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        query::first(Source::Db(self.engine()), table, Location::caller())
    }

    /// The last row in key order.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn last<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        query::last(Source::Db(self.engine()), table, Location::caller())
    }

    /// Writes a row, whether one is there or not: a transaction of its own.
    ///
    /// # Errors
    /// As [`Transaction::put`] and [`transact`](Db::transact).
    #[track_caller]
    pub fn put<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>, row: impl Into<Shared<V>>) -> Result<()> {
        txn::once(self.engine(), "Db::put", Location::caller(), |tx| tx.put(table, key, row))
    }

    /// Writes a row that must not be there yet: a transaction of its own.
    ///
    /// # Errors
    /// As [`Transaction::insert`] and [`transact`](Db::transact).
    #[track_caller]
    pub fn insert<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>, row: impl Into<Shared<V>>) -> Result<()> {
        txn::once(self.engine(), "Db::insert", Location::caller(), |tx| tx.insert(table, key, row))
    }

    /// Changes a row in place: a transaction of its own. Gives what the change gave, or `None` when there is no such
    /// row.
    ///
    /// # Errors
    /// As [`Transaction::modify`] and [`transact`](Db::transact).
    #[track_caller]
    pub fn modify<K: Key, V: Row, T>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        change: impl FnOnce(&mut V) -> T,
    ) -> Result<Option<T>> {
        txn::once(self.engine(), "Db::modify", Location::caller(), |tx| tx.modify(table, key, change))
    }

    /// Removes a row and gives it, if it was there: a transaction of its own.
    ///
    /// # Errors
    /// As [`Transaction::remove`] and [`transact`](Db::transact).
    #[track_caller]
    pub fn remove<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        txn::once(self.engine(), "Db::remove", Location::caller(), |tx| tx.remove(table, key))
    }

    /// Writes `new` (none: removes the row) if the row is as `expected` (none: not there), and else gives what is there: a
    /// transaction of its own. See [`Transaction::compare_and_swap`].
    ///
    /// # Errors
    /// As [`Transaction::put`] and [`transact`](Db::transact).
    #[track_caller]
    pub fn compare_and_swap<K: Key, V: Row + PartialEq>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        expected: Option<&V>,
        new: Option<V>,
    ) -> Result<Swap<V>> {
        let site = Location::caller();
        txn::once(self.engine(), "Db::compare_and_swap", site, |tx| tx.compare_and_swap(table, key, expected, new))
    }

    /// Changes every row for which `select` is true, in one transaction, and gives their number. Other writers of the
    /// table wait; readers do not.
    ///
    /// # Errors
    /// As [`transact`](Db::transact).
    #[track_caller]
    pub fn update<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        change: impl Fn(&mut V) + Sync,
    ) -> Result<u64> {
        let site = Location::caller();
        txn::run(self.engine(), "Db::update", site, &TransactionOptions::default(), |tx| {
            query::update(tx, table, &select, &change, site)
        })
    }

    /// Reads the whole table in parallel: `project` of every row for which `select` is true, in key order. Sees one
    /// commit's state and never waits for writers.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn read<K: Key, V: Row, T: Send>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        project: impl Fn(&V) -> T + Sync,
    ) -> Result<Vec<T>> {
        query::read(Source::Db(self.engine()), table, select, project, Location::caller())
    }

    /// A read of many rows with ranges, limits and folds.
    #[track_caller]
    pub fn query<K: Key, V: Row>(&self, table: Table<K, V>) -> Query<'_, K, V> {
        Query::new(Source::Db(self.engine()), table, Location::caller())
    }

    /// The lock manager: who holds and waits for what, and its counters.
    pub fn locks(&self) -> &LockManager {
        &self.engine().locks
    }

    /// The program's pool, of [`Options::pool_threads`] threads, which start when they are first used.
    pub fn pool(&self) -> &Pool {
        self.inner.pool.get_or_init(|| Pool::new(self.engine().options.pool_threads))
    }

    /// Puts everything that is committed on disk.
    ///
    /// # Errors
    /// [`Poisoned`](crate::ErrorKind::Poisoned) when that fails.
    pub fn sync(&self) -> Result<()> {
        self.engine().sync()
    }

    /// Makes a checkpoint now and waits for it. A database in memory has none and does nothing.
    ///
    /// # Errors
    /// [`Poisoned`](crate::ErrorKind::Poisoned) when it fails.
    #[track_caller]
    pub fn checkpoint(&self) -> Result<()> {
        context::check_free("Db::checkpoint", Location::caller())?;
        let engine = self.engine();
        engine.check_alive()?;
        if engine.journal.is_none() {
            return Ok(());
        }
        let ticket = engine.admission.ask();
        engine.admission.wait(ticket, engine)
    }

    /// Reads everything and compares counts, checksums and the order of keys, as of one commit, beside readers and
    /// writers. Damage is reported, not an error.
    ///
    /// Indexes are compared with their tables. Of a table that the program has used since it was opened, each row's
    /// entries are looked for; else the functions of its indexes are not known, and each entry must lead to a row.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed), [`Poisoned`](crate::ErrorKind::Poisoned).
    #[track_caller]
    pub fn verify(&self) -> Result<VerifyReport> {
        context::check_free("Db::verify", Location::caller())?;
        self.engine().check_alive()?;
        Ok(recovery::verify(self.engine(), self.inner.keeper.as_ref()))
    }
}
