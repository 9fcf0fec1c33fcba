//! Opening the store that a command is about.

use std::path::Path;

use gangline::{Db, Options};

use crate::failure::Result;

/// Memory for pages: a command reads most of them once.
const CACHE_BYTES: usize = 256 << 20;

/// A store that is there.
pub(crate) fn open(path: &Path) -> Result<Db> {
    Ok(Options::new().cache_bytes(CACHE_BYTES).create(false).open(path)?)
}

/// A store that is there, or a new one.
pub(crate) fn open_or_create(path: &Path) -> Result<Db> {
    Ok(Options::new().cache_bytes(CACHE_BYTES).open(path)?)
}

/// What was done with a store, which is closed then. What failed first counts.
pub(crate) fn closed<T>(db: Db, done: Result<T>) -> Result<T> {
    let closed = db.close();
    let done = done?;
    closed?;
    Ok(done)
}
