//! What all parts of an open database share.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::admission::Admission;
use super::commit::Commits;
use super::ids::Ids;
use super::old_rows::OldRows;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockManager;
use crate::meters::{self, Sizes};
use crate::options::Options;
use crate::pool::Blocking;
use crate::storage::Incarnation;
use crate::storage::journal::{Journal, Position};
use crate::table::catalog::Catalog;
use crate::table::pager::Pager;

/// Things that were counted since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) pages_written: AtomicU64,
    pub(crate) segment_splits: AtomicU64,
    pub(crate) segment_merges: AtomicU64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) pager: Pager,
    pub(crate) catalog: Catalog,
    pub(crate) locks: Arc<LockManager>,
    pub(crate) commits: Commits,
    /// None for a database in memory.
    pub(crate) journal: Option<Journal>,
    pub(crate) admission: Admission,
    pub(crate) counts: Counts,
    pub(crate) ids: Ids,
    pub(super) old_rows: OldRows,
    /// Where an opening would begin to replay the journal: what the newest root says.
    pub(crate) replay_from: Mutex<Position>,
    /// Which opening of which store this is.
    pub(crate) incarnation: Incarnation,
    scan_pool: OnceLock<Option<rayon::ThreadPool>>,
    blocking: OnceLock<Blocking>,
    closed: AtomicBool,
    poisoned: AtomicBool,
    poison: Mutex<Option<String>>,
}

impl Engine {
    pub(crate) fn new(
        options: Options,
        pager: Pager,
        catalog: Catalog,
        last_commit: u64,
        journal: Option<Journal>,
        replay_from: Position,
        incarnation: Incarnation,
    ) -> Arc<Self> {
        let locks = LockManager::with_limits(options.lock_timeout, options.max_row_locks, options.escalate_row_locks);
        Arc::new(Engine {
            pager,
            catalog,
            locks,
            commits: Commits::new(last_commit),
            journal,
            admission: Admission::default(),
            counts: Counts::default(),
            ids: Ids::default(),
            old_rows: OldRows::default(),
            replay_from: Mutex::new(replay_from),
            incarnation,
            scan_pool: OnceLock::new(),
            blocking: OnceLock::new(),
            closed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            poison: Mutex::new(None),
            options,
        })
    }

    /// Whether calls may go on.
    ///
    /// # Errors
    /// `Closed`, or `Poisoned` with the first failure.
    #[inline]
    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) || self.poisoned.load(Ordering::Acquire) {
            return Err(self.dead());
        }
        if let Some(journal) = &self.journal
            && let Some(error) = journal.poisoned()
        {
            return Err(error);
        }
        Ok(())
    }

    /// Whether no earlier failure stopped the database; it may be closed.
    ///
    /// # Errors
    /// `Poisoned` with the first failure.
    pub(crate) fn check_unpoisoned(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) { Err(self.dead()) } else { Ok(()) }
    }

    #[cold]
    fn dead(&self) -> Error {
        if let Some(text) = &*self.poison.lock() {
            return Error::new(
                ErrorKind::Poisoned,
                format!("the database stopped after an earlier failure ({text}); reopen it"),
            );
        }
        Error::new(ErrorKind::Closed, "the database was closed")
    }

    /// Refuses all later calls. The first reason is kept.
    pub(crate) fn poison(&self, error: &Error) {
        self.poison.lock().get_or_insert_with(|| error.to_string());
        self.poisoned.store(true, Ordering::Release);
        self.admission.wake_all();
        if let Some(journal) = &self.journal {
            journal.abandon();
        }
    }

    /// Refuses all later calls. False when it was closed before.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// The threads of parallel scans, made at the first one. None when they cannot be made: scans then run on their
    /// callers' threads.
    pub(crate) fn scan_pool(&self) -> Option<&rayon::ThreadPool> {
        self.scan_pool
            .get_or_init(|| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(self.options.scan_threads)
                    .thread_name(|at| format!("gangline-scan-{at}"))
                    .build()
                    .ok()
            })
            .as_ref()
    }

    /// Journal bytes that an opening after a kill would replay.
    pub(crate) fn bytes_to_replay(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.bytes_since(*self.replay_from.lock()))
    }

    /// Tells a recorder of metrics the sizes of now.
    pub(crate) fn tell_sizes(&self) {
        if cfg!(feature = "metrics") {
            meters::sizes(Sizes {
                cache_bytes: self.pager.cache.used() as u64,
                dirty_bytes: self.pager.cache.dirty() as u64,
                journal_bytes: self.bytes_to_replay(),
                readers: self.pager.registry.readers() as u64,
            });
        }
    }

    /// The threads for what tasks must not do on theirs.
    pub(crate) fn blocking(&self) -> &Blocking {
        self.blocking.get_or_init(Blocking::new)
    }

    /// As [`sync`](Self::sync), for a task.
    pub(crate) async fn sync_async(&self) -> Result<()> {
        self.check_alive()?;
        match &self.journal {
            Some(journal) => journal.sync_async().await,
            None => Ok(()),
        }
    }

    /// Makes everything that was committed before the call durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check_alive()?;
        self.journal.as_ref().map_or(Ok(()), Journal::sync)
    }
}
