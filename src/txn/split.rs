//! Splits segments that have grown too large.
//!
//! A split is a transaction of the system: with intent locks on database and table it takes X on the segment through
//! the segment's queue, so that nobody holds or covers a part of it, and then puts two new segments in its place. The
//! rows do not move: the new segments share the old one's pages, and the new directory says the same as the old.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::engine::Engine;
use crate::codec::KeyBuf;
use crate::lock::{LockSet, LockTable, Mode};
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;

/// How long a split waits for the segment, which stops others meanwhile.
const PATIENCE: Duration = Duration::from_millis(2);
/// The same when the segment has grown to a multiple of its size.
const LONG_PATIENCE: Duration = Duration::from_millis(50);

impl Engine {
    /// Splits a segment if it can be had soon; else the split is put off until the segment has grown further.
    #[cold]
    pub(crate) fn split_segment(&self, table: &Arc<TableCore>, segment: &Arc<Segment>) {
        let rows = segment.rows();
        let patience = if rows > 4 * self.options.segment_rows as u64 { LONG_PATIENCE } else { PATIENCE };
        let mut locks = LockSet::begin(&self.locks, Location::caller(), Some("split".into()));
        let found = table.locate(segment.low());
        let ours = Arc::ptr_eq(&found, &segment.lock);
        // The intent on the table is taken by the same call and under the same deadline: a transaction that reads the
        // whole table may hold it for long, and the commit that brought the split is not to wait for that.
        let locked = ours && matches!(locks.lock_segment(table, &found, Mode::X, Instant::now() + patience), Ok(true));
        if !locked || !self.replace_by_halves(table, segment) {
            segment.put_split_off();
        }
    }

    /// Under X on the segment.
    fn replace_by_halves(&self, table: &Arc<TableCore>, segment: &Arc<Segment>) -> bool {
        let last = self.commits.latch();
        let Some(list) = segment.list(None) else { return false };
        let counts: Vec<u64> = list.slots.iter().map(|slot| slot.rows()).collect();
        let Some(at) = half(&counts) else { return false };
        let low: KeyBuf = list.lows[at].clone();
        let part = |range: std::ops::Range<usize>| PageList {
            lows: list.lows[range.clone()].to_vec(),
            slots: list.slots[range].to_vec(),
        };
        let rows = (counts[..at].iter().sum(), counts[at..].iter().sum());
        let (left, right) = (part(0..at), part(at..counts.len()));
        // The left half keeps the id, and with it what the directory on disk says of it.
        let left = segment.left_half(low.clone(), last.number, left, rows.0);
        let right = Segment::new(self.pager.fresh_id(), low, segment.high().cloned(), last.number, right, rows.1);
        let directory = table.with_directory(|directory| directory.with_split(segment, left, right));
        let Some(directory) = directory else { return false };
        table.replace_directory(last.number, directory, &self.pager.registry);
        segment.lock.head.retire();
        self.counts.segment_splits.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// The page at which the second half of the rows begins.
fn half(counts: &[u64]) -> Option<usize> {
    let total: u64 = counts.iter().sum();
    let mut sum = 0;
    for (at, count) in counts.iter().enumerate() {
        if at > 0 && sum * 2 >= total {
            return Some(at);
        }
        sum += count;
    }
    (counts.len() > 1).then(|| counts.len() - 1)
}
