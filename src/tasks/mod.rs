//! What tasks call: a twin of each call that may wait, for any executor, which never blocks its thread.
//!
//! A call of a thread may wait for three things, and a task waits for each in its own way:
//!
//! * **A lock.** It is awaited ([`crate::lock`]): no thread is kept for it, whatever number of tasks wait.
//! * **The sync of a commit.** It is awaited as well; the journal's flusher leads for tasks.
//! * **The disk, or time of a processor**: pages that are not in memory, scans, commits, copies. That is done on threads
//!   of the database ([`blocking`](crate::pool)). What is found in memory is read where the task stands.
//!
//! The calls themselves are those of threads. A [call](call) of a transaction is tried on the executor's thread in a way in
//! which it can neither wait for a lock nor for the disk; where it stops, the task awaits the one or goes to a thread for
//! the other, and makes the call again. [`run`] is the life of a transaction: [`attempt`] is one run of its closure, and
//! [`handle`] what the closure is given.

mod attempt;
mod call;
mod handle;
mod handle_queries;
mod on_db;
mod on_snapshot;
mod run;
mod statements;
mod stream;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod whole;

use crate::codec::{Key, decode_key, encode_key};
use crate::error::{Error, ErrorKind, Result};

pub use handle::AsyncTransaction;
pub use stream::Rows;
pub use whole::repair_async;

/// A key that a future keeps.
///
/// # Errors
/// `InvalidArgument` when the program's own key type does not decode what it has encoded.
fn owned_key<K: Key>(key: K::Ref<'_>) -> Result<K> {
    decode_key::<K>(&encode_key::<K>(key)).ok_or_else(|| {
        let text = "a key does not decode from what its type has encoded; mend the Key implementation";
        Error::new(ErrorKind::InvalidArgument, text)
    })
}
