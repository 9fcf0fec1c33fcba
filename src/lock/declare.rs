//! Locks that a program names before it needs them.

use crate::error::Result;

use super::awaited::{How, at_once};
use super::plan::Plan;
use super::set::LockSet;

impl LockSet {
    /// Takes all of a plan in the order of its granules, and keeps it for later runs.
    ///
    /// A lock set that holds nothing may wait for each of them, so this never starts over. One that holds something
    /// already is treated as with any other lock: what sorts lower is tried.
    ///
    /// # Errors
    ///
    /// As [`lock_row`](Self::lock_row) and [`lock_name`](Self::lock_name).
    pub(crate) fn declare(&mut self, mut declared: Plan) -> Result<()> {
        while declared.row_count() > self.manager.max_row_locks() {
            declared.widen_largest();
            self.note_escalation("table");
        }
        let taken = at_once(self.take(How::Parked, &declared));
        // Also when it was refused, since not all of it was asked for then.
        self.plan.get_or_insert_default().merge(declared);
        taken
    }
}
