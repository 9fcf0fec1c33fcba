//! One damage to one file: a flipped bit, another byte, or a cut.

use std::fmt;

use crate::random::Random;

/// How often a place that is not among zeros is looked for: most of a file may be space that nobody reads.
const TRIES: u64 = 8;
/// Zeros around a place make it uninteresting.
const AROUND: usize = 64;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// One bit is turned over.
    Bit {
        /// Offset of its byte.
        at: usize,
        /// Which of the eight.
        bit: u8,
    },
    /// A byte gets another value.
    Byte {
        /// Its offset.
        at: usize,
        /// What is added to it.
        add: u8,
    },
    /// The file ends here.
    Cut {
        /// Its new length.
        len: usize,
    },
}

impl Damage {
    /// Chooses a damage to a file that is not empty.
    pub(super) fn choose(bytes: &[u8], random: &mut Random) -> Damage {
        let len = bytes.len() as u64;
        let mut at = random.below(len) as usize;
        for _ in 0..TRIES {
            let around = &bytes[at.saturating_sub(AROUND)..(at + AROUND).min(bytes.len())];
            if around.iter().any(|byte| *byte != 0) {
                break;
            }
            at = random.below(len) as usize;
        }
        match random.below(10) {
            0..=5 => Damage::Bit { at, bit: random.below(8) as u8 },
            6 | 7 => Damage::Byte { at, add: 1 + random.below(255) as u8 },
            _ => Damage::Cut { len: at },
        }
    }

    /// The damaged bytes.
    pub(super) fn apply(self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        match self {
            Damage::Bit { at, bit } => damaged[at] ^= 1 << bit,
            Damage::Byte { at, add } => damaged[at] = damaged[at].wrapping_add(add),
            Damage::Cut { len } => damaged.truncate(len),
        }
        damaged
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Bit { at, bit } => write!(f, "bit {bit} of byte {at} flipped"),
            Damage::Byte { at, add } => write!(f, "{add} added to byte {at}"),
            Damage::Cut { len } => write!(f, "cut to {len} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_changes_something() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut random = Random::new(1);
        let mut kinds = [0; 3];
        for _ in 0..1_000 {
            let damage = Damage::choose(&bytes, &mut random);
            let damaged = damage.apply(&bytes);
            assert_ne!(damaged, bytes, "{damage}");
            let changed = damaged.iter().zip(&bytes).filter(|(one, other)| one != other).count();
            let kind = match damage {
                Damage::Bit { .. } => 0,
                Damage::Byte { .. } => 1,
                Damage::Cut { .. } => 2,
            };
            assert_eq!((changed, damaged.len() == 256), (usize::from(kind < 2), kind < 2));
            kinds[kind] += 1;
        }
        assert!(kinds.iter().all(|count| *count > 100), "{kinds:?}");
    }
}
