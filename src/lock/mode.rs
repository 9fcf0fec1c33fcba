//! The six modes, and what they admit, cover and join to.
//!
//! Each relation is written out as a literal table, because a table can be compared with the literature at a glance.
//! The tests check the laws that tie the tables together.
//!
//! | held \ asked | IS | IX | S | SIX | U | X |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | IS  | + | + | + | + | + |   |
//! | IX  | + | + |   |   |   |   |
//! | S   | + |   | + |   | + |   |
//! | SIX | + |   |   |   |   |   |
//! | U   | + |   | + |   |   |   |
//! | X   |   |   |   |   |   |   |

use std::fmt;

/// How a granule is locked.
///
/// The intents `IS` and `IX` say that something below the granule is locked. `U` reads and will probably write: it
/// admits readers but no second `U`, so that of two transactions that read a row to change it the second waits at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Mode {
    /// Something below is read.
    IS = 0,
    /// Something below is written.
    IX = 1,
    /// All of it is read.
    S = 2,
    /// All of it is read and something below is written.
    SIX = 3,
    /// It is read and will probably be written.
    U = 4,
    /// It is written.
    X = 5,
}

use Mode::{IS, IX, S, SIX, U, X};

/// All modes, in the order of the tables.
#[cfg(any(test, feature = "mutants"))]
pub(crate) const MODES: [Mode; 6] = [IS, IX, S, SIX, U, X];

/// Row: held by one. Column: asked by another.
const COMPATIBLE: [[bool; 6]; 6] = [
    //IS     IX     S      SIX    U      X
    [true, true, true, true, true, false],      // IS
    [true, true, false, false, false, false],   // IX
    [true, false, true, false, true, false],    // S
    [true, false, false, false, false, false],  // SIX
    [true, false, true, false, false, false],   // U
    [false, false, false, false, false, false], // X
];

/// Row: held. Column: asked. The weakest mode that gives both.
///
/// IX and U join to SIX, and SIX covers U: SIX admits a subset of what U admits, and also keeps a second upgrader out.
const SUPREMUM: [[Mode; 6]; 6] = [
    //IS IX   S    SIX  U    X
    [IS, IX, S, SIX, U, X],       // IS
    [IX, IX, SIX, SIX, SIX, X],   // IX
    [S, SIX, S, SIX, U, X],       // S
    [SIX, SIX, SIX, SIX, SIX, X], // SIX
    [U, SIX, U, SIX, U, X],       // U
    [X, X, X, X, X, X],           // X
];

impl Mode {
    /// Whether one may hold `self` while another is granted `other`.
    #[inline]
    pub(crate) const fn compatible(self, other: Mode) -> bool {
        COMPATIBLE[self as usize][other as usize]
    }

    /// The weakest mode that gives the rights of both.
    #[inline]
    pub(crate) const fn supremum(self, other: Mode) -> Mode {
        SUPREMUM[self as usize][other as usize]
    }

    /// Whether holding `self` gives the rights of `other` on the same granule.
    #[inline]
    pub(crate) const fn covers(self, other: Mode) -> bool {
        self.supremum(other) as u8 == self as u8
    }

    /// Whether holding `self` on a granule makes a lock of mode `below` on anything inside it superfluous.
    ///
    /// SIX does not cover writes below: it admits readers with IS, and they would find the row unlocked.
    #[inline]
    pub(crate) const fn covers_below(self, below: Mode) -> bool {
        match self {
            X => true,
            S | SIX | U => matches!(below, IS | S),
            IS | IX => false,
        }
    }

    /// The intent that every granule above must carry while this mode is held.
    #[inline]
    pub(crate) const fn intent(self) -> Mode {
        match self {
            IS | S => IS,
            IX | SIX | U | X => IX,
        }
    }

    /// Whether something is written, or about to be, under this mode.
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, IS | S)
    }
}

/// What a holder of `held` must be raised to for `asked`, or `None` when what it has suffices.
#[inline]
pub(crate) const fn raise(held: Option<Mode>, asked: Mode) -> Option<Mode> {
    match held {
        None => Some(asked),
        Some(held) if held.covers(asked) => None,
        Some(held) => Some(held.supremum(asked)),
    }
}

/// The supremum where either side may be absent.
pub(crate) fn join(a: Option<Mode>, b: Mode) -> Mode {
    a.map_or(b, |a| a.supremum(b))
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            IS => "IS",
            IX => "IX",
            S => "S",
            SIX => "SIX",
            U => "U",
            X => "X",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gray's table, as a text: a row is a held mode, a column an asked one, in the order IS IX S SIX U X.
    const GRAY: [&str; 6] = ["+++++.", "++....", "+.+.+.", "+.....", "+.+...", "......"];

    #[test]
    fn compatibility_is_grays_table() {
        for (held, row) in MODES.iter().zip(GRAY) {
            for (asked, sign) in MODES.iter().zip(row.chars()) {
                assert_eq!(held.compatible(*asked), sign == '+', "{held} against {asked}");
            }
        }
    }

    #[test]
    fn compatibility_is_symmetric() {
        for a in MODES {
            for b in MODES {
                assert_eq!(a.compatible(b), b.compatible(a), "{a} {b}");
            }
        }
    }

    #[test]
    fn supremum_is_a_join() {
        for a in MODES {
            assert_eq!(a.supremum(a), a);
            for b in MODES {
                assert_eq!(a.supremum(b), b.supremum(a), "{a} {b}");
                assert!(a.supremum(b).covers(a) && a.supremum(b).covers(b), "{a} {b}");
                for c in MODES {
                    assert_eq!(a.supremum(b).supremum(c), a.supremum(b.supremum(c)), "{a} {b} {c}");
                    let least = !(c.covers(a) && c.covers(b)) || c.covers(a.supremum(b));
                    assert!(least, "{c} covers {a} and {b} but not their supremum");
                }
            }
        }
    }

    #[test]
    fn supremum_of_the_pairs_that_surprise() {
        assert_eq!(IX.supremum(S), SIX);
        assert_eq!(S.supremum(U), U);
        assert_eq!(IX.supremum(U), SIX);
        assert_eq!(SIX.supremum(U), SIX);
        for mode in MODES {
            assert_eq!(mode.supremum(X), X);
            assert_eq!(mode.supremum(IS), mode);
        }
    }

    #[test]
    fn a_stronger_mode_never_admits_more() {
        for strong in MODES {
            for weak in MODES.into_iter().filter(|weak| strong.covers(*weak)) {
                for other in MODES {
                    assert!(!strong.compatible(other) || weak.compatible(other), "{strong} {weak} {other}");
                }
            }
        }
    }

    #[test]
    fn what_is_covered_below_is_covered_by_conflicts() {
        // Whoever is kept off a row by `below` must be kept off the granule above by the mode that replaces it.
        for above in MODES {
            for below in MODES.into_iter().filter(|below| above.covers_below(*below)) {
                for other in MODES.into_iter().filter(|other| !other.compatible(below)) {
                    assert!(!above.compatible(other.intent()), "{above} stands for {below} but admits {other}");
                }
            }
        }
    }

    #[test]
    fn raising_asks_only_for_what_is_missing() {
        assert_eq!(raise(None, S), Some(S));
        assert_eq!(raise(Some(S), IX), Some(SIX));
        assert_eq!(raise(Some(SIX), U), None);
    }
}
