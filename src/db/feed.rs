//! Subscriptions to the commits of a table.

use std::sync::Arc;

use super::Db;
use crate::codec::Key;
use crate::feed::Subscribe;
use crate::table::{Row, Table};

impl Db {
    /// Follows the commits that change rows of a table, in the order in which they are made, each as a whole and once it
    /// is on disk. From now on, or from a [`Position`](crate::Position) that was kept.
    ///
    /// Nobody waits for a subscription: it reads the journal, at its own pace and with little memory. One that falls
    /// behind more than the journal reaches back learns that it [`Lagged`](crate::Event::Lagged); how far it reaches back
    /// says [`Options::keep_journal_bytes`](crate::Options::keep_journal_bytes).
    ///
    /// With [`Durability::Eventual`](crate::Durability::Eventual) a commit comes when it is synced, within
    /// [`Options::eventual_sync`](crate::Options::eventual_sync). Rows that [expire](Table::expires) come when they are
    /// written and when they are removed, not when their time is over.
    ///
    /// ```
    /// use gangline::{Db, Event, Table};
    ///
    /// const STOCK: Table<String, u32> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let place = folder.path().join("shop");
    /// let db = Db::open(&place)?;
    /// let mut stock = db.subscribe(STOCK).open()?;
    /// db.put(STOCK, "booties", 40)?;
    /// db.transact(|tx| {
    ///     tx.put(STOCK, "booties", 39)?;
    ///     tx.put(STOCK, "harness", 5)
    /// })?;
    /// let Some(Ok(Event::Rows { position, changes })) = stock.next() else { panic!("the first commit") };
    /// assert_eq!((changes[0].key.as_str(), changes[0].new.as_deref()), ("booties", Some(&40)));
    /// db.close()?;
    ///
    /// // Later, in another process perhaps: on from where it had got to.
    /// let db = Db::open(&place)?;
    /// let mut stock = db.subscribe(STOCK).from(position).open()?;
    /// let Some(Ok(Event::Rows { changes, .. })) = stock.next() else { panic!("the second commit") };
    /// assert_eq!(changes.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn subscribe<K: Key, V: Row>(&self, table: Table<K, V>) -> Subscribe<K, V> {
        Subscribe::new(Arc::clone(self.engine()), table)
    }
}
