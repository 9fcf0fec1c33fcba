//! The journal's handle, and the append.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::file::{FIRST_RECORD, JournalFile, numbers, path_of};
use super::record::{LINK_BYTES, Link, Payload, record_bytes};
use super::recover::remove_unused;
use super::sleep::Synced;
use super::state::{Failure, State, Tail};
use super::{JournalOptions, Mark, Position, Reservation, TailInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::file::FileLayer;

/// An open journal. See the [module](super) for the life of a record.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(super) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the handle, the reservations and the two threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: Arc<dyn FileLayer>,
    pub(super) dir: PathBuf,
    pub(super) options: JournalOptions,
    pub(super) state: Mutex<State>,
    /// Whether the state has a failure, for those who ask often.
    failed: AtomicBool,
    /// A leader is done.
    pub(super) led: Condvar,
    /// As many wait as the leader hopes for.
    pub(super) gathered: Condvar,
    /// The flusher has something to do.
    pub(super) flush: Condvar,
    /// The space thread has something to do.
    pub(super) low: Condvar,
    /// An attempt to make space is over.
    pub(super) grown: Condvar,
}

impl Shared {
    pub(super) fn check_usable(&self, state: &State) -> Result<()> {
        if let Some(failure) = &state.failure {
            return Err(self.poisoned_error(failure));
        }
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, format!("the journal in {} was closed", self.dir.display())));
        }
        Ok(())
    }

    pub(super) fn poisoned_error(&self, failure: &Failure) -> Error {
        failure.error(ErrorKind::Poisoned, "an earlier write to the journal failed")
    }

    /// Poisons the journal, unless it is already, and wakes whoever waits for something that will not come.
    pub(super) fn fail(&self, state: &mut MutexGuard<'_, State>, failure: Failure) {
        state.failure.get_or_insert(failure);
        self.failed.store(true, Ordering::Release);
        state.pending.clear();
        state.pending_bytes = 0;
        state.pending_since = None;
        self.grown.notify_all();
        self.wake_tasks(state);
    }

    fn append(&self, reservation: Reservation, commit: u64, payload: &Payload) -> Position {
        let bytes = record_bytes(payload.len());
        let spent = reservation.spend(bytes);
        let mut state = self.state.lock();
        state.reserved -= spent;
        if state.current.end + bytes > state.current.allocated {
            state.rotate();
        }
        let was_small = state.pending_bytes < self.options.flush_bytes;
        state.push(commit, payload);
        let end = state.end();
        if state.pending_since.is_none() {
            state.pending_since = Some(Instant::now());
        }
        let wake_flusher =
            std::mem::take(&mut state.flusher_idle) || (was_small && state.pending_bytes >= self.options.flush_bytes);
        let wake_space = state.is_low(&self.options);
        drop(state);
        if wake_flusher {
            self.flush.notify_one();
        }
        if wake_space {
            self.low.notify_one();
        }
        end
    }
}

impl Journal {
    /// Begins a new journal file and starts the threads. `first_file` is a number that no file had ([`TailInfo`] names
    /// one); `previous` is where the journal that is gone on with ended, `None` in a new store.
    pub(crate) fn create(
        files: Arc<dyn FileLayer>,
        dir: &Path,
        first_file: u64,
        previous: Option<TailInfo>,
        options: JournalOptions,
    ) -> Result<Journal> {
        let failed = |error| Error::io("make the journal in", dir, error);
        let link = match &previous {
            Some(tail) => {
                let path = path_of(dir, tail.end.file);
                settle(files.as_ref(), &path, tail).map_err(|error| Error::io("sync", &path, error))?;
                Link { end: tail.end, chain: tail.chain, last_commit: tail.last_commit }
            }
            None => {
                files.create_dir(dir).map_err(failed)?;
                if let Some(parent) = dir.parent() {
                    files.sync_dir(parent).map_err(failed)?;
                }
                remove_unused(files.as_ref(), dir)?;
                Link { end: Position::default(), chain: 0, last_commit: 0 }
            }
        };
        let allocated = options.chunk_bytes.max(FIRST_RECORD + LINK_BYTES).next_multiple_of(FIRST_RECORD);
        let file = JournalFile::create(files.as_ref(), dir, first_file, allocated).map_err(failed)?;
        let file = Arc::new(file);
        let current = Tail { file, end: FIRST_RECORD, allocated };
        let state = State::new(current, link, previous.map_or(0, |tail| tail.replayed_bytes));
        let shared = Arc::new(Shared {
            files,
            dir: dir.to_owned(),
            options,
            state: Mutex::new(state),
            failed: AtomicBool::new(false),
            led: Condvar::new(),
            gathered: Condvar::new(),
            flush: Condvar::new(),
            low: Condvar::new(),
            grown: Condvar::new(),
        });
        let end = shared.state.lock().end();
        shared.sync_to(end)?;
        let journal = Journal { shared, threads: Mutex::new(Vec::new()) };
        journal.spawn("gangline-flush", Shared::run_flusher)?;
        journal.spawn("gangline-space", Shared::run_space)?;
        Ok(journal)
    }

    #[cfg(test)]
    pub(super) fn flusher_is_idle(&self) -> bool {
        self.shared.state.lock().flusher_idle
    }

