//! Rows that are there until a time of their own.

use std::time::SystemTime;

use super::definition::Table;

/// Which rows of a table are over, for one reader.
#[derive(Debug)]
pub(crate) struct Expiry<V> {
    until: fn(&V) -> Option<SystemTime>,
    now: SystemTime,
}

impl<V> Clone for Expiry<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Expiry<V> {}

impl<V> Expiry<V> {
    /// None: rows of this table do not expire. `now` is asked only if they do.
    #[inline]
    pub(crate) fn of<K>(table: Table<K, V>, now: impl FnOnce() -> SystemTime) -> Option<Self> {
        table.until().map(|until| Expiry { until, now: now() })
    }

    /// Whether a row is not there any more.
    #[inline]
    pub(crate) fn is_over(&self, row: &V) -> bool {
        (self.until)(row).is_some_and(|until| until <= self.now)
    }
}

/// A row, if it is still there.
#[inline]
pub(crate) fn if_alive<V, R: std::ops::Deref<Target = V>>(expiry: Option<Expiry<V>>, row: Option<R>) -> Option<R> {
    match expiry {
        None => row,
        Some(expiry) => row.filter(|row| !expiry.is_over(row)),
    }
}
