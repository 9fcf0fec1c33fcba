//! Reading the database from a task.

use std::panic::Location;

use super::owned_key;
use crate::codec::Key;
use crate::context;
use crate::db::Db;
use crate::error::Result;
use crate::query::{self, Query, Source};
use crate::table::{Index, Row, Shared, Table};

impl Db {
    /// A call that reads little: where the task stands, and on a thread if it would have to read the disk. So it may run
    /// twice.
    pub(super) fn short<R: Send + 'static, F: Fn(&Db) -> Result<R> + Send + 'static>(
        &self,
        call: &'static str,
        site: &'static Location<'static>,
        f: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        let db = self.clone();
        async move {
            context::check_free(call, site)?;
            if let Some(outcome) = context::without_blocking(|| f(&db)) {
                return outcome;
            }
            let of_thread = db.clone();
            db.engine().blocking().short(move || f(&of_thread)).await
        }
    }

    /// A call that takes long: on a thread. A future that is dropped after its first poll does not end it.
    pub(super) fn long<R: Send + 'static, F: FnOnce(&Db) -> Result<R> + Send + 'static>(
        &self,
        call: &'static str,
        site: &'static Location<'static>,
        f: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static + use<R, F> {
        let db = self.clone();
        async move {
            context::check_free(call, site)?;
            let of_thread = db.clone();
            db.engine().blocking().long(move || f(&of_thread)).await
        }
    }

    /// As [`get`](Db::get), for a task: where the page of the row is not in memory, it is read on a thread of the database.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const STOCK: Table<u32, u64> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// # smol::block_on(async {
    /// let db = Db::in_memory()?;
    /// db.put_async(STOCK, 1, 10).await?;
    /// assert_eq!(db.get_async(STOCK, 1).await?.as_deref(), Some(&10));
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn get_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<Option<Shared<V>>>> + Send + 'static + use<K, V> {
        let reading = owned_key::<K>(key)
            .map(|key| self.short("Db::get_async", Location::caller(), move |db| db.get(table, key.as_ref())));
        async move { reading?.await }
    }

    /// As [`get_many`](Db::get_many), for a task.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn get_many_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        keys: &[K],
    ) -> impl Future<Output = Result<Vec<Option<Shared<V>>>>> + Send + 'static + use<K, V> {
        let keys = keys.to_vec();
        self.short("Db::get_many_async", Location::caller(), move |db| db.get_many(table, keys.iter().map(K::as_ref)))
    }

    /// As [`contains`](Db::contains), for a task.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn contains_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        key: K::Ref<'_>,
    ) -> impl Future<Output = Result<bool>> + Send + 'static + use<K, V> {
        let reading = owned_key::<K>(key).map(|key| {
            self.short("Db::contains_async", Location::caller(), move |db| db.contains(table, key.as_ref()))
        });
        async move { reading?.await }
    }

    /// As [`get_by`](Db::get_by), for a task.
    ///
    /// # Errors
    /// As [`get_by`](Db::get_by).
    #[track_caller]
    pub fn get_by_async<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &'static Index<I, V>,
        key: I::Ref<'_>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V, I> {
        let site = Location::caller();
        let reading = owned_key::<I>(key).map(|key| {
            self.short("Db::get_by_async", site, move |db| {
                query::get_by(Source::Db(db.engine()), table, index, key.as_ref(), site)
            })
        });
        async move { reading?.await }
    }

    /// As [`len`](Db::len), for a task.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn len_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        self.long("Db::len_async", Location::caller(), move |db| db.len(table))
    }

    /// As [`first`](Db::first), for a task.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn first_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.long("Db::first_async", site, move |db| query::first(Source::Db(db.engine()), table, site))
    }

    /// As [`last`](Db::last), for a task.
    ///
    /// # Errors
    /// As [`get`](Db::get).
    #[track_caller]
    pub fn last_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<Option<(K, Shared<V>)>>> + Send + 'static + use<K, V> {
        let site = Location::caller();
        self.long("Db::last_async", site, move |db| query::last(Source::Db(db.engine()), table, site))
    }

    /// As [`read`](Db::read), for a task: on threads of the database.
    ///
    /// # Errors
    /// As [`get`](Db::get).
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
        self.long("Db::read_async", site, move |db| query::read(Source::Db(db.engine()), table, select, project, site))
    }

    /// Runs a query for a task, on threads of the database: `ask` says all of it, up to its end, whatever that is.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const STOCK: Table<u32, u64> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// # smol::block_on(async {
    /// let db = Db::in_memory()?;
    /// db.put_async(STOCK, 1, 10).await?;
    /// let all = db.query_async(STOCK, |query| query.range(..100).fold(|| 0, |sum, stock| sum + stock, |a, b| a + b));
    /// assert_eq!(all.await?, 10);
    /// # Ok(()) })
    /// # }
    /// ```
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
        self.long("Db::query_async", site, move |db| ask(Query::new(Source::Db(db.engine()), table, site)))
    }
}
