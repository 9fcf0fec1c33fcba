//! Committed state at one commit number.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::engine::Engine;
use crate::table::registry::Registration;

/// The state of the database after one commit: whatever is committed later is not seen. Takes no lock, stops nobody,
/// and costs memory for the pages that change while it lives.
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
        let registration = Arc::new(engine.capture());
        Snapshot { engine, registration, now: SystemTime::now() }
    }

    /// The number of the last commit that the snapshot sees. Commits are counted from 1.
    pub fn commit_number(&self) -> u64 {
        self.registration.number()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("commit_number", &self.commit_number()).finish_non_exhaustive()
    }
}
