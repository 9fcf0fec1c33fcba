//! The page store on sled, held on a short rein. The only file that names sled.
//!
//! What sled needs around it, and why:
//!
//! - **One thread writes**, and syncs before too much was written ([`Rein`]): otherwise a power cut can destroy what was
//!   synced before. `flush` alone does not sync on Linux, so a kept handle on the data file does.
//! - **Every call is fenced.** sled panics on damaged files and was seen to hang: panics become `Corrupted` or
//!   `Poisoned`, and callers of the writing thread give up when it does not move for [`STALL_LIMIT`].
//! - **Its iterators never end after an error**, so a scan stops at the first.
//! - **It overwrites what it cannot read** while it opens, so all of that is read once before, and written again in case
//!   an earlier sync failed. What it overwrites in a store that is refused is put back.
//! - **Its snapshot is only written while it opens**, and damage behind the snapshot makes it panic. So closing a store
//!   that was written opens it once more.
//! - **It hangs on a full disk.** So values are refused while there is still some room ([`room`](super::room)).
//! - Never called here: `transaction`, `apply_batch`, `checksum` (they slow the process down for ever), `flush_async`
//!   (deadlocks), `watch_prefix` (blocks writers), `generate_id` (blocks, and jumps).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::page_store::{EntryVisitor, PageStore, StoreOp, TreeId, check_batch};
use super::poison::Poison;
use super::rein::{self, Rein, SEGMENT_BYTES};
use super::room;
use super::sled_folder::{SledFolder, retry};
use super::sled_log::LogBefore;
use super::work_queue::{Lost, Progress, WorkQueue};
use crate::error::{Error, ErrorKind, Result};

/// sled's own page cache, in bytes on its log; in memory it takes several times as much. Small, since pages are cached
/// above.
const CACHE_BYTES: u64 = 32 << 20;
/// sled's thread flushes, syncs and collects garbage this often.
const FLUSH_EVERY_MS: u64 = 10;
/// The writing thread is given up when it does nothing for so long.
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait for sled's lock on its file, which can outlive its handle.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const DIRECTORY_NAME: &[u8] = b"directory";

/// A page store in a folder of its own.
pub(crate) struct SledStore {
    inner: Arc<Inner>,
    queue: WorkQueue<Writer>,
}

/// What readers and the writing thread share.
struct Inner {
    folder: SledFolder,
    /// `None` once it is closed.
    open: RwLock<Option<Open>>,
    poison: Poison,
    /// Bytes of all values. Below nothing for a moment, where what is removed was not counted yet.
    live: AtomicI64,
    /// Bytes that must be free on the disk for a value to be taken.
    least_room: AtomicU64,
}

struct Open {
    db: sled::Db,
    trees: BTreeMap<TreeId, sled::Tree>,
}

/// The writing thread's side.
struct Writer {
    inner: Arc<Inner>,
    data: File,
    rein: Rein,
    progress: Progress,
    wrote: bool,
    /// How often it synced.
    #[cfg(test)]
    syncs: u64,
}

