//! How a program names its tables: a constant with a key type and a row type.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::Key;

/// What can be a row: anything that serde writes and reads again, and that can be cloned and shared between threads.
///
/// Rows are stored with bincode, so types that need a self-describing format (`untagged` or internally tagged enums,
/// `flatten`, `skip_serializing_if`, `serde_json::Value`) are refused when the first one is put.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Row for T {}

/// A table: its name, and the types of its keys and rows.
///
/// It is a constant of the program and costs nothing. The table is made in the store when it is first written to.
///
/// ```
/// use gangline::{Db, Table};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Clone)]
/// struct User {
///     name: String,
/// }
/// const USERS: Table<u64, User> = Table::new("users");
///
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(USERS, 1, User { name: "Ada".into() })?;
/// assert_eq!(db.get(USERS, 1)?.map(|user| user.name.clone()), Some("Ada".into()));
/// # Ok(()) }
/// ```
pub struct Table<K, V: 'static> {
    name: &'static str,
    version: u32,
    indexes: &'static [&'static dyn IndexDef<V>],
    until: Option<fn(&V) -> Option<SystemTime>>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("indexes", &self.indexes.iter().map(|index| index.name()).collect::<Vec<_>>())
            .field("expires", &self.until.is_some())
            .finish()
    }
}

impl<K, V> Table<K, V> {
    /// Until when a row is there.
    #[inline]
    pub(crate) fn until(&self) -> Option<fn(&V) -> Option<SystemTime>> {
        self.until
    }

    /// The same table, whose rows are there whatever the time is.
    pub(crate) fn lasting(mut self) -> Self {
        self.until = None;
        self
    }
}

impl<K: Key, V: Row> Table<K, V> {
    /// A table of this name, of 1 to 255 bytes. Names are compared by their bytes.
    pub const fn new(name: &'static str) -> Self {
        Table { name, version: 1, indexes: &[], until: None, types: PhantomData }
    }

    /// The same table with secondary indexes. A table that is made gets them at once; one that is there must have the same
    /// ones, or its use is a [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) error until they are
    /// [built](crate::Db::build_indexes) or [dropped](crate::Db::drop_index).
    pub const fn indexes(mut self, indexes: &'static [&'static dyn IndexDef<V>]) -> Self {
        self.indexes = indexes;
        self
    }

    /// The same table with another version of its row type (default 1).
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The same table, with rows that expire: from the time on that the function gives for a row, the row is not there any
    /// more. None: it stays.
    ///
    /// A row is there or not as of one moment of the system's clock: for a transaction when it began, for a snapshot when
    /// it was taken, for other reads when they begin. What is over is not read, counted or found by an index, and can be
    /// inserted anew; all of a transaction or a snapshot agrees on it. Its bytes, its place in
    /// [`TableInfo::rows`](crate::TableInfo) and its keys in a unique index go when it is written or removed, or by
    /// [`Db::remove_expired`](crate::Db::remove_expired). `len` of such a table counts its rows one by one.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use gangline::{Db, Table};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Clone)]
    /// struct Session {
    ///     user: u64,
    ///     until: SystemTime,
    /// }
    /// const SESSIONS: Table<String, Session> = Table::new("sessions").expires(|session| Some(session.until));
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// let now = SystemTime::now();
    /// db.put(SESSIONS, "old", Session { user: 7, until: now - Duration::from_secs(1) })?;
    /// db.put(SESSIONS, "new", Session { user: 7, until: now + Duration::from_secs(3_600) })?;
    /// assert!(db.get(SESSIONS, "old")?.is_none());
    /// assert_eq!(db.len(SESSIONS)?, 1);
    /// assert_eq!(db.remove_expired(SESSIONS)?, 1);
    /// # Ok(()) }
    /// ```
    pub const fn expires(mut self, until: fn(&V) -> Option<SystemTime>) -> Self {
        self.until = Some(until);
        self
    }

    /// The table's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn row_version(&self) -> u32 {
        self.version
    }

    pub(crate) fn declared_indexes(&self) -> &'static [&'static dyn IndexDef<V>] {
        self.indexes
    }

    /// What the program means by the table, to check a store's shape only once for each.
    #[inline]
    pub(crate) fn types(&self) -> ProgramTypes {
        let indexes = if self.indexes.is_empty() { 0 } else { self.indexes.as_ptr().addr() };
        ProgramTypes { types: TypeId::of::<(K, V)>(), indexes, count: self.indexes.len() }
    }
}

