//! How long things took: counts in fixed buckets of nanoseconds.
//!
//! Only slow ways are timed, a wait or a hold after one, so that a few shared atomics are cheap enough: a lock that is
//! free at once touches nothing here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Each power of two is cut into 1 << this many buckets of the same width.
const SPLIT_BITS: u32 = 2;
const SPLITS: u64 = 1 << SPLIT_BITS;
/// Up to the largest `u64`.
const BUCKETS: usize = ((64 - SPLIT_BITS) * (1 << SPLIT_BITS) + (1 << SPLIT_BITS)) as usize;

/// How long something took, as counts in buckets of nanoseconds.
///
/// Each power of two has four buckets, so what a bucket tells ([`percentile`](Self::percentile),
/// [`buckets`](Self::buckets)) is at most a quarter too high, and never too low. Count, sum and maximum are exact. It is
/// a copy of counters that go on while they are read, so it may miss parts of what happened at that moment.
///
/// ```
/// use std::time::Duration;
/// use gangline::lock::LockManager;
///
/// # fn main() -> gangline::Result<()> {
/// let locks = LockManager::new(Duration::from_secs(10));
/// drop(locks.lock("renderer")?);
/// let waits = locks.counters().wait_time;
/// assert_eq!(waits.count(), 0, "a lock that is free is not waited for");
/// println!("99 of 100 waits end within {:?}", waits.percentile(0.99));
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Up to the last bucket that is not empty.
    counts: Box<[u64]>,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The time within which this part of all ended: `0.5` is the median, `0.99` what only one of a hundred exceeds. At
    /// most a quarter too high, zero where nothing was measured.
    pub fn percentile(&self, part: f64) -> Duration {
        let rank = (part.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        Duration::from_nanos(bucket.map_or(0, |bucket| upper_bound(bucket).min(self.max)))
    }

    /// The buckets that are not empty: their longest time, and how many took that long or less, but more than the bucket
    /// before admits.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let bound = |(bucket, count): (usize, &u64)| (Duration::from_nanos(upper_bound(bucket)), *count);
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bound)
    }

    /// Adds the counts of another one.
    pub(crate) fn add(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            let mut counts = std::mem::take(&mut self.counts).into_vec();
            counts.resize(other.counts.len(), 0);
            self.counts = counts.into();
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, others)| *mine += others);
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// As what a reader of numbers asks for, in nanoseconds.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        let mut fields = serializer.serialize_struct("Histogram", 5)?;
        fields.serialize_field("count", &self.count())?;
        fields.serialize_field("sum_ns", &self.sum)?;
        fields.serialize_field("p50_ns", &nanoseconds(self.percentile(0.5)))?;
        fields.serialize_field("p99_ns", &nanoseconds(self.percentile(0.99)))?;
        fields.serialize_field("max_ns", &self.max)?;
        fields.end()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum())
            .field("p50", &self.percentile(0.5))
            .field("p99", &self.percentile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

/// A histogram that any thread adds to.
pub(crate) struct Timer {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl Default for Timer {
    fn default() -> Self {
        Timer { counts: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }
}

impl Timer {
    pub(crate) fn add(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(ns)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(ns, Ordering::Relaxed);
        self.max.fetch_max(ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Histogram {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        Histogram {
            counts: counts[..used].into(),
            sum: self.sum.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
        }
    }
}

/// The first buckets hold one value each; from there each power of two has [`SPLITS`].
fn bucket_of(ns: u64) -> usize {
    if ns < SPLITS {
        return ns as usize;
    }
    let power = ns.ilog2();
    let split = (ns >> (power - SPLIT_BITS)) & (SPLITS - 1);
    (u64::from(power - SPLIT_BITS + 1) * SPLITS + split) as usize
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let (power, split) = (bucket as u64 / SPLITS, bucket as u64 % SPLITS);
    if power == 0 {
        return split;
    }
    let shift = power - 1;
    ((SPLITS + split) << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap_up_to_the_largest_number() {
        let mut low = 0u64;
        for bucket in 0..BUCKETS {
            let high = upper_bound(bucket);
            assert_eq!((bucket_of(low), bucket_of(high)), (bucket, bucket), "{low}..={high}");
            assert!(high - low <= low / SPLITS, "{low}..={high} is wider than a quarter of what is in it");
            low = high.wrapping_add(1);
        }
        assert_eq!(low, 0, "the last bucket ends at the largest number");
    }

    #[test]
    fn a_percentile_is_at_most_a_quarter_too_high() {
        let timer = Timer::default();
        assert_eq!(timer.read().percentile(0.5), Duration::ZERO);
        let times: Vec<u64> = (1..=1_000).map(|number| number * number * 37).collect();
        times.iter().for_each(|ns| timer.add(Duration::from_nanos(*ns)));
        let histogram = timer.read();
        for (part, rank) in [(0.0, 1), (0.001, 1), (0.25, 250), (0.5, 500), (0.99, 990), (1.0, 1_000)] {
            let exact = times[rank - 1];
            let told = histogram.percentile(part).as_nanos() as u64;
            assert!(told >= exact && told <= exact + exact / 4, "{part}: {told} for {exact}");
        }
        assert_eq!(histogram.count(), 1_000);
        assert_eq!(histogram.sum(), Duration::from_nanos(times.iter().sum()));
        assert_eq!(histogram.max(), Duration::from_nanos(37_000_000));
        assert_eq!(histogram.buckets().map(|(_, count)| count).sum::<u64>(), 1_000);
        assert!(histogram.buckets().all(|(bound, _)| bound > Duration::ZERO));
    }

    #[test]
    fn sums_of_histograms_are_those_of_all_their_times() {
        let (one, other, all) = (Timer::default(), Timer::default(), Timer::default());
        for ns in [0, 3, 900, 7_000_000_000, u64::MAX] {
            let timer = if ns > 1_000 { &other } else { &one };
            timer.add(Duration::from_nanos(ns));
            all.add(Duration::from_nanos(ns));
        }
        // The sum runs over where one time is as long as it gets, so it is left out here.
        let mut sum = one.read();
        sum.add(&other.read());
        assert_eq!((&sum.counts, sum.max), (&all.read().counts, all.read().max));
        let mut back = other.read();
        back.add(&one.read());
        assert_eq!(back.counts, sum.counts);
    }
}
