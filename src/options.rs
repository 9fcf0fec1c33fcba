//! Every limit and default of the library, in one place.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Longest encoded key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;
/// Largest value that is ever given to sled, in bytes. Larger ones may become files that sled neither syncs nor frees.
pub(crate) const MAX_STORED_BYTES: usize = 7 * 1024;
/// A page is split when its encoding grows over this, in bytes.
pub(crate) const PAGE_BYTES: usize = 4 * 1024;
/// A page that removals leave below this, in bytes, is joined with a neighbour.
pub(crate) const SMALL_PAGE_BYTES: usize = PAGE_BYTES / 4;
/// Largest page that joining makes, in bytes: well below the size at which it would be cut again.
pub(crate) const JOINED_PAGE_BYTES: usize = PAGE_BYTES / 4 * 3;
/// Largest row that [`Options::max_row_bytes`] can allow, encoded and without its key, in bytes.
pub(crate) const MAX_ROW_BYTES: usize = 64 << 20;
/// Ids that are noted on disk at once, the first time and at most.
pub(crate) const SMALLEST_ID_BLOCK: u64 = 16;
pub(crate) const LARGEST_ID_BLOCK: u64 = 1_024;
/// Longest name of a table, an index or a named lock, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Restarts of a transaction after which its plan is widened to table locks.
pub(crate) const RESTARTS_TO_TABLES: u32 = 3;
/// Restarts of a transaction after which its plan is widened to the database. One less than the most there can be:
/// the last is for a name that is wanted only then.
pub(crate) const RESTARTS_TO_DATABASE: u32 = 5;
/// Most restarts of a transaction.
pub(crate) const MAX_RESTARTS: u32 = 6;
/// Waits for a lock from this long on are told to a `tracing` subscriber.
pub(crate) const LONG_WAIT: Duration = Duration::from_millis(100);
/// Tables up to this many rows are scanned on the calling thread.
pub(crate) const INLINE_SCAN_ROWS: u64 = 2_048;

const _: () = assert!(PAGE_BYTES < MAX_STORED_BYTES);
// The halves of a page that was cut are not small, and a joined page has room before it is cut.
const _: () = assert!(SMALL_PAGE_BYTES < PAGE_BYTES / 2 && JOINED_PAGE_BYTES < PAGE_BYTES);

/// When a commit is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// A commit returns only when its record is on disk: it survives a kill and a power cut.
    #[default]
    Immediate,
    /// A commit returns once it is applied; it is written and synced within [`Options::eventual_sync`]. What survives
    /// a kill or a power cut is always a prefix of the commits, in their order.
    Eventual,
}

/// How a store is opened: limits, sizes and times.
///
/// ```
/// use gangline::{Durability, Options};
///
/// # fn main() -> gangline::Result<()> {
/// let db = Options::new().cache_bytes(64 << 20).durability(Durability::Eventual).in_memory()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) cache_bytes: usize,
    pub(crate) durability: Durability,
    pub(crate) eventual_sync: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) max_transaction_bytes: usize,
    pub(crate) max_row_locks: usize,
    pub(crate) escalate_row_locks: usize,
    pub(crate) max_row_bytes: usize,
    pub(crate) max_snapshot_age: Duration,
    pub(crate) scan_threads: usize,
    pub(crate) pool_threads: usize,
    pub(crate) segment_rows: usize,
    pub(crate) journal_bytes: u64,
    pub(crate) keep_journal_bytes: u64,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 1 << 30,
            durability: Durability::Immediate,
            eventual_sync: Duration::from_millis(100),
            lock_timeout: Duration::from_secs(10),
            max_transaction_bytes: 32 << 20,
            max_row_locks: 100_000,
            escalate_row_locks: 5_000,
            max_row_bytes: 16 << 20,
            max_snapshot_age: Duration::from_secs(3_600),
            scan_threads: 0,
            pool_threads: 8,
            segment_rows: 4_096,
            journal_bytes: 256 << 20,
            keep_journal_bytes: 0,
            checkpoint_interval: Duration::from_secs(30),
            create: true,
        }
    }
}

impl Options {
    /// The defaults: a cache of 1 GiB, [`Durability::Immediate`], a lock time-out of 10 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// Most bytes of pages and decoded rows kept in memory (default 1 GiB). Pages changed since the last checkpoint
    /// count too. Result vectors are the caller's.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// When a commit is on disk (default [`Durability::Immediate`]).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Longest time until an eventual commit is on disk (default 100 ms).
    pub fn eventual_sync(mut self, time: Duration) -> Self {
        self.eventual_sync = time;
        self
    }

