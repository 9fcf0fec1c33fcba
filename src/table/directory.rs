//! The directory of a table: its segments in the order of their keys. Always in memory.

use std::ops::Range;
use std::sync::Arc;

use super::low_keys::LowKeys;
use super::segment::Segment;

/// The segments of a table. The first has the empty low key, the last no upper end, and none is missing between.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    lows: LowKeys,
    segments: Vec<Arc<Segment>>,
}

impl Directory {
    pub(crate) fn new(segments: Vec<Arc<Segment>>) -> Self {
        debug_assert!(
            segments.first().is_some_and(|first| first.low().is_empty()),
            "the first segment takes all low keys"
        );
        debug_assert!(segments.windows(2).all(|pair| pair[0].high() == Some(pair[1].low())), "segments touch");
        Directory { lows: segments.iter().map(|segment| segment.low().clone()).collect(), segments }
    }

    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The place of the segment that covers a key.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        self.lows.up_to(key).saturating_sub(1)
    }

    #[inline]
    pub(crate) fn segment_of(&self, key: &[u8]) -> &Arc<Segment> {
        &self.segments[self.find(key)]
    }

    /// The segments that hold keys of `low..high`.
    pub(crate) fn covering(&self, low: &[u8], high: Option<&[u8]>) -> Range<usize> {
        let from = self.find(low);
        let to = high.map_or(self.lows.len(), |high| self.lows.below(high));
        from..to.max(from + 1)
    }

    /// Where these segments stand side by side. None when one of them is not in force any more.
    pub(crate) fn place_of(&self, segments: &[&Arc<Segment>]) -> Option<Range<usize>> {
        let at = self.find(segments.first()?.low());
        let run = self.segments.get(at..at + segments.len())?;
        run.iter().zip(segments).all(|(ours, wanted)| Arc::ptr_eq(ours, wanted)).then_some(at..at + segments.len())
    }

    /// The same directory with other segments in place of some, for the same keys.
    pub(crate) fn with_replaced(
        &self,
        old: &[&Arc<Segment>],
        new: impl IntoIterator<Item = Arc<Segment>>,
    ) -> Option<Self> {
        let place = self.place_of(old)?;
        let mut segments = self.segments.clone();
        segments.splice(place, new);
        Some(Directory::new(segments))
    }

    /// A small segment and the neighbour that it is best merged with, in the order of their keys: the one with fewer
    /// rows, if together they have at most `most`. An empty segment can be put to any other.
    pub(crate) fn merge_pair(&self, small: &Arc<Segment>, most: u64) -> Option<[Arc<Segment>; 2]> {
        let at = self.place_of(&[small])?.start;
        let fits = |other: &Arc<Segment>| {
            let (rows, others) = (small.rows(), other.rows());
            rows == 0 || others == 0 || rows + others <= most
        };
        let before = at.checked_sub(1).map(|before| [&self.segments[before], small]);
        let after = self.segments.get(at + 1).map(|after| [small, after]);
        let before = before.filter(|pair| fits(pair[0])).map(|pair| (pair[0].rows(), pair));
        let after = after.filter(|pair| fits(pair[1])).map(|pair| (pair[1].rows(), pair));
        let (_, pair) = before.into_iter().chain(after).min_by_key(|(rows, _)| *rows)?;
        Some(pair.map(Arc::clone))
    }
}
