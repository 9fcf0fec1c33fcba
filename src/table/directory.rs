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

    /// The same directory with several segments in place of one.
    pub(crate) fn with_split(&self, old: &Arc<Segment>, parts: Vec<Arc<Segment>>) -> Option<Self> {
        let at = self.find(old.low());
        if !Arc::ptr_eq(&self.segments[at], old) {
            return None;
        }
        let mut segments = self.segments.clone();
        segments.splice(at..=at, parts);
        Some(Directory::new(segments))
    }
}
