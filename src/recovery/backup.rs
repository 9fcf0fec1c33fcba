//! Backup: a whole store in another folder, of one commit, made beside readers and writers.
//!
//! The page store is copied while it is in use ([`copy`](super::copy)); the checkpoint that ends the copying decides of
//! which commit it is, and has synced the journal up to it. So a backup has nothing that a crash could still take
//! back, keeps no version of a page in memory and no page on disk longer than it would stay, and does not pass
//! through the cache. A database in memory is written out as a checkpoint would do it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::checkpoint::{checkpoint_or_poison, write_whole};
use super::copy::copy_pages;
use super::keeper::Keeper;
use super::open::{first_root, journal_options};
use super::unfinished::Unfinished;
use super::verify::TableReport;
use crate::error::Result;
use crate::storage::journal::{Journal, Mark};
use crate::storage::{FileLayer, OsFiles, PageStore, Root, RootFile, SledStore, names};
use crate::txn::Engine;

/// What a backup holds, as it was read back from its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// It has all commits up to this one, and none after it.
    pub commit_number: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// One entry a table, with its rows and checksum.
    pub tables: Vec<TableReport>,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "commit {}: {} rows, {} bytes", self.commit_number, self.rows, self.bytes)?;
        self.tables
            .iter()
            .try_for_each(|table| writeln!(f, "{}: {} rows, checksum {:016x}", table.name, table.rows, table.checksum))
    }
}

impl Keeper {
    /// Makes a backup in a new folder. One copy is made at a time; others wait.
    pub(crate) fn backup(&self, engine: &Engine, target: &Path) -> Result<BackupReport> {
        let _alone = self.copying.lock();
        engine.check_alive()?;
        let folder = Unfinished::begin(&self.disk.files, target)?;
        let store = SledStore::open_copy(folder.place(), &names::sled_folder(1))?;
        let root = copy_pages(engine, &self.disk, Arc::new(store)).and_then(|()| self.last_root(engine));
        // Let go of before its folder is removed, where something failed.
        self.disk.discard_copy();
        let root = root?;
        complete(engine, &self.disk.files, folder, |mark| at(root, mark))
    }

    /// Makes a checkpoint, which is written to the copy too, and ends the copying with it.
    fn last_root(&self, engine: &Engine) -> Result<Root> {
        let mut state = self.state.lock();
        engine.check_alive()?;
        checkpoint_or_poison(engine, &mut state)?;
        let copy = self.disk.pages.copy()?;
        self.disk.pages.end();
        let root = Root { live_bytes: Some(copy.live_bytes()), ..state.root.clone() };
        drop(state);
        copy.close()?;
        Ok(root)
    }
}

/// Makes a backup of a database in memory.
pub(crate) fn backup_memory(engine: &Engine, target: &Path) -> Result<BackupReport> {
    let files: Arc<dyn FileLayer> = Arc::new(OsFiles);
    let folder = Unfinished::begin(&files, target)?;
    let store = SledStore::open_copy(folder.place(), &names::sled_folder(1))?;
    let (directory, last_commit) = write_whole(engine, &store)?;
    let live_bytes = Some(store.live_bytes());
    store.close()?;
    complete(engine, &files, folder, |mark| {
        let root = Root {
            directory_hash: directory.hash(),
            directory_entries: directory.len(),
            next_id: engine.pager.next_id(),
            last_commit,
            live_bytes,
            ..first_root(mark)
        };
        at(root, mark)
    })
}

/// The root of a copy: closed, with a journal that begins at `mark`.
fn at(root: Root, mark: Mark) -> Root {
    Root {
        clean: true,
        sled_folder: names::sled_folder(1),
        journal: mark.position,
        journal_chain: mark.chain,
        free: Vec::new(),
        ..root
    }
}

/// Adds to the page store what makes it a store, verifies it and gives it its name.
fn complete(
    engine: &Engine,
    files: &Arc<dyn FileLayer>,
    folder: Unfinished,
    root: impl FnOnce(Mark) -> Root,
) -> Result<BackupReport> {
    let place = folder.place();
    let options = journal_options(&engine.options);
    let journal = Journal::create(Arc::clone(files), &place.join(names::JOURNAL), 1, None, options)?;
    let root = root(journal.mark());
    journal.close()?;
    RootFile::create(&**files, place, &root)?;
    let tables = folder.verify()?.tables;
    let bytes = folder.bytes()?;
    folder.finish()?;
    Ok(BackupReport {
        commit_number: root.last_commit,
        rows: tables.iter().map(|table| table.rows).sum(),
        bytes,
        tables,
    })
}
