//! A token by which a program ends what it has started.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

use super::waiter::Waiter;

/// Cancels the transactions and queries that were given it. Clones are the same token.
///
/// A transaction or query that is cancelled ends with [`Cancelled`](crate::ErrorKind::Cancelled), and nothing of it has
/// happened: one that waits for a lock is woken at once, one that scans ends at the next page, one that runs code of the
/// program ends at its next call. A commit that has begun is not cancelled. A token stays cancelled for ever.
///
/// ```
/// use gangline::{CancelToken, Db, ErrorKind, Table, TransactionOptions};
///
/// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// let stop = CancelToken::new();
/// let options = TransactionOptions::new().cancel(&stop);
/// db.transact_with(&options, |tx| tx.put(ACCOUNTS, 1, 100))?;
/// stop.cancel();
/// let late = db.transact_with(&options, |tx| tx.put(ACCOUNTS, 1, 200));
/// assert_eq!(late.unwrap_err().kind(), ErrorKind::Cancelled);
/// assert_eq!(db.get(ACCOUNTS, 1)?.as_deref(), Some(&100));
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Default)]
struct Token {
    cancelled: AtomicBool,
    /// Those who wait for a lock under this token, by address.
    waiting: Mutex<BTreeMap<usize, Arc<Waiter>>>,
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, and wakes those who wait for a lock under this token. Again it does nothing.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.0.waiting.lock());
        waiting.values().for_each(|waiter| waiter.wake());
    }

    /// Whether it was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Wakes this waiter when the token is cancelled, until [`forget`](Self::forget). The waiter looks at
    /// [`is_cancelled`](Self::is_cancelled) afterwards, before it sleeps: it may have come too late to be woken.
    pub(super) fn register(&self, waiter: &Arc<Waiter>) {
        self.0.waiting.lock().insert(address(waiter), waiter.clone());
    }

    pub(super) fn forget(&self, waiter: &Arc<Waiter>) {
        self.0.waiting.lock().remove(&address(waiter));
    }

    /// How many wait under this token.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.waiting.lock().len()
    }
}

fn address(waiter: &Arc<Waiter>) -> usize {
    Arc::as_ptr(waiter).addr()
}
