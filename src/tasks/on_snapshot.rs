//! Reading a snapshot from a task.

use std::panic::Location;

use super::owned_key;
use crate::codec::Key;
use crate::context;
use crate::error::Result;
use crate::query::{self, Query, Source};
use crate::table::{Index, Row, Shared, Table};
use crate::txn::Snapshot;

impl Snapshot {
    fn short<R: Send + 'static, F: Fn(&Snapshot) -> Result<R> + Send + 'static>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        let snapshot = self.clone();
        async move {
            if let Some(outcome) = context::without_blocking(|| f(&snapshot)) {
                return outcome;
            }
            let of_thread = snapshot.clone();
            snapshot.engine.blocking().short(move || f(&of_thread)).await
        }
    }

    fn long<R: Send + 'static, F: FnOnce(&Snapshot) -> Result<R> + Send + 'static>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        let snapshot = self.clone();
        async move {
            let of_thread = snapshot.clone();
            snapshot.engine.blocking().long(move || f(&of_thread)).await
        }
    }

    /// As [`get`](Self::get), for a task: where the page of the row is not in memory, it is read on a thread of the
    /// database.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let reading = owned_key::<K>(key).map(|key| self.short(move |snapshot| snapshot.get(table, key.as_ref())));
        async move { reading?.await }
    }

    /// As [`get_by`](Self::get_by), for a task.
    ///
    /// # Errors
    /// As [`get_by`](Self::get_by).
    #[track_caller]
    pub fn get_by_async<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &'static Index<I, V>,
        key: I::Ref<'_>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V, I> {
        let site = Location::caller();
        let reading = owned_key::<I>(key).map(|key| {
            self.short(move |snapshot| query::get_by(Source::Snapshot(snapshot), table, index, key.as_ref(), site))
        });
        async move { reading?.await }
    }

    /// As [`read`](Self::read), for a task: on threads of the database.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn read_async<
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
        self.long(move |snapshot| query::read(Source::Snapshot(snapshot), table, select, project, site))
    }

    /// Runs a query for a task, as [`Db::query_async`](crate::Db::query_async).
    ///
    /// # Errors
    /// What `ask` gives.
    #[track_caller]
    pub fn query_async<K: Key, V: Row, T: Send + 'static, F: FnOnce(Query<'_, K, V>) -> Result<T> + Send + 'static>(
        &self,
        table: Table<K, V>,
        ask: F,
    ) -> impl Future<Output = Result<T>> + Send + 'static + use<K, V, T, F> {
        let site = Location::caller();
        self.long(move |snapshot| ask(Query::new(Source::Snapshot(snapshot), table, site)))
    }

    /// As [`len`](Self::len), for a task.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn len_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        self.query_async(table, |query| query.count())
    }

    /// As [`first`](Self::first), for a task.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn first_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.long(move |snapshot| query::first(Source::Snapshot(snapshot), table, site))
    }

    /// As [`last`](Self::last), for a task.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn last_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.long(move |snapshot| query::last(Source::Snapshot(snapshot), table, site))
    }
}
