//! What a program asks to follow.

use std::fmt;
use std::ops::RangeBounds;
use std::panic::Location;
use std::sync::Arc;

use super::position::Position;
use super::subscription::Subscription;
use crate::codec::{Key, KeyBuf, Prefix, key_bounds, narrow, prefix_bounds};
use crate::error::Result;
use crate::table::{Row, Table};
use crate::txn::Engine;

/// A subscription in the making: see [`Db::subscribe`](crate::Db::subscribe).
#[must_use = "nothing is followed until it is opened"]
pub struct Subscribe<K, V: 'static> {
    pub(super) engine: Arc<Engine>,
    pub(super) table: Table<K, V>,
    pub(super) low: KeyBuf,
    pub(super) high: Option<KeyBuf>,
    pub(super) from: Option<Position>,
    pub(super) with_old: bool,
}

impl<K, V> fmt::Debug for Subscribe<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("low", &self.low)
            .field("high", &self.high)
            .field("from", &self.from)
            .field("with_old", &self.with_old)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Row> Subscribe<K, V> {
    pub(crate) fn new(engine: Arc<Engine>, table: Table<K, V>) -> Self {
        Subscribe { engine, table, low: KeyBuf::empty(), high: None, from: None, with_old: false }
    }

    /// Only the keys of a range. Several ranges and prefixes narrow each other.
    pub fn range<'k>(self, range: impl RangeBounds<K::Ref<'k>>) -> Self {
        self.narrow(key_bounds::<K>(range))
    }

    /// Only the keys that start with a prefix: leading parts of a tuple as [`First`](crate::First), or the beginning of
    /// a text.
    pub fn prefix(self, prefix: impl Prefix<K>) -> Self {
        self.narrow(prefix_bounds::<K>(&prefix))
    }

    fn narrow(mut self, bounds: (KeyBuf, Option<KeyBuf>)) -> Self {
        (self.low, self.high) = narrow((self.low, self.high), bounds);
        self
    }

    /// Goes on behind a position that an earlier subscription to this table gave, instead of with the commits after this
    /// call. Where the commits behind it cannot be given any more, the first event is
    /// [`Lagged`](crate::Event::Lagged) and says why.
    pub fn from(mut self, position: Position) -> Self {
        self.from = Some(position);
        self
    }

    /// With the rows as they were before. Commits that begin while such a subscription to the table is open write them
    /// into the journal, which then takes about twice the bytes for this table, and reads the rows. So they are there
    /// behind a kept position as well; of other commits, and of one whose old rows together are over
    /// [`max_transaction_bytes`](crate::Options::max_transaction_bytes), they are [`Unknown`](crate::Old::Unknown).
    pub fn with_old(mut self) -> Self {
        self.with_old = true;
        self
    }

    /// Begins. All commits that are made after this call come, and none that were visible before it. It waits for the disk,
    /// as a commit does.
    ///
    /// # Errors
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) when the table is stored with other types,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name that no table can have,
    /// [`Closed`](crate::ErrorKind::Closed), [`Poisoned`](crate::ErrorKind::Poisoned), [`Io`](crate::ErrorKind::Io),
    /// [`Nested`](crate::ErrorKind::Nested) inside a closure of the database.
    #[track_caller]
    pub fn open(self) -> Result<Subscription<K, V>> {
        Subscription::open(self, Location::caller())
    }
}
