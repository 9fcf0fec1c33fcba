//! Locks that are taken if they are free and left alone if not: no queue, no wait, no restart.

use std::sync::Arc;

use crate::error::Result;

use super::held::Held;
use super::manager::LockManager;
use super::mode::{Mode, raise};
use super::set::LockSet;
use super::step::Blocked;
use super::table::LockTable;
use super::waiter::Wakes;

impl LockSet {
    /// The whole table if it is free, without a wait and without a restart. Leaves nothing behind when it is not.
    pub(crate) fn try_lock_table<T: LockTable + 'static>(&mut self, table: &Arc<T>, mode: Mode) -> bool {
        let tried = self.step(|held, manager| {
            let at = held.table_index(table);
            let before = held.database;
            if held.covered_above(at, mode) || held.try_table(manager, at, mode) {
                return Ok(None);
            }
            Ok(Some(held.database.take_if(|_| before.is_none())))
        });
        match tried {
            Ok(None) => return true,
            Ok(Some(Some(taken))) => {
                let mut wakes = Wakes::new();
                self.manager.database.release(taken, &mut wakes);
                wakes.wake();
            }
            Ok(Some(None)) | Err(_) => {}
        }
        self.manager.counters.refused_reads.add();
        false
    }

    /// A name if it is free. What the lock set held before it keeps.
    ///
    /// # Errors
    ///
    /// `OutOfOrder` if the thread holds this name or a greater one by a guard.
    pub(crate) fn try_lock_name(&mut self, name: &str, mode: Mode) -> Result<bool> {
        let guarded = self.check_order(name)?;
        Ok(self.step(|held, manager| held.try_name(manager, name, mode, guarded)).is_ok())
    }
}

impl Held {
    fn try_table(&mut self, manager: &LockManager, at: usize, mode: Mode) -> bool {
        if let Some(to) = raise(self.database, mode.intent()) {
            if !manager.database.try_fast(self.database, to) && !manager.database.try_slow(self.database, to) {
                return false;
            }
            self.database = Some(to);
        }
        let held = &mut self.tables[at];
        let Some(to) = raise(held.mode, mode) else { return true };
        let head = held.table.head();
        let granted = head.try_fast(held.mode, to) || head.try_slow(held.mode, to);
        if granted {
            held.mode = Some(to);
        }
        granted
    }

    /// The root keeps its intent when the name is refused: it goes with the lock set.
    fn try_name(&mut self, manager: &LockManager, name: &str, mode: Mode, guarded: bool) -> Result<(), Blocked> {
        match self.lock_name(manager, name, mode, guarded) {
            Err(Blocked::Wait(wanted)) if wanted.target.try_slow(manager, wanted.from, wanted.to) => {
                self.record(*wanted);
                self.try_name(manager, name, mode, guarded)
            }
            other => other,
        }
    }
}
