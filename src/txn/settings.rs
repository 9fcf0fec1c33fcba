//! What a program asks of one transaction, beside its closure.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::footprint::Footprint;
use crate::lock::{CancelToken, Limit, LockTime};
use crate::options::Durability;

/// Settings of one transaction, for [`Db::transact_with`](crate::Db::transact_with). They can be made once and used for
/// as many transactions as wanted.
///
/// ```
/// use gangline::{Db, Durability, Table, TransactionOptions};
///
/// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// let careful = TransactionOptions::new().label("pay in").durability(Durability::Immediate);
/// db.transact_with(&careful, |tx| tx.put(ACCOUNTS, 1, 100))?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TransactionOptions {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) durability: Option<Durability>,
    deadline: Option<Duration>,
    cancel: Option<CancelToken>,
    lock_timeout: Option<Duration>,
    pub(crate) footprint: Option<Arc<Footprint>>,
    pub(crate) strict: bool,
}

impl TransactionOptions {
    /// What [`Db::transact`](crate::Db::transact) does: no label, the database's durability.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the lock dump and the text of a [`LockTimeout`](crate::ErrorKind::LockTimeout) call this transaction.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// When the commit is on disk; the database's option decides where nothing is said.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// The most time for the whole transaction, all its runs and waits included, up to its commit; then it ends with
    /// [`Cancelled`](crate::ErrorKind::Cancelled). It is looked at while the transaction waits, while it scans and at
    /// each of its calls, and not any more once the commit has begun. The clock starts with the transaction.
    ///
    /// A wait for one lock that lasts beyond the lock time-out ends with
    /// [`LockTimeout`](crate::ErrorKind::LockTimeout), if that comes first.
    ///
    /// ```
    /// use std::time::Duration;
    /// use gangline::{Db, ErrorKind, Table, TransactionOptions};
    ///
    /// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// let hasty = TransactionOptions::new().deadline(Duration::ZERO);
    /// let late = db.transact_with(&hasty, |tx| tx.put(ACCOUNTS, 1, 100));
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::Cancelled);
    /// # Ok(()) }
    /// ```
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = Some(time);
        self
    }

    /// Ends the transaction with [`Cancelled`](crate::ErrorKind::Cancelled) when the token is cancelled, at once where it
    /// waits for a lock. See [`CancelToken`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// The longest wait for one lock in this transaction, in place of
    /// [`Options::lock_timeout`](crate::Options::lock_timeout).
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.lock_timeout = Some(time);
        self
    }

    /// What may end a transaction that begins now.
    pub(crate) fn limit(&self, site: &'static Location<'static>) -> Option<Limit> {
        Limit::new("transaction", self.label.clone(), site, self.deadline, self.cancel.clone())
    }

    pub(crate) fn lock_time(&self) -> LockTime {
        self.lock_timeout.map_or(LockTime::Default, LockTime::Each)
    }

    /// Locks all of a footprint in order before the closure runs for the first time: a closure that stays inside it
    /// never starts over. A second footprint takes the place of the first.
    pub fn declare(mut self, footprint: Footprint) -> Self {
        self.footprint = Some(Arc::new(footprint));
        self
    }

    /// Whether the transaction fails where it would start over (default no).
    ///
    /// The call that asks for a lock out of order, while that is not free, then fails with
    /// [`OutOfOrder`](crate::ErrorKind::OutOfOrder). The text names that lock and the highest one held, with the places
    /// in the program that asked for them. Every later call fails alike, and nothing is committed. It is for tests, and
    /// for finding out where a program asks for its locks in another order than the rest of it. A lock that is free is
    /// granted in any order, so only what has met with another transaction is found.
    ///
    /// ```
    /// use gangline::{Db, Table, TransactionOptions};
    ///
    /// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// let strict = TransactionOptions::new().strict(true);
    /// db.transact_with(&strict, |tx| tx.put(ACCOUNTS, 1, 100))?;
    /// # Ok(()) }
    /// ```
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}
