//! Runs a closure as a transaction, as often as it takes.

use std::panic::Location;
use std::sync::Arc;

use super::engine::Engine;
use super::settings::TransactionOptions;
use super::transaction::Transaction;
use crate::context::{self, Activity};
use crate::error::{Error, Result};
use crate::events::{self, Who};

/// Runs `body` until it ends without having asked for a restart, then commits or aborts.
///
/// A restart is noted in the transaction, not in the error, so a body that drops or changes the error restarts all the
/// same. The bound on restarts is the lock set's: its plan ends at a lock on the whole database.
pub(crate) fn run<T, E: From<Error>>(
    engine: &Arc<Engine>,
    call: &'static str,
    site: &'static Location<'static>,
    options: &TransactionOptions,
    body: impl Fn(&Transaction) -> Result<T, E>,
) -> Result<T, E> {
    context::check_free(call, site)?;
    engine.check_alive()?;
    // Its clock starts here, before it is let in.
    let tx = Transaction::new(Arc::clone(engine), site, options);
    tx.check_limits("before it began")?;
    engine.admit(&tx.limits())?;
    if let Some(footprint) = &options.footprint {
        // A table that is made for it is traced by code of its row type.
        let _scope = context::enter(Activity::Transaction, site);
        tx.declare_at(footprint, site)?;
    }
    loop {
        tx.check_limits("before its closure ran")?;
        let outcome = {
            let _scope = context::enter(Activity::Transaction, site);
            let _span = events::transaction(Who { label: options.label.as_deref(), caller: site });
            body(&tx)
        };
        if tx.wants_restart() {
            // Whatever the closure made of it is dropped before the next run takes its locks.
            drop(outcome);
            tx.restart()?;
            continue;
        }
        return match outcome {
            Ok(value) => {
                tx.check_strict()?;
                if let Err(error) = add_index_entries(&tx) {
                    if tx.wants_restart() {
                        drop(value);
                        tx.restart()?;
                        continue;
                    }
                    return Err(error.into());
                }
                tx.commit()?;
                Ok(value)
            }
            Err(error) => Err(error),
        };
    }
}

/// The functions of indexes run in here.
fn add_index_entries(tx: &Transaction) -> Result<()> {
    let _scope = context::enter(Activity::Transaction, tx.site);
    tx.add_index_entries()
}

/// Runs one statement as a transaction of its own. It takes its locks in order, so it never starts over; the body may
/// therefore be used up by its run.
pub(crate) fn once<T>(
    engine: &Arc<Engine>,
    call: &'static str,
    site: &'static Location<'static>,
    body: impl FnOnce(&Transaction) -> Result<T>,
) -> Result<T> {
    context::check_free(call, site)?;
    engine.check_alive()?;
    engine.admit(&[])?;
    let tx = Transaction::new(Arc::clone(engine), site, &TransactionOptions::default());
    let value = {
        // Rows are encoded in here, some of them while no other table can be made: code of a row type that calls the
        // database must be refused, or it waits for its own thread.
        let _scope = context::enter(Activity::Transaction, site);
        let _span = events::transaction(Who { label: None, caller: site });
        body(&tx)?
    };
    add_index_entries(&tx)?;
    tx.commit()?;
    Ok(value)
}
