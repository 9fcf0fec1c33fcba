//! Whether the running thread may be made to wait for a disk.
//!
//! The thread of an executor may not. A call of a task is first made there all the same, since most find what they need in
//! memory; where it would have to read, it is refused at the place where the reading begins, and made again on a thread of
//! the database. So such a call must be one that can be made twice, until it has read all that it needs.

use std::cell::Cell;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::thread_local;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocking {
    Allowed,
    Refused,
    /// It was wanted while it was refused.
    Wanted,
}

thread_local! {
    static BLOCKING: Cell<Blocking> = const { Cell::new(Blocking::Allowed) };
}

/// Runs `body` without letting it wait for a disk. None: it would have had to, and must be run again elsewhere.
pub(crate) fn without_blocking<R>(body: impl FnOnce() -> R) -> Option<R> {
    let entered = Entered { before: BLOCKING.with(|blocking| blocking.replace(Blocking::Refused)) };
    let outcome = body();
    let wanted = BLOCKING.with(Cell::get) == Blocking::Wanted;
    drop(entered);
    (!wanted).then_some(outcome)
}

/// Gives the thread its former state back, also in a panic.
struct Entered {
    before: Blocking,
}

impl Drop for Entered {
    fn drop(&mut self) {
        BLOCKING.with(|blocking| blocking.set(self.before));
    }
}

/// To be asked where something begins that may wait for a disk.
///
/// # Errors
///
/// When the thread may not. Nobody sees the error: what it ends is done again.
pub(crate) fn check_may_block() -> Result<()> {
    BLOCKING.with(|blocking| {
        if blocking.get() == Blocking::Allowed {
            return Ok(());
        }
        blocking.set(Blocking::Wanted);
        Err(Error::new(ErrorKind::Io, "a task may not wait for a disk; this is done again on another thread"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_block_is_refused_and_noted_while_it_must_not() {
        check_may_block().expect("a plain thread may");
        assert_eq!(without_blocking(|| 1), Some(1));
        assert_eq!(without_blocking(|| check_may_block().is_ok()), None, "noted, whatever became of the error");
        let nested = without_blocking(|| without_blocking(|| check_may_block().is_ok()));
        assert_eq!(nested, Some(None), "the outer one goes on without what the inner one wanted");
        check_may_block().expect("and may again");
    }

    #[test]
    fn a_panic_gives_the_former_state_back() {
        let panicked = std::panic::catch_unwind(|| without_blocking(|| std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        check_may_block().expect("the body has ended");
    }
}
