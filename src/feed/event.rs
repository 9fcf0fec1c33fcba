//! What a subscription delivers.

use super::position::Position;
use crate::codec::{Key, KeyBuf, encode_key};
use crate::table::Shared;

/// What happened to the rows that a subscription follows, in one commit or in several. Its position is behind it: keep that
/// once you have dealt with the event, and nothing is missed or seen twice.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<K, V> {
    /// A commit wrote or removed rows. It is here as a whole.
    Rows {
        /// Behind this commit.
        position: Position,
        /// Each row once, in the order of the keys.
        changes: Vec<Change<K, V>>,
    },
    /// Many rows were changed at once, and are not listed: read those that the [`Bulk`] covers again.
    Bulk {
        /// Behind this commit.
        position: Position,
        /// What was done, to which keys.
        bulk: Bulk,
    },
    /// The table was dropped, with all its rows. If one of this name is made anew, with the same types, its rows follow.
    Dropped {
        /// Behind this commit.
        position: Position,
    },
    /// Commits were missed, for the reason given. It goes on behind `position`: take a
    /// [snapshot](crate::Db::snapshot) now and read the table again. What you then see of later commits comes once more.
    Lagged {
        /// Where it goes on.
        position: Position,
        /// Why.
        lag: Lag,
    },
}

impl<K, V> Event<K, V> {
    /// Behind the event.
    pub fn position(&self) -> Position {
        match self {
            Event::Rows { position, .. }
            | Event::Bulk { position, .. }
            | Event::Dropped { position }
            | Event::Lagged { position, .. } => *position,
        }
    }

    /// The changed rows; none for an event of another kind.
    pub fn changes(&self) -> &[Change<K, V>] {
        match self {
            Event::Rows { changes, .. } => changes,
            _ => &[],
        }
    }
}

/// One row that a commit wrote or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K, V> {
    /// Its key.
    pub key: K,
    /// The row from this commit on; none: it was removed, or there was none to remove.
    pub new: Option<Shared<V>>,
    /// The row before, if it was asked for ([`Subscribe::with_old`](crate::Subscribe::with_old)) and is known.
    pub old: Old<V>,
}

/// The row before a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old<V> {
    /// It was not asked for, or nobody had asked for it when the commit was made.
    Unknown,
    /// There was none.
    Absent,
    /// This one.
    Row(Shared<V>),
}

impl<V> Old<V> {
    /// The row, if there was one and it is known.
    pub fn row(&self) -> Option<&Shared<V>> {
        match self {
            Old::Row(row) => Some(row),
            Old::Unknown | Old::Absent => None,
        }
    }
}

/// Many rows that were changed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    pub(super) kind: BulkKind,
    pub(super) low: KeyBuf,
    pub(super) high: Option<KeyBuf>,
}

/// How many rows were changed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BulkKind {
    /// Rows were added among those of the range ([`Db::bulk_load`](crate::Db::bulk_load)).
    Loaded,
    /// All rows of the range were removed ([`Db::remove_range`](crate::Db::remove_range)).
    Removed,
    /// All rows of the table were removed ([`Db::clear`](crate::Db::clear)).
    Cleared,
    /// All rows were rewritten in another version ([`Options::migrate`](crate::Options::migrate)).
    Migrated,
}

impl Bulk {
    /// What was done.
    pub fn kind(&self) -> BulkKind {
        self.kind
    }

    /// Whether a key lies in the range in which rows may have changed.
    pub fn covers<K: Key>(&self, key: K::Ref<'_>) -> bool {
        let key = encode_key::<K>(key);
        key >= self.low && self.high.as_ref().is_none_or(|high| key < *high)
    }
}

/// Why a subscription missed commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lag {
    /// The journal behind the position is not kept any more: see
    /// [`Options::keep_journal_bytes`](crate::Options::keep_journal_bytes).
    Passed,
    /// The store has another past than the position: it was restored from a backup, or its files were replaced.
    Restored,
    /// The position is of another store.
    OtherStore,
    /// The position is of another table, or of the table with other types of keys or rows, or in another version.
    OtherTable,
}
