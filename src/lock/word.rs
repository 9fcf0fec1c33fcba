//! The lock word: who holds a granule, in one `u64`.
//!
//! | bits | meaning | changed by |
//! | --- | --- | --- |
//! | 0-15 | holders of IS | whoever takes, hands over or gives back |
//! | 16-31 | holders of IX | the same |
//! | 32-47 | holders of S | the same |
//! | 48 | SIX is held | the same |
//! | 49 | U is held | the same |
//! | 50 | X is held | the same |
//! | 51 | WAITERS: the queue is not empty | under the queue's latch |
//! | 52 | RETIRED: the granule is gone | the holder of X, under the queue's latch |
//!
//! The top bit of each count is part of the conflict mask of its own mode: a granule takes 32,768 holders of one mode,
//! and a count can never run over into its neighbour. The test costs nothing.

use super::mode::Mode;
use super::mutant::{self, Mutant};

/// The queue is not empty: nobody may pass it on the fast path (L4).
pub(crate) const WAITERS: u64 = 1 << 51;
/// The granule was split or merged away: nothing is granted on it any more (L8).
pub(crate) const RETIRED: u64 = 1 << 52;
/// The bits that say who holds the granule.
pub(crate) const HOLDERS: u64 = WAITERS - 1;

const IS_ALL: u64 = 0xffff;
const IX_ALL: u64 = 0xffff << 16;
const S_ALL: u64 = 0xffff << 32;
const SIX_BIT: u64 = 1 << 48;
const U_BIT: u64 = 1 << 49;
const X_BIT: u64 = 1 << 50;

/// What one holder of each mode adds to the word.
const UNIT: [u64; 6] = [1, 1 << 16, 1 << 32, SIX_BIT, U_BIT, X_BIT];

/// What must be clear for each mode to be granted.
const CONFLICTS: [u64; 6] = [
    X_BIT | 1 << 15,
    S_ALL | SIX_BIT | U_BIT | X_BIT | 1 << 31,
    IX_ALL | SIX_BIT | X_BIT | 1 << 47,
    IX_ALL | S_ALL | SIX_BIT | U_BIT | X_BIT,
    IX_ALL | SIX_BIT | U_BIT | X_BIT,
    IS_ALL | IX_ALL | S_ALL | SIX_BIT | U_BIT | X_BIT,
];

/// What one holder of `mode` adds to the word.
#[inline]
pub(crate) const fn unit(mode: Mode) -> u64 {
    UNIT[mode as usize]
}

/// What a holder adds when it goes from one mode (or none) to another. To be added wrapping.
#[inline]
pub(crate) const fn step(from: Option<Mode>, to: Mode) -> u64 {
    match from {
        None => unit(to),
        Some(from) => unit(to).wrapping_sub(unit(from)),
    }
}

/// Whether the holders in `word`, but for the asker's own `from`, admit `to`. Says nothing of the queue.
#[inline]
pub(crate) const fn admits(word: u64, from: Option<Mode>, to: Mode) -> bool {
    let others = match from {
        None => word,
        Some(from) => word.wrapping_sub(unit(from)),
    };
    others & CONFLICTS[to as usize] == 0
}

/// Whether the request can be granted at once: the holders admit it, nobody waits, and the granule is not gone.
#[inline]
pub(crate) fn free(word: u64, from: Option<Mode>, to: Mode) -> bool {
    let closed = if mutant::on(Mutant::NoFifo) { RETIRED } else { WAITERS | RETIRED };
    word & closed == 0 && admits(word, from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::mode::MODES;

    #[test]
    fn masks_are_the_compatibility_table() {
        for held in MODES {
            for asked in MODES {
                assert_eq!(admits(unit(held), None, asked), held.compatible(asked), "{held} against {asked}");
            }
        }
    }

    #[test]
    fn masks_are_these_bits() {
        // Counts without their top bits, then the bits for SIX, U, X: as in the literature.
        let plain = [X_BIT, S_ALL | SIX_BIT | U_BIT | X_BIT, IX_ALL | SIX_BIT | X_BIT];
        for (mask, (plain, full)) in CONFLICTS.iter().zip(plain.iter().zip([1 << 15, 1 << 31, 1 << 47])) {
            assert_eq!(*mask, plain | full);
        }
    }

    #[test]
    fn own_mode_does_not_stand_in_the_way() {
        for from in MODES {
            for to in MODES {
                assert!(admits(unit(from), Some(from), to), "{from} to {to}");
                let shared = unit(from) + unit(Mode::IS);
                assert_eq!(admits(shared, Some(from), to), Mode::IS.compatible(to), "{from} to {to} beside IS");
            }
        }
    }

    #[test]
    fn steps_add_up_to_nothing() {
        for from in MODES {
            for to in MODES {
                let word = unit(from).wrapping_add(step(Some(from), to));
                assert_eq!(word, unit(to));
                assert_eq!(word.wrapping_sub(unit(to)), 0);
            }
        }
    }

    #[test]
    fn a_full_count_refuses_before_it_overflows() {
        for mode in [Mode::IS, Mode::IX, Mode::S] {
            let last = unit(mode) * 0x7fff;
            assert!(admits(last, None, mode));
            assert!(!admits(last + unit(mode), None, mode));
        }
    }

    #[test]
    fn waiters_and_retired_close_the_fast_path() {
        assert!(free(0, None, Mode::X));
        assert!(!free(WAITERS, None, Mode::IS));
        assert!(!free(RETIRED, None, Mode::IS));
        assert!(!free(WAITERS | unit(Mode::U), Some(Mode::U), Mode::X));
    }
}
