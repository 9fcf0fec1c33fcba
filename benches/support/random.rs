//! Repeatable random numbers, also for the peers' package: the same seed asks every store for the same rows.

/// A small, fast generator of repeatable numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Each number below `count` once, in another order.
pub fn spread(at: u64, count: u64) -> u64 {
    // A prime above all sizes that are used has no divisor in common with them.
    at * 1_000_003 % count
}

/// Numbers by Zipf's law, drawn by inverting the sum of the first weights and an integral for the others.
#[derive(Debug)]
pub struct Zipf {
    count: u64,
    skew: f64,
    /// The sums of the weights up to each of the first numbers.
    head: Vec<f64>,
    total: f64,
}

impl Zipf {
    pub fn new(count: u64, skew: f64) -> Zipf {
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

    pub fn id(&self, random: &mut Random) -> u64 {
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
