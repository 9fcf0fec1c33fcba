//! How a transaction goes on after a run of its closure: it starts over, or applies what it wrote, for threads and for tasks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commit::Committed;
use super::engine::Engine;
use super::transaction::{State, Transaction};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::lock::mutant::{self, Mutant};
use crate::lock::{Limit, check_all};
use crate::options::Durability;
use crate::storage::journal::Position;

/// A commit that others see already, and that is still to be ended.
#[must_use]
pub(crate) struct Applied {
    engine: Arc<Engine>,
    committed: Committed,
    durability: Durability,
}

impl Applied {
    /// Ends it but for the wait for the disk. Gives the position to wait for, if it is to be waited for.
    pub(crate) fn tidy_up(self) -> Option<Position> {
        self.engine.tidy_up(self.committed, self.durability)
    }
}

impl Transaction {
    pub(crate) fn wants_restart(&self) -> bool {
        self.state.borrow().locks.restart_wanted()
    }

    /// Refuses to commit a strict transaction that would have had to start over.
    pub(crate) fn check_strict(&self) -> Result<()> {
        self.state.borrow().locks.strict_failure().map_or(Ok(()), Err)
    }

    /// Whether it may go on.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn check_limits(&self, doing: &str) -> Result<()> {
        check_all(self.state.borrow().locks.limits(), doing)
    }

    /// What ends its scans.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        self.state.borrow().locks.limits().to_vec()
    }

    /// Gives everything back and takes the locks of the next run.
    pub(crate) fn restart(&self) -> Result<()> {
        self.forget_writes();
        self.state.borrow_mut().locks.restart()
    }

    /// As [`restart`](Self::restart), for a task.
    pub(crate) async fn restart_async(&mut self) -> Result<()> {
        self.forget_writes();
        self.state.get_mut().locks.restart_async().await
    }

    fn forget_writes(&self) {
        let writes = std::mem::take(&mut self.state.borrow_mut().writes);
        drop(writes);
        self.engine.counts.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the last call of a task stopped at a lock. It is to be awaited, and the call to be made again.
    pub(crate) fn has_put_off(&self) -> bool {
        self.state.borrow().locks.has_put_off()
    }

    /// The last call is made again without the lock.
    pub(crate) fn forget_put_off(&self) {
        self.state.borrow_mut().locks.forget_put_off();
    }

    /// Awaits the lock at which the last call stopped.
    pub(crate) async fn await_put_off(&mut self) -> Result<()> {
        self.state.get_mut().locks.await_put_off().await
    }

    /// Whether there is nothing to commit.
    pub(crate) fn is_read_only(&self) -> bool {
        self.state.borrow().writes.is_empty()
    }

    /// Commits what was written and gives the locks back.
    pub(crate) fn commit(self) -> Result<()> {
        self.apply()?.map_or(Ok(()), |Applied { engine, committed, durability }| engine.finish(committed, durability))
    }

    /// Applies what was written and gives the locks back. None: there is nothing left to do.
    pub(crate) fn apply(self) -> Result<Option<Applied>> {
        self.check_limits("before its commit")?;
        let State { mut locks, mut writes, durability, .. } = self.state.into_inner();
        if writes.is_empty() {
            locks.release_all();
            return Ok(None);
        }
        self.engine.check_alive()?;
        {
            // Clones rows that the program holds as well.
            let _scope = context::enter(Activity::Transaction, self.site);
            writes.own_rows();
        }
        if mutant::on(Mutant::EarlyRelease) {
            locks.release_all();
        }
        let committed = self.engine.apply(writes)?;
        locks.release_all();
        drop(locks);
        self.engine.reshape(&committed);
        Ok(Some(Applied { engine: self.engine, committed, durability }))
    }
}
