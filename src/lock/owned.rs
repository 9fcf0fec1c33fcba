//! Names held by whoever has the guard: it may cross threads and awaits.

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::context::{self, HeldName};
use crate::error::Result;

use super::awaited::How;
use super::manager::LockManager;
use super::mode::Mode;
use super::names::Names;
use super::set::{LockSet, LockTime};

/// Names that whoever has this value holds, on any thread and across awaits; dropping it gives them back.
///
/// A [`LockGuard`](crate::LockGuard) counts as held by all that its thread starts, so a name that is asked for out of
/// order is refused at once. An owned guard belongs to no thread, so nobody but the program knows who waits while it is
/// held. What is known, and what is not:
///
/// * Its own names are taken in one call, in order, and never waited for while it holds some. Taken on a thread that
///   holds guards, it obeys their order.
/// * What runs in its [`scope`](Self::scope) or [`scope_async`](Self::scope_async) counts its names as held, like those
///   of the thread's own guards: equal and smaller names are refused at once with
///   [`OutOfOrder`](crate::ErrorKind::OutOfOrder), greater ones may be waited for, jobs of a pool that are submitted in
///   it inherit them. Nothing that keeps to scopes can deadlock. Who holds several owned guards nests their scopes.
/// * Outside of a scope its holder may ask for any name, by any kind of guard or in a transaction, and nothing is
///   refused: two holders that ask for each other's names, one that asks for its own, and one that asks for any name
///   while a transaction waits for all names, wait until the lock time-out ends it with
///   [`LockTimeout`](crate::ErrorKind::LockTimeout).
/// * Reads and writes of rows are safe in and out of scopes: a transaction never waits for a name while it holds data.
///
/// ```
/// # use std::time::Duration;
/// use gangline::ErrorKind;
/// use gangline::lock::{LockManager, Mode};
///
/// # fn main() -> gangline::Result<()> {
/// let locks = LockManager::new(Duration::from_secs(10));
/// let guard = locks.lock_owned(&[("renderer", Mode::X), ("palette", Mode::S)])?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || {
///         let refused = guard.scope(|| locks.lock("paint").map(drop));
///         assert_eq!(refused.unwrap_err().kind(), ErrorKind::OutOfOrder);
///         guard.scope(|| locks.lock("screen").map(drop))
///     })
///     .join()
///     .expect("no panic")
/// })
/// # }
/// ```
#[must_use = "the names are given back when the guard is dropped"]
pub struct OwnedLockGuard {
    names: Box<[HeldName]>,
    /// Gives all back when it is dropped.
    _set: LockSet,
}

impl fmt::Debug for OwnedLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.debug_struct("OwnedLockGuard").field("names", &names).finish_non_exhaustive()
    }
}

impl OwnedLockGuard {
    pub(super) fn wait_for(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        lock_time: LockTime,
        caller: &'static Location<'static>,
    ) -> Result<Self> {
        let names = Names::new(names)?;
        let set = names.taken(manager, lock_time, caller)?;
        Ok(Self::of(manager, set, &names, caller))
    }

    pub(super) fn try_for(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        caller: &'static Location<'static>,
    ) -> Result<Option<Self>> {
        let names = Names::new(names)?;
        let set = names.try_taken(manager, caller)?;
        Ok(set.map(|set| Self::of(manager, set, &names, caller)))
    }

    /// `call` is what users call, where that may not wait inside a closure of the database.
    pub(crate) fn awaited(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        call: Option<&'static str>,
        caller: &'static Location<'static>,
    ) -> impl Future<Output = Result<Self>> + Send + 'static + use<> {
        let (manager, names) = (manager.clone(), Names::new(names));
        async move {
            let names = names?;
            loop {
                if let Some(set) = take_awaiting(&manager, &names, call, caller).await? {
                    return Ok(Self::of(&manager, set, &names, caller));
                }
            }
        }
    }

    fn of(manager: &Arc<LockManager>, set: LockSet, names: &Names, caller: &'static Location<'static>) -> Self {
        OwnedLockGuard { names: names.held(manager, caller).collect(), _set: set }
    }

    /// The names, in the order of their bytes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(HeldName::name)
    }

    /// Runs `body` on this thread, with the names counted as held by it: what it asks for is in order or is refused.
    pub fn scope<T>(&self, body: impl FnOnce() -> T) -> T {
        let _counted = context::count_as_held(self.names.iter().cloned());
        body()
    }

    /// As [`scope`](Self::scope), for a future: the names count as held by each thread that polls it, while it does.
    pub async fn scope_async<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _counted = context::count_as_held(self.names.iter().cloned());
            future.as_mut().poll(context)
        })
        .await
    }
}

/// Takes the names as a task. The thread that polls counts as the one that waits, so its guards are looked at in each
/// poll. `None` when it has come to hold some since the first: who holds guards may go past those who wait for the root
/// of names, and must, since they wait for it (L7). So the names are to be asked for anew.
async fn take_awaiting(
    manager: &Arc<LockManager>,
    names: &Names,
    call: Option<&'static str>,
    caller: &'static Location<'static>,
) -> Result<Option<LockSet>> {
    let guarded = context::holds_any_name(manager.id());
    let mut taking = pin!(async {
        let mut set = LockSet::begin(manager, caller, None);
        names.take(How::Awaited, &mut set).await.map(|()| set)
    });
    poll_fn(|poll| {
        if let Some(call) = call {
            context::check_free(call, caller)?;
        }
        names.check_order(manager, caller)?;
        if !guarded && context::holds_any_name(manager.id()) {
            return Poll::Ready(Ok(None));
        }
        taking.as_mut().poll(poll).map_ok(Some)
    })
    .await
}
