//! Names that are asked for together, and the further ways to ask for them: all at once, for a time, for any thread.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::context::{self, HeldName};
use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_NAME_BYTES;
use crate::sync::Instant;

use super::awaited::{How, at_once};
use super::blame;
use super::guard::LockGuard;
use super::manager::LockManager;
use super::mode::Mode;
use super::owned::OwnedLockGuard;
use super::set::{LockSet, LockTime};

/// Names to be taken together: each once, in the order in which they may be waited for.
#[derive(Debug)]
pub(super) struct Names(SmallVec<[(Arc<str>, Mode); 1]>);

impl Names {
    /// # Errors
    ///
    /// `InvalidArgument` for a name that is too long, or a mode that names do not have.
    pub(super) fn new(names: &[(&str, Mode)]) -> Result<Self> {
        let mut sorted: SmallVec<[(Arc<str>, Mode); 1]> = SmallVec::new();
        for (name, mode) in names {
            check(name, *mode)?;
            match sorted.binary_search_by(|(other, _)| (**other).cmp(name)) {
                Ok(index) => sorted[index].1 = sorted[index].1.supremum(*mode),
                Err(index) => sorted.insert(index, (Arc::from(*name), *mode)),
            }
        }
        Ok(Names(sorted))
    }

    /// As a thread's context knows them, once they are held.
    pub(super) fn held(
        &self,
        manager: &LockManager,
        caller: &'static Location<'static>,
    ) -> impl Iterator<Item = HeldName> {
        let id = manager.id();
        self.0.iter().map(move |(name, mode)| HeldName::new(id, name.clone(), *mode == Mode::X, caller))
    }

    /// Takes them all for a new lock set, waiting on this thread.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(super) fn taken(
        &self,
        manager: &Arc<LockManager>,
        lock_time: LockTime,
        caller: &'static Location<'static>,
    ) -> Result<LockSet> {
        let mut set = LockSet::begin(manager, caller, None).limited(lock_time, Vec::new());
        at_once(self.take(How::Parked, &mut set))?;
        Ok(set)
    }

    /// Takes them all, waiting. `set` holds nothing.
    ///
    /// # Errors
    ///
    /// `OutOfOrder` if the thread holds one of them or a greater one by a guard; `LockTimeout` with the holders.
    pub(super) async fn take(&self, how: How, set: &mut LockSet) -> Result<()> {
        // The root for all of them: raised from IS to IX later, it could be refused. One name brings its own.
        if let [(smallest, _), _, ..] = &self.0[..] {
            set.check_order(smallest)?;
            let root = self.0.iter().fold(Mode::IS, |root, (_, mode)| root.supremum(mode.intent()));
            set.lock_names_root_by(how, root).await?;
        }
        for (name, mode) in &self.0 {
            set.lock_name_by(how, name, *mode).await?;
        }
        Ok(())
    }

    /// Takes them all for a new lock set, or none when they are not all free.
    ///
    /// # Errors
    ///
    /// `OutOfOrder`, as for [`take`](Self::take).
    pub(super) fn try_taken(
        &self,
        manager: &Arc<LockManager>,
        caller: &'static Location<'static>,
    ) -> Result<Option<LockSet>> {
        let mut set = LockSet::begin(manager, caller, None);
        for (name, mode) in &self.0 {
            if !set.try_lock_name(name, *mode)? {
                return Ok(None);
            }
        }
        Ok(Some(set))
    }

    /// Refuses what this thread may not wait for, because it holds one of the names or a greater one by a guard.
    ///
    /// # Errors
    ///
    /// `OutOfOrder`.
    pub(super) fn check_order(&self, manager: &LockManager, caller: &'static Location<'static>) -> Result<()> {
        self.0.first().map_or(Ok(()), |(smallest, _)| check_order(manager, smallest, caller).map(drop))
    }
}

/// Refuses a name at or below one that the thread holds by a guard. Returns whether it holds any.
pub(super) fn check_order(manager: &LockManager, name: &str, caller: &'static Location<'static>) -> Result<bool> {
    match context::greatest_held_name(manager.id()) {
        None => Ok(false),
        Some((held, _)) if *held < *name => Ok(true),
        Some((held, site)) => Err(blame::out_of_order(name, caller, &held, site)),
    }
}

fn check(name: &str, mode: Mode) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        let text = format!("lock name of {} bytes: at most {MAX_NAME_BYTES} are allowed, shorten it", name.len());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    if !matches!(mode, Mode::S | Mode::X) {
        let text = format!("lock name {name:?} in mode {mode}: names are locked shared (S) or alone (X)");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(())
}

fn within(time: Duration) -> LockTime {
    LockTime::Until(Instant::now().checked_add(time))
}

