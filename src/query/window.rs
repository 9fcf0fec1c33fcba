//! `limit` and `offset`: which of the rows that fit are given.

use super::condition::Select;
use super::count::count_parts;
use super::driver::Drive;
use super::scan::{Parts, Scan};
use crate::error::Result;
use crate::table::Row;

/// Which of the rows that fit are given, in the order of the query.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// So many are passed over.
    pub(super) offset: usize,
    /// At most so many are given after these.
    pub(super) limit: Option<usize>,
}

impl Window {
    /// Gives at most `rows`.
    pub(super) fn take(&mut self, rows: usize) {
        self.limit = Some(self.limit.map_or(rows, |limit| limit.min(rows)));
    }

    /// Whether all rows that fit are given.
    pub(super) fn is_all(self) -> bool {
        self.offset == 0 && self.limit.is_none()
    }

    /// Rows up to the last one that is given.
    pub(super) fn end(self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit.saturating_add(self.offset))
    }

    /// Takes the parts away that are passed over as a whole. What is left to pass over lies in the first part.
    ///
    /// The rows are counted and not kept, so a far offset costs time and no memory; without a predicate none is decoded.
    pub(super) fn drop_parts<V: Row>(
        &mut self,
        scan: &Scan<V>,
        parts: &mut Parts,
        select: Option<&Select<'_, V>>,
        drive: &Drive,
    ) -> Result<()> {
        if self.offset == 0 {
            return Ok(());
        }
        let offset = self.offset;
        let enough = |counts: &[usize]| counts.iter().sum::<usize>() > offset;
        let counts = count_parts(scan, parts, select, drive, Some(&enough))?;
        let mut whole = 0;
        for count in counts {
            if count > self.offset {
                break;
            }
            self.offset -= count;
            whole += 1;
        }
        parts.list.drain(..whole);
        Ok(())
    }
}
