//! One lock under every order of steps that loom finds, with what C11's memory model lets a thread see.
//!
//! Each model says what it proves. In all of them loom also proves that no wake-up is lost: a thread that sleeps while
//! nobody is left to wake it is reported as a deadlock. What a lock guards is a cell of loom's, which fails when two
//! use it at once or when one does not see what the one before it did. That a wait ends once is asserted where it ends.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::lock::head::{Enqueued, Head};
use crate::lock::heads::Heads;
use crate::lock::mode::Mode::{self, IS, IX, S, SIX, U, X};
use crate::lock::waiter::{Outcome, Waiter, Wakes};
use crate::sync::Instant;

/// Switches away from a thread that could go on. Nearly all faults show with two.
const PREEMPTIONS: usize = 3;
/// The key of a lock that stands in a map.
const KEY: u32 = 7;

/// A lock behind an atomic, or in a map.
trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    fn try_fast(&self, from: Option<Mode>, to: Mode) -> bool;
    fn try_slow(&self, from: Option<Mode>, to: Mode) -> bool;
    fn enqueue(&self, from: Option<Mode>, to: Mode, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> Enqueued;
    fn cancel(&self, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool;
    fn release(&self, mode: Mode, wakes: &mut Wakes);
    fn is_free(&self) -> bool;
}

impl Lock for Head {
    fn new() -> Self {
        Head::new()
    }

    fn try_fast(&self, from: Option<Mode>, to: Mode) -> bool {
        self.try_fast(from, to)
    }

    fn try_slow(&self, from: Option<Mode>, to: Mode) -> bool {
        self.try_slow(from, to)
    }

    fn enqueue(&self, from: Option<Mode>, to: Mode, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> Enqueued {
        self.enqueue(from, to, waiter, wakes)
    }

    fn cancel(&self, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool {
        self.cancel(waiter, wakes)
    }

    fn release(&self, mode: Mode, wakes: &mut Wakes) {
        self.release(mode, wakes);
    }

    fn is_free(&self) -> bool {
        self.is_free()
    }
}

impl Lock for Heads<u32> {
    fn new() -> Self {
        Heads::new()
    }

    fn try_fast(&self, from: Option<Mode>, to: Mode) -> bool {
        self.try_fast(KEY, from, to)
    }

    fn try_slow(&self, from: Option<Mode>, to: Mode) -> bool {
        self.try_slow(KEY, from, to)
    }

    fn enqueue(&self, from: Option<Mode>, to: Mode, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> Enqueued {
        self.enqueue(KEY, from, to, waiter, wakes)
    }

    fn cancel(&self, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool {
        self.cancel(KEY, waiter, wakes)
    }

    fn release(&self, mode: Mode, wakes: &mut Wakes) {
        self.release(KEY, mode, wakes);
    }

    fn is_free(&self) -> bool {
        self.len() == 0
    }
}

/// Wakes a thread that stands for a task.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A lock and what it guards.
struct Guarded<L> {
    lock: L,
    cell: UnsafeCell<()>,
}

impl<L: Lock> Guarded<L> {
    /// Takes the lock, waiting for it. False: the granule is gone.
    fn take(&self, from: Option<Mode>, to: Mode) -> bool {
        self.take_until(from, to, None) == Some(Outcome::Granted)
    }

    /// Takes the lock, or gives up at the deadline.
    fn take_until(&self, from: Option<Mode>, to: Mode, deadline: Option<Instant>) -> Option<Outcome> {
        if self.lock.try_fast(from, to) {
            return Some(Outcome::Granted);
        }
        let waiter = Waiter::thread();
        match self.woken(|wakes| self.lock.enqueue(from, to, &waiter, wakes)) {
            Enqueued::Granted => return Some(Outcome::Granted),
            Enqueued::Retired => return Some(Outcome::Retired),
            Enqueued::Queued => {}
        }
        if let Some(outcome) = waiter.park(deadline, || false) {
            return Some(outcome);
        }
        let removed = self.woken(|wakes| self.lock.cancel(&waiter, wakes));
        assert_eq!(removed, waiter.outcome().is_none(), "a wait is given up or has an outcome");
        waiter.outcome()
    }

    /// As a task does: gives its waker, looks, and sleeps. The waker here is the thread itself.
    fn await_it(&self, to: Mode) {
        let waiter = Waiter::task();
        if self.woken(|wakes| self.lock.enqueue(None, to, &waiter, wakes)) == Enqueued::Granted {
            return;
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            waiter.set_waker(&waker);
            match waiter.outcome() {
                Some(outcome) => return assert_eq!(outcome, Outcome::Granted),
                None => thread::park(),
            }
        }
    }

    fn give_back(&self, mode: Mode) {
        self.woken(|wakes| self.lock.release(mode, wakes));
    }

    fn woken<T>(&self, call: impl FnOnce(&mut Wakes) -> T) -> T {
        let mut wakes = Wakes::new();
        let value = call(&mut wakes);
        wakes.wake();
        value
    }

    /// What a holder does.
    fn touch(&self, mode: Mode) {
        match mode {
            X => self.cell.with_mut(|_| ()),
            S | SIX | U => self.cell.with(|_| ()),
            IS | IX => {}
        }
    }

    fn once(&self, mode: Mode) {
        assert!(self.take(None, mode));
        self.touch(mode);
        self.give_back(mode);
    }
}

/// Runs a model under every order, with a lock of each kind.
macro_rules! each_kind {
    ($($(#[$about:meta])* fn $name:ident($lock:ident) $body:block)*) => {$(
        $(#[$about])*
        mod $name {
            use super::*;

            fn model<L: Lock>() {
                check(|| {
                    let $lock = guarded::<L>();
                    $body
                    assert!($lock.lock.is_free(), "all is given back, and no count is off");
                });
            }

            #[test]
            fn behind_an_atomic() {
                model::<Head>();
            }

            #[test]
            fn in_a_map() {
                model::<Heads<u32>>();
            }
        }
    )*};
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.max_branches = 10_000;
    builder.check(model);
}

fn guarded<L: Lock>() -> Arc<Guarded<L>> {
    Arc::new(Guarded { lock: L::new(), cell: UnsafeCell::new(()) })
}

fn spawn<L: Lock, T: 'static>(
    lock: &Arc<Guarded<L>>,
    body: impl FnOnce(&Guarded<L>) -> T + 'static,
) -> thread::JoinHandle<T> {
    let lock = lock.clone();
    thread::spawn(move || body(&lock))
}

#[track_caller]
fn end<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("a thread of the model does not panic")
}

/// So many looks at the clock of the model.
fn soon(looks: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(looks))
}

each_kind! {
    /// Two writers are never in at once, and the second sees what the first did.
    fn writers_exclude_each_other(lock) {
        let other = spawn(&lock, |lock| lock.once(X));
        lock.once(X);
        end(other);
    }

    /// Readers are in together or not at all beside a writer, whoever comes first.
    fn readers_exclude_a_writer(lock) {
        let reader = spawn(&lock, |lock| lock.once(S));
        let writer = spawn(&lock, |lock| lock.once(X));
        lock.once(S);
        end(reader);
        end(writer);
    }

    /// A reader that gives back without serving the queue is followed by one that does: the writer sees both.
    fn the_last_of_two_readers_serves_the_writer(lock) {
        assert!(lock.take(None, S) && lock.take(None, S));
        let readers = [(); 2].map(|()| spawn(&lock, |lock| {
            lock.touch(S);
            lock.give_back(S);
        }));
        lock.once(X);
        readers.into_iter().for_each(end);
    }

    /// A task that gives its waker while the lock is handed over is woken, or sees that it has the lock.
    fn a_task_is_woken(lock) {
        assert!(lock.take(None, X));
        let task = spawn(&lock, |lock| {
            lock.await_it(X);
            lock.touch(X);
            lock.give_back(X);
        });
        lock.touch(X);
        lock.give_back(X);
        end(task);
    }

    /// Who gives up wakes who stands behind it and fits: the reader comes in though the first holder stays.
    fn who_gives_up_lets_those_behind_go_on(lock) {
        assert!(lock.take(None, S));
        let writer = spawn(&lock, |lock| lock.take_until(None, X, soon(1)));
        let reader = spawn(&lock, |lock| lock.once(S));
        end(reader);
        assert_eq!(end(writer), None, "the first holder is still in");
        lock.give_back(S);
    }

    /// A wait that ends at the same time by a grant and by its deadline ends in one of the two ways.
    fn a_grant_and_a_time_out_at_once(lock) {
        assert!(lock.take(None, X));
        let waiter = spawn(&lock, |lock| {
            if lock.take_until(None, X, soon(1)).is_some() {
                lock.touch(X);
                lock.give_back(X);
            }
        });
        lock.touch(X);
        lock.give_back(X);
        end(waiter);
    }

    /// Two that give up behind a holder that gives back: nothing is left behind, and no third is locked out.
    fn two_give_up_at_once(lock) {
        assert!(lock.take(None, X));
        let waiters = [S, X].map(|mode| spawn(&lock, move |lock| {
            if lock.take_until(None, mode, soon(1)).is_some() {
                lock.touch(mode);
                lock.give_back(mode);
            }
        }));
        lock.give_back(X);
        waiters.into_iter().for_each(end);
        lock.once(X);
    }

    /// U to X waits for the reader and goes before the writer that came first: the read and the write are one.
    fn an_upgrade_goes_before_a_writer(lock) {
        assert!(lock.take(None, U));
        let writer = spawn(&lock, |lock| lock.once(X));
        let reader = spawn(&lock, |lock| lock.once(S));
        lock.touch(U);
        assert!(lock.take(Some(U), X));
        lock.touch(X);
        lock.give_back(X);
        end(writer);
        end(reader);
    }

    /// An upgrade that gives up keeps U, and those behind it go on as far as U admits.
    fn an_upgrade_that_gives_up_keeps_what_it_had(lock) {
        assert!(lock.take(None, S) && lock.take(None, U));
        let upgrade = spawn(&lock, |lock| lock.take_until(Some(U), X, soon(1)));
        let reader = spawn(&lock, |lock| lock.once(S));
        end(reader);
        assert_eq!(end(upgrade), None);
        lock.touch(U);
        lock.give_back(U);
        lock.give_back(S);
    }

    /// A request that may not wait goes past a queue only where it delays nobody: here it keeps its lock until the
    /// waiter has had its own.
    fn who_passes_delays_nobody(lock) {
        assert!(lock.take(None, S));
        let waiter = spawn(&lock, |lock| lock.once(IX));
        let passer = spawn(&lock, move |lock| {
            assert!(lock.lock.try_fast(None, IS) || lock.lock.try_slow(None, IS), "IS suits all");
            end(waiter);
            lock.give_back(IS);
        });
        lock.give_back(S);
        end(passer);
    }

    /// A refused try leaves nothing behind, and a granted one is exclusive.
    fn tries_beside_a_waiter(lock) {
        assert!(lock.take(None, S));
        let waiter = spawn(&lock, |lock| lock.once(X));
        let passer = spawn(&lock, |lock| {
            if lock.lock.try_slow(None, S) {
                lock.touch(S);
                lock.give_back(S);
            }
        });
        lock.touch(S);
        lock.give_back(S);
        end(waiter);
        end(passer);
    }
}

/// Whoever comes before, during or after the retirement is told of it, and nobody is granted anything afterwards.
#[test]
fn retirement_reaches_everybody() {
    check(|| {
        let lock = guarded::<Head>();
        assert!(lock.take(None, X));
        let waiters = [S, X].map(|mode| spawn(&lock, move |lock| lock.take_until(None, mode, None)));
        lock.touch(X);
        lock.lock.retire().wake();
        lock.give_back(X);
        for waiter in waiters {
            assert_eq!(end(waiter), Some(Outcome::Retired));
        }
        assert!(lock.lock.is_retired() && lock.lock.is_free());
    });
}

/// A wait that is given up while the granule is retired ends in one of the two ways.
#[test]
fn retirement_and_a_time_out_at_once() {
    check(|| {
        let lock = guarded::<Head>();
        assert!(lock.take(None, X));
        let waiter = spawn(&lock, |lock| lock.take_until(None, X, soon(1)));
        lock.lock.retire().wake();
        lock.give_back(X);
        assert_ne!(end(waiter), Some(Outcome::Granted));
        assert!(lock.lock.is_free());
    });
}

/// Who holds an intent may take another past those who wait for X, who then still get it (L7).
#[test]
fn who_holds_an_intent_passes_those_who_want_it_alone() {
    check(|| {
        let lock = guarded::<Head>();
        assert!(lock.take(None, IX));
        let whole = spawn(&lock, |lock| lock.once(X));
        assert!(lock.lock.try_passing(IS));
        lock.give_back(IX);
        lock.give_back(IS);
        end(whole);
        assert!(lock.lock.is_free());
    });
}
