//! What the closure of a task's transaction is given: many rows at once.

use std::ops::RangeBounds;
use std::panic::Location;

use super::call::{self, Kind};
use super::handle::AsyncTransaction;
use super::owned_key;
use crate::codec::{Key, KeyBuf, key_bounds};
use crate::error::Result;
use crate::query::{self, Query, Source};
use crate::table::{Index, Row, Shared, Table};
use crate::txn::Transaction;

impl AsyncTransaction {
    /// As [`Transaction::get_by`].
    ///
    /// # Errors
    /// As [`Transaction::get_by`] and [`get`](Self::get).
    #[track_caller]
    pub fn get_by<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &'static Index<I, V>,
        key: I::Ref<'_>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V, I> {
        let (key, site) = (owned_key::<I>(key), Location::caller());
        let attempt = self.attempt();
        async move {
            let key = key?;
            let call = move |tx: &Transaction| query::get_by(Source::Transaction(tx), table, index, key.as_ref(), site);
            call::make(attempt, Kind::Short, call).await
        }
    }

    /// As [`Transaction::read`], on threads of the database.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn read<
        K: Key,
        V: Row,
        T: Send + 'static,
        S: Fn(&V) -> bool + Send + Sync + 'static,
        P: Fn(&V) -> T + Send + Sync + 'static,
    >(
        &self,
        table: Table<K, V>,
        select: S,
        project: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send + 'static + use<K, V, T, S, P> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| query::read(Source::Transaction(tx), table, &select, &project, site))
    }

    /// Runs a query inside the transaction, on threads of the database: as
    /// [`Transaction::query`]. `ask` says all of it, and runs again after each lock that it had to
    /// wait for.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
    /// # fn main() -> gangline::Result<()> {
    /// # smol::block_on(async {
    /// let db = Db::in_memory()?;
    /// let in_debt = db
    ///     .transact_async(|tx| async move {
    ///         tx.put(ACCOUNTS, 1, -100).await?;
    ///         tx.query(ACCOUNTS, |query| query.range(..10).select(|balance| *balance < 0).count()).await
    ///     })
    ///     .await?;
    /// assert_eq!(in_debt, 1);
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `ask` gives, and as [`get`](Self::get).
    #[track_caller]
    pub fn query<K: Key, V: Row, T: Send + 'static, F: Fn(Query<'_, K, V>) -> Result<T> + Send + 'static>(
        &self,
        table: Table<K, V>,
        ask: F,
    ) -> impl Future<Output = Result<T>> + Send + 'static + use<K, V, T, F> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| ask(Query::new(Source::Transaction(tx), table, site)))
    }

    /// As [`Transaction::len`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn len<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        let (kind, counted) = if table.until().is_some() { (Kind::Long, true) } else { (Kind::Short, false) };
        self.make(kind, move |tx| match counted {
            true => Query::new(Source::Transaction(tx), table, site).count(),
            false => tx.row_count(table, site),
        })
    }

    /// As [`Transaction::first`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn first<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| query::first(Source::Transaction(tx), table, site))
    }

    /// As [`Transaction::last`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn last<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| query::last(Source::Transaction(tx), table, site))
    }

    /// As [`Transaction::update`], on threads of the database. It looks for the rows again after
    /// each lock that it had to wait for.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn update<K: Key, V: Row, S: Fn(&V) -> bool + Send + Sync + 'static, C: Fn(&mut V) + Send + Sync + 'static>(
        &self,
        table: Table<K, V>,
        select: S,
        change: C,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, S, C> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| query::update(tx, table, &select, &change, site))
    }

    /// As [`Transaction::put_many`], on threads of the database.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn put_many<K: Key, V: Row, I: IntoIterator<Item = (K, V)>>(
        &self,
        table: Table<K, V>,
        rows: I,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, I> {
        let (rows, site) = (rows.into_iter().collect::<Vec<_>>(), Location::caller());
        self.make(Kind::Long, move |tx| tx.put_many_at(table, rows.iter().cloned(), site))
    }

    /// As [`Transaction::remove_range`], on threads of the database.
    ///
    /// # Errors
    /// As [`Transaction::remove_range`] and [`get`](Self::get).
    #[track_caller]
    pub fn remove_range<'k, K: Key, V: Row, B: RangeBounds<K::Ref<'k>>>(
        &self,
        table: Table<K, V>,
        range: B,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<'k, K, V, B> {
        let ((low, high), site) = (key_bounds::<K>(range), Location::caller());
        self.make(Kind::Long, move |tx| query::remove_range_inside(tx, table, (low.clone(), high.clone()), site))
    }

    /// As [`Transaction::clear`], on threads of the database.
    ///
    /// # Errors
    /// As [`Transaction::clear`] and [`get`](Self::get).
    #[track_caller]
    pub fn clear<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.make(Kind::Long, move |tx| query::remove_range_inside(tx, table, (KeyBuf::empty(), None), site))
    }
}
