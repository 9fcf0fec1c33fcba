//! One call of a task's transaction, made until it goes through.

use std::sync::Arc;

use super::attempt::{Attempt, InHand};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::txn::Transaction;

/// Where a call is made first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It reads or writes a row: where the task stands, and on a thread if it would have to read the disk.
    Short,
    /// It goes through many rows: on a thread.
    Long,
}

/// What became of one try.
enum Tried<R> {
    Done(Result<R>),
    /// A lock is to be awaited first.
    Waits,
    /// It may not wait for the disk here.
    Blocks,
}

/// Makes a call of a transaction. `call` may run several times; what it does before it has all its locks and all that it
/// reads must do no harm twice.
///
/// # Errors
/// What the call gives, what waiting for a lock gives, and as [`Attempt::begin`].
pub(super) async fn make<R: Send + 'static>(
    attempt: Arc<Attempt>,
    kind: Kind,
    call: impl Fn(&Transaction) -> Result<R> + Send + 'static,
) -> Result<R> {
    let (_calling, mut held) = attempt.begin().await?;
    let mut call = call;
    let mut on_thread = kind == Kind::Long;
    loop {
        let tried;
        if on_thread {
            let threads = attempt.db.engine().blocking();
            let job = move || {
                let tried = on_this_thread(&held, &call);
                (held, call, tried)
            };
            let running = if kind == Kind::Long { threads.long(job) } else { threads.short(job) };
            (held, call, tried) = running.await;
        } else {
            tried = where_the_task_stands(&held, &call);
        }
        match tried {
            Tried::Done(outcome) => return outcome,
            Tried::Waits => held.tx_mut().await_put_off().await?,
            Tried::Blocks => on_thread = true,
        }
    }
}

fn where_the_task_stands<R>(held: &InHand, call: &impl Fn(&Transaction) -> Result<R>) -> Tried<R> {
    let tried = context::without_blocking(|| on_this_thread(held, call));
    tried.unwrap_or_else(|| {
        held.tx().forget_put_off();
        Tried::Blocks
    })
}

fn on_this_thread<R>(held: &InHand, call: &impl Fn(&Transaction) -> Result<R>) -> Tried<R> {
    let tx = held.tx();
    // Rows are encoded and functions of the program run in here.
    let _scope = context::enter(Activity::Transaction, tx.site);
    let outcome = call(tx);
    if tx.has_put_off() { Tried::Waits } else { Tried::Done(outcome) }
}
