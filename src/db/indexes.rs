//! Secondary indexes: reading by them, building and dropping them.

use std::panic::Location;

use super::Db;
use crate::codec::Key;
use crate::context;
use crate::error::Result;
use crate::query::{self, IndexProgress, Source};
use crate::table::{Index, Row, Shared, Table};

impl Db {
    /// Reads a row by a unique index, and gives it with its key.
    ///
    /// ```
    /// use gangline::{Db, ErrorKind, Index, Table};
    ///
    /// const BY_EMAIL: Index<String, String> =
    ///     Index::<String, String>::new("by_email", |email, out| out.key(email)).unique();
    /// const EMAILS: Table<u64, String> = Table::new("emails").indexes(&[&BY_EMAIL]);
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(EMAILS, 7, "ada@example.org".to_owned())?;
    /// assert_eq!(db.get_by(EMAILS, &BY_EMAIL, "ada@example.org")?.map(|(key, _)| key), Some(7));
    /// let taken = db.put(EMAILS, 8, "ada@example.org".to_owned()).unwrap_err();
    /// assert_eq!(taken.kind(), ErrorKind::Exists);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Db::get); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an index that is not unique, or that
    /// the table does not declare.
    #[track_caller]
    pub fn get_by<K: Key, V: Row, I: Key>(
        &self,
        table: Table<K, V>,
        index: &Index<I, V>,
        key: I::Ref<'_>,
    ) -> Result<Option<(K, Shared<V>)>> {
        query::get_by(Source::Db(self.engine()), table, index, key, Location::caller())
    }

    /// Builds the indexes that the table declares and the store does not have, or has in another version, and gives their
    /// number. Until it returns, reads by them are refused.
    ///
    /// Readers and writers go on meanwhile, with this definition of the table or the one before, and their writes are in the
    /// indexes too; a writer waits while the few segments around its row are gone through. It begins when no
    /// transaction that wrote the table is open any more. `progress` is told after each step, on the calling thread,
    /// and must not call the database. The rows are read in parallel. When it fails, panics, or the process ends, none
    /// of the indexes is there.
    ///
    /// ```
    /// use gangline::{Db, ErrorKind, Index, Table};
    ///
    /// const OLD: Table<u64, String> = Table::new("words");
    /// const BY_LENGTH: Index<u32, String> = Index::new("by_length", |word, out| out.key(word.len() as u32));
    /// const WORDS: Table<u64, String> = Table::new("words").indexes(&[&BY_LENGTH]);
    ///
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(OLD, 1, "sled".to_owned())?;
    /// assert_eq!(db.get(WORDS, 1).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    /// assert_eq!(db.build_indexes(WORDS, |progress| println!("{} of {}", progress.rows, progress.of))?, 1);
    /// assert_eq!(db.query(WORDS).by(&BY_LENGTH).equal(4).count()?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) with index and key when two rows have one key of a unique index;
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) when the store has an index that the table does not declare;
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), also while another thread builds; and as
    /// [`transact`](Db::transact).
    #[track_caller]
    pub fn build_indexes<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        mut progress: impl FnMut(IndexProgress),
    ) -> Result<u64> {
        query::build_indexes(self.engine(), table, Location::caller(), &mut progress)
    }

    /// Drops an index of a table, which need not be known to the program. False when there is none of this name. Waits for
    /// the transactions that have written the table or read the index; reads outside transactions that have begun go on.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such table,
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), and as [`transact`](Db::transact).
    #[track_caller]
    pub fn drop_index(&self, table: &str, index: &str) -> Result<bool> {
        let (engine, site) = (self.engine(), Location::caller());
        context::check_free("Db::drop_index", site)?;
        engine.check_alive()?;
        let _alone = query::alone(engine)?;
        let dropped = engine.drop_index(table, index, site)?;
        engine.sync()?;
        Ok(dropped)
    }
}