/// The types of a table and its indexes in a program. The indexes are told by where they lie, since that is `'static`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProgramTypes {
    types: TypeId,
    indexes: usize,
    count: usize,
}

/// Takes the index keys of one row.
pub struct Emit<'a, I: Key> {
    out: &'a mut Vec<Vec<u8>>,
    types: PhantomData<fn(I)>,
}

impl<I: Key> fmt::Debug for Emit<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").field("keys", &self.out.len()).finish()
    }
}

impl<I: Key> Emit<'_, I> {
    /// Adds one key under which the row is found.
    pub fn key(&mut self, key: I::Ref<'_>) {
        let mut bytes = Vec::new();
        I::encode(key, &mut bytes);
        self.out.push(bytes);
    }
}

/// A secondary index: a name and a function that gives no, one or many keys for a row.
///
/// A row without a key is not in the index; one with several keys is found under each. A key of several parts is a tuple.
/// The function must give the same keys for the same row whenever it is called: give the index another
/// [`version`](Index::version) when it changes. The index is kept up in the transaction that writes the row.
///
/// ```
/// use gangline::{Index, Table};
///
/// const BY_LENGTH: Index<u32, String> = Index::new("by_length", |text, out| out.key(text.len() as u32));
/// const TEXTS: Table<u64, String> = Table::new("texts").indexes(&[&BY_LENGTH]);
/// # let _ = TEXTS;
/// ```
pub struct Index<I: Key, V> {
    name: &'static str,
    version: u32,
    unique: bool,
    keys: fn(&V, &mut Emit<'_, I>),
}

impl<I: Key, V> Clone for Index<I, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I: Key, V> Copy for Index<I, V> {}

impl<I: Key, V> fmt::Debug for Index<I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("name", &self.name).field("unique", &self.unique).finish()
    }
}

impl<I: Key, V: Row> Index<I, V> {
    /// An index of this name over the keys that the function gives for a row.
    pub const fn new(name: &'static str, keys: fn(&V, &mut Emit<'_, I>)) -> Self {
        Index { name, version: 1, unique: false, keys }
    }

    /// The same index, in which a key may stand for one row only. A commit that would give it to a second one fails with
    /// [`Exists`](crate::ErrorKind::Exists).
    ///
    /// In front of this call the types are to be named, since the closure cannot be read without:
    ///
    /// ```
    /// # use gangline::Index;
    /// const BY_NAME: Index<String, String> =
    ///     Index::<String, String>::new("by_name", |name, out| out.key(name)).unique();
    /// # let _ = BY_NAME;
    /// ```
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The same index with another version of its function (default 1), which makes it be built anew.
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "only this crate may implement what needs it")]
    pub trait Sealed {}
}

/// An index of any key type over rows of type `V`. Implemented by [`Index`] only.
pub trait IndexDef<V>: sealed::Sealed + Send + Sync {
    /// The index's name.
    fn name(&self) -> &'static str;

    /// Whether a key may stand for one row only.
    fn is_unique(&self) -> bool;

    /// The version of the function that gives the keys.
    fn key_version(&self) -> u32;

    /// What the keys are, as it is stored: see [`Key::shape`].
    fn key_shape(&self) -> String;

    /// The encoded keys of a row, in the order in which the function gives them.
    fn keys_of(&self, row: &V) -> Vec<Vec<u8>>;
}

impl<I: Key, V> sealed::Sealed for Index<I, V> {}

impl<I: Key, V: Row> IndexDef<V> for Index<I, V> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_unique(&self) -> bool {
        self.unique
    }

    fn key_version(&self) -> u32 {
        self.version
    }

    fn key_shape(&self) -> String {
        let mut shape = String::new();
        I::shape(&mut shape);
        shape
    }

    fn keys_of(&self, row: &V) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        (self.keys)(row, &mut Emit { out: &mut out, types: PhantomData });
        out
    }
}
