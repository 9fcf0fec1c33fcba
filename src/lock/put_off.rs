//! Waits of tasks: put off by the call that meets one, and awaited before it is made again.
//!
//! What a transaction does is written once, as calls that wait on their thread. The lock set of a task never does that:
//! where such a call would wait, it fails at once, and what it wanted is kept here. The task awaits the lock, which is then
//! held, and makes the call again, which now comes further. So a call of a task must be one that can be made again until it
//! has all its locks, and has done nothing but take locks before.

use crate::error::{Error, ErrorKind, Result};

use super::held::Wanted;
use super::limit::Limit;
use super::set::LockSet;

/// A wait that was put off.
pub(super) struct PutOff {
    wanted: Wanted,
    /// What may end the wait, those limits included that held for the one call only.
    limits: Vec<Limit>,
}

impl LockSet {
    /// For the lock set of a task.
    pub(crate) fn set_of_task(&mut self) {
        self.of_task = true;
    }

    /// Keeps what would have to be waited for. The error is never seen: whoever made the call asks
    /// [`has_put_off`](Self::has_put_off) first.
    pub(super) fn put_off(&mut self, wanted: Wanted) -> Error {
        self.put_off = Some(Box::new(PutOff { wanted, limits: self.limits().to_vec() }));
        Error::new(ErrorKind::LockTimeout, "the lock is not free, and a task awaits it before it goes on")
    }

    /// Whether the last call stopped at a wait.
    #[inline]
    pub(crate) fn has_put_off(&self) -> bool {
        self.put_off.is_some()
    }

    /// The call is made again without the wait.
    pub(crate) fn forget_put_off(&mut self) {
        self.put_off = None;
    }

    /// Awaits what was put off. A future that is dropped leaves the queue.
    ///
    /// # Errors
    ///
    /// `LockTimeout` with the holders, `Cancelled`, and `Io` when no thread can be started that would end the wait in time.
    pub(crate) async fn await_put_off(&mut self) -> Result<()> {
        let Some(put_off) = self.put_off.take() else { return Ok(()) };
        let PutOff { wanted, limits } = *put_off;
        self.wait_awaiting(wanted, &limits).await
    }

    /// Makes a call until it does not stop at a wait any more.
    #[cfg(any(test, feature = "torture"))]
    pub(super) async fn awaiting<R>(&mut self, mut call: impl FnMut(&mut LockSet) -> Result<R>) -> Result<R> {
        loop {
            let before = std::mem::replace(&mut self.of_task, true);
            let outcome = call(self);
            self.of_task = before;
            if !self.has_put_off() {
                return outcome;
            }
            self.await_put_off().await?;
        }
    }
}
