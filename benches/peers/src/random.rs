//! Repeatable random numbers: the same seed asks every peer for the same rows.

/// SplitMix64: small, fast and good enough to pick rows.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to the bound, which is not reached.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to 1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How rows are picked.
#[derive(Debug)]
pub(crate) enum Draw {
    /// Each row as often as any other.
    Uniform(u64),
    /// Few rows very often, by Zipf's law.
    Zipf(Zipf),
}

impl Draw {
    pub(crate) fn uniform(rows: u64) -> Self {
        Draw::Uniform(rows)
    }

    /// Zipf's law with the usual skew of 0.99.
    pub(crate) fn zipf(rows: u64) -> Self {
        Draw::Zipf(Zipf::new(rows, 0.99))
    }

    pub(crate) fn id(&self, random: &mut Random) -> u64 {
        match self {
            Draw::Uniform(rows) => random.below(*rows),
            Draw::Zipf(zipf) => zipf.id(random),
        }
    }
}

/// Numbers by Zipf's law, drawn by inverting the sum of the first weights and an integral for the others.
#[derive(Debug)]
pub(crate) struct Zipf {
    count: u64,
    skew: f64,
    /// The sums of the weights up to each of the first numbers.
    head: Vec<f64>,
    total: f64,
}

impl Zipf {
    fn new(count: u64, skew: f64) -> Self {
        let mut total = 0.0;
        let mut head = Vec::new();
        for rank in 1..=count {
            total += (rank as f64).powf(-skew);
            if rank <= 1_000 {
                head.push(total);
            }
        }
        Zipf { count, skew, head, total }
    }

    fn id(&self, random: &mut Random) -> u64 {
        let at = random.unit() * self.total;
        let rank = self.head.partition_point(|sum| *sum < at) as u64;
        let known = self.head.len() as u64;
        let rank = if rank < known {
            rank
        } else {
            // The weights beyond the head change so slowly that the integral is as good as their sum.
            let power = 1.0 - self.skew;
            let start = (known as f64 + 0.5).powf(power);
            let beyond = at - self.head.last().copied().unwrap_or(0.0);
            ((start + beyond * power).powf(1.0 / power) - 0.5) as u64
        };
        // Neighbouring ranks are not neighbouring rows.
        rank.min(self.count - 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_picks_the_first_rank_as_often_as_its_law_says() {
        let rows = 100_000;
        let draw = Draw::zipf(rows);
        let mut random = Random(1);
        let picks = 200_000;
        let first = (0..picks).filter(|_| draw.id(&mut random) == 0).count();
        let total: f64 = (1..=rows).map(|rank| (rank as f64).powf(-0.99)).sum();
        let expected = f64::from(picks) / total;
        assert!((first as f64 - expected).abs() < expected * 0.05, "{first} of {expected}");
        assert!((0..10_000).all(|_| draw.id(&mut random) < rows));
    }
}
