//! What a snapshot can be asked.

use std::panic::Location;

use super::by_index::get_by;
use super::collect::read;
use super::ends;
use super::request::Query;
use super::source::Source;
use crate::codec::{Key, KeyBuf, encode_key};
use crate::error::Result;
use crate::table::{Index, Row, Shared, Table, if_alive, typed};
use crate::txn::Snapshot;

impl Snapshot {
    /// Reads a row.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get), and [`SnapshotTooOld`](crate::ErrorKind::SnapshotTooOld), as every read of a snapshot.
    #[track_caller]
    pub fn get<K: Key, V: Row>(&self, table: Table<K, V>, key: K::Ref<'_>) -> Result<Option<Shared<V>>> {
        self.engine.check_alive()?;
        self.check_age()?;
        let Some(core) = self.engine.table_at(table, self.registration.number())? else { return Ok(None) };
        let key: KeyBuf = encode_key::<K>(key);
        let row = self.kept(typed::get(&self.engine.pager, &core, Some(self.commit_number()), &key))?;
        Ok(if_alive(Source::Snapshot(self).expiry(table), row))
    }

    /// Reads a row by a unique index, and gives it with its key.
    ///
    /// # Errors
    /// As [`Db::get_by`](crate::Db::get_by); [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) when the index was built
    /// after the snapshot was taken.
    #[track_caller]
    pub fn get_by<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &Index<I, V>,
        key: I::Ref<'_>,
    ) -> Result<Option<(K, Shared<V>)>> {
        get_by(Source::Snapshot(self), table, index, key, Location::caller())
    }

    /// Reads the whole table in parallel, as [`Db::read`](crate::Db::read).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    #[track_caller]
    pub fn read<K: Key, V: Row, T: Send>(
        &self,
        table: Table<K, V>,
        select: impl Fn(&V) -> bool + Sync,
        project: impl Fn(&V) -> T + Sync,
    ) -> Result<Vec<T>> {
        read(Source::Snapshot(self), table, select, project, Location::caller())
    }

    /// A read of many rows with ranges, limits and folds.
    #[track_caller]
    pub fn query<K: Key, V: Row>(&self, table: Table<K, V>) -> Query<'_, K, V> {
        Query::new(Source::Snapshot(self), table, Location::caller())
    }

    /// The number of rows. Counts them, unlike [`Db::len`](crate::Db::len); decodes none.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    #[track_caller]
    pub fn len<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<u64> {
        self.query(table).count()
    }

    /// The first row in key order.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    #[track_caller]
    pub fn first<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        ends::first(Source::Snapshot(self), table, Location::caller())
    }

    /// The last row in key order.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    #[track_caller]
    pub fn last<K: Key, V: Row>(&self, table: Table<K, V>) -> Result<Option<(K, Shared<V>)>> {
        ends::last(Source::Snapshot(self), table, Location::caller())
    }
}
