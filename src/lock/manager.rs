//! The lock manager: the granules that every lock set shares, and the way in for names.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::Result;
use crate::sync::Instant;

use super::collect;
use super::counters::{Counters, LockCounters};
use super::dump::LockDump;
use super::guard::LockGuard;
use super::head::Head;
use super::heads::Heads;
use super::mode::Mode;
use super::restarting::Restarting;
use super::row_key::RowKey;
use super::set::LockTime;
use super::slot::Registry;

/// Managers are told apart by number, since the names that a thread holds are noted outside.
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

/// Locks in one global order, with which no circle of waits can form.
///
/// Every database has one. It can also be used without a database, for names that a program invents:
///
/// ```
/// use std::time::Duration;
/// use gangline::lock::LockManager;
///
/// # fn main() -> gangline::Result<()> {
/// let locks = LockManager::new(Duration::from_secs(10));
/// let _palette = locks.lock_shared("palette")?;
/// let _renderer = locks.lock("renderer")?;
/// println!("{}", locks.dump());
/// # Ok(()) }
/// ```
pub struct LockManager {
    id: usize,
    timeout: Duration,
    max_row_locks: usize,
    escalate_rows: usize,
    pub(crate) names_root: Head,
    pub(crate) database: Head,
    pub(crate) names: Heads<Arc<str>>,
    pub(crate) rows: Heads<RowKey>,
    pub(crate) registry: Registry,
    pub(crate) counters: Counters,
    pub(super) restarting: Restarting,
}

impl fmt::Debug for LockManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockManager").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl LockManager {
    /// A manager whose waits end after `timeout`.
    ///
    /// Lock sets of one manager cannot deadlock; the time-out ends waits for a holder that does not end.
    pub fn new(timeout: Duration) -> Arc<Self> {
        Self::with_limits(timeout, usize::MAX, usize::MAX)
    }

    /// As [`new`](Self::new), with the number of row locks at which a lock set restarts with the lock of a table, and
    /// the number of row locks in one table at which it tries for that without a restart.
    pub(crate) fn with_limits(timeout: Duration, max_row_locks: usize, escalate_rows: usize) -> Arc<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(LockManager {
            id,
            timeout,
            max_row_locks,
            escalate_rows,
            names_root: Head::new(),
            database: Head::new(),
            names: Heads::new(),
            rows: Heads::new(),
            registry: Registry::new(id),
            counters: Counters::default(),
            restarting: Restarting::default(),
        })
    }

    /// Locks a name for this thread alone, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) at once if this thread holds the name or a greater one by bytes,
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout) with the holders if it is not granted in time,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the name is too long.
    #[track_caller]
    pub fn lock(self: &Arc<Self>, name: &str) -> Result<LockGuard> {
        LockGuard::wait_for(self, &[(name, Mode::X)], LockTime::Default, Location::caller())
    }

    /// Locks a name together with others that share it, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_shared(self: &Arc<Self>, name: &str) -> Result<LockGuard> {
        LockGuard::wait_for(self, &[(name, Mode::S)], LockTime::Default, Location::caller())
    }

    /// Locks several names at once, each shared ([`Mode::S`]) or alone ([`Mode::X`]), in whatever order they are given.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock), and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for another mode.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use gangline::lock::{LockManager, Mode};
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let locks = LockManager::new(Duration::from_secs(10));
    /// let _both = locks.lock_all(&[("renderer", Mode::X), ("palette", Mode::S)])?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn lock_all(self: &Arc<Self>, names: &[(&str, Mode)]) -> Result<LockGuard> {
        LockGuard::wait_for(self, names, LockTime::Default, Location::caller())
    }

    /// As [`lock`](Self::lock), but `None` at once if somebody else has the name.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) if this thread holds the name or a greater one by bytes.
    #[track_caller]
    pub fn try_lock(self: &Arc<Self>, name: &str) -> Result<Option<LockGuard>> {
        LockGuard::try_for(self, &[(name, Mode::X)], Location::caller())
    }

    /// As [`lock_shared`](Self::lock_shared), but `None` at once if somebody has the name alone or waits for that.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) if this thread holds the name or a greater one by bytes.
    #[track_caller]
    pub fn try_lock_shared(self: &Arc<Self>, name: &str) -> Result<Option<LockGuard>> {
        LockGuard::try_for(self, &[(name, Mode::S)], Location::caller())
    }

    /// Who holds what and who waits for it, now. Looks at one lock set after the other, so it is no single instant.
    pub fn dump(&self) -> LockDump {
        collect::all(self)
    }

    /// How often the slow ways were taken, and how long waits took.
    pub fn counters(&self) -> LockCounters {
        self.counters.read()
    }

    /// The number by which [`crate::context`] knows this manager.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    #[inline]
    pub(crate) fn max_row_locks(&self) -> usize {
        self.max_row_locks
    }

    #[inline]
    pub(crate) fn escalate_rows(&self) -> usize {
        self.escalate_rows
    }

    /// The end of a wait that begins now; `None` for a time-out beyond the clock.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }
}
