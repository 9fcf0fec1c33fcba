//! The journal: what makes a commit durable.
//!
//! A commit is one record of an append-only file, so it is there whole or not at all. Its life:
//!
//! 1. [`Journal::reserve`] sets space aside, before anything is latched. Space is zero-filled and synced ahead of need,
//!    which makes a later sync cheap (no metadata changes) and is where a full disk is met: the commit fails, nothing
//!    else does.
//! 2. [`Journal::append`], under the commit latch, gives the record its place and puts its bytes in a buffer. It cannot
//!    fail and does not touch a file.
//! 3. [`Journal::wait_synced`] returns when the record is on disk. The first who waits leads: writes the whole buffer
//!    and syncs once for all others. A flusher thread leads for commits that nobody waits for, and for those
//!    whose tasks await it ([`Journal::synced_async`]).
//!
//! Rules that recovery stands on:
//!
//! - **J1** Records are written in the order of their positions, contiguously, and a file is synced before a byte of
//!   the next one is written.
//! - **J2** A file's header and folder entry are on disk before a record is appended to it.
//! - **J3** A record names a position only if everything below it is on disk when the record itself is written.
//! - **J4** After a failed write or sync nothing is ever written again.
//! - **J5** A file begins with a link to where the one before it ended, so records of an old torn tail are never read
//!   again.
//!
//! So a damaged record below a position that a later record, a link or a clean close names is corruption; a damaged
//! record above all of them is a torn tail, and ends the journal.

mod file;
mod follow;
mod group;
#[cfg(feature = "torture")]
pub(crate) mod image;
mod record;
mod recover;
mod salvage;
mod sleep;
mod space;
mod state;
mod watch;
mod writer;

use std::time::Duration;

pub(crate) use follow::{Follower, Step};
pub(crate) use record::Payload;
pub(crate) use recover::{TailInfo, replay};
pub(crate) use salvage::{Damage, salvage};
pub(crate) use space::Reservation;
pub(crate) use watch::More;
pub(crate) use writer::Journal;

/// Longest payload of a record, in bytes. Recovery holds a file with the record in memory.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 256 << 20;

/// A place between two records of the journal. Positions grow with commit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Position {
    pub(crate) file: u64,
    pub(crate) offset: u64,
}

/// A position together with the chain value there: what the root stores to replay from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) chain: u32,
    /// Number of the last commit before the position.
    pub(crate) last_commit: u64,
}

/// Sizes and times of a journal.
#[derive(Debug, Clone)]
pub(crate) struct JournalOptions {
    /// A new file is begun when this one would grow over so many bytes; only a larger record makes a larger file.
    pub(crate) file_bytes: u64,
    /// Space is made ready in pieces of so many bytes.
    pub(crate) chunk_bytes: u64,
    /// Longest time until a record that nobody waits for is on disk.
    pub(crate) eventual_sync: Duration,
    /// Bytes of unwritten records that make the flusher write without waiting for that time.
    pub(crate) flush_bytes: usize,
    /// Bytes of files that are kept although no root needs them any more.
    pub(crate) keep_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions {
            file_bytes: 32 << 20,
            chunk_bytes: 1 << 20,
            eventual_sync: Duration::from_millis(100),
            flush_bytes: 1 << 20,
            keep_bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests;
