//! Opening a store whose rows an older version of the program wrote.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::Db;
use crate::codec::Key;
use crate::error::Result;
use crate::options::Options;
use crate::query::{self, Closure, Convert, Migrate, MigrationProgress, add_migration};
use crate::table::bulk::Allowance;
use crate::table::{Row, Table};
use crate::txn::{BulkAct, Engine};

/// What is told of how far a migration is.
type Progress = Box<dyn Fn(MigrationProgress) + Send + Sync>;

/// How the rows of a table get from older versions of their type to that of the program.
///
/// When the type of a table's rows changes, its [version](Table::version) is raised, and the store is opened with closures
/// that make new rows of old ones. They run once, when the store is opened, in parallel, on copies of the old types; they must
/// give the same row whenever they run. All tables are migrated by one commit: when the process ends before, all are as
/// they were, and the next opening begins anew. The indexes of the new version are built with it. Keys stay as they are.
///
/// A program that knows only the old version gets
/// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) from the table afterwards.
///
/// ```
/// use gangline::{Db, Migration, Options, Table};
/// use serde::{Deserialize, Serialize};
///
/// # fn main() -> gangline::Result<()> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("shop");
/// // The program as it was,
/// #[derive(Serialize, Deserialize, Clone)]
/// struct UserV1 {
///     name: String,
/// }
/// # let db = Db::open(&path)?;
/// # db.put(Table::<u64, UserV1>::new("users"), 1, UserV1 { name: "Ada Lovelace".into() })?;
/// # db.close()?;
///
/// // and as it is.
/// #[derive(Serialize, Deserialize, Clone)]
/// struct User {
///     name: String,
///     emails: Vec<String>,
/// }
/// const USERS: Table<u64, User> = Table::new("users").version(2);
///
/// let users = Migration::new(USERS).from(1, |old: UserV1| User { name: old.name, emails: vec![] });
/// let db = Options::new().migrate(users).open(&path)?;
/// assert_eq!(db.get(USERS, 1)?.map(|user| user.name.clone()), Some("Ada Lovelace".into()));
/// # Ok(()) }
/// ```
pub struct Migration<K, V: 'static> {
    table: Table<K, V>,
    steps: Vec<(u32, Box<dyn Convert<V>>)>,
    progress: Option<Progress>,
}

impl<K, V> fmt::Debug for Migration<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from: Vec<u32> = self.steps.iter().map(|(version, _)| *version).collect();
        f.debug_struct("Migration").field("table", &self.table).field("from", &from).finish_non_exhaustive()
    }
}

impl<K: Key, V: Row> Migration<K, V> {
    /// A migration to this version of a table. It does nothing where the table is in this version, or not there.
    pub fn new(table: Table<K, V>) -> Self {
        Migration { table, steps: Vec::new(), progress: None }
    }

    /// Makes new rows of those of version `version`. Each older version that a store may have needs its own.
    pub fn from<Old: Row>(self, version: u32, new_row: impl Fn(Old) -> V + Send + Sync + 'static) -> Self {
        self.try_from(version, move |old| Ok::<V, std::convert::Infallible>(new_row(old)))
    }

    /// As [`from`](Self::from), for what may not work out for every row: the first error ends the opening, which leaves the
    /// store as it was and names table and key.
    pub fn try_from<Old: Row, E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        mut self,
        version: u32,
        new_row: impl Fn(Old) -> Result<V, E> + Send + Sync + 'static,
    ) -> Self {
        self.steps.push((version, Box::new(Closure(new_row, PhantomData::<fn(Old)>))));
        self
    }

    /// Tells how far it is, after every some ten thousand rows. Runs on the thread that opens the store.
    pub fn progress(mut self, progress: impl Fn(MigrationProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl<K: Key, V: Row> Migrate for Migration<K, V> {
    fn add<'e>(
        &self,
        engine: &'e Engine,
        allowance: &Allowance,
        act: &mut BulkAct<'e>,
        site: &'static Location<'static>,
    ) -> Result<()> {
        add_migration(engine, self.table, &self.steps, self.progress.as_deref(), (allowance, act), site)
    }
}

/// [`Options`] and the migrations to run when the store is opened.
#[derive(Clone)]
pub struct Migrations {
    options: Options,
    list: Vec<Arc<dyn Migrate>>,
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations").field("options", &self.options).field("count", &self.list.len()).finish()
    }
}

impl Options {
    /// Runs a [`Migration`] when the store is opened, if it is needed.
    pub fn migrate<K: Key, V: Row>(self, migration: Migration<K, V>) -> Migrations {
        Migrations { options: self, list: Vec::new() }.migrate(migration)
    }
}

impl Migrations {
    /// Another table's migration. All of them are done by one commit.
    pub fn migrate<K: Key, V: Row>(mut self, migration: Migration<K, V>) -> Self {
        self.list.push(Arc::new(migration));
        self
    }

    /// As [`Options::open`], and migrates what has to be. It costs some microseconds a row, once.
    ///
    /// # Errors
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) for a version that no closure begins at, rows of another shape
    /// than a closure takes, and a row of which a closure makes an error, which is the source;
    /// [`Exists`](crate::ErrorKind::Exists) where two rows get one key of a unique index; and as [`Options::open`].
    #[track_caller]
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        let site = Location::caller();
        let db = self.options.open(path)?;
        query::migrate(db.engine(), &self.list, site)?;
        Ok(db)
    }
}
