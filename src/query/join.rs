//! `join`: each row beside the row of another table that it names.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::projected::Projected;
use super::request::Query;
use super::scan::RowAt;
use super::source::Source;
use crate::codec::{Key, encode_key};
use crate::error::Result;
use crate::lock::Mode;
use crate::table::table_core::TableCore;
use crate::table::{Expiry, Row, Shared, Table, if_alive, typed};
use crate::txn::{Engine, OwnRows, Snapshot};

type KeyOf<'a, V, K> = Box<dyn Fn(&V) -> Option<K> + Send + Sync + 'a>;

/// A query whose rows each name a row of another table. Made by [`Query::join`].
#[must_use = "a join does nothing until its rows are projected"]
pub struct Joined<'a, K, V: 'static, L, W: 'static> {
    query: Query<'a, K, V>,
    with: Table<L, W>,
    key: KeyOf<'a, V, L>,
}

impl<K, V, L, W> fmt::Debug for Joined<'_, K, V, L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("query", &self.query).field("with", &self.with).finish_non_exhaustive()
    }
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Puts each row beside the row of another table whose key it has: `key` gives that key, or an option of it. The rows
    /// are looked up while the query runs, in parallel with it, and as of the same commit; each costs a point read. It is
    /// [`Joined::project`] that says what to make of both.
    ///
    /// Inside a transaction the whole other table stays locked in shared mode until the end, and the transaction's own writes
    /// to it are seen.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const USERS: Table<u32, String> = Table::new("users");
    /// const ORDERS: Table<u32, (u32, u64)> = Table::new("orders");
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(USERS, 7, "Ada".to_owned())?;
    /// db.put(ORDERS, 1, (7, 30))?;
    /// db.put(ORDERS, 2, (8, 12))?;
    /// let named = db.query(ORDERS).join(USERS, |(user, _)| *user);
    /// let lines = named.project(|(_, price), user| format!("{} {price}", user.map_or("?", |name| name)));
    /// assert_eq!(lines.collect()?, ["Ada 30", "? 12"]);
    /// # Ok(()) }
    /// ```
    pub fn join<'b, L: Key, W: Row, R: Into<Option<L>>>(
        self,
        with: Table<L, W>,
        key: impl Fn(&V) -> R + Send + Sync + 'b,
    ) -> Joined<'b, K, V, L, W>
    where
        'a: 'b,
    {
        Joined { query: self, with, key: Box::new(move |row| key(row).into()) }
    }
}

impl<'a, K: Key, V: Row, L: Key, W: Row> Joined<'a, K, V, L, W> {
    /// Gives `project(row, other)` of each row; there is no other where the row names none, or one that is not there.
    pub fn project<'b, T: Send>(
        self,
        project: impl Fn(&V, Option<&W>) -> T + Send + Sync + 'b,
    ) -> Projected<'b, K, V, T>
    where
        'a: 'b,
    {
        let Joined { mut query, with, key } = self;
        let (source, site) = (query.source.clone(), query.site);
        let other = Arc::new(OnceLock::new());
        let place = Arc::clone(&other);
        let fix = move |number| {
            let fixed = Other::fix(source, with, number, site)?;
            let _ = place.set(fixed);
            Ok(())
        };
        query.joined = Some(Box::new(fix));
        let project = move |_: RowAt<'_, V>, row: &V| {
            let found = match (key(row), other.get()) {
                (Some(key), Some(other)) => other.get(key.as_ref())?,
                _ => None,
            };
            Ok(project(row, found.as_deref()))
        };
        Projected { query, project: Box::new(project) }
    }
}

/// The other table, as the query sees it.
struct Other<L, W> {
    engine: Arc<Engine>,
    /// None: it was never written to.
    core: Option<Arc<TableCore>>,
    /// None: it is locked, and read as it is.
    number: Option<u64>,
    own: OwnRows<W>,
    snapshot: Option<Snapshot>,
    expiry: Option<Expiry<W>>,
    keys: PhantomData<fn(L)>,
}

impl<L: Key, W: Row> Other<L, W> {
    fn fix(
        source: Source<'_>,
        table: Table<L, W>,
        number: u64,
        site: &'static std::panic::Location<'static>,
    ) -> Result<Self> {
        let (keys, expiry) = (PhantomData, source.expiry(table));
        let (engine, snapshot) = match &source {
            Source::Db(engine) => (*engine, None),
            Source::Snapshot(snapshot) => (&snapshot.engine, Some(Snapshot::clone(snapshot))),
            Source::KeptSnapshot(snapshot) => (&snapshot.engine, Some(snapshot.clone())),
            Source::Transaction(tx) => {
                let core = tx.engine.table(table)?;
                let own = tx.lock_for_scan(&core, &[], None, Mode::S, site, &[])?;
                return Ok(Other {
                    engine: Arc::clone(&tx.engine),
                    core: Some(core),
                    number: None,
                    own,
                    snapshot: None,
                    expiry,
                    keys,
                });
            }
        };
        let core = engine.table_at(table, number)?;
        Ok(Other { engine: Arc::clone(engine), core, number: Some(number), own: Vec::new(), snapshot, expiry, keys })
    }

    fn get(&self, key: L::Ref<'_>) -> Result<Option<Shared<W>>> {
        let Some(core) = &self.core else { return Ok(None) };
        let key = encode_key::<L>(key);
        let row = match self.own.binary_search_by(|(own, _)| own.cmp(&key)) {
            Ok(at) => self.own[at].1.clone().map(Shared::from_arc),
            Err(_) => {
                let found = typed::get(&self.engine.pager, core, self.number, &key);
                match &self.snapshot {
                    Some(snapshot) => snapshot.kept(found)?,
                    None => found?,
                }
            }
        };
        Ok(if_alive(self.expiry, row))
    }
}
