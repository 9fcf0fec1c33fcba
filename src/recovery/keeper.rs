//! The background thread that makes checkpoints.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;

use super::checkpoint::{CheckpointState, checkpoint, checkpoint_or_poison};
use super::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::meters;
use crate::storage::Root;
use crate::txn::{Engine, Wake};

/// Owns the checkpoint thread of a database.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) state: Arc<Mutex<CheckpointState>>,
    pub(super) disk: Disk,
    /// Held while the page store is copied, once at a time. Taken before the state.
    pub(super) copying: Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub(crate) fn start(engine: &Arc<Engine>, state: CheckpointState, disk: Disk) -> Result<Keeper> {
        let state = Arc::new(Mutex::new(state));
        let (shared, engine) = (Arc::clone(&state), Arc::clone(engine));
        let thread = std::thread::Builder::new()
            .name("gangline-checkpoint".into())
            .spawn(move || run(&engine, &shared))
            .map_err(|error| Error::new(ErrorKind::Io, "cannot start the checkpoint thread").with_source(error))?;
        Ok(Keeper { state, disk, copying: Mutex::new(()), thread: Mutex::new(Some(thread)) })
    }

    /// Bytes of all files but the page store's.
    pub(crate) fn file_bytes(&self) -> Result<u64> {
        self.disk.file_bytes()
    }

    /// The folder of the store.
    #[cfg(feature = "admin")]
    pub(crate) fn folder(&self) -> PathBuf {
        self.disk.dir.clone()
    }

    /// The folder of the page store.
    pub(crate) fn page_store(&self) -> PathBuf {
        self.disk.dir.join(&self.state.lock().root.sled_folder)
    }

    /// Ends the thread, and makes a last checkpoint that marks the store as closed.
    pub(crate) fn close(&self, engine: &Engine) -> Result<()> {
        self.stop(engine);
        // The thread's last checkpoint may have failed since the caller looked. What it took down as changed is not
        // known any more, so a root of another one, which says that no journal is needed, would lose it.
        engine.check_unpoisoned()?;
        let state = &mut *self.state.lock();
        checkpoint(engine, state, true)?;
        // What the closing root gave up is gone by now: the next opening need not look for it.
        let root = Root {
            number: state.root.number + 1,
            sweep: state.unswept,
            free: Vec::new(),
            live_bytes: Some(engine.pager.store.live_bytes()),
            ..state.root.clone()
        };
        state.root_file.write(&root)?;
        state.root = root;
        Ok(())
    }

    /// Ends the thread, and waits until a copy under way has noticed that the database was closed.
    pub(crate) fn stop(&self, engine: &Engine) {
        engine.admission.stop();
        drop(self.copying.lock());
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked has poisoned the database.
            let _ = thread.join();
        }
    }
}

fn run(engine: &Engine, state: &Mutex<CheckpointState>) {
    loop {
        let wake = engine.admission.next(engine.options.checkpoint_interval);
        match wake {
            Wake::Stop => return,
            Wake::Time if engine.commits.journal_bytes() == 0 => continue,
            Wake::Time | Wake::Asked => {}
        }
        engine.admission.begin();
        let started = Instant::now();
        let outcome = checkpoint_or_poison(engine, &mut state.lock());
        meters::checkpoint(started.elapsed());
        engine.tell_sizes();
        engine.admission.finish();
        if outcome.is_err() {
            return;
        }
    }
}
