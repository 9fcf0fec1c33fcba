//! The life of a task's transaction: as [`crate::txn`] runs one of a thread, but nothing of it blocks.

use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;

use super::attempt::{Attempt, EndOfRun};
use super::call::{self, Kind};
use super::handle::AsyncTransaction;
use crate::context::{self, Activity};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::{self, Who};
use crate::storage::journal::Position;
use crate::txn::{Applied, Transaction, TransactionOptions};

/// Runs `body` until a run ends without having asked for a restart, then commits or aborts. A future that is dropped ends
/// the transaction: its locks are given back and nothing of it is done, unless its commit has begun.
pub(super) async fn run<T, E: From<Error>, Fut: Future<Output = Result<T, E>>>(
    db: Db,
    call: &'static str,
    site: &'static Location<'static>,
    options: TransactionOptions,
    body: impl Fn(AsyncTransaction) -> Fut,
) -> Result<T, E> {
    context::check_free(call, site)?;
    let mut tx = begin(&db, site, &options).await?;
    let who = Who { label: options.label.as_deref(), caller: site };
    loop {
        tx.check_limits("before its closure ran")?;
        let attempt = Attempt::new(db.clone(), tx);
        // Before the closure's future, which is dropped first and may have the transaction in hand.
        let _end = EndOfRun(Arc::clone(&attempt));
        let outcome = {
            let future = {
                let _scope = context::enter(Activity::Transaction, site);
                body(AsyncTransaction::of(Arc::clone(&attempt)))
            };
            one_run(site, who, future).await
        };
        tx = match (attempt.finish().await, outcome) {
            // Whatever the closure made of it is dropped before the next run takes its locks.
            (Ok(tx), _) if tx.wants_restart() => tx,
            (Ok(tx), Ok(value)) => {
                tx.check_strict()?;
                match commit(&db, tx).await? {
                    None => return Ok(value),
                    Some(again) => again,
                }
            }
            (_, Err(error)) => return Err(error),
            (Err(error), Ok(_)) => return Err(error.into()),
        };
        tx.restart_async().await?;
    }
}

async fn begin(db: &Db, site: &'static Location<'static>, options: &TransactionOptions) -> Result<Box<Transaction>> {
    let engine = db.engine();
    engine.check_alive()?;
    let tx = Box::new(Transaction::new(Arc::clone(engine), site, options).of_task());
    tx.check_limits("before it began")?;
    if engine.is_behind() {
        let (limits, db_of_thread) = (tx.limits(), db.clone());
        db.engine().blocking().long(move || db_of_thread.engine().admit(&limits)).await?;
    }
    let Some(footprint) = options.footprint.clone() else { return Ok(tx) };
    let attempt = Attempt::new(db.clone(), tx);
    let _end = EndOfRun(Arc::clone(&attempt));
    call::make(Arc::clone(&attempt), Kind::Short, move |tx| tx.declare_at(&footprint, site)).await?;
    attempt.finish().await
}

/// The closure's future, with the thread marked while it is polled.
async fn one_run<Fut: Future>(site: &'static Location<'static>, who: Who<'_>, future: Fut) -> Fut::Output {
    let span = events::transaction_of_task(who);
    let mut future = pin!(future);
    poll_fn(|context| {
        let _scope = context::enter(Activity::Transaction, site);
        let _entered = span.enter();
        future.as_mut().poll(context)
    })
    .await
}

/// What became of a commit on a thread of the database.
enum Ended {
    /// Applied, and on disk when this position is; none: there is nothing to wait for.
    Applied(Option<Position>),
    /// A lock on an index entry is to be awaited first.
    Waits(Box<Transaction>),
    /// It has to start over.
    Restarts(Box<Transaction>),
}

/// Commits. Gives the transaction back when it has to start over.
async fn commit(db: &Db, mut tx: Box<Transaction>) -> Result<Option<Box<Transaction>>> {
    if tx.is_read_only() {
        // Nothing is written, so nothing blocks.
        return tx.commit().map(|()| None);
    }
    loop {
        let of_thread = db.clone();
        let ended = db.engine().blocking().short(move || {
            let ended = commit_on_this_thread(tx);
            drop(of_thread);
            ended
        });
        match ended.await? {
            Ended::Waits(stopped) => {
                tx = stopped;
                tx.await_put_off().await?;
            }
            Ended::Restarts(again) => return Ok(Some(again)),
            Ended::Applied(position) => {
                if let (Some(journal), Some(position)) = (&db.engine().journal, position) {
                    journal.synced_async(position).await?;
                }
                return Ok(None);
            }
        }
    }
}

fn commit_on_this_thread(tx: Box<Transaction>) -> Result<Ended> {
    let entries = {
        // The functions of indexes run in here.
        let _scope = context::enter(Activity::Transaction, tx.site);
        tx.add_index_entries()
    };
    if tx.has_put_off() {
        return Ok(Ended::Waits(tx));
    }
    if let Err(error) = entries {
        return if tx.wants_restart() { Ok(Ended::Restarts(tx)) } else { Err(error) };
    }
    Ok(Ended::Applied(tx.apply()?.and_then(Applied::tidy_up)))
}
