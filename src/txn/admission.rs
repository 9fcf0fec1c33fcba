//! Back-pressure: transactions wait before their first lock while the checkpoint is behind.
//!
//! A transaction that waited later would make others wait for its locks as well. So the wait is here, and a transaction
//! that was let in runs through.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Limit, check_all};

/// A checkpoint is behind when this many times its due is waiting for it.
const BEHIND: u64 = 4;
/// How long a transaction waits for a checkpoint at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the checkpoint thread is asked for, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    state: Mutex<State>,
    /// Wakes the checkpoint thread.
    asked: Condvar,
    /// Wakes those who wait for a checkpoint.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Checkpoints asked for and made, counted. A request is served by a checkpoint that begins after it.
    wanted: u64,
    begun: u64,
    finished: u64,
    stop: bool,
}

/// What the checkpoint thread was woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    Asked,
    Time,
    Stop,
}

impl Admission {
    /// Asks for a checkpoint that begins after this call. Gives the ticket to wait for.
    pub(crate) fn ask(&self) -> u64 {
        let mut state = self.state.lock();
        state.wanted = state.begun + 1;
        self.asked.notify_all();
        state.wanted
    }

    /// Ends the checkpoint thread.
    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.asked.notify_all();
        self.done.notify_all();
    }

    pub(crate) fn wake_all(&self) {
        drop(self.state.lock());
        self.done.notify_all();
        self.asked.notify_all();
    }

    /// The checkpoint thread waits here.
    pub(crate) fn next(&self, interval: Duration) -> Wake {
        let mut state = self.state.lock();
        let deadline = Instant::now().checked_add(interval);
        loop {
            if state.stop {
                return Wake::Stop;
            }
            if state.wanted > state.begun {
                return Wake::Asked;
            }
            let Some(deadline) = deadline else {
                self.asked.wait(&mut state);
                continue;
            };
            if self.asked.wait_until(&mut state, deadline).timed_out() {
                return Wake::Time;
            }
        }
    }

    pub(crate) fn begin(&self) {
        self.state.lock().begun += 1;
    }

    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        state.finished = state.begun;
        self.done.notify_all();
    }

    /// Waits until a checkpoint of this ticket is made.
    pub(crate) fn wait(&self, ticket: u64, engine: &Engine) -> Result<()> {
        let mut state = self.state.lock();
        while state.finished < ticket {
            engine.check_alive()?;
            if state.stop {
                return Err(Error::new(ErrorKind::Closed, "the database was closed"));
            }
            self.done.wait_for(&mut state, Duration::from_millis(100));
        }
        drop(state);
        // A checkpoint that failed has ended too.
        engine.check_unpoisoned()
    }
}

impl Engine {
    /// Asks for a checkpoint when one is due. Called after commits.
    #[inline]
    pub(crate) fn checkpoint_if_due(&self) {
        if self.journal.is_some() && self.is_due(1) {
            self.ask_once();
        }
    }

    #[cold]
    fn ask_once(&self) {
        let mut state = self.admission.state.lock();
        if state.wanted <= state.begun && state.begun == state.finished {
            state.wanted = state.begun + 1;
            self.admission.asked.notify_all();
        }
    }

    fn is_due(&self, times: u64) -> bool {
        let dirty = self.pager.cache.dirty() as u64;
        let journal = self.commits.journal_bytes();
        journal >= times.saturating_mul(self.options.journal_bytes)
            || dirty >= times.saturating_mul((self.pager.cache.budget() as u64 / 4).max(8 << 20))
    }

    /// Whether a transaction that begins now has to wait.
    pub(crate) fn is_behind(&self) -> bool {
        self.journal.is_some() && self.is_due(BEHIND)
    }

    /// Waits before a transaction's first lock while the checkpoint is far behind, as long as its limits allow.
    #[inline]
    pub(crate) fn admit(&self, limits: &[Limit]) -> Result<()> {
        if self.is_behind() { self.wait_admission(limits) } else { Ok(()) }
    }

    #[cold]
    fn wait_admission(&self, limits: &[Limit]) -> Result<()> {
        let slice = Duration::from_millis(if limits.is_empty() { 50 } else { 5 });
        let deadline = Instant::now() + PATIENCE;
        while self.is_due(BEHIND) {
            self.check_alive()?;
            check_all(limits, "while it waited for a checkpoint")?;
            self.ask_once();
            if Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorKind::LockTimeout,
                    "the checkpoint is far behind the writers; try again, or raise cache_bytes and journal_bytes",
                ));
            }
            let mut state = self.admission.state.lock();
            self.admission.done.wait_for(&mut state, slice);
        }
        Ok(())
    }
}
