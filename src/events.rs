//! What happens out of the ordinary, for a program that listens with the `tracing` crate.
//!
//! Without the feature `tracing` every function here is empty, and what its arguments would say is never put together.
//! All events are listed in this one file. None is on the way of a lock that is free at once. Subscribers are code of
//! the program, so no event is sent under a latch.

use std::fmt::Display;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use crate::error::Error;

/// Who waits, restarts or escalates: the label that the program gave it, and where it was called from.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "read by subscribers only"))]
pub(crate) struct Who<'a> {
    pub(crate) label: Option<&'a str>,
    pub(crate) caller: &'static Location<'static>,
}

/// While it lives, events of this thread belong to what it is a span of.
#[must_use]
#[derive(Debug)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    #[expect(dead_code, reason = "kept to be dropped")]
    entered: tracing::span::EnteredSpan,
}

/// Whether events are told at all: texts for them are made only then.
pub(crate) const TOLD: bool = cfg!(feature = "tracing");

/// Turns a list of fields into an event, or into nothing.
macro_rules! event {
    ($level:ident, $($fields:tt)*) => {{
        #[cfg(feature = "tracing")]
        tracing::event!(target: "gangline", tracing::Level::$level, $($fields)*);
    }};
}

/// Enters a span with a list of fields, or none.
macro_rules! span {
    ($name:literal $($fields:tt)*) => {
        Span {
            #[cfg(feature = "tracing")]
            entered: tracing::debug_span!(target: "gangline", $name $($fields)*).entered(),
        }
    };
}

/// The span of one run of a transaction or statement.
#[inline]
pub(crate) fn transaction(who: Who<'_>) -> Span {
    let _ = who;
    span!("transaction", label = who.label, caller = %who.caller)
}

/// The span of a scan, on the thread that asked for it.
#[inline]
pub(crate) fn scan(table: &str, caller: &'static Location<'static>) -> Span {
    let _ = (table, caller);
    span!("scan", table, caller = %caller)
}

/// The span of a checkpoint.
pub(crate) fn checkpoint() -> Span {
    span!("checkpoint")
}

/// The span of an opening, whether there is something to replay or not.
pub(crate) fn recovery(store: &Path) -> Span {
    let _ = store;
    span!("recovery", store = %store.display())
}

/// The span of a backup.
pub(crate) fn backup(into: &Path) -> Span {
    let _ = into;
    span!("backup", into = %into.display())
}

/// The span of one run of a task's transaction, to be entered with each poll.
#[derive(Debug)]
pub(crate) struct TaskSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

pub(crate) fn transaction_of_task(who: Who<'_>) -> TaskSpan {
    #[cfg(not(feature = "tracing"))]
    let _ = who;
    TaskSpan {
        #[cfg(feature = "tracing")]
        span: tracing::debug_span!(target: "gangline", "transaction", label = who.label, caller = %who.caller),
    }
}

impl TaskSpan {
    /// Until the returned value is dropped.
    pub(crate) fn enter(&self) -> impl Sized + '_ {
        #[cfg(feature = "tracing")]
        return self.span.enter();
    }
}

/// A wait has ended that took long.
#[cold]
pub(crate) fn long_wait(who: Who<'_>, granule: &str, mode: &dyn Display, waited: Duration) {
    let _ = (who, granule, mode, waited);
    event!(DEBUG, label = who.label, caller = %who.caller, %granule, %mode, ?waited, "long wait for a lock");
}

/// A wait ended without the lock. The error names the holders.
#[cold]
pub(crate) fn timed_out(who: Who<'_>, error: &Error) {
    let _ = (who, error);
    event!(WARN, label = who.label, caller = %who.caller, %error, "lock time-out");
}

/// A transaction gives everything back and starts over, this being its restart number `restart`.
#[cold]
pub(crate) fn restart(who: Who<'_>, restart: u32) {
    let _ = (who, restart);
    event!(DEBUG, label = who.label, caller = %who.caller, restart, "transaction starts over");
}

/// A transaction has started over so often that larger locks are planned for it: its call site should take locks in
/// order, or say beforehand what it needs.
#[cold]
pub(crate) fn site_restarts(who: Who<'_>, restarts: u64) {
    let _ = (who, restarts);
    event!(WARN, label = who.label, caller = %who.caller, restarts, "transactions of this call site keep starting over");
}

/// Locks are replaced by one `on` something larger.
#[cold]
pub(crate) fn escalation(who: Who<'_>, on: &str) {
    let _ = (who, on);
    event!(INFO, label = who.label, caller = %who.caller, on, "locks are widened");
}

/// A segment was split into `parts`.
#[cold]
pub(crate) fn segment_split(table: &str, parts: usize) {
    let _ = (table, parts);
    event!(DEBUG, table, parts, "segment split");
}

/// A segment was merged with its neighbour into one of this many `rows`.
#[cold]
pub(crate) fn segments_merged(table: &str, rows: u64) {
    let _ = (table, rows);
    event!(DEBUG, table, rows, "segments merged");
}
