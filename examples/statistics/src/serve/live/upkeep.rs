//! Maintenance: a transaction that locks whole tables for some seconds, so that one can see who waits for whom.
//!
//! It does something real: it adds up all items of the orders that were placed live, compares the sums with what the
//! shoppers' transactions have written for each seller, and says whether they agree.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gangline::{Db, Footprint, Transaction, TransactionOptions};
use parking_lot::Mutex;

use super::shoppers::Home;
use crate::data::model::{ORDER_ITEMS, ORDERS, PLACED, TAKINGS, Takings};
use crate::data::value::Id;
use crate::error::{Error, Result, in_one_line};

/// How long the tables stay locked.
pub(super) const LASTS: Duration = Duration::from_secs(4);

/// How it stands with the maintenance.
#[derive(Debug, Clone, Default)]
pub(super) enum State {
    #[default]
    Never,
    /// Waits for its locks.
    Waiting,
    /// Has the tables since then.
    Locked(Instant),
    /// What it found.
    Done(String),
}

/// The maintenance of a server; there is one at a time.
#[derive(Default)]
pub(super) struct Upkeep {
    state: Mutex<State>,
    home: Home,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Upkeep {
    pub(super) fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Starts it, unless it is under way.
    pub(super) fn start(self: &Arc<Self>, db: &Db) -> Result<()> {
        let mut thread = self.thread.lock();
        if thread.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        *self.state.lock() = State::Waiting;
        let (upkeep, db) = (Arc::clone(self), db.clone());
        let work = move || {
            let text = upkeep.work(&db).unwrap_or_else(|error| {
                tracing::error!(error = in_one_line(&error), "maintenance failed");
                "Maintenance failed; the log says why.".to_owned()
            });
            tracing::info!(text, "maintenance ended");
            *upkeep.state.lock() = State::Done(text);
        };
        let spawned = thread::Builder::new().name("maintenance".to_owned()).spawn(work);
        let refused = |source: io::Error| Error::Serve { action: "start the maintenance".to_owned(), source };
        *thread = Some(spawned.map_err(refused)?);
        Ok(())
    }

    /// Lets it come to its end at once.
    pub(super) fn stop(&self) {
        self.home.ring();
        if let Some(thread) = self.thread.lock().take() {
            // If it panicked, it has said so.
            _ = thread.join();
        }
    }

    fn work(&self, db: &Db) -> Result<String> {
        let tables = Footprint::new().read(ORDERS).write(ORDER_ITEMS).write(TAKINGS);
        let options = TransactionOptions::new().label("maintenance").declare(tables);
        Ok(db.transact_with(&options, |tx| {
            *self.state.lock() = State::Locked(Instant::now());
            self.home.rest(LASTS);
            compare(tx)
        })?)
    }
}

/// What was taken by all live orders, against what is written for each seller.
fn compare(tx: &Transaction) -> gangline::Result<String> {
    let placed = tx.query(ORDERS).select(|order| order.status == PLACED).project(|order| order.id).collect()?;
    let placed: HashSet<Id> = placed.into_iter().collect();
    let mut summed: HashMap<Id, Takings> = HashMap::new();
    for item in tx.query(ORDER_ITEMS).select(|item| placed.contains(&item.order)).rows()? {
        let takings = summed.entry(item.seller).or_default();
        takings.items += 1;
        takings.revenue += item.price;
    }
    let written: HashMap<Id, Takings> = tx.query(TAKINGS).entries()?.into_iter().map(|(id, row)| (id, *row)).collect();
    let items: u64 = summed.values().map(|takings| takings.items).sum();
    Ok(match summed == written {
        true => format!("Maintenance ended: the takings of {} sellers agree with {items} items.", written.len()),
        false => "Maintenance ended: the takings of the sellers differ from their items!".to_owned(),
    })
}
