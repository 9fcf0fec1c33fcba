//! What the closure of a task's transaction is given: rows, names and locks.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::attempt::Attempt;
use super::call::{self, Kind};
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::lock::Mode;
use crate::options::Durability;
use crate::table::{Row, Shared, Table};
use crate::txn::{Footprint, Swap, Transaction, checked_key};

/// A transaction of a task: what a [`Transaction`] is to a thread. Made by
/// [`Db::transact_async`](crate::Db::transact_async), which gives it to the closure by value.
///
/// Its calls are those of [`Transaction`], and are awaited. None blocks the executor's thread: locks are awaited, and what
/// has to be read from the disk is read on threads of the database. A call that is dropped leaves the transaction as it
/// was; one that goes through rows on a thread ends there first.
///
/// It may go to other threads and tasks, one call at a time: a call while another is under way is
/// [`Nested`](crate::ErrorKind::Nested). It is good for one run of the closure. Kept beyond, its calls fail with
/// [`Closed`](crate::ErrorKind::Closed).
///
/// Closures that are given to it may run more than once, so they are `Fn`.
///
/// ```
/// use gangline::{Db, Table};
///
/// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
/// # fn main() -> gangline::Result<()> {
/// # smol::block_on(async {
/// let db = Db::in_memory()?;
/// db.transact_async(|tx| async move {
///     tx.put(ACCOUNTS, 1, 100).await?;
///     let balance = tx.get_for_update(ACCOUNTS, 1).await?.map_or(0, |balance| *balance);
///     tx.put(ACCOUNTS, 2, balance / 2).await
/// })
/// .await?;
/// assert_eq!(db.get_async(ACCOUNTS, 2).await?.as_deref(), Some(&50));
/// # Ok(()) })
/// # }
/// ```
pub struct AsyncTransaction {
    attempt: Arc<Attempt>,
}

impl fmt::Debug for AsyncTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTransaction").field("begun_at", &self.attempt.site.to_string()).finish_non_exhaustive()
    }
}

impl AsyncTransaction {
    pub(super) fn of(attempt: Arc<Attempt>) -> Self {
        AsyncTransaction { attempt }
    }

    pub(super) fn attempt(&self) -> Arc<Attempt> {
        Arc::clone(&self.attempt)
    }

    pub(super) fn make<R: Send + 'static, F: Fn(&Transaction) -> Result<R> + Send + 'static>(
        &self,
        kind: Kind,
        call: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        call::make(Arc::clone(&self.attempt), kind, call)
    }

    /// A call with one key, which is encoded before the future is made.
    fn at<K: Key, V: Row, R: Send + 'static, F: Fn(&Transaction, &KeyBuf) -> Result<R> + Send + 'static>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        call: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<K, V, R, F> {
        let (key, attempt) = (checked_key::<K, V>(table, key), Arc::clone(&self.attempt));
        async move {
            let key = key?;
            call::make(attempt, Kind::Short, move |tx| call(tx, &key)).await
        }
    }

    /// As [`Transaction::get`].
    ///
    /// # Errors
    /// As [`Transaction::get`], and as every call [`Nested`](crate::ErrorKind::Nested) and
    /// [`Closed`](crate::ErrorKind::Closed): see [`AsyncTransaction`].
    #[track_caller]
    pub fn get<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.at(table, key, move |tx, key| tx.get_at(table, key, Mode::S, site))
    }

    /// As [`Transaction::get_for_update`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn get_for_update<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.at(table, key, move |tx, key| tx.get_at(table, key, Mode::U, site))
    }

    /// As [`Transaction::contains`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn contains<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<bool>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.at(table, key, move |tx, key| tx.contains_at(table, key, site))
    }

    /// As [`Transaction::get_many`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn get_many<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        keys: &[K],
    ) -> impl Future<Output = Result<Vec<Option<Shared<V>>>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        let keys = keys.iter().map(|key| checked_key::<K, V>(table, key.as_ref())).collect::<Result<Vec<_>>>();
        let attempt = Arc::clone(&self.attempt);
        async move {
            let keys = keys?;
            call::make(attempt, Kind::Short, move |tx| tx.get_many_at(table, &keys, site)).await
        }
    }

    /// As [`Transaction::put`].
    ///
    /// # Errors
    /// As [`Transaction::put`] and [`get`](Self::get).
    #[track_caller]
    pub fn put<K: Key, V: Row, R: Into<Shared<V>>>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        row: R,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<K, V, R> {
        let (row, site) = (row.into(), Location::caller());
        self.at(table, key, move |tx, key| tx.put_at(table, key.clone(), row.clone(), site))
    }

    /// As [`Transaction::insert`].
    ///
    /// # Errors
    /// As [`Transaction::insert`] and [`get`](Self::get).
    #[track_caller]
    pub fn insert<K: Key, V: Row, R: Into<Shared<V>>>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        row: R,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<K, V, R> {
        let (row, site) = (row.into(), Location::caller());
        self.at(table, key, move |tx, key| tx.insert_at(table, key.clone(), row.clone(), site))
    }

    /// As [`Transaction::modify`]. The change may run more than once; what it gave last counts.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn modify<K: Key, V: Row, T: Send + 'static, F: Fn(&mut V) -> T + Send + 'static>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        change: F,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static + use<K, V, T, F> {
        let site = Location::caller();
        self.at(table, key, move |tx, key| tx.modify_at(table, key.clone(), &change, site))
    }

    /// As [`Transaction::remove`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn remove<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.at(table, key, move |tx, key| tx.remove_at(table, key.clone(), site))
    }

    /// As [`Transaction::compare_and_swap`].
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn compare_and_swap<K: Key, V: Row + PartialEq>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        expected: Option<V>,
        new: Option<V>,
    ) -> impl Future<Output = Result<Swap<V>>> + Send + 'static + use<K, V> {
        let (new, site) = (new.map(Shared::from), Location::caller());
        self.at(table, key, move |tx, key| tx.swap_at(table, key, expected.as_ref(), new.clone(), site))
    }

    /// As [`Transaction::next_id`].
    ///
    /// # Errors
    /// As [`Transaction::next_id`] and [`get`](Self::get).
    #[track_caller]
    pub fn next_id<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        let (table, site) = (table.name(), Location::caller());
        self.make(Kind::Short, move |tx| tx.next_id_at(table, site))
    }

    /// As [`Transaction::declare`].
    ///
    /// # Errors
    /// As [`Transaction::declare`] and [`get`](Self::get).
    #[track_caller]
    pub fn declare(&self, footprint: Footprint) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let site = Location::caller();
        self.make(Kind::Short, move |tx| tx.declare_at(&footprint, site))
    }

    /// As [`Transaction::lock`]. The guards of the thread that polls count, as those of the scope of an
    /// [`OwnedLockGuard`](crate::OwnedLockGuard) do.
    ///
    /// # Errors
    /// As [`Transaction::lock`] and [`get`](Self::get).
    #[track_caller]
    pub fn lock(&self, name: &str) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let (name, site) = (name.to_owned(), Location::caller());
        self.make(Kind::Short, move |tx| tx.lock_name(&name, Mode::X, site))
    }

    /// As [`Transaction::lock_shared`].
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_shared(&self, name: &str) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let (name, site) = (name.to_owned(), Location::caller());
        self.make(Kind::Short, move |tx| tx.lock_name(&name, Mode::S, site))
    }

    /// As [`Transaction::durability`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn durability(&self, durability: Durability) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        self.make(Kind::Short, move |tx| tx.durability(durability))
    }
}