    /// Longest wait for one lock (default 10 s). Transactions of one database cannot deadlock: this ends waits for
    /// transactions that do not end.
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.lock_timeout = time;
        self
    }

    /// Largest write set of one transaction, in encoded bytes (default 32 MiB).
    pub fn max_transaction_bytes(mut self, bytes: usize) -> Self {
        self.max_transaction_bytes = bytes;
        self
    }

    /// Largest row, in encoded bytes without its key (default 16 MiB, at most 64 MiB). A row must also fit
    /// [`max_transaction_bytes`](Self::max_transaction_bytes). A row of more than some 4 KiB takes a page of its own, and
    /// is written anew as a whole whenever it changes: some 20 MB a second on disk, so keep what changes often small.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// let options = gangline::Options::new().max_row_bytes(64 << 20).max_transaction_bytes(80 << 20);
    /// let db = options.in_memory()?;
    /// # Ok(()) }
    /// ```
    pub fn max_row_bytes(mut self, bytes: usize) -> Self {
        self.max_row_bytes = bytes;
        self
    }

    /// How long a [`Snapshot`](crate::Snapshot) can be read (default 1 hour; [`Duration::MAX`]: as long as it lives). Later
    /// reads fail with [`SnapshotTooOld`](ErrorKind::SnapshotTooOld), a read under way ends with that, and the next commit or
    /// checkpoint lets go of what the snapshot kept: the older versions of the pages that changed since it was taken, which
    /// [`cache_bytes`](Self::cache_bytes) does not count. So they take at most what commits change in this time, once for
    /// each number at which something reads.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let db = gangline::Options::new().max_snapshot_age(Duration::from_secs(60)).in_memory()?;
    /// # Ok(()) }
    /// ```
    pub fn max_snapshot_age(mut self, age: Duration) -> Self {
        self.max_snapshot_age = age;
        self
    }

    /// Row locks in one table at which a transaction tries for a lock on the table in their place (default 5,000), and
    /// again after each quarter more. It takes that lock only if it is free at once, and else goes on as before.
    /// [`Db::update`](crate::Db::update) takes it, waiting, when it has so many rows to change.
    pub fn escalate_row_locks(mut self, locks: usize) -> Self {
        self.escalate_row_locks = locks;
        self
    }

    /// Most row locks of one transaction (default 100,000); at the limit it starts over with a lock on the table.
    pub fn max_row_locks(mut self, locks: usize) -> Self {
        self.max_row_locks = locks;
        self
    }

    /// Threads of parallel scans (default 0: one a processor).
    pub fn scan_threads(mut self, threads: usize) -> Self {
        self.scan_threads = threads;
        self
    }

    /// Threads of the program's pool, [`Db::pool`](crate::Db::pool) (default 8).
    pub fn pool_threads(mut self, threads: usize) -> Self {
        self.pool_threads = threads;
        self
    }

    /// Rows of a segment, the granule of range locks and of parallel work (default 4,096). A segment is split when it
    /// has twice as many, and merged with a neighbour when removals leave it less than a quarter of them.
    pub fn segment_rows(mut self, rows: usize) -> Self {
        self.segment_rows = rows;
        self
    }

    /// Bytes of journal that make a checkpoint due (default 256 MiB).
    pub fn journal_bytes(mut self, bytes: u64) -> Self {
        self.journal_bytes = bytes;
        self
    }

    /// Bytes of journal that are kept for [subscriptions](crate::Db::subscribe) beyond those that the store itself needs
    /// (default 0): files of 32 MiB, the newest first, for as long as all of them together are within it. So it says how far
    /// a subscription may fall behind, and for how long a kept [`Position`](crate::Position) can be gone on from. It takes
    /// space on the disk, whether somebody follows or not, and makes opening no slower.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// let db = gangline::Options::new().keep_journal_bytes(1 << 30).temporary()?;
    /// # Ok(()) }
    /// ```
    pub fn keep_journal_bytes(mut self, bytes: u64) -> Self {
        self.keep_journal_bytes = bytes;
        self
    }

    /// Longest time between checkpoints while there is something to write (default 30 s).
    pub fn checkpoint_interval(mut self, time: Duration) -> Self {
        self.checkpoint_interval = time;
        self
    }

    /// Whether opening creates a store that does not exist (default true).
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Checks that the values make sense together.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |text: &str| Err(Error::new(ErrorKind::InvalidArgument, text.to_owned()));
        if self.segment_rows < 2 {
            return refuse("segment_rows must be at least 2");
        }
        if self.checkpoint_interval.is_zero() {
            return refuse("checkpoint_interval must be longer than nothing");
        }
        if self.max_row_locks == 0 {
            return refuse("max_row_locks must be at least 1");
        }
        if self.escalate_row_locks == 0 {
            return refuse("escalate_row_locks must be at least 1");
        }
        if self.max_transaction_bytes < 1024 {
            return refuse("max_transaction_bytes must be at least 1024");
        }
        if !(1..=MAX_ROW_BYTES).contains(&self.max_row_bytes) {
            return refuse("max_row_bytes must be 1 to 67108864 (64 MiB)");
        }
        if self.journal_bytes < 1 << 20 {
            return refuse("journal_bytes must be at least 1 MiB");
        }
        Ok(())
    }
}
