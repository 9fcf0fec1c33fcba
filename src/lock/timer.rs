//! The clock of those who wait without a thread: wakes a task when the time of its wait is over.
//!
//! A parked thread wakes itself at its deadline. A task cannot, and a runtime's timers are not ours to use, so one
//! thread of the process does it for all. It starts with the first wait of a task that has to queue, and ends when there
//! was none for a while. It only wakes: whether the wait is over is decided by the task, as after any other wake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, ErrorKind, Result};

use super::waiter::Waiter;

/// How long the thread stays when nobody waits.
const LINGER: Duration = Duration::from_secs(5);

static TIMER: Timer =
    Timer { state: Mutex::new(State { due: BTreeMap::new(), next: 0, running: false }), changed: Condvar::new() };

struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The number tells those apart who are due at the same time.
    due: BTreeMap<(Instant, u64), Arc<Waiter>>,
    next: u64,
    running: bool,
}

/// Has a waiter woken at its time, until it is dropped.
pub(super) struct Alarm((Instant, u64));

impl Alarm {
    /// # Errors
    ///
    /// `Io` when the thread cannot be started.
    pub(super) fn set(at: Instant, waiter: &Arc<Waiter>) -> Result<Alarm> {
        let mut state = TIMER.state.lock();
        if !state.running {
            let started = thread::Builder::new().name("gangline-timer".into()).spawn(|| TIMER.run());
            started.map_err(|error| {
                let text = "cannot start the thread that ends waits for locks in time; end some threads";
                Error::new(ErrorKind::Io, text).with_source(error)
            })?;
            state.running = true;
        }
        let key = (at, state.next);
        state.next += 1;
        state.due.insert(key, waiter.clone());
        if state.due.first_key_value().is_some_and(|(first, _)| *first == key) {
            TIMER.changed.notify_one();
        }
        Ok(Alarm(key))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let removed = TIMER.state.lock().due.remove(&self.0);
        drop(removed);
    }
}

impl Timer {
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let later = state.due.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.due, later);
            if !due.is_empty() {
                drop(state);
                due.values().for_each(|waiter| waiter.wake());
                drop(due);
                state = self.state.lock();
                continue;
            }
            match state.due.first_key_value().map(|((at, _), _)| *at) {
                Some(at) => drop(self.changed.wait_until(&mut state, at)),
                None => {
                    let idle = self.changed.wait_for(&mut state, LINGER).timed_out();
                    if idle && state.due.is_empty() {
                        state.running = false;
                        return;
                    }
                }
            }
        }
    }
}
