//! The long-lived threads of a pool, the queue they serve, and the count that bounds all threads of the pool.
//!
//! A queue entry is a ticket: "one thread may help this job". A job of many items has several. A ticket that comes too
//! late, because others have run all, costs nothing. A permit is the right to run as one of the pool's threads: a
//! worker has one while it helps a job, a scoped thread of a borrowing call has one while it lives.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::call::discard;
use crate::context::{self, Inherited};

/// Something that a worker can help with.
pub(super) trait Job: Send + Sync {
    /// Runs items of the job until none is left to start.
    fn help(&self);
}

pub(super) struct Workers {
    state: Mutex<State>,
    /// Notified for each ticket, and for each permit given back while there are tickets.
    work: Condvar,
    threads: usize,
    stack_bytes: Option<usize>,
}

struct State {
    tickets: VecDeque<Arc<dyn Job>>,
    permits_out: usize,
    idle: usize,
    started: Vec<JoinHandle<()>>,
    closing: bool,
}

impl Workers {
    /// No thread is started yet. `stack_bytes` is for the tests, which need threads that cannot be started.
    pub(super) fn new(threads: usize, stack_bytes: Option<usize>) -> Self {
        Workers {
            state: Mutex::new(State {
                tickets: VecDeque::new(),
                permits_out: 0,
                idle: 0,
                started: Vec::new(),
                closing: false,
            }),
            work: Condvar::new(),
            threads,
            stack_bytes,
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// A thread of the pool that is yet to be started, with its name.
    pub(super) fn builder(&self, number: usize) -> thread::Builder {
        let builder = thread::Builder::new().name(format!("gangline-pool-{number}"));
        match self.stack_bytes {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Queues so many tickets. False if there is not one thread to serve them: the caller must then run the job.
    #[must_use]
    pub(super) fn submit(self: &Arc<Self>, job: &Arc<dyn Job>, tickets: usize) -> bool {
        let mut state = self.state.lock();
        let missing = (state.tickets.len() + tickets).saturating_sub(state.idle);
        let room = self.threads - state.started.len();
        for _ in 0..missing.min(room) {
            // Under the latch, so that nobody can count on a thread that then fails to start. It happens once a thread.
            match self.start(state.started.len()) {
                Ok(handle) => state.started.push(handle),
                Err(_) => break,
            }
        }
        if state.started.is_empty() {
            return false;
        }
        for _ in 0..tickets {
            state.tickets.push_back(job.clone());
        }
        drop(state);
        for _ in 0..tickets {
            self.work.notify_one();
        }
        true
    }

    fn start(self: &Arc<Self>, number: usize) -> io::Result<JoinHandle<()>> {
        let workers = self.clone();
        self.builder(number).spawn(move || workers.serve())
    }

    /// The life of a worker. What it runs may drop the last handle of the pool: the thread counts as one in a job all
    /// its life, so that the pool does not wait for it then.
    fn serve(&self) {
        let _in_job = context::adopt(&Inherited::default());
        while let Some((job, permit)) = self.next() {
            job.help();
            // Perhaps the last to know the job: the results nobody waited for are dropped here.
            discard(job);
            drop(permit);
        }
    }

    fn next(&self) -> Option<(Arc<dyn Job>, Permit<'_>)> {
        let mut state = self.state.lock();
        loop {
            if state.permits_out < self.threads
                && let Some(job) = state.tickets.pop_front()
            {
                state.permits_out += 1;
                return Some((job, Permit { workers: self }));
            }
            if state.closing && state.tickets.is_empty() {
                return None;
            }
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// The right to run one more thread of the pool, if there is one left.
    pub(super) fn permit(&self) -> Option<Permit<'_>> {
        let mut state = self.state.lock();
        if state.permits_out >= self.threads {
            return None;
        }
        state.permits_out += 1;
        Some(Permit { workers: self })
    }

    /// Lets the threads end once the queue is empty, and returns them to be joined.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.state.lock();
        state.closing = true;
        let started = std::mem::take(&mut state.started);
        drop(state);
        self.work.notify_all();
        started
    }
}

/// Given back when dropped.
pub(super) struct Permit<'a> {
    workers: &'a Workers,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.workers.state.lock();
        state.permits_out -= 1;
        let wanted = !state.tickets.is_empty();
        drop(state);
        if wanted {
            self.workers.work.notify_one();
        }
    }
}
