//! What the locks are made of: latches, atomics, threads, the clock.
//!
//! In a normal build these are parking_lot's and std's own types and nothing else. Built with `--cfg loom` or
//! `--cfg shuttle` they are those of the two model checkers, which run the same code under every order of steps, or
//! under many. CONTRIBUTING.md has the commands.
//!
//! Only what a thread can wait for, or be overtaken at, goes through here: the locks, the commit latch, and the state
//! of threads. Counters that nobody waits for, and latches under which nothing of this module is used, stay plain.

#[cfg(any(loom, shuttle))]
mod clock;
#[cfg(any(loom, shuttle))]
mod latch;
#[cfg(all(test, shuttle))]
pub(crate) mod schedule_tests;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{sync::atomic, thread, time::Instant};

#[cfg(any(loom, shuttle))]
pub(crate) use clock::Instant;
#[cfg(any(loom, shuttle))]
pub(crate) use latch::{Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic;

/// State of a thread. loom's models hold no such state, so there it is std's.
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;
#[cfg(not(shuttle))]
pub(crate) use std::thread_local;

/// Threads of the model. A thread that parks for a while is one that lets others run, and the clock go on.
#[cfg(any(loom, shuttle))]
pub(crate) mod thread {
    #[cfg(loom)]
    pub(crate) use loom::thread::{Thread, current, park, yield_now};
    #[cfg(shuttle)]
    pub(crate) use shuttle::thread::{Thread, current, park, yield_now};

    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }
}

/// Whether this build is one for a model checker: there looking twice only makes more orders to try.
pub(crate) const MODELLED: bool = cfg!(any(loom, shuttle));
