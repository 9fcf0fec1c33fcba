//! The one error type of the library.
//!
//! An [`Error`] is opaque: it has a [kind](ErrorKind) to branch on, a text that names the object (table, key, file,
//! offset) and says what to do next, and keeps its source. The text does not repeat the source.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

/// What every fallible call of the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in a form that a program can branch on.
///
/// New kinds may be added in a minor version, so a `match` needs a last arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The transaction could not take a lock out of order and starts over. Only seen inside a transaction's closure;
    /// the closure is run again whatever it returns.
    Restart,
    /// A lock was not granted in time. The text says who holds it.
    LockTimeout,
    /// A call of the database from inside one of its own closures.
    Nested,
    /// A lock was asked for that sorts at or below one that is held, where waiting could deadlock.
    OutOfOrder,
    /// Bytes on disk are not what was written.
    Corrupted,
    /// An earlier write or sync failed; reopen the store.
    Poisoned,
    /// The row exists already.
    Exists,
    /// The stored keys, rows or indexes have another shape than the program's.
    SchemaMismatch,
    /// The outcome of a commit could not be learnt: it may or may not be found after reopening.
    CommitUnknown,
    /// The write set is larger than `Options::max_transaction_bytes`.
    TransactionTooLarge,
    /// The key is longer than the largest key.
    KeyTooLarge,
    /// The row is longer than the largest row.
    RowTooLarge,
    /// The row cannot be stored so that it can be read again.
    UnsupportedRow,
    /// No space left on the device. Nothing was lost.
    DiskFull,
    /// The operating system refused a file operation.
    Io,
    /// Another handle or process has the store open.
    AlreadyOpen,
    /// The store was written in another format version.
    FormatVersion,
    /// The store does not exist, or is not a store.
    NotAStore,
    /// A line of a text to import is no row of its table, or the text is longer than allowed.
    BadInput,
    /// An option or argument has no sense.
    InvalidArgument,
    /// A feature that this version does not have.
    Unsupported,
    /// The database was closed.
    Closed,
    /// A job of a pool was lost: its closure panicked and nobody is left to receive the panic.
    JobLost,
    /// The transaction or query was cancelled, or its deadline passed. Nothing of it was done.
    Cancelled,
    /// The snapshot is older than `Options::max_snapshot_age`.
    SnapshotTooOld,
}

/// An error of the library. See [`ErrorKind`] for what to branch on.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without a change to program or store.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Restart | ErrorKind::LockTimeout | ErrorKind::DiskFull | ErrorKind::AlreadyOpen
        )
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Repr { kind, message: message.into(), source: None }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// An operating system's error, with what was being done to which file.
    pub(crate) fn io(action: &str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot {action} {}", path.display())).with_source(source)
    }

    pub(crate) fn corrupted(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corrupted, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
