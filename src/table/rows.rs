//! The decoded rows of one page: a cache beside its bytes.
//!
//! Rows lie one after another in one allocation, as in a `Vec`, which is what a scan wants. A commit changes them in
//! place when nobody else holds the page; it moves rows in and out by swapping, so that no code of the row type (clone,
//! drop) ever runs under a latch.

use std::any::Any;
use std::sync::Arc;

/// Rows that a growing page makes room for at once.
const GROWTH: usize = 8;

/// A decoded row of some type, on its way into or out of a page.
pub(crate) trait AnyRow: Any + Send + Sync {
    /// A copy in an allocation of its own. Runs code of the row type.
    fn duplicate(&self) -> Arc<dyn AnyRow>;
    /// The first row of a page. None when others hold the row too.
    fn into_page(self: Arc<Self>) -> Option<Arc<dyn AnyRows>>;
}

impl<V: Clone + Send + Sync + 'static> AnyRow for V {
    fn duplicate(&self) -> Arc<dyn AnyRow> {
        Arc::new(self.clone())
    }

    fn into_page(self: Arc<Self>) -> Option<Arc<dyn AnyRows>> {
        let mut rows = Vec::with_capacity(GROWTH);
        rows.push(Arc::into_inner(self)?);
        Some(Arc::new(Rows { rows }))
    }
}

/// The row as what it is. None when it has another Rust type.
pub(crate) fn downcast_row<V: Send + Sync + 'static>(row: Arc<dyn AnyRow>) -> Option<Arc<V>> {
    let row: Arc<dyn Any + Send + Sync> = row;
    row.downcast().ok()
}

/// The decoded rows of a page, in the order of its keys.
#[derive(Debug)]
pub(crate) struct Rows<V> {
    rows: Vec<V>,
}

impl<V> Rows<V> {
    pub(crate) fn new(rows: Vec<V>) -> Self {
        Rows { rows }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &V {
        &self.rows[at]
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[V] {
        &self.rows
    }
}

/// Edits of decoded rows whose type is not known here. An edit gives its row back when the row has another Rust type
/// than the page's rows; the page then counts as not decoded.
pub(crate) trait AnyRows: Any + Send + Sync {
    /// Puts `row` in place of the row at `at`; the old one is then in `row`. False when it does not fit.
    fn replace(&mut self, at: usize, row: &mut Arc<dyn AnyRow>) -> bool;
    /// Moves `row` in at `at`; gives it back when it does not fit.
    fn insert(&mut self, at: usize, row: Arc<dyn AnyRow>) -> Option<Arc<dyn AnyRow>>;
    /// Takes the row at `at` out, to be dropped by the caller.
    fn remove(&mut self, at: usize) -> Arc<dyn AnyRow>;
    /// Moves the rows from `at` on into a page of their own.
    fn split_off(&mut self, at: usize) -> Arc<dyn AnyRows>;
    /// Moves all rows of `other` to the end. False, and nothing is moved, when they have another Rust type.
    fn append(&mut self, other: &mut dyn AnyRows) -> bool;
    /// Bytes of the rows' fixed parts.
    fn inline_bytes(&self) -> usize;
}

impl<V: Clone + Send + Sync + 'static> AnyRows for Rows<V> {
    fn replace(&mut self, at: usize, row: &mut Arc<dyn AnyRow>) -> bool {
        let Some(row) = Arc::get_mut(row) else { return false };
        let row: &mut dyn Any = row;
        let Some(row) = row.downcast_mut::<V>() else { return false };
        std::mem::swap(&mut self.rows[at], row);
        true
    }

    fn insert(&mut self, at: usize, mut row: Arc<dyn AnyRow>) -> Option<Arc<dyn AnyRow>> {
        // Both are looked at first, since a row that does not fit must not be dropped here.
        let fits = Arc::get_mut(&mut row).is_some_and(|row| (row as &mut dyn Any).is::<V>());
        if !fits {
            return Some(row);
        }
        let row = downcast_row::<V>(row).and_then(Arc::into_inner).expect("type and count were looked at");
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(GROWTH);
        }
        self.rows.insert(at, row);
        None
    }

    fn remove(&mut self, at: usize) -> Arc<dyn AnyRow> {
        Arc::new(self.rows.remove(at))
    }

    fn split_off(&mut self, at: usize) -> Arc<dyn AnyRows> {
        Arc::new(Rows { rows: self.rows.split_off(at) })
    }

    fn append(&mut self, other: &mut dyn AnyRows) -> bool {
        let other: &mut dyn Any = other;
        let Some(other) = other.downcast_mut::<Rows<V>>() else { return false };
        self.rows.reserve_exact(other.rows.len());
        self.rows.append(&mut other.rows);
        true
    }

    fn inline_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<V>()
    }
}
