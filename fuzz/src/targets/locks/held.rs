//! What lock sets were granted, in terms of the data: a book of its own, which knows nothing of intents and segments.

use gangline::lock::Mode;

/// What a claim is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A name, by its number.
    Name(u8),
    /// Keys of a table, from `low` up to but not `high`, or to the end.
    Keys {
        /// The table.
        table: u8,
        /// The first key; 0 is below all.
        low: u8,
        /// The first key that is not meant any more.
        high: Option<u8>,
    },
}

/// A place, and the mode in which it was asked for.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Where.
    pub place: Place,
    /// In which mode.
    pub mode: Mode,
}

impl Claim {
    /// Whether both cannot be had at once by two lock sets.
    pub fn conflicts(&self, other: &Claim) -> bool {
        let overlap = match (&self.place, &other.place) {
            (Place::Name(one), Place::Name(two)) => one == two,
            (Place::Keys { table: one, low, high }, Place::Keys { table: two, low: other_low, high: other_high }) => {
                let below = |low: u8, high: &Option<u8>| high.is_none_or(|high| low < high);
                one == two && below(*low, other_high) && below(*other_low, high)
            }
            _ => false,
        };
        overlap && !(reads_beside(self.mode, other.mode) || is_intent(self.mode) || is_intent(other.mode))
    }
}

fn is_intent(mode: Mode) -> bool {
    matches!(mode, Mode::IS | Mode::IX)
}

/// Whether neither may write, and at most one may come to write.
fn reads_beside(one: Mode, two: Mode) -> bool {
    // SIX reads all; what it writes is asked for by itself.
    let reads = |mode| matches!(mode, Mode::S | Mode::SIX);
    let may_write = |mode| matches!(mode, Mode::U);
    (reads(one) && (reads(two) || may_write(two))) || (may_write(one) && reads(two))
}

/// Gray's matrix, with U beside S, for what is held on one granule.
pub fn may_stand_together(one: Mode, two: Mode) -> bool {
    use Mode::{IS, IX, S, SIX, U};
    let pair = [one.min(two), one.max(two)];
    matches!(pair, [IS, IS | IX | S | SIX | U] | [IX, IX] | [S, S | U])
}
