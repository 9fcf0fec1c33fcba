//! The small segments of a table whose merge was put off: somebody held a lock, or no neighbour had room.
//!
//! A segment that has become empty is touched by no commit any more, so nothing but this list brings it up again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::segment::Segment;

/// Each segment at most once, the one that has waited longest first.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    any: AtomicBool,
    segments: Mutex<VecDeque<Weak<Segment>>>,
}

impl PutOff {
    pub(crate) fn add(&self, segment: &Arc<Segment>) {
        if !segment.set_merge_put_off(true) {
            let mut segments = self.segments.lock();
            segments.push_back(Arc::downgrade(segment));
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// The next one that is still there, to be tried again.
    #[inline]
    pub(crate) fn take(&self) -> Option<Arc<Segment>> {
        if self.any.load(Ordering::Relaxed) { self.take_first() } else { None }
    }

    #[cold]
    fn take_first(&self) -> Option<Arc<Segment>> {
        let mut segments = self.segments.lock();
        let found = std::iter::from_fn(|| segments.pop_front()).find_map(|segment| segment.upgrade());
        self.any.store(!segments.is_empty(), Ordering::Relaxed);
        if let Some(segment) = &found {
            segment.set_merge_put_off(false);
        }
        found
    }
}
