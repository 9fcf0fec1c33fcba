//! What concerns a whole table or the whole database, from a task: on a thread, where it goes on if the future is dropped.

use std::panic::Location;
use std::path::Path;

use crate::codec::Key;
use crate::context;
use crate::db::Db;
use crate::error::Result;
use crate::options::Options;
use crate::pool::on_own_thread;
use crate::query::{self, IndexProgress};
use crate::recovery::{self, BackupReport, CompactReport, RepairReport, VerifyReport};
use crate::status::Status;
use crate::table::{Row, Table};

impl Options {
    /// As [`open`](Options::open), for a task.
    ///
    /// # Errors
    /// As [`open`](Options::open).
    #[track_caller]
    pub fn open_async<P: AsRef<Path>>(self, path: P) -> impl Future<Output = Result<Db>> + Send + 'static + use<P> {
        let path = path.as_ref().to_owned();
        alone("Options::open_async", Location::caller(), move || self.open(path))
    }

    /// As [`temporary`](Options::temporary), for a task.
    ///
    /// # Errors
    /// As [`temporary`](Options::temporary).
    #[track_caller]
    pub fn temporary_async(self) -> impl Future<Output = Result<Db>> + Send + 'static + use<> {
        alone("Options::temporary_async", Location::caller(), move || self.temporary())
    }
}

/// As [`repair`](crate::repair), for a task.
///
/// # Errors
/// As [`repair`](crate::repair).
#[track_caller]
pub fn repair_async<P: AsRef<Path>, Q: AsRef<Path>>(
    damaged: P,
    into: Q,
) -> impl Future<Output = Result<RepairReport>> + Send + 'static + use<P, Q> {
    let (damaged, into) = (damaged.as_ref().to_owned(), into.as_ref().to_owned());
    alone("repair_async", Location::caller(), move || recovery::repair(damaged, into))
}

/// What is done when no database is open.
async fn alone<R: Send + 'static>(
    call: &'static str,
    site: &'static Location<'static>,
    f: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<R> {
    context::check_free(call, site)?;
    on_own_thread(f)?.await
}

