//! What can be locked, by value and in the program's words: tables by name, keys as they are written.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::codec::KeyBuf;

use super::granule::{Granule, Level, Target};
use super::row_key::KeyRoom;
use super::table::LockTable;

/// What a lock is on.
///
/// Its text is what errors and dumps say: `table "users" row 42`, `name "renderer"`. Serialized it is a map with its
/// `kind` and, where there are such, `name`, `table`, `low`, `high` and `key` as text.
///
/// ```
/// # use std::time::Duration;
/// use gangline::lock::{LockManager, LockedGranule};
///
/// # fn main() -> gangline::Result<()> {
/// let locks = LockManager::new(Duration::from_secs(10));
/// let _renderer = locks.lock("renderer")?;
/// let dump = locks.dump();
/// let names: Vec<_> = dump.granules.iter().map(|locks| &locks.granule).collect();
/// assert!(matches!(names[..], [LockedGranule::Names, LockedGranule::Name { name, .. }] if &**name == "renderer"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum LockedGranule {
    /// All names of the program. Whoever holds one holds an intent on this.
    Names,
    /// A name of the program.
    #[non_exhaustive]
    Name {
        /// The name.
        #[serde(serialize_with = "as_text")]
        name: Arc<str>,
    },
    /// The database.
    Database,
    /// A table.
    #[non_exhaustive]
    Table {
        /// Its name.
        #[serde(serialize_with = "as_text")]
        table: Arc<str>,
    },
    /// A segment: a range of neighbouring keys of a table.
    #[non_exhaustive]
    Segment {
        /// The name of the table.
        #[serde(serialize_with = "as_text")]
        table: Arc<str>,
        /// The first key that it covers; `None` from the start.
        low: Option<LockedKey>,
        /// The first key that it covers no more; `None` to the end.
        high: Option<LockedKey>,
    },
    /// A row, whether it exists or not.
    #[non_exhaustive]
    Row {
        /// The name of the table.
        #[serde(serialize_with = "as_text")]
        table: Arc<str>,
        /// The key.
        key: LockedKey,
    },
}

/// A key of a table: its bytes, and as text what a program would write. Its bytes order as keys do.
///
/// The low key of a segment may be cut short, and then, as a key of a type with a shape of its own, its text is hex.
#[derive(Clone, PartialEq, Eq)]
pub struct LockedKey {
    bytes: KeyBuf,
    text: Box<str>,
}

impl LockedKey {
    /// The bytes, as [`Key::encode`](crate::Key::encode) writes them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockedKey({self})")
    }
}

impl fmt::Display for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for LockedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

pub(super) fn as_text<S: Serializer>(text: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(text)
}

impl LockedGranule {
    /// A granule by value. `high` is the end of a segment.
    pub(crate) fn of(granule: Granule<'_>, high: Option<&[u8]>, table: Option<&dyn LockTable>) -> LockedGranule {
        let name = |id: u32| -> Arc<str> { table.map_or_else(|| format!("#{id}").into(), |table| table.name().into()) };
        let key = |key: &[u8]| {
            let bytes = KeyBuf::from(key);
            let text = table.map_or_else(|| format!("{bytes:?}"), |table| table.show_key(key)).into();
            LockedKey { bytes, text }
        };
        match granule {
            Granule::Names => LockedGranule::Names,
            Granule::Name(name) => LockedGranule::Name { name: name.into() },
            Granule::Database => LockedGranule::Database,
            Granule::Table(id) | Granule::Index(id) => LockedGranule::Table { table: name(id) },
            Granule::Within(id, low, Level::Segment) | Granule::WithinIndex(id, low, Level::Segment) => {
                LockedGranule::Segment {
                    table: name(id),
                    low: Some(low).filter(|low| !low.is_empty()).map(key),
                    high: high.map(key),
                }
            }
            Granule::Within(id, row, Level::Row) | Granule::WithinIndex(id, row, Level::Row) => {
                LockedGranule::Row { table: name(id), key: key(row) }
            }
        }
    }

    /// The granule of a wait. A row does not know its table, so that is looked up by `find`.
    pub(crate) fn of_target(target: &Target, find: impl Fn(u32) -> Option<Arc<dyn LockTable>>) -> LockedGranule {
        let mut room = KeyRoom::default();
        let granule = target.granule(&mut room);
        let (table, high) = match target {
            Target::Table(table) => (Some(table.clone()), None),
            Target::Segment { table, lock } => (find(*table), lock.high.as_deref()),
            Target::Row(row) => (find(row.table()), None),
            Target::Names | Target::Name(_) | Target::Database => (None, None),
        };
        LockedGranule::of(granule, high, table.as_deref())
    }
}

impl fmt::Display for LockedGranule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockedGranule::Names => f.write_str("root of names"),
            LockedGranule::Name { name } => write!(f, "name {name:?}"),
            LockedGranule::Database => f.write_str("database"),
            LockedGranule::Table { table } => write!(f, "table {table:?}"),
            LockedGranule::Segment { table, low, high } => {
                write!(f, "table {table:?} segment from {}", low.as_ref().map_or("the start", |low| &low.text))?;
                high.as_ref().map_or(Ok(()), |high| write!(f, " up to {high}"))
            }
            LockedGranule::Row { table, key } => write!(f, "table {table:?} row {key}"),
        }
    }
}
