//! Merges segments that removals have left small.
//!
//! A merge is a transaction of the system, as a split is: with intent locks on database and table it takes X on two
//! neighbours through their queues, in the order of their keys, so that nobody holds or covers a part of either, and
//! then puts one segment in their place. Small pages are joined on the way ([`Joiner`]); other rows do not move.
//!
//! A segment is small below a quarter of the size asked for, and two become one of at most five quarters. A split needs
//! twice the size and leaves at least a half, so what was merged is not split at once, nor the other way round. An
//! empty segment can go to a neighbour of any size, which it does not make larger.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::commit::Committed;
use super::engine::Engine;
use crate::codec::KeyBuf;
use crate::events;
use crate::lock::{LockSet, Mode};
use crate::sync::Instant;
use crate::table::join::Joiner;
use crate::table::page::Garbage;
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;

/// How long a merge waits for its segments, which stops others meanwhile.
const PATIENCE: Duration = Duration::from_millis(2);
/// Merges that a commit makes at most for each segment that it has left small: it has not asked for them.
const MERGES_A_SEGMENT: usize = 8;

/// How one merge ended.
enum Merge {
    Done(Arc<Segment>),
    /// The segment is gone, or has grown since.
    Needless,
    /// Locks were held, or no neighbour has room.
    PutOff,
}

impl Engine {
    /// Splits and merges the segments that a commit has left too large or too small, after its locks were given back.
    #[inline]
    pub(crate) fn reshape(&self, committed: &Committed) {
        for (table, segment) in &committed.grown {
            self.split_segment(table, segment);
        }
        let mut patience = PATIENCE;
        for (table, segment) in &committed.small {
            if !self.merge_segment(table, segment, patience) {
                // A commit that has emptied many segments waits once and not for each of them.
                patience = Duration::ZERO;
            }
        }
        if let Some((table, segment)) = &committed.put_off {
            // The commit that comes by has nothing to do with it, so it is not made to wait.
            self.merge_segment(table, segment, Duration::ZERO);
        }
    }

    /// Merges a segment if it and a neighbour can be had soon; else the merge is put off. False if it was.
    #[cold]
    fn merge_segment(&self, table: &Arc<TableCore>, segment: &Arc<Segment>, patience: Duration) -> bool {
        let mut small = Arc::clone(segment);
        for _ in 0..MERGES_A_SEGMENT {
            match self.merge_once(table, &small, patience) {
                Merge::Done(merged) => small = merged,
                Merge::Needless => return true,
                Merge::PutOff => break,
            }
        }
        let put_off = small.is_small(self.options.segment_rows);
        if put_off {
            table.put_off.add(&small);
        }
        !put_off
    }

    fn merge_once(&self, table: &Arc<TableCore>, small: &Arc<Segment>, patience: Duration) -> Merge {
        let size = self.options.segment_rows;
        let in_force = table.with_directory(|directory| directory.place_of(&[small]).is_some());
        if !in_force || !small.is_small(size) {
            return Merge::Needless;
        }
        let most = (size + size / 4) as u64;
        let Some(pair) = table.with_directory(|directory| directory.merge_pair(small, most)) else {
            return Merge::PutOff;
        };
        // Read before anything is locked. A list that was loaded stays loaded. What cannot be read is told to those who
        // want the rows.
        if pair.iter().any(|segment| self.pager.list(table, segment, None).is_err()) {
            return Merge::PutOff;
        }
        let mut locks = LockSet::begin(&self.locks, Location::caller(), Some("merge".into()));
        let deadline = Instant::now() + patience;
        let mut lock =
            |segment: &Arc<Segment>| matches!(locks.lock_segment(table, &segment.lock, Mode::X, deadline), Ok(true));
        if !pair.iter().all(&mut lock) {
            return Merge::PutOff;
        }
        let mut garbage = Garbage::default();
        let merged = self.replace_by_one(table, &pair, &mut garbage);
        drop(locks);
        drop(garbage);
        let Some(merged) = merged else { return Merge::PutOff };
        events::segments_merged(table.name(), merged.rows());
        Merge::Done(merged)
    }

    /// Under X on both segments.
    fn replace_by_one(
        &self,
        table: &Arc<TableCore>,
        [left, right]: &[Arc<Segment>; 2],
        garbage: &mut Garbage,
    ) -> Option<Arc<Segment>> {
        let last = self.commits.latch();
        table.with_directory(|directory| directory.place_of(&[left, right]))?;
        let (first, second) = (left.list(None)?, right.list(None)?);
        let lows = |list: &PageList, low: &KeyBuf| -> Vec<KeyBuf> {
            [low].into_iter().chain(list.lows.iter().skip(1)).cloned().collect()
        };
        let list = PageList {
            lows: lows(&first, left.low()).into_iter().chain(lows(&second, right.low())).collect(),
            slots: first.slots.iter().chain(&second.slots).cloned().collect(),
        };
        let pages = Joiner::new(&self.pager, table.id(), last.number, garbage).compact(&list);
        // The left one's id goes on. On disk the right one is in force until a root without it is durable.
        let merged = left.continued(right.high().cloned(), last.number, pages, left.rows() + right.rows());
        if self.journal.is_some() {
            self.pager.segment_gone(right.gone(table.id()));
        }
        let directory =
            table.with_directory(|directory| directory.with_replaced(&[left, right], [Arc::clone(&merged)]))?;
        table.replace_directory(last.number, directory, &self.pager.registry);
        let wakes = [left, right].map(|segment| segment.lock.head.retire());
        drop(last);
        wakes.into_iter().for_each(|wakes| wakes.wake());
        self.counts.segment_merges.fetch_add(1, Ordering::Relaxed);
        Some(merged)
    }
}
