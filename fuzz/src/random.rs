//! Where decisions come from: a seeded generator, or the bytes of a fuzzer.

/// A small, fast generator of repeatable numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers, everywhere.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// A generator of its own for part `index` of a run, so that parts can be repeated alone.
    pub fn part(seed: u64, index: u64) -> Self {
        let mut random = Random(seed ^ index.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "endless: there is no None to return")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// A tape of decisions. One from a fuzzer ends, and then says 0 for ever; one from a seed never ends.
#[derive(Debug)]
pub enum Tape<'a> {
    /// Numbers of a generator.
    Seeded(Random),
    /// Bytes that a fuzzer chose, in the order in which they are asked for.
    Bytes(&'a [u8]),
}

impl Tape<'_> {
    /// Whether everything from now on is 0.
    pub fn is_over(&self) -> bool {
        matches!(self, Tape::Bytes(bytes) if bytes.is_empty())
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        match self {
            Tape::Seeded(random) => random.next() as u8,
            Tape::Bytes(bytes) => match bytes.split_first() {
                Some((first, rest)) => {
                    *bytes = rest;
                    *first
                }
                None => 0,
            },
        }
    }

    /// Two bytes as a number.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_parts_differ() {
        let first: Vec<u64> = (0..4).map(|part| Random::part(7, part).next()).collect();
        let again: Vec<u64> = (0..4).map(|part| Random::part(7, part).next()).collect();
        assert_eq!(first, again);
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
        assert!((0..1000).all(|seed| Random::new(seed).below(3) < 3));
    }

    #[test]
    fn a_tape_of_bytes_ends_in_zeros() {
        let mut tape = Tape::Bytes(&[1, 2, 3]);
        assert_eq!((tape.short(), tape.is_over()), (0x0201, false));
        assert_eq!((tape.byte(), tape.is_over(), tape.byte()), (3, true, 0));
    }
}
