//! Both queries as folds of Gangline.

use std::path::Path;

use gangline::{Db, Durability, Options as StoreOptions, Table};

use super::item::{Item, ItemKey, items};
use super::query::{Groups, q6_revenue, q6_takes};
use super::{Found, asked};
use crate::cli::Options;
use crate::outcome::Outcome;
use crate::workload::{UNBOUNDED, timed};

pub(super) const ITEMS: Table<ItemKey, Item> = Table::new("lineitem");

/// Rows of one transaction of the load.
const BATCH: usize = 10_000;

pub(super) fn run(folder: &Path, options: &Options) -> Outcome<Found> {
    let store = StoreOptions::new().durability(Durability::Eventual).scan_threads(options.threads);
    let db = store.cache_bytes(UNBOUNDED as usize).open(folder.join("store"))?;
    let (load, ()) = timed(|| load(&db, options.scale))?;
    let ask_q1 = || Ok(db.query(ITEMS).fold(Groups::default, Groups::add, Groups::merge)?.lines());
    let ask_q6 = || {
        let query = db.query(ITEMS).select(q6_takes);
        Ok(query.fold(|| 0, |sum, item| sum + q6_revenue(item), |a, b| a + b)?)
    };
    let (q1_ms, q1) = asked(options, ask_q1)?;
    let (q6_ms, q6) = asked(options, ask_q6)?;
    let rows = db.len(ITEMS)?;
    db.close()?;
    Ok(Found { rows, load_s: load.as_secs_f64(), q1_ms, q6_ms, q1, q6 })
}

pub(super) fn load(db: &Db, scale: f64) -> Outcome<()> {
    let mut items = items(scale);
    loop {
        let batch: Vec<(ItemKey, Item)> = items.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(db.checkpoint()?);
        }
        db.transact(|tx| batch.iter().try_for_each(|(key, item)| tx.put(ITEMS, *key, item)))?;
    }
}
