//! A row as it is handed out: shared and immutable.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::rows::Rows;

/// A shared, immutable row. It keeps alive what it was read from, so it may be kept as long as wanted, also after the
/// transaction and after the row was overwritten; a kept row holds some 40 rows of its page in memory.
///
/// ```
/// use gangline::{Db, Table};
///
/// const NOTES: Table<u32, String> = Table::new("notes");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(NOTES, 1, "first".to_owned())?;
/// let old = db.get(NOTES, 1)?.expect("it was put");
/// db.put(NOTES, 1, "second".to_owned())?;
/// assert_eq!(*old, "first");
/// # Ok(()) }
/// ```
pub struct Shared<V>(Place<V>);

enum Place<V> {
    /// A row of its own.
    Row(Arc<V>),
    /// A row among the decoded rows of a page.
    Page(Arc<Rows<V>>, u32),
}

impl<V> Shared<V> {
    pub(crate) fn in_page(rows: Arc<Rows<V>>, at: usize) -> Self {
        Shared(Place::Page(rows, at as u32))
    }

    pub(crate) fn from_arc(row: Arc<V>) -> Self {
        Shared(Place::Row(row))
    }

    /// The row as an allocation of its own; clones it when it lies in a page.
    pub(crate) fn into_arc(self) -> Arc<V>
    where
        V: Clone,
    {
        match self.0 {
            Place::Row(row) => row,
            Place::Page(rows, at) => Arc::new(rows.get(at as usize).clone()),
        }
    }
}

impl<V: Clone> Shared<V> {
    /// A copy of the row that can be changed.
    pub fn to_owned(&self) -> V {
        V::clone(self)
    }
}

impl<V> Deref for Shared<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match &self.0 {
            Place::Row(row) => row,
            Place::Page(rows, at) => rows.get(*at as usize),
        }
    }
}

impl<V> Clone for Shared<V> {
    fn clone(&self) -> Self {
        Shared(match &self.0 {
            Place::Row(row) => Place::Row(Arc::clone(row)),
            Place::Page(rows, at) => Place::Page(Arc::clone(rows), *at),
        })
    }
}

impl<V: fmt::Debug> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        V::fmt(self, f)
    }
}

impl<V: PartialEq> PartialEq for Shared<V> {
    fn eq(&self, other: &Self) -> bool {
        V::eq(self, other)
    }
}

impl<V: Eq> Eq for Shared<V> {}

impl<V> From<V> for Shared<V> {
    fn from(row: V) -> Self {
        Shared::from_arc(Arc::new(row))
    }
}

impl<V: Clone> From<&V> for Shared<V> {
    fn from(row: &V) -> Self {
        Shared::from_arc(Arc::new(row.clone()))
    }
}

impl<V> From<&Shared<V>> for Shared<V> {
    fn from(row: &Shared<V>) -> Self {
        row.clone()
    }
}

impl<V> From<Arc<V>> for Shared<V> {
    fn from(row: Arc<V>) -> Self {
        Shared::from_arc(row)
    }
}
