//! What is counted and timed, for a program that collects it with the `metrics` crate.
//!
//! Without the feature `metrics` every function here is empty. All names are in this one file, with their units. Counters
//! and histograms are told as things happen, gauges with each checkpoint and each [`Db::status`](crate::Db::status).
//! Recorders are code of the program, so nothing is told under a latch, nor for a lock that is free at once.

use std::time::Duration;

/// Sizes now.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "read by recorders only"))]
pub(crate) struct Sizes {
    pub(crate) cache_bytes: u64,
    pub(crate) dirty_bytes: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) readers: u64,
}

#[cfg(feature = "metrics")]
mod told {
    use std::time::Duration;

    use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

    use super::Sizes;

    const COMMITS: &str = "gangline_commits_total";
    const SYNCS: &str = "gangline_syncs_total";
    const SYNC_TIME: &str = "gangline_sync_seconds";
    const RESTARTS: &str = "gangline_restarts_total";
    const WAIT_TIME: &str = "gangline_lock_wait_seconds";
    const TIMEOUTS: &str = "gangline_lock_timeouts_total";
    const PAGE_READS: &str = "gangline_page_reads_total";
    const CHECKPOINTS: &str = "gangline_checkpoints_total";
    const CHECKPOINT_TIME: &str = "gangline_checkpoint_seconds";
    const CACHE_BYTES: &str = "gangline_cache_bytes";
    const DIRTY_BYTES: &str = "gangline_dirty_bytes";
    const JOURNAL_BYTES: &str = "gangline_journal_bytes";
    const READERS: &str = "gangline_readers";

    pub(crate) fn describe() {
        describe_counter!(COMMITS, Unit::Count, "commits applied");
        describe_counter!(SYNCS, Unit::Count, "writes and syncs of the journal, each for all commits that waited");
        describe_histogram!(SYNC_TIME, Unit::Seconds, "time of a write and sync of the journal");
        describe_counter!(RESTARTS, Unit::Count, "transactions that gave all locks back and started over");
        describe_histogram!(WAIT_TIME, Unit::Seconds, "time of a wait for a lock, by what it was on");
        describe_counter!(TIMEOUTS, Unit::Count, "waits for a lock that ended without it because the time was over");
        describe_counter!(PAGE_READS, Unit::Count, "pages that were not in memory");
        describe_counter!(CHECKPOINTS, Unit::Count, "checkpoints");
        describe_histogram!(CHECKPOINT_TIME, Unit::Seconds, "time of a checkpoint");
        describe_gauge!(CACHE_BYTES, Unit::Bytes, "pages and decoded rows in memory");
        describe_gauge!(DIRTY_BYTES, Unit::Bytes, "of these, pages that the next checkpoint writes");
        describe_gauge!(JOURNAL_BYTES, Unit::Bytes, "journal that an opening after a kill would replay");
        describe_gauge!(READERS, Unit::Count, "snapshots and scans under way");
    }

    pub(crate) fn commit() {
        counter!(COMMITS).increment(1);
    }

    pub(crate) fn sync(time: Duration) {
        counter!(SYNCS).increment(1);
        histogram!(SYNC_TIME).record(time);
    }

    pub(crate) fn restart() {
        counter!(RESTARTS).increment(1);
    }

    pub(crate) fn wait(level: &'static str, time: Duration) {
        histogram!(WAIT_TIME, "level" => level).record(time);
    }

    pub(crate) fn timeout() {
        counter!(TIMEOUTS).increment(1);
    }

    pub(crate) fn page_read() {
        counter!(PAGE_READS).increment(1);
    }

    pub(crate) fn checkpoint(time: Duration) {
        counter!(CHECKPOINTS).increment(1);
        histogram!(CHECKPOINT_TIME).record(time);
    }

    pub(crate) fn sizes(sizes: Sizes) {
        gauge!(CACHE_BYTES).set(sizes.cache_bytes as f64);
        gauge!(DIRTY_BYTES).set(sizes.dirty_bytes as f64);
        gauge!(JOURNAL_BYTES).set(sizes.journal_bytes as f64);
        gauge!(READERS).set(sizes.readers as f64);
    }
}

/// Defines each function twice: told, or empty.
macro_rules! meters {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub(crate) fn $name($($argument: $type),*) {
                #[cfg(feature = "metrics")]
                told::$name($($argument),*);
                #[cfg(not(feature = "metrics"))]
                let _ = ($($argument,)*);
            }
        )*
    };
}

meters! {
    /// Says what the names mean, when a database is opened.
    describe();
    /// A commit was applied.
    commit();
    /// The journal was written and synced.
    sync(time: Duration);
    /// A transaction starts over.
    restart();
    /// A wait for a lock has ended, however it did.
    wait(level: &'static str, time: Duration);
    /// A wait for a lock has ended without it because its time was over.
    timeout();
    /// A page was not in memory.
    page_read();
    /// A checkpoint was made.
    checkpoint(time: Duration);
    /// Sizes now.
    sizes(sizes: Sizes);
}
