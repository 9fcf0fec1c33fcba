//! Copies of a whole database: backup, restore, compaction.

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use crate::context;
use crate::db::Db;
use crate::error::Result;
use crate::events;
use crate::recovery::{self, BackupReport, CompactReport, VerifyReport};
use crate::storage::{FileLayer, OsFiles};

impl Db {
    /// Makes a backup in a new folder, beside readers and writers: a store like any other, which [`Db::open`] opens.
    ///
    /// It is of one commit, not before the call, and all of it is on disk. It is written under the name with
    /// `.unfinished` added, read back and compared with its checksums, and only then gets its name. So a backup that
    /// was cut off, which opening refuses, is never taken for a whole one. Nothing is kept back in memory meanwhile. The
    /// disk is left to commits half of the time, while there are some. Backups and compactions wait for each other.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const STOCK: Table<u32, u64> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let place = folder.path().join("monday");
    /// let db = Db::temporary()?;
    /// db.put(STOCK, 1, 10)?;
    /// let report = db.backup(&place)?;
    /// assert_eq!(report.rows, 1);
    /// let copy = Db::open(&place)?;
    /// assert_eq!(copy.get(STOCK, 1)?.as_deref(), Some(&10));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the folder has something in it,
    /// [`Corrupted`](crate::ErrorKind::Corrupted) when the database or the copy is damaged,
    /// [`DiskFull`](crate::ErrorKind::DiskFull), [`Io`](crate::ErrorKind::Io). What was written is removed then, and the
    /// database goes on.
    #[track_caller]
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<BackupReport> {
        context::check_free("Db::backup", Location::caller())?;
        let engine = self.engine();
        engine.check_alive()?;
        let _span = events::backup(path.as_ref());
        match &self.inner.keeper {
            Some(keeper) => keeper.backup(engine, path.as_ref()),
            None => recovery::backup_memory(engine, path.as_ref()),
        }
    }

    /// Makes a store in the new folder `path` out of a backup, or of any store that nobody has open. The backup is only
    /// read; the copy is read back and verified before it gets its name.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const STOCK: Table<u32, u64> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let (backup, place) = (folder.path().join("monday"), folder.path().join("shop"));
    /// let db = Db::in_memory()?;
    /// db.put(STOCK, 1, 10)?;
    /// db.backup(&backup)?;
    /// let report = Db::restore(&backup, &place)?;
    /// assert!(report.is_clean());
    /// assert_eq!(Db::open(&place)?.len(STOCK)?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`NotAStore`](crate::ErrorKind::NotAStore) for a folder without a whole store,
    /// [`Corrupted`](crate::ErrorKind::Corrupted) when the backup is damaged,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when `path` has something in it,
    /// [`AlreadyOpen`](crate::ErrorKind::AlreadyOpen), [`DiskFull`](crate::ErrorKind::DiskFull),
    /// [`Io`](crate::ErrorKind::Io).
    #[track_caller]
    pub fn restore(backup: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<VerifyReport> {
        context::check_free("Db::restore", Location::caller())?;
        let files: Arc<dyn FileLayer> = Arc::new(OsFiles);
        recovery::restore(&files, backup.as_ref(), path.as_ref())
    }

    /// Writes the page store anew without its gaps, beside readers and writers, and gives the space back: see
    /// [`Status::dead_bytes`](crate::Status::dead_bytes). It pays after many rows went; a page store without gaps takes some
    /// 2.3 times its live bytes before and after. Meanwhile both take space, and checkpoints write to both. The
    /// disk is left to commits half of the time, while there are some. A database in memory does nothing.
    ///
    /// A crash at any moment leaves the old page store or the new one.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// let db = gangline::Db::temporary()?;
    /// let report = db.compact()?;
    /// println!("{report}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`DiskFull`](crate::ErrorKind::DiskFull) or [`Corrupted`](crate::ErrorKind::Corrupted): everything is as it was,
    /// and the database goes on. [`Poisoned`](crate::ErrorKind::Poisoned) from the next call on when the root file could
    /// not be written.
    #[track_caller]
    pub fn compact(&self) -> Result<CompactReport> {
        context::check_free("Db::compact", Location::caller())?;
        let engine = self.engine();
        engine.check_alive()?;
        match &self.inner.keeper {
            Some(keeper) => keeper.compact(engine),
            None => Ok(CompactReport { bytes_before: 0, bytes_after: 0 }),
        }
    }

    /// Bytes of the journal's files and the root file.
    pub(crate) fn file_bytes(&self) -> Result<u64> {
        self.inner.keeper.as_ref().map_or(Ok(0), recovery::Keeper::file_bytes)
    }
}
