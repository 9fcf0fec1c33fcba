//! Locks that exist only while somebody holds or wants them: rows and names, in a concurrent map.
//!
//! The lock word of such a granule is a plain number in the map's entry, read and written under the entry's shard
//! latch, which is taken for the lookup anyway: so there is nothing to allocate for a lock and nothing to keep alive.
//! No function here keeps a shard latched when it returns, so no wait and no second lookup happens under one (L9).

use std::hash::Hash;
use std::sync::Arc;

use super::head::Enqueued;
use super::map::{self, Entry as MapEntry, Map};
use super::mode::Mode;
use super::mutant::{self, Mutant};
use super::queue::{Entry, Queue};
use super::waiter::{Outcome, Waiter, Wakes};
use super::word::{self, WAITERS};

/// The lock of one key of the map.
#[derive(Debug, Default)]
struct State {
    word: u64,
    queue: Option<Box<Queue<Arc<Waiter>>>>,
}

#[derive(Debug)]
pub(crate) struct Heads<K: Eq + Hash>(Map<K, State>);

impl<K: Eq + Hash + Clone> Heads<K> {
    pub(crate) fn new() -> Self {
        Heads(map::new())
    }

    /// As [`Head::try_fast`](super::head::Head::try_fast).
    #[inline]
    pub(crate) fn try_fast(&self, key: K, from: Option<Mode>, to: Mode) -> bool {
        match self.0.entry(key) {
            MapEntry::Vacant(entry) => {
                debug_assert!(from.is_none(), "L2: what is raised is held");
                entry.insert(State { word: word::unit(to), queue: None });
                true
            }
            MapEntry::Occupied(mut entry) => {
                let state = entry.get_mut();
                let free = word::free(state.word, from, to);
                if free {
                    state.word = state.word.wrapping_add(word::step(from, to));
                }
                free
            }
        }
    }

    /// As [`Head::try_slow`](super::head::Head::try_slow).
    #[cold]
    pub(crate) fn try_slow(&self, key: K, from: Option<Mode>, to: Mode) -> bool {
        let mut state = self.0.entry(key).or_default();
        let passes = state.queue.as_ref().is_none_or(|queue| queue.lets_pass(to));
        // An entry is made only where nothing stood against the lock, so none is left behind empty.
        let granted = passes && word::admits(state.word, from, to);
        if granted {
            state.word = state.word.wrapping_add(word::step(from, to));
        }
        granted
    }

    /// As [`Head::enqueue`](super::head::Head::enqueue); rows and names are never retired.
    #[cold]
    pub(crate) fn enqueue(
        &self,
        key: K,
        from: Option<Mode>,
        to: Mode,
        waiter: &Arc<Waiter>,
        wakes: &mut Wakes,
    ) -> Enqueued {
        let mut state = self.0.entry(key).or_default();
        state.word |= WAITERS;
        let queue = state.queue.get_or_insert_with(|| Box::new(Queue::new()));
        debug_assert!(from.is_none() || !queue.converts(), "L5: one conversion waits");
        queue.push(Entry { mode: to, from, waiter: waiter.clone() });
        if state.serve(Some(waiter), wakes) { Enqueued::Granted } else { Enqueued::Queued }
    }

    /// As [`Head::cancel`](super::head::Head::cancel).
    #[cold]
    pub(crate) fn cancel(&self, key: K, waiter: &Arc<Waiter>, wakes: &mut Wakes) -> bool {
        let MapEntry::Occupied(mut entry) = self.0.entry(key) else { return false };
        let state = entry.get_mut();
        let queue = state.queue.as_mut();
        let removed = queue.is_some_and(|queue| queue.remove(|queued| Arc::ptr_eq(queued, waiter)));
        if removed && !mutant::on(Mutant::CancelWakesNobody) {
            state.serve(None, wakes);
            if state.word == 0 {
                entry.remove();
            }
        }
        removed
    }

    /// Gives the lock back, and frees its entry when nobody holds or wants it (L10).
    #[inline]
    pub(crate) fn release(&self, key: K, mode: Mode, wakes: &mut Wakes) {
        let MapEntry::Occupied(mut entry) = self.0.entry(key) else {
            unreachable!("L2: what is given back is held, so its entry exists");
        };
        let state = entry.get_mut();
        debug_assert!(state.word & word::HOLDERS >= word::unit(mode), "L2: only what is held is given back");
        state.word -= word::unit(mode);
        if state.word & WAITERS != 0 {
            state.serve(None, wakes);
        }
        if state.word == 0 {
            entry.remove();
        }
    }

    /// Entries in the map: locks held or wanted.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl State {
    #[cold]
    fn serve(&mut self, own: Option<&Arc<Waiter>>, wakes: &mut Wakes) -> bool {
        let Some(queue) = &mut self.queue else { return false };
        let grants = queue.grant(self.word);
        self.word = self.word.wrapping_add(grants.delta);
        if queue.is_empty() {
            self.queue = None;
        }
        let mut served = false;
        for waiter in grants.granted {
            waiter.settle(Outcome::Granted);
            if own.is_some_and(|own| Arc::ptr_eq(own, &waiter)) {
                served = true;
            } else {
                wakes.push(waiter);
            }
        }
        served
    }
}
