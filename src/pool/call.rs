//! One call of the pool: its items, who runs them, and what came out, in the order of the items.
//!
//! A thread that wants to run items [enters](Call::try_enter), [works](Call::work) until none is left to start, and
//! [leaves](Call::leave). The last one to leave ends the call. Items start in their order and each started one runs to
//! its end, so the failure with the smallest index is the same whatever the threads did.
//!
//! The latch is held for a few instructions an item. The user's closures, wakers and the drops of the user's values
//! always run outside it.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::vec;

use parking_lot::{Condvar, Mutex};

use crate::context::{self, Inherited};

/// Why a call has no results.
pub(super) enum Failure<E> {
    /// The closure returned an error.
    Error(E),
    /// The closure panicked, with this payload.
    Panic(Box<dyn Any + Send>),
}

pub(super) struct Call<I, T, E> {
    state: Mutex<State<I, T, E>>,
    over: Condvar,
    inherited: Inherited,
    items: usize,
    limit: usize,
}

struct State<I, T, E> {
    unstarted: vec::IntoIter<I>,
    results: Vec<Option<T>>,
    failure: Option<(usize, Failure<E>)>,
    runners: usize,
    over: bool,
    waker: Option<Waker>,
}

impl<I, T, E> Call<I, T, E> {
    /// A call submitted by this thread, of whose items at most `limit` are in work at once.
    pub(super) fn new(items: Vec<I>, limit: usize) -> Self {
        let mut results = Vec::new();
        results.resize_with(items.len(), || None);
        Call {
            items: items.len(),
            limit,
            inherited: context::capture(),
            over: Condvar::new(),
            state: Mutex::new(State {
                over: items.is_empty(),
                unstarted: items.into_iter(),
                results,
                failure: None,
                runners: 0,
                waker: None,
            }),
        }
    }

    /// The most threads that can do something for the call at once.
    pub(super) fn threads(&self) -> usize {
        self.items.min(self.limit)
    }

    pub(super) fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    /// Makes the thread one of the call's runners, if there is an item left for it. A runner must [`Self::work`] and then
    /// [`Self::leave`].
    pub(super) fn try_enter(&self) -> bool {
        let mut state = self.state.lock();
        let enter = state.unstarted.len() > 0 && state.runners < self.limit;
        state.runners += usize::from(enter);
        enter
    }

    /// Runs items until none is left to start. `before` is told before each item how many are still unstarted. It must
    /// not panic.
    pub(super) fn work(&self, f: impl Fn(I) -> Result<T, E>, mut before: impl FnMut(usize)) {
        let _adopted = context::adopt(&self.inherited);
        let mut finished = None;
        while let Some((index, unstarted, item)) = self.step(finished.take()) {
            before(unstarted);
            let outcome = match catch_unwind(AssertUnwindSafe(|| f(item))) {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Failure::Error(error)),
                Err(payload) => Err(Failure::Panic(payload)),
            };
            finished = Some((index, outcome));
        }
    }

    /// Puts down what an item gave and takes up the next.
    fn step(&self, finished: Option<(usize, Result<T, Failure<E>>)>) -> Option<(usize, usize, I)> {
        let mut state = self.state.lock();
        let dropped = match finished {
            None => None,
            Some((index, Ok(value))) => {
                state.results[index] = Some(value);
                None
            }
            Some((index, Err(failure))) => Some(state.fail(index, failure)),
        };
        let index = state.results.len() - state.unstarted.len();
        let item = state.unstarted.next();
        let next = item.map(|item| (index, state.unstarted.len(), item));
        drop(state);
        discard(dropped);
        next
    }

    /// Ends the thread's part. True for the thread that must now call [`Self::end`].
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state.lock();
        debug_assert_eq!(state.unstarted.len(), 0, "a runner leaves when nothing is left to start");
        state.runners -= 1;
        state.runners == 0
    }

    /// Tells all who wait that the results are there.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.over = true;
        let waker = state.waker.take();
        drop(state);
        self.over.notify_all();
        if let Some(waker) = waker {
            // The executor is not ours: a panic in it must not cost the pool a thread.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                mem::forget(payload);
            }
        }
    }

    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        while !state.over {
            self.over.wait(&mut state);
        }
    }

    /// Whether the call is over. If not, the waker is woken when it is.
    pub(super) fn poll(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.state.lock();
        if state.over {
            return true;
        }
        let before = state.waker.replace(waker);
        drop(state);
        drop(before);
        false
    }

    /// The results in the order of the items, or the first failure in that order. To be called once, when it is over.
    pub(super) fn take(&self) -> Result<Vec<T>, Failure<E>> {
        let mut state = self.state.lock();
        debug_assert!(state.over, "results are taken when the call is over");
        let failure = state.failure.take();
        let results = mem::take(&mut state.results);
        drop(state);
        match failure {
            None => Ok(results.into_iter().map(|value| value.expect("without a failure every item has run")).collect()),
            Some((_, failure)) => Err(failure),
        }
    }
}

impl<I, T, E> State<I, T, E> {
    /// Keeps the first failure in item order and starts no more items. Returns what is to be dropped.
    fn fail(&mut self, index: usize, failure: Failure<E>) -> (vec::IntoIter<I>, Option<(usize, Failure<E>)>) {
        let first = self.failure.as_ref().is_none_or(|(known, _)| index < *known);
        let loser = if first { self.failure.replace((index, failure)) } else { Some((index, failure)) };
        (mem::replace(&mut self.unstarted, Vec::new().into_iter()), loser)
    }
}

/// Drops values of the user's where a panic in their `Drop` would harm others. The panic hook has reported it by then;
/// its payload is leaked, since that could panic once more.
pub(super) fn discard<V>(value: V) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        mem::forget(payload);
    }
}