impl SledStore {
    /// Opens the store in the folder `name` of `dir`, or makes it.
    ///
    /// # Errors
    ///
    /// `Corrupted` if sled cannot open its files, `AlreadyOpen` if another process has them.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<SledStore> {
        Ok(Self::open_with(dir, name, STALL_LIMIT, room::LEAST)?.0)
    }

    /// The same, for a caller who may find that what is in the store is damaged: he closes it then, and puts the log back.
    pub(crate) fn open_and_keep(dir: &Path, name: &str) -> Result<(SledStore, LogBefore)> {
        Self::open_with(dir, name, STALL_LIMIT, room::LEAST)
    }

    /// As [`open`](SledStore::open), for a copy of a store: leaves the last of the disk to the store itself.
    pub(crate) fn open_copy(dir: &Path, name: &str) -> Result<SledStore> {
        Ok(Self::open_with(dir, name, STALL_LIMIT, room::LEAST_FOR_COPIES)?.0)
    }

    /// The copy is the store itself from now on.
    pub(crate) fn is_no_copy(&self) {
        self.inner.least_room.store(room::LEAST, Ordering::Relaxed);
    }

    fn open_with(dir: &Path, name: &str, stall_limit: Duration, least_room: u64) -> Result<(SledStore, LogBefore)> {
        let folder = SledFolder::new(dir, name);
        let failed = |error| Error::io("open the page store in", folder.path(), error);
        folder.prepare().map_err(failed)?;
        if rein::is_on() && !folder.write_again(LOCK_WAIT).map_err(failed)? {
            return Err(locked(folder.path()));
        }
        let (db, before) = open_db(&folder)?;
        folder.settle().map_err(failed)?;
        let data = folder.open_data().map_err(failed)?;
        let mut trees = BTreeMap::new();
        for name in fenced(folder.path(), "list trees", || Ok(db.tree_names()))? {
            if let Some(id) = id_of(&name) {
                trees.insert(id, fenced(folder.path(), "open a tree", || db.open_tree(&name))?);
            }
        }
        let path = folder.path().to_owned();
        let open = RwLock::new(Some(Open { db, trees }));
        let (live, least_room) = (AtomicI64::new(0), AtomicU64::new(least_room));
        let inner = Arc::new(Inner { folder, open, poison: Poison::new("page store", path), live, least_room });
        let progress = Progress::default();
        let writer = Writer {
            inner: Arc::clone(&inner),
            data,
            rein: Rein::new(),
            progress: progress.clone(),
            wrote: false,
            #[cfg(test)]
            syncs: 0,
        };
        let queue = WorkQueue::start("gangline-pages", writer, progress, stall_limit)?;
        Ok((SledStore { inner, queue }, before))
    }

    /// Removes the folder `name` of `dir` with all that is in it. No store may be open there.
    pub(crate) fn remove_folder(dir: &Path, name: &str) -> Result<()> {
        let folder = SledFolder::new(dir, name);
        folder.remove().map_err(|error| Error::io("remove the page store in", folder.path(), error))
    }

    /// Has the writing thread do something. An error poisons the store: what sled made of it is not known.
    fn on_writer<T: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.inner.poison.check_writable()?;
        let outcome = self.queue.run(move |writer| {
            // It may have been poisoned while this waited in the queue.
            writer.inner.poison.check_writable()?;
            job(writer).inspect_err(|error| writer.inner.poison.set(format!("could not {what}: {error}"), false))
        });
        match outcome {
            Ok(outcome) => outcome,
            Err(Lost::Hung) => {
                self.inner.poison.set(format!("did not {what} in time"), true);
                self.inner.poison.check_writable().and_then(|()| Err(self.inner.closed()))
            }
            Err(Lost::Ended) => Err(self.inner.closed()),
        }
    }

    /// Has the writing thread close sled, and ends it.
    fn end(&self, close: impl FnOnce(&mut Writer) -> Result<()> + Send + 'static) -> Result<()> {
        if self.inner.open.read().is_none() {
            return Ok(());
        }
        let poisoned = self.inner.poison.check_writable();
        match self.queue.run(close) {
            Ok(closed) => {
                self.queue.end();
                poisoned.and(closed)
            }
            Err(Lost::Ended) => Ok(()),
            Err(Lost::Hung) => {
                self.inner.poison.set("did not close in time".to_owned(), true);
                self.queue.abandon();
                self.inner.poison.check_writable()
            }
        }
    }
}

impl PageStore for SledStore {
    fn read(&self, tree: TreeId, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(tree) = self.inner.tree(tree)? else { return Ok(false) };
        let Some(value) = self.inner.fenced("read", || tree.get(key))? else { return Ok(false) };
        visit(&value);
        Ok(true)
    }