    fn spawn(&self, name: &str, body: fn(&Shared)) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || body(&shared))
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start thread {name}")).with_source(error))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Sets space aside for a record. May wait for space to be made; a full disk is an error here and harms nothing.
    ///
    /// # Errors
    ///
    /// `DiskFull`, `Io`, `TransactionTooLarge`, `Poisoned` after a failed write, `Closed`.
    pub(crate) fn reserve(&self, payload_len: usize) -> Result<Reservation> {
        self.shared.reserve(payload_len)
    }

    /// Appends a record and returns the position after it. Called under the commit latch, in the order of the commit
    /// numbers. Does no input or output. After a failed write the record goes nowhere, and waiting for it says so.
    pub(crate) fn append(&self, reservation: Reservation, commit: u64, payload: &Payload) -> Position {
        self.shared.append(reservation, commit, payload)
    }

    /// Returns when everything below the position is on disk.
    ///
    /// # Errors
    ///
    /// `CommitUnknown` if the write or sync that would have covered it failed.
    pub(crate) fn wait_synced(&self, position: Position) -> Result<()> {
        self.shared.wait_synced(position)
    }

    /// As [`wait_synced`](Self::wait_synced), for a task.
    ///
    /// # Errors
    ///
    /// As [`wait_synced`](Self::wait_synced).
    pub(crate) fn synced_async(&self, position: Position) -> Synced {
        Synced::new(Arc::clone(&self.shared), position)
    }

    /// As [`sync`](Self::sync), for a task.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub(crate) async fn sync_async(&self) -> Result<()> {
        let outcome = self.synced_async(self.end()).await;
        self.poisoned().map_or(outcome, Err)
    }

    /// Puts everything appended so far on disk.
    ///
    /// # Errors
    ///
    /// `Poisoned` after a failed write.
    pub(crate) fn sync(&self) -> Result<()> {
        let end = self.end();
        self.shared.sync_to(end)
    }

    /// The position after the last record.
    pub(crate) fn end(&self) -> Position {
        self.shared.state.lock().end()
    }

    /// The position after the last record, with what a root needs to replay from there.
    pub(crate) fn mark(&self) -> Mark {
        let state = self.shared.state.lock();
        Mark { position: state.end(), chain: state.chain, last_commit: state.last_commit }
    }

    /// How many threads and tasks wait for a sync.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.state.lock().waiting
    }

    /// Everything below this position is on disk.
    #[cfg(test)]
    pub(crate) fn synced(&self) -> Position {
        self.shared.state.lock().synced
    }

    /// The error that every call gets since a write or sync failed, if one did. Cheap as long as none did.
    pub(crate) fn poisoned(&self) -> Option<Error> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return None;
        }
        self.shared.state.lock().failure.as_ref().map(|failure| self.shared.poisoned_error(failure))
    }

    /// Bytes of journal after a position: what a recovery from there would read.
    pub(crate) fn bytes_since(&self, position: Position) -> u64 {
        self.shared.state.lock().bytes_since(position)
    }

    /// Deletes the files that lie wholly below a position, once a root names it; but for the newest of them, as many as
    /// are to be kept for followers.
    pub(crate) fn remove_before(&self, position: Position) -> Result<()> {
        let Shared { files, dir, options, .. } = self.shared.as_ref();
        let keep = position.file.min(self.end().file);
        let (mut kept_bytes, mut remove) = (0u64, Vec::new());
        let failed = |error| Error::io("remove old journal files in", dir, error);
        let old = numbers(files.as_ref(), dir).map_err(failed)?.into_iter().rev().filter(|number| *number < keep);
        for path in old.map(|number| path_of(dir, number)) {
            if options.keep_bytes > 0 {
                let bytes = files.open(&path).and_then(|file| file.len()).map_err(failed)?;
                kept_bytes = kept_bytes.saturating_add(bytes);
            }
            if options.keep_bytes == 0 || kept_bytes > options.keep_bytes {
                remove.push(path);
            }
        }
        // The oldest first, so that what a crash leaves has no gap.
        remove.iter().rev().try_for_each(|path| files.remove(path)).map_err(failed)?;
        if !remove.is_empty() {
            files.sync_dir(dir).map_err(failed)?;
        }
        Ok(())
    }

    /// Puts everything on disk and ends the threads. Commits fail with `Closed` from now on.
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.state.lock().closed = true;
        let outcome = self.sync();
        // Whoever follows has all that there will be.
        self.shared.wake_tasks(&mut self.shared.state.lock());
        self.stop();
        outcome
    }

    fn stop(&self) {
        self.shared.state.lock().stopping = true;
        self.shared.flush.notify_all();
        self.shared.low.notify_all();
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// Puts the end of an earlier journal on disk, as from now on it counts as synced: a killed process leaves records that
/// were written and not synced. They are written once more, since after a sync that failed the system may show bytes
/// that it has given up writing.
fn settle(files: &dyn FileLayer, path: &Path, tail: &TailInfo) -> std::io::Result<()> {
    let file = files.open(path)?;
    let from = if tail.synced.file == tail.end.file { tail.synced.offset } else { FIRST_RECORD };
    let mut bytes = vec![0; tail.end.offset.saturating_sub(from) as usize];
    let read = file.read_at(from, &mut bytes)?;
    file.write_at(from, &bytes[..read])?;
    file.sync_all()
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.threads.lock().is_empty() {
            // Best effort: who needs to know whether it succeeded calls `close`.
            let _ = self.sync();
            self.stop();
        }
    }
}
