//! A database in a folder of its own that goes away with it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::storage::settled;

/// Names that are tried before giving up; one is enough unless somebody guesses them.
const ATTEMPTS: u64 = 16;

/// A folder that is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn make() -> Result<TemporaryFolder> {
        let parent = settled(&std::env::temp_dir())?;
        for attempt in 0..ATTEMPTS {
            // The keys of the standard library's hash are random.
            let path = parent.join(format!("gangline-{:016x}", RandomState::new().hash_one(attempt)));
            match make_private(&path) {
                Ok(()) => return Ok(TemporaryFolder(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("make the folder", &path, error)),
            }
        }
        let text = format!("no temporary folder could be made in {}; clear it", parent.display());
        Err(Error::new(ErrorKind::Io, text))
    }
}

/// Others have no business in it.
#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nobody is left to be told; the system clears its temporary folder by and by.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Options {
    /// A database on disk, in a new folder in the system's temporary folder. The folder is removed when the last handle
    /// is dropped; a process that is killed leaves it there.
    ///
    /// # Errors
    /// As [`open`](Options::open).
    pub fn temporary(self) -> Result<Db> {
        let folder = TemporaryFolder::make()?;
        let db = self.create(true).open(&folder.0)?;
        db.removed_at_the_end(folder);
        Ok(db)
    }
}

impl Db {
    /// A database on disk that goes away with its last handle, with the default options. It may be larger than the memory,
    /// and is otherwise for tests.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const WORDS: Table<String, u64> = Table::new("words");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::temporary()?;
    /// db.put(WORDS, "sled", 1)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn temporary() -> Result<Db> {
        Options::new().temporary()
    }

    /// The database is in this folder, which goes when the last handle is dropped.
    fn removed_at_the_end(&self, folder: TemporaryFolder) {
        // Nobody else has the handle yet.
        let _ = self.inner.temporary.set(folder);
    }
}
