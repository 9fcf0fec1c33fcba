//! Rows of unequal favour: the one at rank `n` is chosen with a probability that falls as `1 / n^skew`.
//!
//! The sums are made once, so a choice is a binary search: exact for every number of rows, eight bytes a row.

use crate::random::Random;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Zipf {
    /// Up to and with each rank, out of the whole.
    sums: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(rows: u64, skew: f64) -> Zipf {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = Vec::with_capacity(rows as usize);
        for rank in 1..=rows {
            sum += (rank as f64).powf(-skew);
            sums.push(sum);
        }
        Zipf { sums }
    }

    /// A row. Ranks are spread over the table, so that the favoured rows are in many segments.
    pub(super) fn row(&self, random: &mut Random) -> u64 {
        let whole = self.sums.last().copied().unwrap_or(1.0);
        let at = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * whole;
        let rank = self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1) as u64;
        spread(rank, self.sums.len() as u64)
    }
}

/// Takes ranks to rows, each to one of its own: a step that has no factor in common with the number of rows.
fn spread(rank: u64, rows: u64) -> u64 {
    const STEP: u64 = 2_654_435_761; // a prime
    let step = if rows.is_multiple_of(STEP) { 1 } else { STEP };
    (u128::from(rank) * u128::from(step) % u128::from(rows)) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rank_has_a_row_of_its_own() {
        for rows in [1, 2, 10, 1_000] {
            let all: HashSet<u64> = (0..rows).map(|rank| spread(rank, rows)).collect();
            assert_eq!(all.len() as u64, rows);
            assert!(all.iter().all(|row| *row < rows));
        }
    }

    #[test]
    fn the_first_rank_is_chosen_as_often_as_its_part_of_the_sum() {
        let (zipf, mut random) = (Zipf::new(1_000, 0.99), Random::new(7));
        let first = spread(0, 1_000);
        let hits = (0..100_000).filter(|_| zipf.row(&mut random) == first).count() as f64;
        let whole: f64 = (1..=1_000).map(|rank| 1.0 / f64::from(rank).powf(0.99)).sum();
        let expected = 100_000.0 / whole;
        assert!((hits - expected).abs() < expected / 20.0, "{hits} of {expected}");
    }
}
