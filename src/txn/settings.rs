//! What a program asks of one transaction, beside its closure.

use std::sync::Arc;

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
}
