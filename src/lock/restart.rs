//! Starting over: everything given back, and what was learned taken in order.

use crate::codec::KeyBuf;
use crate::context;
use crate::error::Result;
use crate::events;
use crate::options::RESTARTS_PER_STAGE;

use super::held::Held;
use super::manager::LockManager;
use super::mode::Mode;
use super::plan::{Plan, TablePlan};
use super::set::{LockSet, MAX_RESTARTS};
use super::table::SegmentLock;

impl LockSet {
    /// Gives everything back and takes what the runs so far have shown to be needed, in order.
    ///
    /// After [`RESTARTS_PER_STAGE`] restarts that is widened to tables, after as many more to the database (and to all
    /// names if one was wanted and the thread holds none by a guard): so there are at most [`MAX_RESTARTS`].
    ///
    /// # Errors
    ///
    /// `LockTimeout` with the holders; `OutOfOrder` if the thread has meanwhile taken a guard above a planned name.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.release_all();
        self.restarts += 1;
        debug_assert!(self.restarts <= MAX_RESTARTS, "L11: restarts are bounded");
        self.manager.counters.restarts.add();
        events::restart(self.who(), self.restarts);
        self.restart_wanted = false;
        let mut plan = self.plan.take().unwrap_or_default();
        if self.restarts >= MAX_RESTARTS {
            plan.widen_to_database(!context::holds_any_name(self.manager.id()));
        } else if self.restarts >= RESTARTS_PER_STAGE {
            plan.widen_to_tables();
        }
        if self.restarts.is_multiple_of(RESTARTS_PER_STAGE) {
            self.note_escalation(if self.restarts >= MAX_RESTARTS { "database" } else { "tables" });
            events::site_restarts(self.who(), self.restarts);
        }
        while plan.row_count() > self.manager.max_row_locks() {
            plan.widen_largest();
            self.note_escalation("table");
        }
        let taken = self.take(&plan);
        self.plan = Some(plan);
        taken
    }

    /// Takes a plan in the order of its granules. Every wait in it is allowed, since it starts from nothing.
    fn take(&mut self, plan: &Plan) -> Result<()> {
        if let Some(mode) = plan.names_root_mode() {
            self.lock_names_root(mode)?;
        }
        for (name, mode) in &plan.names {
            self.lock_name(name, *mode)?;
        }
        if let Some(mode) = plan.database_mode() {
            self.obtain(|held, manager| held.lock_database(manager, mode), |_| {})?;
        }
        for plan in plan.tables.values() {
            let mode = plan.table_mode();
            let step = |held: &mut Held, manager: &LockManager| {
                let at = held.plan_table_index(&plan.table);
                held.lock_table(manager, at, mode)
            };
            self.obtain(step, |_| {})?;
        }
        plan.tables.values().try_for_each(|plan| self.take_inside(plan))
    }

    /// The segments and rows of a table's plan, ascending, each segment before the rows in it.
    fn take_inside(&mut self, plan: &TablePlan) -> Result<()> {
        let mut next = plan.next_point(&KeyBuf::empty());
        while let Some(at) = next {
            let step = |held: &mut Held, _: &LockManager| {
                let table = held.plan_table_index(&plan.table);
                let mode = |segment: &SegmentLock| plan.segment_mode(segment).unwrap_or(Mode::IS);
                let index = held.lock_segment(table, &at, mode)?;
                Ok(held.segments[index].lock.high.clone())
            };
            let end = self.obtain(step, |_| {})?;
            let inside = |key: &KeyBuf| end.as_ref().is_none_or(|end| key < end);
            for (key, mode) in plan.rows_from(&at).take_while(|(key, _)| inside(key)) {
                let step = |held: &mut Held, manager: &LockManager| {
                    let table = held.plan_table_index(&plan.table);
                    held.lock_row(manager, table, key, mode)
                };
                self.obtain(step, |_| {})?;
            }
            next = end.and_then(|end| plan.next_point(&end));
        }
        Ok(())
    }
}
