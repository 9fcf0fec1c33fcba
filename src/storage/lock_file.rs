//! One process and one handle at a time.
//!
//! Between processes the operating system's lock on the file `lock` decides; it goes with the process, so nothing has
//! to be cleaned up after a crash. Within a process a registry of folders decides, since whether a second lock by the
//! same process is refused differs between systems. The file also says who has it, for the other's error.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::file::{FileHandle, FileLayer, read_all};
use super::names;
use crate::error::{Error, ErrorKind, Result};

/// Folders of the stores that this process has open, canonical.
static OPEN: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

/// The lock on a store. Dropping it unlocks.
#[derive(Debug)]
pub(crate) struct LockFile {
    handle: Arc<dyn FileHandle>,
    // Dropped after the handle was unlocked.
    _registered: Registered,
}

impl LockFile {
    /// Locks the store in an existing folder.
    ///
    /// # Errors
    ///
    /// `AlreadyOpen` if this process, or another one that the text names, has it.
    pub(crate) fn acquire(files: &dyn FileLayer, dir: &Path) -> Result<LockFile> {
        let registered = Registered::new(dir)?;
        let path = dir.join(names::LOCK);
        let created = if exists(files, dir)? { files.open(&path) } else { files.create(&path) };
        let handle = match created {
            // Another process made it in between.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => files.open(&path),
            outcome => outcome,
        }
        .map_err(|error| Error::io("lock", &path, error))?;
        let lock = Self::of(dir, handle, registered)?;
        lock.name_owner().map_err(|error| Error::io("write", &path, error))?;
        Ok(lock)
    }

    /// Locks a store that is only read, and changes nothing in its folder. None where there is no lock file, or where it
    /// cannot be opened for writing: then nobody has the store open.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub(crate) fn hold(files: &dyn FileLayer, dir: &Path) -> Result<Option<LockFile>> {
        let registered = Registered::new(dir)?;
        if !exists(files, dir)? {
            return Ok(None);
        }
        match files.open(&dir.join(names::LOCK)) {
            Ok(handle) => Self::of(dir, handle, registered).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn of(dir: &Path, handle: Arc<dyn FileHandle>, registered: Registered) -> Result<LockFile> {
        if !handle.try_lock().map_err(|error| Error::io("lock", &dir.join(names::LOCK), error))? {
            let owner = read_all(handle.as_ref()).unwrap_or_default();
            return Err(Error::new(
                ErrorKind::AlreadyOpen,
                format!(
                    "the store in {} is open in another process ({}): close it there",
                    dir.display(),
                    owner_text(&owner)
                ),
            ));
        }
        Ok(LockFile { handle, _registered: registered })
    }

    /// Only text for people: whether the store is locked does not depend on it.
    fn name_owner(&self) -> std::io::Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let text = format!("process {} since {since} s after 1970\n", std::process::id());
        self.handle.set_len(0)?;
        self.handle.write_at(0, text.as_bytes())
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Should it fail, closing the file unlocks it too.
        let _ = self.handle.unlock();
    }
}

fn exists(files: &dyn FileLayer, dir: &Path) -> Result<bool> {
    let names = files.list(dir).map_err(|error| Error::io("lock", &dir.join(names::LOCK), error))?;
    Ok(names.iter().any(|name| name == names::LOCK))
}

/// What the lock file says, as one line.
fn owner_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => line.chars().take(80).collect(),
        _ => "process unknown".to_owned(),
    }
}

/// An entry of the registry.
#[derive(Debug)]
struct Registered(PathBuf);

impl Registered {
    fn new(dir: &Path) -> Result<Registered> {
        let path = dir.canonicalize().map_err(|error| Error::io("find", dir, error))?;
        if !OPEN.lock().insert(path.clone()) {
            let text = format!("the store in {} is open in this process: use that handle or close it", path.display());
            return Err(Error::new(ErrorKind::AlreadyOpen, text));
        }
        Ok(Registered(path))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::OsFiles;

    #[test]
    fn a_second_handle_of_this_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let lock = LockFile::acquire(&OsFiles, dir.path()).unwrap();
        let error = LockFile::acquire(&OsFiles, &dir.path().join(".")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
        assert!(error.to_string().contains("this process"), "{error}");
        drop(lock);
        LockFile::acquire(&OsFiles, dir.path()).unwrap();
    }

    #[test]
    fn another_process_is_named() {
        let dir = tempfile::tempdir().unwrap();
        // A handle that the registry does not know stands for the other process.
        let handle = OsFiles.create(&dir.path().join(names::LOCK)).unwrap();
        assert!(handle.try_lock().unwrap());
        handle.write_at(0, b"process 4711 since 1 s after 1970\n").unwrap();
        let error = LockFile::acquire(&OsFiles, dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
        assert!(error.to_string().contains("process 4711"), "{error}");
        handle.unlock().unwrap();
        // The refused attempt has left nothing in the registry.
        let lock = LockFile::acquire(&OsFiles, dir.path()).unwrap();
        let text = String::from_utf8(read_all(lock.handle.as_ref()).unwrap()).unwrap();
        assert!(text.starts_with(&format!("process {} since", std::process::id())), "{text}");
    }

    #[test]
    fn a_store_is_held_without_a_change() {
        let dir = tempfile::tempdir().unwrap();
        assert!(LockFile::hold(&OsFiles, dir.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let lock = LockFile::acquire(&OsFiles, dir.path()).unwrap();
        assert_eq!(LockFile::hold(&OsFiles, dir.path()).unwrap_err().kind(), ErrorKind::AlreadyOpen);
        drop(lock);
        std::fs::write(dir.path().join(names::LOCK), "mine").unwrap();
        let held = LockFile::hold(&OsFiles, dir.path()).unwrap().unwrap();
        assert_eq!(LockFile::acquire(&OsFiles, dir.path()).unwrap_err().kind(), ErrorKind::AlreadyOpen);
        drop(held);
        assert_eq!(std::fs::read(dir.path().join(names::LOCK)).unwrap(), b"mine");
        // A handle that the registry does not know stands for another process.
        let handle = OsFiles.open(&dir.path().join(names::LOCK)).unwrap();
        assert!(handle.try_lock().unwrap());
        assert_eq!(LockFile::hold(&OsFiles, dir.path()).unwrap_err().kind(), ErrorKind::AlreadyOpen);
    }

    #[test]
    fn closing_and_opening_in_a_tight_loop_works_from_many_threads() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        match LockFile::acquire(&OsFiles, dir.path()) {
                            Ok(lock) => {
                                *opened.try_lock().expect("only one has the lock") += 1;
                                drop(lock);
                            }
                            Err(error) => assert!(error.to_string().contains("this process"), "{error}"),
                        }
                    }
                });
            }
        });
        assert!(*opened.lock() > 0);
        for _ in 0..1000 {
            LockFile::acquire(&OsFiles, dir.path()).unwrap();
        }
    }

    #[test]
    fn a_text_that_makes_no_sense_is_no_harm() {
        assert_eq!(owner_text(b""), "process unknown");
        assert_eq!(owner_text(&[0xff; 500]).chars().count(), 80);
    }
}
