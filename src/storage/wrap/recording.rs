//! Records every call that changes something on disk, in the order in which they returned.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::file::{FileHandle, FileLayer};

/// A call that succeeded. Paths are file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Create {
        file: PathBuf,
    },
    Remove {
        file: PathBuf,
    },
    Rename {
        to: PathBuf,
    },
    SyncDir {
        dir: PathBuf,
    },
    Write {
        file: PathBuf,
        offset: u64,
        len: u64,
    },
    /// `started` is how many calls had returned when the sync began: it covers no write after those.
    Sync {
        file: PathBuf,
        started: usize,
    },
    SetLen {
        file: PathBuf,
        len: u64,
    },
}

/// Records the calls to another layer.
#[derive(Debug)]
pub(crate) struct RecordingFiles {
    inner: Arc<dyn FileLayer>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl RecordingFiles {
    pub(crate) fn new(inner: Arc<dyn FileLayer>) -> Arc<Self> {
        Arc::new(RecordingFiles { inner, calls: Arc::default() })
    }

    /// What was recorded so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// How many calls were recorded so far.
    pub(crate) fn count(&self) -> usize {
        self.calls.lock().len()
    }

    fn wrap(&self, path: &Path, handle: Arc<dyn FileHandle>) -> Arc<dyn FileHandle> {
        Arc::new(RecordingHandle { file: name(path), inner: handle, calls: Arc::clone(&self.calls) })
    }

    fn record(&self, call: Call) {
        self.calls.lock().push(call);
    }
}

fn name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

impl FileLayer for RecordingFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        let handle = self.inner.create(path)?;
        self.record(Call::Create { file: name(path) });
        Ok(self.wrap(path, handle))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        Ok(self.wrap(path, self.inner.open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        self.record(Call::Remove { file: name(path) });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.record(Call::Rename { to: name(to) });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)?;
        self.record(Call::SyncDir { dir: name(dir) });
        Ok(())
    }
}

#[derive(Debug)]
struct RecordingHandle {
    file: PathBuf,
    inner: Arc<dyn FileHandle>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl RecordingHandle {
    fn sync(&self, sync: impl FnOnce(&dyn FileHandle) -> io::Result<()>) -> io::Result<()> {
        let started = self.calls.lock().len();
        sync(self.inner.as_ref())?;
        self.calls.lock().push(Call::Sync { file: self.file.clone(), started });
        Ok(())
    }
}

impl FileHandle for RecordingHandle {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)?;
        self.calls.lock().push(Call::Write { file: self.file.clone(), offset, len: bytes.len() as u64 });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|inner| inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|inner| inner.sync_all())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.calls.lock().push(Call::SetLen { file: self.file.clone(), len });
        Ok(())
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
