//! Fails on purpose: the n-th write or sync, a write torn in the middle, a disk with so many bytes left, a disk that
//! stands still.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::gate::Gate;
use crate::storage::file::{FileHandle, FileLayer};

/// What goes wrong next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fault {
    /// Fail the write after so many more.
    pub(crate) write_in: Option<u64>,
    /// Of the failed write, so many bytes reach the file.
    pub(crate) torn_bytes: usize,
    /// The failed write panics.
    pub(crate) panics: bool,
    /// Fail the sync of a file after so many more.
    pub(crate) sync_in: Option<u64>,
    /// The error of those; `Other` if none is given.
    pub(crate) kind: Option<io::ErrorKind>,
    /// So many bytes can still be written beyond the files' ends before the disk is full.
    pub(crate) space: Option<u64>,
}

/// Another layer, with faults.
#[derive(Debug)]
pub(crate) struct FaultFiles {
    inner: Arc<dyn FileLayer>,
    disk: Arc<Disk>,
}

/// What all files share.
#[derive(Debug, Default)]
struct Disk {
    fault: Mutex<Fault>,
    gate: Gate,
}

impl FaultFiles {
    pub(crate) fn new(inner: Arc<dyn FileLayer>) -> Arc<Self> {
        Arc::new(FaultFiles { inner, disk: Arc::default() })
    }

    /// Sets what goes wrong next, in place of what was set before.
    pub(crate) fn set(&self, fault: Fault) {
        *self.disk.fault.lock() = fault;
    }

    /// What each sync of a file passes first.
    pub(crate) fn gate(&self) -> &Gate {
        &self.disk.gate
    }

    fn wrap(&self, handle: Arc<dyn FileHandle>) -> Arc<dyn FileHandle> {
        Arc::new(FaultHandle { inner: handle, disk: Arc::clone(&self.disk) })
    }
}

/// Counts down; true when it is this call's turn. It is over then.
fn is_due(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl FileLayer for FaultFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        Ok(self.wrap(self.inner.open(path)?))
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
struct FaultHandle {
    inner: Arc<dyn FileHandle>,
    disk: Arc<Disk>,
}

impl FaultHandle {
    fn check_sync(&self) -> io::Result<()> {
        self.disk.gate.pass();
        let mut fault = self.disk.fault.lock();
        if is_due(&mut fault.sync_in) { Err(fault.kind.unwrap_or(io::ErrorKind::Other).into()) } else { Ok(()) }
    }
}

impl FileHandle for FaultHandle {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.disk.fault.lock();
        if is_due(&mut fault.write_in) {
            assert!(!fault.panics, "a write that was asked to panic");
            self.inner.write_at(offset, &bytes[..fault.torn_bytes.min(bytes.len())])?;
            return Err(fault.kind.unwrap_or(io::ErrorKind::Other).into());
        }
        let grows = (offset + bytes.len() as u64).saturating_sub(self.inner.len()?);
        if let Some(space) = fault.space {
            if grows > space {
                self.inner.write_at(offset, &bytes[..bytes.len() - (grows - space) as usize])?;
                fault.space = Some(0);
                return Err(io::ErrorKind::StorageFull.into());
            }
            fault.space = Some(space - grows);
        }
        drop(fault);
        self.inner.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check_sync()?;
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.check_sync()?;
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
