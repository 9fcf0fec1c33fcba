//! The short rein: how much may be written to sled before it has to be synced.
//!
//! sled reuses the space of live data before the replacement is on disk, so a power cut can destroy data that was
//! synced long ago. In recorded write traces that never happened while less than half a segment was written between
//! two syncs; so a write that could take the sum there is preceded by a sync.

use crate::options::MAX_STORED_BYTES;

/// Size of sled's segments, fixed when a store is made.
pub(super) const SEGMENT_BYTES: usize = 2 << 20;
const LIMIT: usize = SEGMENT_BYTES / 2;
/// A value may make sled write its whole leaf again: up to 17 values, and some overhead.
const LEAF_FACTOR: usize = 20;

/// Set, in builds with the feature `torture` only, to run sled with its defaults and without the rein.
const OFF: &str = "GANGLINE_UNREINED";

/// Whether sled is held on the rein. Always, but for the test that must see data lost without it.
pub(super) fn is_on() -> bool {
    !cfg!(feature = "torture") || std::env::var_os(OFF).is_none()
}

/// What was written since the last sync, at its worst.
#[derive(Debug)]
pub(super) struct Rein {
    charged: usize,
}

impl Rein {
    /// Opening a store may have written; the first write is preceded by a sync.
    pub(super) fn new() -> Self {
        Rein { charged: LIMIT }
    }

    /// Charges a value, or a removal as the largest page. Returns whether a sync has to come first.
    pub(super) fn must_sync_before(&mut self, value_len: Option<usize>) -> bool {
        let cost = LEAF_FACTOR * value_len.unwrap_or(MAX_STORED_BYTES).max(64);
        let must_sync = self.charged + cost >= LIMIT;
        self.charged = if must_sync { cost } else { self.charged + cost };
        must_sync
    }

    /// Everything written is on disk.
    pub(super) fn synced(&mut self) {
        self.charged = 0;
    }
}

const _: () = assert!(LEAF_FACTOR * MAX_STORED_BYTES < LIMIT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_half_a_segment_is_charged_between_two_syncs() {
        let mut rein = Rein::new();
        assert!(rein.must_sync_before(Some(4096)));
        let mut charged = 20 * 4096;
        let mut syncs = 0;
        for _ in 0..1000 {
            if rein.must_sync_before(Some(4096)) {
                charged = 0;
                syncs += 1;
            }
            charged += 20 * 4096;
            assert!(charged < 1 << 20);
        }
        assert_eq!(syncs, 1000 / 12);
    }

    #[test]
    fn a_removal_costs_as_much_as_the_largest_value() {
        let mut removals = Rein::new();
        let mut values = Rein::new();
        for _ in 0..100 {
            assert_eq!(removals.must_sync_before(None), values.must_sync_before(Some(MAX_STORED_BYTES)));
        }
    }

    #[test]
    fn a_sync_frees_the_rein() {
        let mut rein = Rein::new();
        assert!(rein.must_sync_before(Some(7168)));
        rein.synced();
        assert!((0..7).all(|_| !rein.must_sync_before(Some(7168))));
        assert!(rein.must_sync_before(Some(7168)));
    }
}
