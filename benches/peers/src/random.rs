//! Which rows a workload asks for.

pub(crate) use gangline_bench_support::random::Random;
use gangline_bench_support::random::Zipf;

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
