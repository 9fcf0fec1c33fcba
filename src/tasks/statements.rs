//! Writing the database from a task: transactions, and statements that are one each.

use std::ops::RangeBounds;
use std::panic::Location;
use std::sync::Arc;

use super::call::Kind;
use super::handle::AsyncTransaction;
use super::run::run;
use crate::codec::{Key, KeyBuf, key_bounds};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::query;
use crate::table::{Row, Shared, Table};
use crate::txn::{Swap, Transaction, TransactionOptions, checked_key};

impl Db {
    /// Runs a closure as a transaction of a task: see [`AsyncTransaction`], which the closure is given by value. It may run
    /// several times, and must have no effect but through it.
    ///
    /// Works on any executor, spawned or not, and never blocks its thread. Between its calls the closure may await what it
    /// likes, while its locks are held; what it awaits must not need them. A future that is dropped gives them back, and
    /// nothing of the transaction is done, unless its commit has begun: that goes on, and nobody learns how it ends.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
    /// # fn main() -> gangline::Result<()> {
    /// # smol::block_on(async {
    /// let db = Db::in_memory()?;
    /// db.put_async(ACCOUNTS, 1, 100).await?;
    /// db.put_async(ACCOUNTS, 2, 0).await?;
    /// db.transact_async(|tx| async move {
    ///     tx.modify(ACCOUNTS, 1, |balance| *balance -= 30).await?;
    ///     tx.modify(ACCOUNTS, 2, |balance| *balance += 30).await?;
    ///     Ok(())
    /// })
    /// .await?;
    /// assert_eq!(db.get_async(ACCOUNTS, 2).await?.as_deref(), Some(&30));
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`transact`](Db::transact); [`Nested`](crate::ErrorKind::Nested) when the closure has ended with a call under way
    /// in another task.
    #[track_caller]
    pub fn transact_async<T: Send, Fut: Future<Output = Result<T>> + Send, F: Fn(AsyncTransaction) -> Fut + Send>(
        &self,
        body: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, Fut, F> {
        run(self.clone(), "Db::transact_async", Location::caller(), TransactionOptions::default(), body)
    }

    /// As [`transact_async`](Db::transact_async), with settings for this transaction.
    ///
    /// # Errors
    /// As [`transact_async`](Db::transact_async).
    #[track_caller]
    pub fn transact_with_async<
        T: Send,
        Fut: Future<Output = Result<T>> + Send,
        F: Fn(AsyncTransaction) -> Fut + Send,
    >(
        &self,
        options: &TransactionOptions,
        body: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, Fut, F> {
        run(self.clone(), "Db::transact_with_async", Location::caller(), options.clone(), body)
    }

    /// As [`transact_async`](Db::transact_async), for closures with the program's own error type.
    ///
    /// # Errors
    /// As [`try_transact`](Db::try_transact) and [`transact_async`](Db::transact_async).
    #[track_caller]
    pub fn try_transact_async<
        T: Send,
        E: From<Error> + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        F: Fn(AsyncTransaction) -> Fut + Send,
    >(
        &self,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, Fut, F> {
        run(self.clone(), "Db::try_transact_async", Location::caller(), TransactionOptions::default(), body)
    }

    /// As [`try_transact_async`](Db::try_transact_async), with settings for this transaction.
    ///
    /// # Errors
    /// As [`try_transact_async`](Db::try_transact_async).
    #[track_caller]
    pub fn try_transact_with_async<
        T: Send,
        E: From<Error> + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        F: Fn(AsyncTransaction) -> Fut + Send,
    >(
        &self,
        options: &TransactionOptions,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, Fut, F> {
        run(self.clone(), "Db::try_transact_with_async", Location::caller(), options.clone(), body)
    }

    /// One call as a transaction of its own.
    fn statement<R: Send + 'static, F: Fn(&Transaction) -> Result<R> + Send + Sync + 'static>(
        &self,
        (call, site): (&'static str, &'static Location<'static>),
        kind: Kind,
        act: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        let act = Arc::new(act);
        let body = move |tx: AsyncTransaction| {
            let act = Arc::clone(&act);
            tx.make(kind, move |tx| act(tx))
        };
        run(self.clone(), call, site, TransactionOptions::default(), body)
    }

    /// One call on one row, as a transaction of its own.
    fn at<K: Key, V: Row, R: Send + 'static, F: Fn(&Transaction, &KeyBuf) -> Result<R> + Send + Sync + 'static>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        of: (&'static str, &'static Location<'static>),
        act: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<K, V, R, F> {
        let running = checked_key::<K, V>(table, key)
            .map(|key| self.statement(of, Kind::Short, move |tx: &Transaction| act(tx, &key)));
        async move { running?.await }
    }

    /// As [`put`](Db::put), for a task.
    ///
    /// # Errors
    /// As [`put`](Db::put).
    #[track_caller]
    pub fn put_async<K: Key, V: Row, R: Into<Shared<V>>>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        row: R,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<K, V, R> {
        let (row, site) = (row.into(), Location::caller());
        self.at(table, key, ("Db::put_async", site), move |tx, key| tx.put_at(table, key.clone(), row.clone(), site))
    }

    /// As [`insert`](Db::insert), for a task.
    ///
    /// # Errors
    /// As [`insert`](Db::insert).
    #[track_caller]
    pub fn insert_async<K: Key, V: Row, R: Into<Shared<V>>>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        row: R,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<K, V, R> {
        let (row, site) = (row.into(), Location::caller());
        self.at(table, key, ("Db::insert_async", site), move |tx, key| {
            tx.insert_at(table, key.clone(), row.clone(), site)
        })
    }

    /// As [`modify`](Db::modify), for a task. The change may run more than once; what it gave last counts.
    ///
    /// # Errors
    /// As [`modify`](Db::modify).
    #[track_caller]
    pub fn modify_async<K: Key, V: Row, T: Send + 'static, F: Fn(&mut V) -> T + Send + Sync + 'static>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        change: F,
    ) -> impl Future<Output = Result<Option<T>>> + Send + 'static + use<K, V, T, F> {
        let site = Location::caller();
        self.at(table, key, ("Db::modify_async", site), move |tx, key| tx.modify_at(table, key.clone(), &change, site))
    }

    /// As [`remove`](Db::remove), for a task.
    ///
    /// # Errors
    /// As [`remove`](Db::remove).
    #[track_caller]
    pub fn remove_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.at(table, key, ("Db::remove_async", site), move |tx, key| tx.remove_at(table, key.clone(), site))
    }

    /// As [`compare_and_swap`](Db::compare_and_swap), for a task.
    ///
    /// # Errors
    /// As [`compare_and_swap`](Db::compare_and_swap).
    #[track_caller]
    pub fn compare_and_swap_async<K: Key, V: Row + PartialEq>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
        expected: Option<V>,
        new: Option<V>,
    ) -> impl Future<Output = Result<Swap<V>>> + Send + 'static + use<K, V> {
        let (new, site) = (new.map(Shared::from), Location::caller());
        self.at(table, key, ("Db::compare_and_swap_async", site), move |tx, key| {
            tx.swap_at(table, key, expected.as_ref(), new.clone(), site)
        })
    }

    /// As [`update`](Db::update), for a task. It looks for the rows again after each lock that it had to wait for.
    ///
    /// # Errors
    /// As [`update`](Db::update).
    #[track_caller]
    pub fn update_async<
        K: Key,
        V: Row,
        S: Fn(&V) -> bool + Send + Sync + 'static,
        C: Fn(&mut V) + Send + Sync + 'static,
    >(
        &self,
        table: Table<K, V>,
        select: S,
        change: C,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, S, C> {
        let site = Location::caller();
        let act = move |tx: &Transaction| query::update(tx, table, &select, &change, site);
        self.statement(("Db::update_async", site), Kind::Long, act)
    }

    /// As [`put_many`](Db::put_many), for a task.
    ///
    /// # Errors
    /// As [`put_many`](Db::put_many).
    #[track_caller]
    pub fn put_many_async<K: Key, V: Row, I: IntoIterator<Item = (K, V)>>(
        &self,
        table: Table<K, V>,
        rows: I,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, I> {
        let (rows, site) = (rows.into_iter().collect::<Vec<_>>(), Location::caller());
        let act = move |tx: &Transaction| tx.put_many_at(table, rows.iter().cloned(), site);
        self.statement(("Db::put_many_async", site), Kind::Long, act)
    }

    /// As [`remove_range`](Db::remove_range), for a task. It goes on if the future is dropped.
    ///
    /// # Errors
    /// As [`remove_range`](Db::remove_range).
    #[track_caller]
    pub fn remove_range_async<'k, K: Key, V: Row, B: RangeBounds<K::Ref<'k>>>(
        &self,
        table: Table<K, V>,
        range: B,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<'k, K, V, B> {
        let (bounds, site) = (key_bounds::<K>(range), Location::caller());
        let call = "Db::remove_range_async";
        self.long(call, site, move |db| query::remove_range(db.engine(), call, table, bounds, site))
    }
}
