//! Which calls of the program start over, how often, and over which locks.
//!
//! A transaction that now and then starts over is as it should be. One that does so again and again asks for its locks
//! in an order that others do not keep, and wants to be written another way, or declared. So each restart is counted
//! for the call that began the transaction. A transaction that does not start over touches nothing of this.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::events::{self, Who};
use crate::options::{RESTARTS_TO_DATABASE, RESTARTS_TO_TABLES};
use crate::sync::Mutex;

use super::manager::LockManager;
use super::mode::Mode;
use super::refusal::Refusal;

/// Most calls that are counted. A program has so many only if it is made by a machine.
const MAX_SITES: usize = 1024;

/// How far the locks of a transaction were widened because it started over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RestartStage {
    /// It took what its runs had asked for.
    Planned,
    /// It took locks on tables in place of those inside them.
    Tables,
    /// It took the database for itself.
    Database,
}

impl RestartStage {
    pub(super) fn after(restarts: u32) -> Self {
        match restarts {
            RESTARTS_TO_DATABASE.. => RestartStage::Database,
            RESTARTS_TO_TABLES.. => RestartStage::Tables,
            _ => RestartStage::Planned,
        }
    }
}

/// A call of the program whose transactions have started over: see [`LockManager::restarting`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestartingCall {
    /// Where the transaction is begun.
    pub caller: &'static Location<'static>,
    /// The label of the last that started over.
    pub label: Option<Arc<str>>,
    /// Transactions that started over at least once.
    pub transactions: u64,
    /// How often they did.
    pub restarts: u64,
    /// The furthest that any of them got.
    pub stage: RestartStage,
    /// The lock that was last refused: `table "users" row 42`.
    pub wanted: String,
    /// The mode in which it was wanted.
    pub wanted_mode: Mode,
    /// The call inside the transaction that wanted it.
    pub wanted_at: &'static Location<'static>,
    /// The highest granule that was held then, for which it could not be waited for.
    pub held: Option<String>,
    /// Warnings given: the first when a transaction took locks on whole tables, then whenever the restarts doubled.
    pub warnings: u32,
}

impl fmt::Display for RestartingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RestartingCall { caller, transactions, restarts, wanted, wanted_mode, wanted_at, .. } = self;
        write!(f, "{caller}")?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        let stage = match self.stage {
            RestartStage::Planned => "",
            RestartStage::Tables => ", up to locks on tables",
            RestartStage::Database => ", up to a lock on the database",
        };
        write!(f, ": {restarts} restarts of {transactions} transactions{stage}; last wanted {wanted} in mode ")?;
        write!(f, "{wanted_mode} at {wanted_at}")?;
        self.held.as_ref().map_or(Ok(()), |held| write!(f, " while holding {held}"))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Restarting(Mutex<BTreeMap<&'static Location<'static>, Counted>>);

#[derive(Debug)]
struct Counted {
    call: RestartingCall,
    /// Restarts at which the next warning is due; none is before a lock on a table was taken.
    warn_at: u64,
}

impl LockManager {
    /// The calls of the program whose transactions have started over since the manager was made, the most restarts
    /// first. At most 1,024 of them are counted.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// let db = gangline::Db::in_memory()?;
    /// for call in db.locks().restarting() {
    ///     println!("{call}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn restarting(&self) -> Vec<RestartingCall> {
        let mut calls: Vec<_> = self.restarting.0.lock().values().map(|counted| counted.call.clone()).collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call.restarts));
        calls
    }

    /// Counts a restart, the how many-th of its transaction `restarts` says.
    #[cold]
    pub(super) fn note_restart(
        &self,
        caller: &'static Location<'static>,
        label: Option<&Arc<str>>,
        restarts: u32,
        refusal: Refusal,
    ) {
        let warned = self.restarting.note(caller, label, restarts, refusal);
        if let Some(call) = warned {
            self.warn_restarting(&call);
        }
    }

    /// Says that a call starts over so often that its transactions shut others out. Called without a latch.
    fn warn_restarting(&self, call: &RestartingCall) {
        events::site_restarts(Who { label: call.label.as_deref(), caller: call.caller }, call.restarts);
        self.counters.restart_warnings.add();
    }
}

impl Restarting {
    /// Returns the call if a warning of it is due.
    fn note(
        &self,
        caller: &'static Location<'static>,
        label: Option<&Arc<str>>,
        restarts: u32,
        refusal: Refusal,
    ) -> Option<RestartingCall> {
        let mut calls = self.0.lock();
        if calls.len() >= MAX_SITES && !calls.contains_key(caller) {
            return None;
        }
        let stage = RestartStage::after(restarts);
        let Refusal { wanted, mode, asked, held, .. } = refusal;
        let (transactions, total, warn_at, warnings, reached) = match calls.get(caller) {
            Some(Counted { call, warn_at }) => {
                (call.transactions, call.restarts, *warn_at, call.warnings, call.stage.max(stage))
            }
            None => (0, 0, 0, 0, stage),
        };
        let mut call = RestartingCall {
            caller,
            label: label.cloned(),
            transactions: transactions + u64::from(restarts == 1),
            restarts: total + 1,
            stage: reached,
            wanted,
            wanted_mode: mode,
            wanted_at: asked,
            held: held.map(|(held, _)| held),
            warnings,
        };
        let due = reached >= RestartStage::Tables && call.restarts >= warn_at;
        let mut next = warn_at;
        if due {
            call.warnings += 1;
            next = 2 * call.restarts;
        }
        let warned = due.then(|| call.clone());
        calls.insert(caller, Counted { call, warn_at: next });
        warned
    }
}
