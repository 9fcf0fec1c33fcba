//! Starting over: everything given back, and what was learned taken in order.

use crate::codec::KeyBuf;
use crate::context;
use crate::error::Result;
use crate::events;
use crate::meters;
use crate::options::{MAX_RESTARTS, RESTARTS_TO_DATABASE, RESTARTS_TO_TABLES};

use super::awaited::{How, at_once};
use super::held::Held;
use super::manager::LockManager;
use super::mode::Mode;
use super::plan::{Plan, TablePlan};
use super::restarting::RestartStage;
use super::set::LockSet;
use super::table::{FIRST_INDEX, SegmentLock};

impl LockSet {
    /// Gives everything back and takes what the runs so far have shown to be needed, in order.
    ///
    /// After [`RESTARTS_TO_TABLES`] restarts that is widened to tables, after [`RESTARTS_TO_DATABASE`] to the database
    /// (and to all names if one was wanted and the thread holds none by a guard). From then on only a name can be
    /// refused that is wanted for the first time, and once it is, all names are taken: so there are at most
    /// [`MAX_RESTARTS`] (L11).
    ///
    /// # Errors
    ///
    /// `LockTimeout` with the holders; `OutOfOrder` if the thread has meanwhile taken a guard above a planned name.
    pub(crate) fn restart(&mut self) -> Result<()> {
        at_once(self.restart_by(How::Parked))
    }

    /// As [`restart`](Self::restart). A future that is dropped leaves a part of the plan taken, with which the lock set
    /// may go on: what is missing is asked for again.
    pub(super) async fn restart_by(&mut self, how: How) -> Result<()> {
        self.release_all();
        self.restarts += 1;
        debug_assert!(self.restarts <= MAX_RESTARTS, "L11: restarts are bounded");
        self.manager.counters.restarts.add();
        meters::restart();
        events::restart(self.who(), self.restarts);
        self.restart_wanted = false;
        let mut plan = self.plan.take().unwrap_or_default();
        match RestartStage::after(self.restarts) {
            RestartStage::Planned => {}
            RestartStage::Tables => plan.widen_to_tables(),
            RestartStage::Database => plan.widen_to_database(!context::holds_any_name(self.manager.id())),
        }
        match self.restarts {
            RESTARTS_TO_TABLES => self.note_escalation("tables"),
            RESTARTS_TO_DATABASE => self.note_escalation("database"),
            _ => {}
        }
        if let Some(refusal) = self.refusal.take() {
            self.manager.note_restart(self.caller, self.label.as_ref(), self.restarts, *refusal);
        }
        while plan.row_count() > self.manager.max_row_locks() {
            plan.widen_largest();
            self.note_escalation("table");
        }
        let taken = self.take(how, &plan).await;
        self.plan = Some(plan);
        taken
    }

    /// Takes a plan in the order of its granules. Every wait in it is allowed, since it starts from nothing.
    pub(super) async fn take(&mut self, how: How, plan: &Plan) -> Result<()> {
        if let Some(mode) = plan.names_root_mode() {
            self.lock_names_root_by(how, mode).await?;
        }
        for (name, mode) in &plan.names {
            self.lock_name_by(how, name, *mode).await?;
        }
        if let Some(mode) = plan.database_mode() {
            self.obtain_by(how, |held, manager| held.lock_database(manager, mode), |_| {}).await?;
        }
        // Indexes sort after all that is in any table.
        for tables in [plan.tables.range(..FIRST_INDEX), plan.tables.range(FIRST_INDEX..)] {
            for (_, plan) in tables.clone() {
                let mode = plan.table_mode();
                let step = |held: &mut Held, manager: &LockManager| {
                    let at = held.plan_table_index(&plan.table);
                    held.lock_table(manager, at, mode)
                };
                self.obtain_by(how, step, |_| {}).await?;
            }
            for (_, plan) in tables {
                self.take_inside(how, plan).await?;
            }
        }
        Ok(())
    }

    /// The segments and rows of a table's plan, ascending, each segment before the rows in it.
    async fn take_inside(&mut self, how: How, plan: &TablePlan) -> Result<()> {
        let mut next = plan.next_point(&KeyBuf::empty());
        let all = plan.mode_of_all();
        // What is declared may be covered already by a plan that was widened.
        while let Some(at) = next {
            let step = |held: &mut Held, _: &LockManager| {
                let table = held.plan_table_index(&plan.table);
                if held.covered_above(table, all) {
                    return Ok(None);
                }
                let mode = |segment: &SegmentLock| plan.segment_mode(segment).unwrap_or(Mode::IS);
                let index = held.lock_segment(table, &at, mode)?;
                Ok(Some(held.segments[index].lock.high.clone()))
            };
            let Some(end) = self.obtain_by(how, step, |_| {}).await? else { return Ok(()) };
            let inside = |key: &KeyBuf| end.as_ref().is_none_or(|end| key < end);
            for (key, mode) in plan.rows_from(&at).take_while(|(key, _)| inside(key)) {
                let step = |held: &mut Held, manager: &LockManager| {
                    let table = held.plan_table_index(&plan.table);
                    held.lock_row(manager, table, key, mode)
                };
                self.obtain_by(how, step, |_| {}).await?;
            }
            next = end.and_then(|end| plan.next_point(&end));
        }
        Ok(())
    }
}
