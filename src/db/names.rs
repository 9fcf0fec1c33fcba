//! Ways to lock the program's names: one or several at once, for a time, and for guards that belong to no thread.

use std::panic::Location;
use std::time::Duration;

use crate::context;
use crate::db::Db;
use crate::error::Result;
use crate::lock::{LockGuard, Mode, OwnedLockGuard};

impl Db {
    /// Locks a name of the program's own exclusively, until the guard is dropped. Names are locked in the order of
    /// their bytes, and before any data.
    ///
    /// # Errors
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) when the thread holds this or a greater name,
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), [`Nested`](crate::ErrorKind::Nested).
    #[track_caller]
    pub fn lock(&self, name: &str) -> Result<LockGuard> {
        self.check_names("Db::lock")?;
        self.engine().locks.lock(name)
    }

    /// Locks a name of the program's own in shared mode, until the guard is dropped.
    ///
    /// # Errors
    /// As [`lock`](Db::lock).
    #[track_caller]
    pub fn lock_shared(&self, name: &str) -> Result<LockGuard> {
        self.check_names("Db::lock_shared")?;
        self.engine().locks.lock_shared(name)
    }

    /// Locks several names at once, each shared ([`Mode::S`]) or exclusive ([`Mode::X`]), in whatever order they are
    /// given.
    ///
    /// # Errors
    /// As [`lock`](Db::lock), and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for another mode.
    #[track_caller]
    pub fn lock_all(&self, names: &[(&str, Mode)]) -> Result<LockGuard> {
        self.check_names("Db::lock_all")?;
        self.engine().locks.lock_all(names)
    }

    /// As [`lock`](Db::lock), but waits no longer than `time`.
    ///
    /// # Errors
    /// As [`lock`](Db::lock).
    #[track_caller]
    pub fn lock_for(&self, name: &str, time: Duration) -> Result<LockGuard> {
        self.check_names("Db::lock_for")?;
        self.engine().locks.lock_for(name, time)
    }

    /// As [`lock`](Db::lock), but `None` at once if somebody else has the name.
    ///
    /// # Errors
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder), [`Nested`](crate::ErrorKind::Nested).
    #[track_caller]
    pub fn try_lock(&self, name: &str) -> Result<Option<LockGuard>> {
        self.check_names("Db::try_lock")?;
        self.engine().locks.try_lock(name)
    }

    /// Locks several names at once for a guard that belongs to no thread: see [`OwnedLockGuard`].
    ///
    /// # Errors
    /// As [`lock_all`](Db::lock_all).
    #[track_caller]
    pub fn lock_owned(&self, names: &[(&str, Mode)]) -> Result<OwnedLockGuard> {
        self.check_names("Db::lock_owned")?;
        self.engine().locks.lock_owned(names)
    }

    /// Locks a name exclusively, awaiting it. No poll blocks; a future that is dropped leaves the queue. See
    /// [`LockManager::lock_all_async`](crate::LockManager::lock_all_async).
    ///
    /// # Errors
    /// As [`lock_all`](Db::lock_all); [`Nested`](crate::ErrorKind::Nested) when it is polled inside a closure of the
    /// database.
    #[track_caller]
    pub fn lock_async(&self, name: &str) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        self.names_async(&[(name, Mode::X)], "Db::lock_async")
    }

    /// Locks a name in shared mode, awaiting it, as [`lock_async`](Db::lock_async).
    ///
    /// # Errors
    /// As [`lock_async`](Db::lock_async).
    #[track_caller]
    pub fn lock_shared_async(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        self.names_async(&[(name, Mode::S)], "Db::lock_shared_async")
    }

    /// Locks several names at once, awaiting them, as [`lock_async`](Db::lock_async).
    ///
    /// # Errors
    /// As [`lock_async`](Db::lock_async).
    #[track_caller]
    pub fn lock_all_async(
        &self,
        names: &[(&str, Mode)],
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        self.names_async(names, "Db::lock_all_async")
    }

    #[track_caller]
    fn names_async(
        &self,
        names: &[(&str, Mode)],
        call: &'static str,
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        let alive = self.engine().check_alive();
        let taking = OwnedLockGuard::awaited(&self.engine().locks, names, Some(call), Location::caller());
        async move {
            alive?;
            taking.await
        }
    }

    #[track_caller]
    fn check_names(&self, call: &'static str) -> Result<()> {
        context::check_free(call, Location::caller())?;
        self.engine().check_alive()
    }
}
