//! The queue of a granule: pure decisions over the lock word and who waits, in which order.
//!
//! First come, first served; nobody passes a waiter (L4). Only a holder of U or SIX that waits to be raised to X
//! stands first: everybody behind it waits for it anyway, and there is at most one, since U and SIX each exclude both.
//! Nothing here latches, wakes or reads a clock: each function returns what is to be done.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::mode::Mode;
use super::mutant::{self, Mutant};
use super::word;

/// One request in the queue. `W` is whom to wake.
#[derive(Debug)]
pub(crate) struct Entry<W> {
    /// The mode to be held afterwards.
    pub(crate) mode: Mode,
    /// The mode held meanwhile, for a conversion.
    pub(crate) from: Option<Mode>,
    pub(crate) waiter: W,
}

/// Who was granted, and what to add (wrapping) to the lock word so that it says so.
#[derive(Debug)]
pub(crate) struct Grants<W> {
    pub(crate) delta: u64,
    pub(crate) granted: SmallVec<[W; 2]>,
}

/// The waiters of one granule, the next to be served first.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    entries: VecDeque<Entry<W>>,
}

impl<W> Queue<W> {
    pub(crate) const fn new() -> Self {
        Queue { entries: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a conversion waits.
    pub(crate) fn converts(&self) -> bool {
        self.entries.front().is_some_and(|first| first.from.is_some())
    }

    /// A conversion goes first, all else goes last.
    pub(crate) fn push(&mut self, entry: Entry<W>) {
        if entry.from.is_some() {
            self.entries.push_front(entry);
        } else {
            self.entries.push_back(entry);
        }
    }

    /// Whether a request that must not wait may be granted past the queue: only if it delays nobody in it.
    pub(crate) fn lets_pass(&self, mode: Mode) -> bool {
        self.entries.iter().all(|entry| entry.mode.compatible(mode)) || mutant::on(Mutant::NoFifo)
    }

    /// Serves the queue from its front as far as the holders in `word` admit. WAITERS must be set in `word` when the
    /// queue is not empty; it is part of the delta when the queue becomes empty.
    pub(crate) fn grant(&mut self, word: u64) -> Grants<W> {
        let mut now = word;
        let mut granted = SmallVec::new();
        while let Some(entry) = self.entries.pop_front_if(|first| word::admits(now, first.from, first.mode)) {
            now = now.wrapping_add(word::step(entry.from, entry.mode));
            granted.push(entry.waiter);
        }
        if self.entries.is_empty() {
            now &= !word::WAITERS;
        }
        Grants { delta: now.wrapping_sub(word), granted }
    }

    /// Takes a request out of the queue. Afterwards the queue must be served again: the one behind may fit.
    pub(crate) fn remove(&mut self, is_it: impl Fn(&W) -> bool) -> bool {
        let found = self.entries.iter().position(|entry| is_it(&entry.waiter));
        found.is_some_and(|index| self.entries.remove(index).is_some())
    }

    /// Empties the queue of a granule that is gone.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = W> {
        self.entries.drain(..).map(|entry| entry.waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::Mode::{IS, IX, S, SIX, U, X};
    use super::word::{WAITERS, unit};
    use super::*;

    fn queue(entries: &[(Mode, Option<Mode>)]) -> Queue<usize> {
        let mut queue = Queue::new();
        for (waiter, (mode, from)) in entries.iter().enumerate() {
            queue.push(Entry { mode: *mode, from: *from, waiter });
        }
        queue
    }

    fn served(queue: &mut Queue<usize>, word: u64) -> (Vec<usize>, u64) {
        let grants = queue.grant(word | WAITERS);
        (grants.granted.to_vec(), (word | WAITERS).wrapping_add(grants.delta))
    }

    #[test]
    fn a_compatible_request_behind_a_blocked_one_waits() {
        let mut queue = queue(&[(X, None), (S, None)]);
        assert_eq!(served(&mut queue, unit(S)), (vec![], unit(S) | WAITERS));
    }

    #[test]
    fn grants_go_on_while_the_front_fits() {
        let mut queue = queue(&[(S, None), (IS, None), (S, None), (X, None), (S, None)]);
        assert_eq!(served(&mut queue, 0), (vec![0, 1, 2], (2 * unit(S) + unit(IS)) | WAITERS));
        assert_eq!(served(&mut queue, 0), (vec![3], unit(X) | WAITERS));
        assert_eq!(served(&mut queue, 0), (vec![4], unit(S)));
        assert!(queue.is_empty());
    }

    #[test]
    fn an_upgrade_stands_first_and_goes_when_it_is_alone() {
        for from in [U, SIX] {
            let mut queue = queue(&[(IS, None), (X, Some(from))]);
            assert_eq!(served(&mut queue, unit(from) + unit(IS)).0, Vec::<usize>::new());
            assert_eq!(served(&mut queue, unit(from)), (vec![1], unit(X) | WAITERS));
        }
    }

    #[test]
    fn passing_needs_a_mode_that_suits_all_waiters() {
        let queue = queue(&[(IX, None), (IX, None)]);
        assert!(queue.lets_pass(IS) && queue.lets_pass(IX));
        assert!(!queue.lets_pass(S) && !queue.lets_pass(X));
    }

    #[test]
    fn behind_a_removed_front_the_next_fits() {
        let mut queue = queue(&[(X, None), (S, None)]);
        assert!(queue.remove(|waiter| *waiter == 0));
        assert!(!queue.remove(|waiter| *waiter == 0));
        assert_eq!(served(&mut queue, unit(S)), (vec![1], 2 * unit(S)));
    }
}
