//! What a database says of itself.

#[cfg(feature = "admin")]
mod socket;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::db::Db;
use crate::error::Result;
use crate::lock::LockCounters;
use crate::table::catalog::RESERVED_NAMES;
use crate::table::table_core::TableCore;

#[cfg(feature = "admin")]
pub use socket::{LiveStatus, StatusSocket};

/// Counters and sizes of an open database, since it was opened. As data, it is serialized with serde.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Commits applied.
    pub commits: u64,
    /// Runs of transactions that had to start over.
    pub restarts: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Pages written by checkpoints.
    pub pages_written: u64,
    /// Segments split.
    pub segment_splits: u64,
    /// Segments that were merged with a neighbour, after removals had left them small.
    pub segment_merges: u64,
    /// Pages that were joined with a neighbour, after removals had left them small.
    pub pages_joined: u64,
    /// Segments of all tables now.
    pub segments: u64,
    /// Snapshots and scans under way.
    pub readers: u64,
    /// Bytes of pages and decoded rows in memory.
    pub cache_bytes: u64,
    /// The limit of these.
    pub cache_bytes_max: u64,
    /// Of these, bytes of pages that the next checkpoint writes.
    pub dirty_bytes: u64,
    /// Journal bytes that an opening after a kill would replay.
    pub journal_bytes: u64,
    /// Bytes of the page store on disk.
    pub store_bytes: u64,
    /// Of these, bytes of pages, page lists and directory that are in use.
    pub live_bytes: u64,
    /// The others: superseded pages, gaps, and what the page store itself needs, which is about as much as the live bytes
    /// and some MiB. [`Db::compact`] gives back what is beyond that.
    pub dead_bytes: u64,
    /// Bytes of all files of the store: page store, journal and root.
    pub total_bytes: u64,
    /// The lock manager's counters.
    pub locks: LockCounters,
}

/// A table of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Committed rows.
    pub rows: u64,
    /// The type of its keys, as it is stored.
    pub key_shape: String,
    /// The version of its row type.
    pub version: u32,
    /// Its segments.
    pub segments: u64,
}

impl Db {
    /// Counters and sizes.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed), [`Poisoned`](crate::ErrorKind::Poisoned), and what asking for file sizes
    /// gives.
    pub fn status(&self) -> Result<Status> {
        let engine = self.engine();
        engine.check_alive()?;
        engine.tell_sizes();
        let segments = |table: &Arc<TableCore>| table.with_directory(|directory| directory.segments().len() as u64);
        let (store_bytes, live_bytes) = (engine.pager.store.size_on_disk()?, engine.pager.store.live_bytes());
        let others = self.file_bytes()?;
        Ok(Status {
            commits: engine.counts.commits.load(Ordering::Relaxed),
            restarts: engine.counts.restarts.load(Ordering::Relaxed),
            checkpoints: engine.counts.checkpoints.load(Ordering::Relaxed),
            pages_written: engine.counts.pages_written.load(Ordering::Relaxed),
            segment_splits: engine.counts.segment_splits.load(Ordering::Relaxed),
            segment_merges: engine.counts.segment_merges.load(Ordering::Relaxed),
            pages_joined: engine.pager.pages_joined.load(Ordering::Relaxed),
            segments: engine.catalog.tables().iter().map(segments).sum(),
            readers: engine.pager.registry.readers() as u64,
            cache_bytes: engine.pager.cache.used() as u64,
            cache_bytes_max: engine.pager.cache.budget() as u64,
            dirty_bytes: engine.pager.cache.dirty() as u64,
            journal_bytes: engine.bytes_to_replay(),
            store_bytes,
            live_bytes,
            dead_bytes: store_bytes.saturating_sub(live_bytes),
            total_bytes: store_bytes + others,
            locks: engine.locks.counters(),
        })
    }

    /// The tables of the program in the store, in the order in which they were made.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed), [`Poisoned`](crate::ErrorKind::Poisoned).
    pub fn tables(&self) -> Result<Vec<TableInfo>> {
        let engine = self.engine();
        engine.check_alive()?;
        let info = |table: &Arc<TableCore>| {
            let definition = table.definition();
            TableInfo {
                name: definition.name,
                rows: table.rows(),
                key_shape: definition.key_shape,
                version: definition.version,
                segments: table.with_directory(|directory| directory.segments().len() as u64),
            }
        };
        let tables = engine.catalog.tables();
        let of_program =
            |table: &&Arc<TableCore>| table.definition().index.is_none() && !table.name().starts_with(RESERVED_NAMES);
        Ok(tables.iter().filter(of_program).map(info).collect())
    }
}
