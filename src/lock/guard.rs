//! Names held by a thread until a guard is dropped.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::context::{self, NameToken};
use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_NAME_BYTES;

use super::manager::LockManager;
use super::mode::Mode;
use super::set::LockSet;

/// Names that this thread holds; dropping the guard gives them back.
///
/// A guard cannot be sent to another thread: what a thread holds as guards counts as held by every statement and
/// transaction that it starts.
#[must_use = "the names are given back when the guard is dropped"]
pub struct LockGuard {
    tokens: SmallVec<[NameToken; 1]>,
    set: LockSet,
    not_send: PhantomData<*const ()>,
}

impl std::fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockGuard").field("names", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl LockGuard {
    pub(crate) fn wait_for(
        manager: &Arc<LockManager>,
        names: &[(&str, Mode)],
        caller: &'static Location<'static>,
    ) -> Result<Self> {
        let mut sorted: BTreeMap<&str, Mode> = BTreeMap::new();
        for (name, mode) in names {
            check(name, *mode)?;
            sorted.entry(name).and_modify(|wanted| *wanted = wanted.supremum(*mode)).or_insert(*mode);
        }
        let mut set = LockSet::begin(manager, caller, None);
        if let Some((smallest, _)) = sorted.first_key_value() {
            set.check_order(smallest)?;
            set.lock_names_root(sorted.values().fold(Mode::IS, |root, mode| root.supremum(mode.intent())))?;
        }
        for (name, mode) in &sorted {
            set.lock_name(name, *mode)?;
        }
        Ok(Self::of(manager, set, sorted, caller))
    }

    pub(crate) fn try_for(
        manager: &Arc<LockManager>,
        name: &str,
        mode: Mode,
        caller: &'static Location<'static>,
    ) -> Result<Option<Self>> {
        check(name, mode)?;
        let mut set = LockSet::begin(manager, caller, None);
        let granted = set.try_lock_name(name, mode)?;
        Ok(granted.then(|| Self::of(manager, set, BTreeMap::from([(name, mode)]), caller)))
    }

    fn of(
        manager: &Arc<LockManager>,
        set: LockSet,
        names: BTreeMap<&str, Mode>,
        caller: &'static Location<'static>,
    ) -> Self {
        let push = |(name, mode)| context::push_name(manager.id(), name, mode == Mode::X, caller);
        LockGuard { tokens: names.into_iter().map(push).collect(), set, not_send: PhantomData }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // Given back before forgotten: what the thread holds must never be more than what is noted.
        self.set.release_all();
        self.tokens.drain(..).for_each(context::pop_name);
    }
}

fn check(name: &str, mode: Mode) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        let text = format!("lock name of {} bytes: at most {MAX_NAME_BYTES} are allowed, shorten it", name.len());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    if !matches!(mode, Mode::S | Mode::X) {
        let text = format!("lock name {name:?} in mode {mode}: names are locked shared (S) or alone (X)");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(())
}
