//! Which keys of an index a query is for.

use std::fmt;
use std::ops::RangeBounds;

use super::by_index::IndexRange;
use super::request::Query;
use crate::codec::{Key, Prefix, entry_bounds, prefix_bounds};
use crate::table::{Index, Row};

/// A query that reads by an index, and has yet to say which keys.
///
/// The results come in the order of the index keys, and rows with the same one in the order of their own. A row with several
/// keys in the range comes once, under the first. Only the rows found are read: a point read for each, so a range that
/// holds a large part of the table is read faster without the index.
///
/// Inside a transaction the entries of the range stay locked in shared mode, and so do the rows found: no row comes into
/// the range or leaves it until the end. Rows are locked after entries, against the order, so a transaction that meets a
/// writer may start over.
///
/// ```
/// use gangline::{Db, Index, Table};
///
/// const BY_LENGTH: Index<u32, String> = Index::new("by_length", |word, out| out.key(word.len() as u32));
/// const WORDS: Table<u64, String> = Table::new("words").indexes(&[&BY_LENGTH]);
///
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// for (at, word) in ["gang", "line", "sled", "husky", "go"].into_iter().enumerate() {
///     db.put(WORDS, at as u64, word.to_owned())?;
/// }
/// assert_eq!(db.query(WORDS).by(&BY_LENGTH).equal(4).count()?, 3);
/// let short = db.query(WORDS).by(&BY_LENGTH).range(..5).project(|word| word.clone()).collect()?;
/// assert_eq!(short, ["go", "gang", "line", "sled"]);
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing until it is collected, counted or folded"]
pub struct Indexed<'a, I: Key, K, V: 'static> {
    query: Query<'a, K, V>,
    index: Index<I, V>,
}

impl<I: Key, K, V> fmt::Debug for Indexed<'_, I, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexed").field("query", &self.query).field("index", &self.index).finish()
    }
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Reads by an index that the table declares. Ranges and prefixes of the query itself still narrow the keys of the
    /// rows. With another index than the table's, running the query is an
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) error.
    pub fn by<I: Key>(self, index: &Index<I, V>) -> Indexed<'a, I, K, V> {
        Indexed { query: self, index: *index }
    }
}

impl<'a, I: Key, K: Key, V: Row> Indexed<'a, I, K, V> {
    /// The rows with this index key.
    pub fn equal(self, key: I::Ref<'_>) -> Query<'a, K, V> {
        let range = IndexRange::of(&self.index, entry_bounds::<I>(key..=key), true);
        Query { by: Some(range), ..self.query }
    }

    /// The rows with an index key in a range.
    pub fn range<'k>(self, range: impl RangeBounds<I::Ref<'k>>) -> Query<'a, K, V> {
        let range = IndexRange::of(&self.index, entry_bounds::<I>(range), false);
        Query { by: Some(range), ..self.query }
    }

    /// The rows with an index key that starts with a prefix: leading parts of a tuple, or the beginning of a text.
    pub fn prefix(self, prefix: impl Prefix<I>) -> Query<'a, K, V> {
        let range = IndexRange::of(&self.index, prefix_bounds::<I>(&prefix), false);
        Query { by: Some(range), ..self.query }
    }

    /// The rows with any index key.
    pub fn all(self) -> Query<'a, K, V> {
        self.range(..)
    }
}
