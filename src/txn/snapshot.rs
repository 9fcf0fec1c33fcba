//! Committed state at one commit number.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::table::registry::Registration;

/// The state of the database after one commit: whatever is committed later is not seen. Takes no lock, stops nobody,
/// and costs memory for the pages that change while it lives, for at most
/// [`Options::max_snapshot_age`](crate::Options::max_snapshot_age): after that it cannot be read any more.
///
/// ```
/// use gangline::{Db, Table};
///
/// const STOCK: Table<u32, u64> = Table::new("stock");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(STOCK, 1, 10)?;
/// let before = db.snapshot();
/// db.put(STOCK, 1, 9)?;
/// assert_eq!(before.get(STOCK, 1)?.as_deref(), Some(&10));
/// assert_eq!(db.get(STOCK, 1)?.as_deref(), Some(&9));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registration: Arc<Registration>,
    /// What is over by now is not there.
    pub(crate) now: SystemTime,
}

impl Snapshot {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let registration = Arc::new(engine.capture_snapshot());
        Snapshot { engine, registration, now: SystemTime::now() }
    }

    /// The number of the last commit that the snapshot sees. Commits are counted from 1.
    pub fn commit_number(&self) -> u64 {
        self.registration.number()
    }

    /// Whether a read may begin.
    ///
    /// # Errors
    /// `SnapshotTooOld`.
    #[inline]
    pub(crate) fn check_age(&self) -> Result<()> {
        if self.registration.is_too_old() { Err(self.too_old()) } else { Ok(()) }
    }

    /// What was just taken out of a table, if it is that of the snapshot's number. To be asked before anything is made of
    /// it.
    ///
    /// # Errors
    /// `SnapshotTooOld`, whatever it failed of: older versions may have gone while it was taken.
    #[inline]
    pub(crate) fn kept<T>(&self, taken: Result<T>) -> Result<T> {
        if self.registration.is_over() { Err(self.too_old()) } else { taken }
    }

    #[cold]
    fn too_old(&self) -> Error {
        let text = format!(
            "the snapshot of commit {} is older than max_snapshot_age ({:?}): take a new one, or raise the limit",
            self.commit_number(),
            self.engine.options.max_snapshot_age
        );
        Error::new(ErrorKind::SnapshotTooOld, text)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("commit_number", &self.commit_number()).finish_non_exhaustive()
    }
}