impl Db {
    /// As [`open`](Db::open), for a task.
    ///
    /// # Errors
    /// As [`open`](Db::open).
    #[track_caller]
    pub fn open_async<P: AsRef<Path>>(path: P) -> impl Future<Output = Result<Db>> + Send + 'static + use<P> {
        Options::new().open_async(path)
    }

    /// As [`close`](Db::close), for a task. To be preferred to dropping the last handle, which waits for the disk.
    ///
    /// # Errors
    /// As [`close`](Db::close).
    #[track_caller]
    pub fn close_async(self) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        self.long("Db::close_async", Location::caller(), |db| db.clone().close())
    }

    /// As [`sync`](Db::sync), for a task.
    ///
    /// # Errors
    /// As [`sync`](Db::sync).
    pub fn sync_async(&self) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let db = self.clone();
        async move { db.engine().sync_async().await }
    }

    /// As [`checkpoint`](Db::checkpoint), for a task.
    ///
    /// # Errors
    /// As [`checkpoint`](Db::checkpoint).
    #[track_caller]
    pub fn checkpoint_async(&self) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        self.long("Db::checkpoint_async", Location::caller(), Db::checkpoint)
    }

    /// As [`verify`](Db::verify), for a task.
    ///
    /// # Errors
    /// As [`verify`](Db::verify).
    #[track_caller]
    pub fn verify_async(&self) -> impl Future<Output = Result<VerifyReport>> + Send + 'static + use<> {
        self.long("Db::verify_async", Location::caller(), Db::verify)
    }

    /// As [`status`](Db::status), for a task.
    ///
    /// # Errors
    /// As [`status`](Db::status).
    #[track_caller]
    pub fn status_async(&self) -> impl Future<Output = Result<Status>> + Send + 'static + use<> {
        self.long("Db::status_async", Location::caller(), Db::status)
    }

    /// As [`backup`](Db::backup), for a task.
    ///
    /// # Errors
    /// As [`backup`](Db::backup).
    #[track_caller]
    pub fn backup_async<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl Future<Output = Result<BackupReport>> + Send + 'static + use<P> {
        let path = path.as_ref().to_owned();
        self.long("Db::backup_async", Location::caller(), move |db| db.backup(path))
    }

    /// As [`restore`](Db::restore), for a task.
    ///
    /// # Errors
    /// As [`restore`](Db::restore).
    #[track_caller]
    pub fn restore_async<P: AsRef<Path>, Q: AsRef<Path>>(
        backup: P,
        path: Q,
    ) -> impl Future<Output = Result<VerifyReport>> + Send + 'static + use<P, Q> {
        let (backup, path) = (backup.as_ref().to_owned(), path.as_ref().to_owned());
        alone("Db::restore_async", Location::caller(), move || Db::restore(backup, path))
    }

    /// As [`compact`](Db::compact), for a task.
    ///
    /// # Errors
    /// As [`compact`](Db::compact).
    #[track_caller]
    pub fn compact_async(&self) -> impl Future<Output = Result<CompactReport>> + Send + 'static + use<> {
        self.long("Db::compact_async", Location::caller(), Db::compact)
    }

    /// As [`bulk_load`](Db::bulk_load), for a task. The rows are asked for on the thread.
    ///
    /// # Errors
    /// As [`bulk_load`](Db::bulk_load).
    #[track_caller]
    pub fn bulk_load_async<K: Key, V: Row, I: IntoIterator<Item = (K, V)> + Send + 'static>(
        &self,
        table: Table<K, V>,
        rows: I,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, I> {
        let site = Location::caller();
        self.long("Db::bulk_load_async", site, move |db| query::bulk_load(db.engine(), table, rows, site))
    }

    /// As [`clear`](Db::clear), for a task.
    ///
    /// # Errors
    /// As [`clear`](Db::clear).
    #[track_caller]
    pub fn clear_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        self.long("Db::clear_async", Location::caller(), move |db| db.clear(table))
    }

    /// As [`drop_table`](Db::drop_table), for a task.
    ///
    /// # Errors
    /// As [`drop_table`](Db::drop_table).
    #[track_caller]
    pub fn drop_table_async(&self, table: &str) -> impl Future<Output = Result<bool>> + Send + 'static + use<> {
        let table = table.to_owned();
        self.long("Db::drop_table_async", Location::caller(), move |db| db.drop_table(&table))
    }

    /// As [`build_indexes`](Db::build_indexes), for a task.
    ///
    /// # Errors
    /// As [`build_indexes`](Db::build_indexes).
    #[track_caller]
    pub fn build_indexes_async<K: Key, V: Row, F: FnMut(IndexProgress) + Send + 'static>(
        &self,
        table: Table<K, V>,
        progress: F,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V, F> {
        self.long("Db::build_indexes_async", Location::caller(), move |db| db.build_indexes(table, progress))
    }

    /// As [`drop_index`](Db::drop_index), for a task.
    ///
    /// # Errors
    /// As [`drop_index`](Db::drop_index).
    #[track_caller]
    pub fn drop_index_async(
        &self,
        table: &str,
        index: &str,
    ) -> impl Future<Output = Result<bool>> + Send + 'static + use<> {
        let (table, index) = (table.to_owned(), index.to_owned());
        self.long("Db::drop_index_async", Location::caller(), move |db| db.drop_index(&table, &index))
    }

    /// As [`remove_expired`](Db::remove_expired), for a task.
    ///
    /// # Errors
    /// As [`remove_expired`](Db::remove_expired).
    #[track_caller]
    pub fn remove_expired_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        self.long("Db::remove_expired_async", Location::caller(), move |db| db.remove_expired(table))
    }

    /// As [`next_id`](Db::next_id), for a task.
    ///
    /// # Errors
    /// As [`next_id`](Db::next_id).
    #[track_caller]
    pub fn next_id_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static + use<K, V> {
        self.short("Db::next_id_async", Location::caller(), move |db| db.next_id(table))
    }

    /// As [`skip_ids`](Db::skip_ids), for a task.
    ///
    /// # Errors
    /// As [`skip_ids`](Db::skip_ids).
    #[track_caller]
    pub fn skip_ids_async<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        up_to: u64,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<K, V> {
        self.short("Db::skip_ids_async", Location::caller(), move |db| db.skip_ids(table, up_to))
    }
}
