//! The errors of the lock layer: who stands in the way, and what to do about it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

use super::chain::Blocker;
use super::collect;
use super::dump::{GranuleLocks, LockHolder};
use super::held::Wanted;
use super::limit::Limit;
use super::locked::LockedGranule;
use super::manager::LockManager;

/// Holders that an error names, with those they wait for; the dump has them all.
const NAMED_HOLDERS: usize = 5;

pub(crate) fn restart() -> Error {
    let text = "a lock that the transaction needs is not free, and it may not wait for it while it holds later ones; \
                it starts over with that lock taken first";
    Error::new(ErrorKind::Restart, text)
}

pub(crate) fn out_of_order(name: &str, caller: &Location<'_>, held: &str, site: &Location<'_>) -> Error {
    let text = if name == held {
        format!("lock on name {name:?} at {caller} while this thread holds it since {site}; use the first guard")
    } else {
        format!(
            "lock on name {name:?} at {caller} while this thread holds {held:?} since {site}; names are taken in the \
             order of their bytes, so take {name:?} first, or both with lock_all"
        )
    };
    Error::new(ErrorKind::OutOfOrder, text)
}

pub(crate) fn refused_for_good(what: &str, restarts: u32) -> Error {
    let text = format!(
        "lock on {what} is still not free after {restarts} restarts of the transaction; take it with a guard \
         before the transaction, or first in it"
    );
    Error::new(ErrorKind::OutOfOrder, text)
}

/// `waiter` is the id of the lock set that gave up, which may hold the granule itself in another mode.
#[cold]
pub(crate) fn timeout(manager: &LockManager, waiter: u64, wanted: &Wanted, waited: Duration) -> Error {
    let (granule, others) = in_the_way(manager, waiter, wanted);
    let (mode, waited) = (wanted.to, waited.as_millis());
    Error::new(ErrorKind::LockTimeout, format!("lock on {granule} in mode {mode} not granted in {waited} ms{others}"))
}

/// A wait that a limit has ended.
#[cold]
pub(crate) fn over(manager: &LockManager, waiter: u64, limit: &Limit, wanted: &Wanted) -> Error {
    let (granule, others) = in_the_way(manager, waiter, wanted);
    limit.error(format!("while it waited for the lock on {granule} in mode {}{others}", wanted.to))
}

/// What was waited for, and who holds it and waits for it now.
fn in_the_way(manager: &LockManager, waiter: u64, wanted: &Wanted) -> (LockedGranule, String) {
    let (dump, at) = collect::contended(manager, &wanted.target);
    let GranuleLocks { granule, waiting, .. } = &dump.granules[at];
    let holders = match &dump.holders_of(at, waiter)[..] {
        [] => "; nobody holds it any more, so try again".to_owned(),
        blockers => Blame(blockers).to_string(),
    };
    (granule.clone(), format!("{holders}; {} others wait for it", waiting.len()))
}

/// The holders in one line, each with what it waits for and who holds that. Those who are named several times are
/// followed once, as in the list.
struct Blame<'a>(&'a [Blocker]);

impl fmt::Display for Blame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<&Blocker> = None;
        for blocker in self.0.iter().take(NAMED_HOLDERS) {
            f.write_str(match before {
                None => "; held by ",
                Some(before) if blocker.depth > before.depth => " held by ",
                Some(before) if blocker.depth == before.depth => ", by ",
                // Back from what another one waits for.
                Some(_) => "; and by ",
            })?;
            let LockHolder { label, thread, mode, age, caller, .. } = &blocker.holder;
            if let Some(label) = label {
                write!(f, "{label:?} on ")?;
            }
            write!(f, "thread {thread:?} in mode {mode} for {} ms, from {caller}", age.as_millis())?;
            if let Some(granule) = &blocker.waits_for {
                write!(f, ", which waits for {granule}")?;
            }
            before = Some(blocker);
        }
        match self.0.len().saturating_sub(NAMED_HOLDERS) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
