//! The errors of the lock layer: who stands in the way, and what to do about it.

use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

use super::dump::{self, GranuleLocks, LockHolder};
use super::held::Wanted;
use super::limit::Limit;
use super::manager::LockManager;

/// Holders that an error names; the dump has them all.
const NAMED_HOLDERS: usize = 3;

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

pub(crate) fn refused_for_good(name: &str, restarts: u32) -> Error {
    let text = format!(
        "lock on name {name:?} is still not free after {restarts} restarts of the transaction; take it with a guard \
         before the transaction, or first in it"
    );
    Error::new(ErrorKind::OutOfOrder, text)
}

#[cold]
pub(crate) fn timeout(manager: &LockManager, wanted: &Wanted, waited: Duration) -> Error {
    let seen = dump::of_granule(manager, &wanted.target);
    let (granule, to, waited) = (&seen.granule, wanted.to, waited.as_millis());
    let mut text = format!("lock on {granule} in mode {to} not granted in {waited} ms");
    add_those_in_the_way(&mut text, &seen);
    Error::new(ErrorKind::LockTimeout, text)
}

/// A wait that a limit has ended.
#[cold]
pub(crate) fn over(manager: &LockManager, limit: &Limit, wanted: &Wanted) -> Error {
    let seen = dump::of_granule(manager, &wanted.target);
    let mut text = format!("while it waited for the lock on {} in mode {}", seen.granule, wanted.to);
    add_those_in_the_way(&mut text, &seen);
    limit.error(text)
}

fn add_those_in_the_way(text: &mut String, seen: &GranuleLocks) {
    if seen.holders.is_empty() {
        text.push_str("; nobody holds it any more, so try again");
    }
    for (index, holder) in seen.holders.iter().take(NAMED_HOLDERS).enumerate() {
        text.push_str(if index == 0 { "; held by " } else { ", by " });
        let _ = write!(text, "{}", Holder(holder));
    }
    if seen.holders.len() > NAMED_HOLDERS {
        let _ = write!(text, " and {} more", seen.holders.len() - NAMED_HOLDERS);
    }
    let _ = write!(text, "; {} others wait for it", seen.waiting.len());
}

struct Holder<'a>(&'a LockHolder);

impl std::fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LockHolder { label, thread, mode, age, caller, .. } = self.0;
        if let Some(label) = label {
            write!(f, "{label:?} on ")?;
        }
        write!(f, "thread {thread:?} in mode {mode} for {} ms, from {caller}", age.as_millis())
    }
}
