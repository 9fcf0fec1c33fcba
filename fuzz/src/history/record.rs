//! What a history is made of: who read and wrote which version of which key, and when.
//!
//! Every value says which transaction wrote it, and every write is numbered while its key is locked. So the versions of
//! a key and their order are known, and nothing has to be guessed from the values that were read.

/// A transaction by number. 0 is the one that filled the table.
pub type TxnId = u64;

/// Names one write: the transaction, and which of its writes it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who wrote.
    pub txn: TxnId,
    /// The how manieth write of that transaction, from 0.
    pub write: u32,
}

/// One key that was looked at, present or not.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// The key.
    pub key: u32,
    /// Whether it was read by a range, so that its absence was read with it.
    pub in_range: bool,
    /// What was there.
    pub seen: Option<Stamp>,
}

/// The last write of a transaction to one key.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// The key.
    pub key: u32,
    /// Grows with each write of the key; numbers of writes that were not committed are missing.
    pub version: u64,
    /// Which of the transaction's writes it was.
    pub write: u32,
    /// Whether it took the row away.
    pub removes: bool,
}

/// Where the reads of a transaction come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A closure, or a single call that writes.
    Transaction,
    /// A closure that gave up: its reads must be as right as those of others, and nobody may see its writes.
    Aborted,
    /// A single call that reads.
    Outside,
    /// All reads of one snapshot, with the number of the last commit that it sees.
    Snapshot(u64),
}

/// One transaction, statement or snapshot.
#[derive(Debug, Clone)]
pub struct Txn {
    /// Its number, which no other has.
    pub id: TxnId,
    /// What it was.
    pub kind: Kind,
    /// The thread that ran it.
    pub thread: u32,
    /// A time before which it had not begun: of two transactions the one that ended before the other began comes
    /// first.
    pub begin: u64,
    /// A time at which it had ended. For a snapshot: at which it had been taken.
    pub end: u64,
    /// What it read that was not its own.
    pub reads: Vec<Read>,
    /// What it wrote and committed.
    pub writes: Vec<Write>,
}

/// All that came to its end in a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In any order.
    pub txns: Vec<Txn>,
    /// What contradicts itself within one transaction, found while it was recorded.
    pub faults: Vec<String>,
}

impl History {
    /// Adds what another thread recorded.
    pub fn append(&mut self, other: History) {
        self.txns.extend(other.txns);
        self.faults.extend(other.faults);
    }
}