impl LockManager {
    /// As [`lock`](Self::lock), but waits no longer than `time`, whatever the manager's time-out is. No time at all
    /// still takes a name that is free.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use gangline::lock::LockManager;
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let locks = LockManager::new(Duration::from_secs(10));
    /// let _renderer = locks.lock_for("renderer", Duration::from_millis(50))?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn lock_for(self: &Arc<Self>, name: &str, time: Duration) -> Result<LockGuard> {
        LockGuard::wait_for(self, &[(name, Mode::X)], within(time), Location::caller())
    }

    /// As [`lock_shared`](Self::lock_shared), but waits no longer than `time`.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_shared_for(self: &Arc<Self>, name: &str, time: Duration) -> Result<LockGuard> {
        LockGuard::wait_for(self, &[(name, Mode::S)], within(time), Location::caller())
    }

    /// As [`lock_all`](Self::lock_all), but waits no longer than `time` for all of them together.
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all).
    #[track_caller]
    pub fn lock_all_for(self: &Arc<Self>, names: &[(&str, Mode)], time: Duration) -> Result<LockGuard> {
        LockGuard::wait_for(self, names, within(time), Location::caller())
    }

    /// As [`lock_all`](Self::lock_all), but `None` at once, with none of them taken, if somebody else has one.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder) if this thread holds one of the names or a greater one by bytes,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
    #[track_caller]
    pub fn try_lock_all(self: &Arc<Self>, names: &[(&str, Mode)]) -> Result<Option<LockGuard>> {
        LockGuard::try_for(self, names, Location::caller())
    }

    /// Locks several names at once for a guard that belongs to no thread. See [`OwnedLockGuard`] for what that means.
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all).
    #[track_caller]
    pub fn lock_owned(self: &Arc<Self>, names: &[(&str, Mode)]) -> Result<OwnedLockGuard> {
        OwnedLockGuard::wait_for(self, names, LockTime::Default, Location::caller())
    }

    /// As [`lock_owned`](Self::lock_owned), but waits no longer than `time` for all of them together.
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all).
    #[track_caller]
    pub fn lock_owned_for(self: &Arc<Self>, names: &[(&str, Mode)], time: Duration) -> Result<OwnedLockGuard> {
        OwnedLockGuard::wait_for(self, names, within(time), Location::caller())
    }

    /// As [`lock_owned`](Self::lock_owned), but `None` at once, with none of them taken, if somebody else has one.
    ///
    /// # Errors
    ///
    /// As [`try_lock_all`](Self::try_lock_all).
    #[track_caller]
    pub fn try_lock_owned(self: &Arc<Self>, names: &[(&str, Mode)]) -> Result<Option<OwnedLockGuard>> {
        OwnedLockGuard::try_for(self, names, Location::caller())
    }

    /// Locks a name alone, awaiting it: see [`lock_all_async`](Self::lock_all_async).
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all).
    #[track_caller]
    pub fn lock_async(
        self: &Arc<Self>,
        name: &str,
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        OwnedLockGuard::awaited(self, &[(name, Mode::X)], None, Location::caller())
    }

    /// Locks a name together with others that share it, awaiting it: see [`lock_all_async`](Self::lock_all_async).
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all).
    #[track_caller]
    pub fn lock_shared_async(
        self: &Arc<Self>,
        name: &str,
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        OwnedLockGuard::awaited(self, &[(name, Mode::S)], None, Location::caller())
    }

    /// Locks several names at once, awaiting them, in whatever order they are given.
    ///
    /// Works with any runtime. Nothing happens before the first poll, and no poll blocks. A future that is dropped
    /// leaves its place in the queue, and a lock that it was just given is given on. The thread that polls counts as the
    /// one that waits: where it holds one of the names or a greater one by a [`LockGuard`], or in the
    /// [scope](OwnedLockGuard::scope) of another guard, the future ends with `OutOfOrder`.
    ///
    /// # Errors
    ///
    /// As [`lock_all`](Self::lock_all), and [`Io`](crate::ErrorKind::Io) when the thread that ends waits in time cannot
    /// be started.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use gangline::lock::{LockManager, Mode};
    ///
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     match std::pin::pin!(future).poll(&mut context) {
    /// #         std::task::Poll::Ready(value) => value,
    /// #         std::task::Poll::Pending => unreachable!(),
    /// #     }
    /// # }
    /// # fn main() -> gangline::Result<()> {
    /// let locks = LockManager::new(Duration::from_secs(10));
    /// block_on(async {
    ///     let both = locks.lock_all_async(&[("renderer", Mode::X), ("palette", Mode::S)]).await?;
    ///     assert!(locks.try_lock_owned(&[("renderer", Mode::S)])?.is_none());
    ///     drop(both);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn lock_all_async(
        self: &Arc<Self>,
        names: &[(&str, Mode)],
    ) -> impl Future<Output = Result<OwnedLockGuard>> + Send + 'static + use<> {
        OwnedLockGuard::awaited(self, names, None, Location::caller())
    }
}