    fn scan(&self, tree: TreeId, from: &[u8], visit: &mut EntryVisitor<'_>) -> Result<()> {
        let Some(tree) = self.inner.tree(tree)? else { return Ok(()) };
        let mut entries = tree.range(from..);
        while let Some((key, value)) = self.inner.fenced("scan", || entries.next().transpose())? {
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: Vec<StoreOp>) -> Result<()> {
        check_batch(&batch)?;
        self.on_writer("write", move |writer| batch.into_iter().try_for_each(|op| writer.apply(op)))
    }

    fn sync(&self) -> Result<()> {
        self.on_writer("sync", Writer::sync)
    }

    fn trees(&self) -> Result<Vec<TreeId>> {
        self.inner.poison.check_readable()?;
        let open = self.inner.open.read();
        Ok(open.as_ref().ok_or_else(|| self.inner.closed())?.trees.keys().copied().collect())
    }

    fn drop_tree(&self, tree: TreeId) -> Result<()> {
        self.on_writer("drop a tree", move |writer| writer.drop_tree(tree))
    }

    fn size_on_disk(&self) -> Result<u64> {
        self.inner.poison.check_readable()?;
        let open = self.inner.open.read();
        let db = &open.as_ref().ok_or_else(|| self.inner.closed())?.db;
        self.inner.fenced("measure", || db.size_on_disk())
    }

    fn live_bytes(&self) -> u64 {
        u64::try_from(self.inner.live.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn set_live_bytes(&self, bytes: u64) {
        self.inner.live.store(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn close(&self) -> Result<()> {
        self.end(Writer::close)
    }

    fn discard(&self) -> Result<()> {
        self.end(|writer| {
            writer.wrote = false;
            writer.close()
        })
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // Who needs to know whether it succeeded calls `close`.
        let _ = self.close();
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

impl Inner {
    fn fenced<T>(&self, what: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
        fenced(self.folder.path(), what, call)
    }

    fn count(&self, added: usize, removed: usize) {
        self.live.fetch_add(added as i64 - removed as i64, Ordering::Relaxed);
    }

    fn tree(&self, id: TreeId) -> Result<Option<sled::Tree>> {
        self.poison.check_readable()?;
        let open = self.open.read();
        Ok(open.as_ref().ok_or_else(|| self.closed())?.trees.get(&id).cloned())
    }

    fn closed(&self) -> Error {
        let path = self.folder.path().display();
        Error::new(ErrorKind::Closed, format!("the page store in {path} was closed: open the database again"))
    }
}

impl Writer {
    fn apply(&mut self, op: StoreOp) -> Result<()> {
        match op {
            StoreOp::Put { tree, key, value } => {
                let tree = self.tree(tree)?;
                self.before(Some(value.len()))?;
                let len = value.len();
                let before = self.inner.fenced("write", || tree.insert(key, value))?;
                self.inner.count(len, before.map_or(0, |value| value.len()));
            }
            StoreOp::Remove { tree, key } => {
                let Some(tree) = self.inner.tree(tree)? else { return Ok(()) };
                self.before(None)?;
                let before = self.inner.fenced("remove", || tree.remove(key))?;
                self.inner.count(0, before.map_or(0, |value| value.len()));
            }
        }
        self.progress.step();
        Ok(())
    }

    /// Keeps the rein before something is written.
    fn before(&mut self, value_len: Option<usize>) -> Result<()> {
        self.wrote = true;
        if !self.rein.must_sync_before(value_len) {
            return Ok(());
        }
        if value_len.is_some() {
            room::check(&self.data, self.inner.folder.path(), self.inner.least_room.load(Ordering::Relaxed))?;
        }
        if rein::is_on() { self.flush() } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.rein.synced();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let open = self.inner.open.read();
        let db = open.as_ref().ok_or_else(|| self.inner.closed())?.db.clone();
        drop(open);
        self.inner.fenced("flush", || db.flush())?;
        #[cfg(test)]
        {
            self.syncs += 1;
        }
        self.data.sync_data().map_err(|error| Error::io("sync the page store in", self.inner.folder.path(), error))?;
        self.progress.step();
        Ok(())
    }

    /// The tree, made if it does not exist. Making one writes, so that is done here and never by a reader.
    fn tree(&mut self, id: TreeId) -> Result<sled::Tree> {
        if let Some(tree) = self.inner.tree(id)? {
            return Ok(tree);
        }
        self.before(None)?;
        let db = self.inner.open.read().as_ref().ok_or_else(|| self.inner.closed())?.db.clone();
        // Not under the latch: if sled hangs in here, readers and `close` must not hang with it.
        let tree = self.inner.fenced("make a tree", || db.open_tree(name_of(id)))?;
        let mut open = self.inner.open.write();
        open.as_mut().ok_or_else(|| self.inner.closed())?.trees.insert(id, tree.clone());
        Ok(tree)
    }

    fn drop_tree(&mut self, id: TreeId) -> Result<()> {
        let removed = {
            let mut open = self.inner.open.write();
            let open = open.as_mut().ok_or_else(|| self.inner.closed())?;
            open.trees.remove(&id).map(|_| open.db.clone())
        };
        let Some(db) = removed else { return Ok(()) };
        self.wrote = true;
        // How much it writes is not known, so it stands between two syncs.
        self.sync()?;
        self.inner.fenced("drop a tree", || db.drop_tree(name_of(id)))?;
        self.sync()
    }

    /// Syncs, drops sled's handles, and opens and closes it once more for its snapshot.
    fn close(&mut self) -> Result<()> {
        let synced = if self.wrote { self.inner.poison.check_writable().and_then(|()| self.sync()) } else { Ok(()) };
        let open = self.inner.open.write().take();
        self.inner.fenced("close", || {
            drop(open);
            Ok(())
        })?;
        synced?;
        let folder = &self.inner.folder;
        let failed = |error| Error::io("close the page store in", folder.path(), error);
        let mut free = folder.wait_unlocked(LOCK_WAIT).map_err(failed)?;
        if free && self.wrote {
            let (db, _) = open_db(folder)?;
            self.progress.step();
            fenced(folder.path(), "close", || {
                drop(db);
                Ok(())
            })?;
            free = folder.wait_unlocked(LOCK_WAIT).map_err(failed)?;
            folder.sync_entries().map_err(failed)?;
        }
        if free { Ok(()) } else { Err(locked(folder.path())) }
    }
}

/// Opens sled. If it cannot read its files, tries once more without its snapshot, which it can do without.
fn open_db(folder: &SledFolder) -> Result<(sled::Db, LogBefore)> {
    let error = match open_or_leave(folder) {
        Err(error) if error.kind() == ErrorKind::Corrupted => error,
        outcome => return outcome,
    };
    let moved = folder.set_snapshots_aside().unwrap_or_default();
    if moved.is_empty() {
        return Err(error);
    }
    // Now all of the log is read.
    open_or_leave(folder).map_err(|_| {
        folder.put_snapshots_back(&moved);
        error
    })
}

/// Opens sled, if all that it is going to read can be read: it would go on without the rest. If it cannot make anything
/// of its files, they are left as they were.
fn open_or_leave(folder: &SledFolder) -> Result<(sled::Db, LogBefore)> {
    let before = folder.keep_log().map_err(|error| Error::io("read the page store in", folder.path(), error))?;
    match open_db_once(folder) {
        Ok(db) => Ok((db, before)),
        Err(error) => {
            if error.kind() == ErrorKind::Corrupted {
                // The first error is the one to report.
                let _ = before.put_back();
            }
            Err(error)
        }
    }
}

/// Opens sled, as often as it takes for an earlier handle to let go.
fn open_db_once(folder: &SledFolder) -> Result<sled::Db> {
    let config = sled::Config::new().path(folder.path()).cache_capacity(CACHE_BYTES);
    let config = match rein::is_on() {
        true => config.segment_size(SEGMENT_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS)),
        false => config,
    };
    retry(LOCK_WAIT, || {
        fenced(folder.path(), "open", || match config.open() {
            Ok(db) => Ok(Some(db)),
            // sled has no kind for this.
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => Ok(None),
            Err(error) => Err(error),
        })
    })?
    .ok_or_else(|| locked(folder.path()))
}

fn locked(path: &Path) -> Error {
    Error::new(
        ErrorKind::AlreadyOpen,
        format!("the page store in {} is locked: close it in the other process", path.display()),
    )
}

/// Calls sled; its panics and errors become errors of ours that name the folder.
fn fenced<T>(path: &Path, what: &str, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    // What a panic leaves half done is sled's own state, and that is not trusted afterwards anyway.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if error.kind() != io::ErrorKind::InvalidData => {
            Err(Error::io(&format!("{what} in the page store in"), path, error))
        }
        Ok(Err(error)) => Err(unreadable(path, what).with_source(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(unreadable(path, what).with_source(text.unwrap_or_else(|| "a panic without a text".to_owned())))
        }
    }
}

fn unreadable(path: &Path, what: &str) -> Error {
    Error::corrupted(format!("cannot {what} in the page store in {}: run repair or restore a backup", path.display()))
}

fn name_of(tree: TreeId) -> Vec<u8> {
    if tree == TreeId::DIRECTORY { DIRECTORY_NAME.to_vec() } else { format!("t{:08x}", tree.0).into_bytes() }
}

fn id_of(name: &[u8]) -> Option<TreeId> {
    if name == DIRECTORY_NAME {
        return Some(TreeId::DIRECTORY);
    }
    let digits = std::str::from_utf8(name).ok()?.strip_prefix('t')?;
    u32::from_str_radix(digits, 16).ok().map(TreeId).filter(|id| name == name_of(*id))
}

#[cfg(test)]
mod tests;
