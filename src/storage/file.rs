//! Files of ours - journal, root, lock - behind a trait, so that tests can record every call and make any of them
//! fail.
//!
//! The traits return plain `io::Result`: whoever calls knows what the file is for, and names it in the error.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// What the journal, the root file and the lock file need of a file system.
pub(crate) trait FileLayer: Debug + Send + Sync {
    /// Makes a new empty file for reading and writing. Fails if it exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>>;
    /// Removes a file. Durable after [`FileLayer::sync_dir`] of its folder.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file over another. Durable after [`FileLayer::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Names of the files in a folder, and of links to files, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder; it is no error if it exists. Durable after [`FileLayer::sync_dir`] of the one above it.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the entries of a folder (new, renamed and removed files) durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. Calls may come from several threads at once.
pub(crate) trait FileHandle: Debug + Send + Sync {
    /// Reads up to the length of the buffer; fewer bytes only where the file ends.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes, and makes the file longer where they reach over its end.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Puts data, and the length where it changed, on disk.
    fn sync_data(&self) -> io::Result<()>;
    /// Puts data and all attributes on disk.
    fn sync_all(&self) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    /// Takes the exclusive lock of the file if it is free; false if another handle has it.
    fn try_lock(&self) -> io::Result<bool>;
    /// Gives the lock back. Closing alone would not do: a child process in the middle of being started may hold a
    /// copy of the handle.
    fn unlock(&self) -> io::Result<()>;
}

/// A path that still leads there when the process changes its working directory.
pub(crate) fn settled(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, error))
}

/// The folder that has this file or folder in it.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, with all above it that are not there, and makes their entries durable.
pub(crate) fn create_folders(files: &dyn FileLayer, dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    missing.into_iter().rev().try_for_each(|dir| {
        files.create_dir(dir)?;
        files.sync_dir(folder_of(dir))
    })
}

/// Reads a whole file.
pub(crate) fn read_all(file: &dyn FileHandle) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The operating system's files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OsFiles;

impl FileLayer for OsFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            // Names that are not Unicode are not ours.
            if (kind.is_file() || kind.is_symlink() && entry.path().is_file())
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    #[cfg(unix)]
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    // Other systems do not open folders as files; their file systems journal folder entries.
    #[cfg(not(unix))]
    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct OsFile(File);

impl FileHandle for OsFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match read_some(&self.0, &mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match write_some(&self.0, &bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}
