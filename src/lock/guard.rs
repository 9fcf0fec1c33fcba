//! Names held by a thread until a guard is dropped.

use std::panic::Location;
use std::sync::Arc;

use crate::context::{self, Counted};
use crate::error::Result;

use super::manager::LockManager;
use super::mode::Mode;
use super::names::Names;
use super::set::{LockSet, LockTime};

/// Names that this thread holds; dropping the guard gives them back.
///
/// A guard cannot be sent to another thread: what a thread holds as guards counts as held by every statement and
/// transaction that it starts.
#[must_use = "the names are given back when the guard is dropped"]
pub struct LockGuard {
    // In this order: given back before forgotten, since what the thread holds must never be more than what is noted.
    _set: LockSet,
    counted: Counted,
}

impl std::fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockGuard").field("names", &self.counted.len()).finish_non_exhaustive()
    }
}

impl LockGuard {
    pub(crate) fn wait_for(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        lock_time: LockTime,
        caller: &'static Location<'static>,
    ) -> Result<Self> {
        let names = Names::new(names)?;
        let set = names.taken(manager, lock_time, caller)?;
        Ok(Self::of(manager, set, &names, caller))
    }

    pub(crate) fn try_for(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        caller: &'static Location<'static>,
    ) -> Result<Option<Self>> {
        let names = Names::new(names)?;
        let set = names.try_taken(manager, caller)?;
        Ok(set.map(|set| Self::of(manager, set, &names, caller)))
    }

    fn of(manager: &Arc<LockManager>, set: LockSet, names: &Names, caller: &'static Location<'static>) -> Self {
        LockGuard { _set: set, counted: context::count_as_held(names.held(manager, caller)) }
    }
}
