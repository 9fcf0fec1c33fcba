//! Splits segments that have grown too large.
//!
//! A split is a transaction of the system: with intent locks on database and table it takes X on the segment through
//! the segment's queue, so that nobody holds or covers a part of it, and then puts new segments in its place. The
//! rows do not move: the new segments share the old one's pages, and the new directory says the same as the old.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::engine::Engine;
use crate::events;
use crate::lock::mutant::{self, Mutant};
use crate::lock::{LockSet, LockTable, Mode};
use crate::sync::Instant;
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
        let mode = if mutant::on(Mutant::SplitUnderIx) { Mode::IX } else { Mode::X };
        let locked = ours && matches!(locks.lock_segment(table, &found, mode, Instant::now() + patience), Ok(true));
        let parts = if locked { self.replace_by_parts(table, segment) } else { 0 };
        drop(locks);
        match parts {
            0 => segment.put_split_off(),
            parts => events::segment_split(table.name(), parts),
        }
    }

    /// Under X on the segment. Returns how many parts there are now; 0 if it was left as it is.
    fn replace_by_parts(&self, table: &Arc<TableCore>, segment: &Arc<Segment>) -> usize {
        let last = self.commits.latch();
        let Some(list) = segment.list(None) else { return 0 };
        let counts: Vec<u64> = list.slots.iter().map(|slot| slot.rows()).collect();
        let starts = part_starts(&counts, self.options.segment_rows as u64);
        if starts.len() < 2 {
            return 0;
        }
        let ends = starts.iter().skip(1).copied().chain([counts.len()]);
        let parts = starts.iter().zip(ends).map(|(&from, to)| {
            let pages =
                PageList { lows: list.lows[from..to].iter().cloned().collect(), slots: list.slots[from..to].to_vec() };
            let rows = counts[from..to].iter().sum();
            let high = list.lows.get(to).or(segment.high()).cloned();
            if from == 0 {
                // The first part keeps the id, and with it what the directory on disk says of it.
                return segment.continued(high, last.number, pages, rows);
            }
            Segment::new(self.pager.fresh_id(), list.lows[from].clone(), high, last.number, pages, rows)
        });
        let directory = table.with_directory(|directory| directory.with_replaced(&[segment], parts));
        let Some(directory) = directory else { return 0 };
        table.replace_directory(last.number, directory, &self.pager.registry);
        let wakes = segment.lock.head.retire();
        drop(last);
        wakes.wake();
        self.counts.segment_splits.fetch_add(starts.len() as u64 - 1, Ordering::Relaxed);
        starts.len()
    }
}

/// The pages at which parts of about `rows` rows begin. The last part has at least half as many.
fn part_starts(counts: &[u64], rows: u64) -> Vec<usize> {
    let mut left: u64 = counts.iter().sum();
    let mut starts = vec![0];
    let mut part = 0;
    for (at, count) in counts.iter().enumerate() {
        if part >= rows && left >= rows.div_ceil(2) {
            starts.push(at);
            part = 0;
        }
        part += count;
        left -= count;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::part_starts;

    #[test]
    fn parts_have_about_the_rows_asked_for_and_the_last_is_not_tiny() {
        assert_eq!(part_starts(&[40; 10], 100), [0, 3, 6]);
        assert_eq!(part_starts(&[40; 7], 100), [0, 3]);
        assert_eq!(part_starts(&[200, 1, 1], 100), [0]);
        assert_eq!(part_starts(&[200, 50], 100), [0, 1]);
        assert_eq!(part_starts(&[10], 100), [0]);
        assert_eq!(part_starts(&[], 100), [0]);
    }
}
