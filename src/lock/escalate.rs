//! A lock on a whole table in place of those inside it.
//!
//! It is only tried: raised from IX to X, two holders that waited for each other's intents would wait for ever. When it
//! is refused the lock set goes on with its rows, and tries again when they are a quarter more.
//!
//! Giving back what is inside, before the end of the transaction, is safe:
//!
//! * Nothing becomes free by it. Who wants anything inside asks for an intent on the table first, and X keeps out all
//!   of them, S those who would write. So what was read stays as it was read, and what was written stays hidden.
//! * Nobody is left to wait for it either: a waiter inside holds an intent on the table, and then the table lock is
//!   refused, but for readers beside S, who do not wait for reads.
//! * The order holds. It speaks of what is held while somebody waits, not of what was held before, and the highest
//!   granule held only becomes a lower one (L3).

use std::sync::Arc;

use crate::error::Result;

use super::held::Held;
use super::manager::LockManager;
use super::mode::Mode;
use super::set::LockSet;
use super::table::LockTable;
use super::waiter::Wakes;

impl LockSet {
    /// The whole table in mode X, in place of all that is held inside it.
    ///
    /// # Errors
    ///
    /// As [`lock_table`](Self::lock_table).
    pub(crate) fn lock_table_alone<T: LockTable + 'static>(&mut self, table: &Arc<T>) -> Result<()> {
        self.lock_table(table, Mode::X)?;
        self.with_held(|held, manager, wakes| {
            let at = held.table_index(table);
            held.give_back_inside(manager, at, wakes);
        });
        Ok(())
    }

    /// Tries for the lock of a table that has many of its rows locked. Goes on as before when it is not free.
    #[cold]
    pub(super) fn escalate(&mut self, table: u32) -> bool {
        let granted = self.with_held(|held, manager, wakes| {
            held.place_of(table).is_some_and(|at| held.try_whole(manager, at, wakes))
        });
        if granted {
            self.note_escalation("table");
        } else {
            self.manager.counters.refused_escalations.add();
        }
        granted
    }

    /// As [`escalate`](Self::escalate), for the table with the most rows locked.
    #[cold]
    pub(super) fn escalate_largest(&mut self) -> bool {
        let largest = self.with_held(|held, _, _| held.tables.iter().max_by_key(|held| held.rows).map(|held| held.id));
        largest.is_some_and(|table| self.escalate(table))
    }

    /// Changes what is held; who is to be woken by that is woken when the slot is free again (L9).
    fn with_held<R>(&self, change: impl FnOnce(&mut Held, &LockManager, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::new();
        let result = change(&mut self.slot().held.lock(), &self.manager, &mut wakes);
        wakes.wake();
        result
    }
}

impl Held {
    fn try_whole(&mut self, manager: &LockManager, at: usize, wakes: &mut Wakes) -> bool {
        let held = &mut self.tables[at];
        let Some(from) = held.mode else { return false };
        let to = from.supremum(if from.writes() { Mode::X } else { Mode::S });
        let head = held.table.head();
        if !head.try_fast(Some(from), to) && !head.try_slow(Some(from), to) {
            held.next_try = held.rows + (manager.escalate_rows() / 4).max(1);
            return false;
        }
        held.mode = Some(to);
        self.give_back_inside(manager, at, wakes);
        true
    }

    /// Gives back rows and segments of a table that is held as a whole, from the rows up.
    fn give_back_inside(&mut self, manager: &LockManager, at: usize, wakes: &mut Wakes) {
        let held = &mut self.tables[at];
        let id = held.id;
        (held.rows, held.next_try) = (0, 0);
        self.rows.take_table(id, |row, mode| manager.rows.release(row, mode, wakes));
        self.segments.retain(|held| {
            let kept = held.table != id;
            if !kept {
                held.lock.head.release(held.mode, wakes);
            }
            kept
        });
    }
}
