//! A disk that stands still: syncs of files wait while the gate is closed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::storage::file::{FileHandle, FileLayer};

/// Another layer, with a gate.
#[derive(Debug)]
pub(crate) struct GateFiles {
    inner: Arc<dyn FileLayer>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    waiting: usize,
}

impl GateFiles {
    pub(crate) fn new(inner: Arc<dyn FileLayer>) -> Arc<Self> {
        Arc::new(GateFiles { inner, gate: Arc::default() })
    }

    pub(crate) fn close(&self) {
        self.gate.state.lock().closed = true;
    }

    pub(crate) fn open_gate(&self) {
        self.gate.state.lock().closed = false;
        self.gate.changed.notify_all();
    }

    /// How many syncs stand before the gate.
    pub(crate) fn waiting(&self) -> usize {
        self.gate.state.lock().waiting
    }

    fn wrap(&self, inner: Arc<dyn FileHandle>) -> Arc<dyn FileHandle> {
        Arc::new(GateHandle { inner, gate: Arc::clone(&self.gate) })
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.waiting += 1;
        while state.closed {
            self.changed.wait(&mut state);
        }
        state.waiting -= 1;
    }
}

impl FileLayer for GateFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        self.inner.create(path).map(|handle| self.wrap(handle))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        self.inner.open(path).map(|handle| self.wrap(handle))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
}

#[derive(Debug)]
struct GateHandle {
    inner: Arc<dyn FileHandle>,
    gate: Arc<Gate>,
}

impl FileHandle for GateHandle {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}
