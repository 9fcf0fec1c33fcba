//! What is given of each row.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::request::{Query, decode_stored_key};
use super::scan::RowAt;
use crate::codec::Key;
use crate::error::Result;
use crate::lock::CancelToken;
use crate::table::{Row, Shared};

pub(super) type Project<'a, V, T> = Box<dyn Fn(RowAt<'_, V>, &V) -> Result<T> + Send + Sync + 'a>;

/// A query that says what to give of each row. Made by [`Query::project`].
#[must_use = "a query does nothing until it is collected, counted or folded"]
pub struct Projected<'a, K, V: 'static, T> {
    pub(super) query: Query<'a, K, V>,
    pub(super) project: Project<'a, V, T>,
}

impl<K, V, T> fmt::Debug for Projected<'_, K, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projected").field("query", &self.query).field("types", &PhantomData::<T>).finish()
    }
}

impl<'a, K: Key, V: Row> Query<'a, K, V> {
    /// Gives `project(row)` of each row.
    pub fn project<'b, T: Send>(self, project: impl Fn(&V) -> T + Send + Sync + 'b) -> Projected<'b, K, V, T>
    where
        'a: 'b,
    {
        Projected { query: self, project: Box::new(move |_, row| Ok(project(row))) }
    }

    /// Gives `project(key, row)` of each row. Costs a decoded key a row.
    pub fn project_keyed<'b, T: Send>(
        self,
        project: impl Fn(K::Ref<'_>, &V) -> T + Send + Sync + 'b,
    ) -> Projected<'b, K, V, T>
    where
        'a: 'b,
    {
        let name = self.table.name();
        let project = move |at: RowAt<'_, V>, row: &V| {
            let key = decode_stored_key::<K>(name, at.key())?;
            Ok(project(key.as_ref(), row))
        };
        Projected { query: self, project: Box::new(project) }
    }

    /// Gives the rows themselves.
    pub(super) fn shared(self) -> Projected<'a, K, V, Shared<V>> {
        Projected { query: self, project: Box::new(|at: RowAt<'_, V>, _: &V| Ok(at.shared())) }
    }

    /// Gives keys and rows.
    pub(super) fn paired(self) -> Projected<'a, K, V, (K, Shared<V>)> {
        let name = self.table.name();
        let project = move |at: RowAt<'_, V>, _: &V| Ok((decode_stored_key::<K>(name, at.key())?, at.shared()));
        Projected { query: self, project: Box::new(project) }
    }
}

impl<K: Key, V: Row, T: Send> Projected<'_, K, V, T> {
    /// At most `rows` results, the first in the order of the query.
    pub fn limit(mut self, rows: usize) -> Self {
        self.query = self.query.limit(rows);
        self
    }

    /// As [`Query::offset`].
    pub fn offset(mut self, rows: usize) -> Self {
        self.query = self.query.offset(rows);
        self
    }

    /// As [`Query::reverse`].
    pub fn reverse(mut self) -> Self {
        self.query = self.query.reverse();
        self
    }

    /// On the calling thread only.
    pub fn sequential(mut self) -> Self {
        self.query = self.query.sequential();
        self
    }

    /// As [`Query::deadline`].
    pub fn deadline(mut self, time: Duration) -> Self {
        self.query = self.query.deadline(time);
        self
    }

    /// As [`Query::cancel`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.query = self.query.cancel(token);
        self
    }
}
