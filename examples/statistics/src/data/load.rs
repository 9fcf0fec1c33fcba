//! Filling the store from a source, so that a load that is killed goes on exactly where it stopped.
//!
//! Each batch is one transaction that puts its rows *and* moves on the count of what is committed, so the two cannot
//! part. The count belongs to the fingerprint of the data: a store that holds other data refuses, and never merges.

use gangline::{Db, Table, Transaction};
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, OrderGroup};
use super::model::{ORDER_ITEMS, ORDERS, PAYMENTS, PRODUCTS, Product, REVIEWS, USERS, User};
use super::source::Source;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Orders, or rows of another table, in one transaction.
const BATCH_ROWS: usize = 1_000;

/// What the store holds, as a single row.
const META: Table<String, Holding> = Table::new("meta");
const HOLDING: &str = "data";

/// Which data the store holds, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// What the source was called when the load began.
    pub label: String,
    /// Hash of the source.
    pub fingerprint: String,
    /// Whether everything is committed.
    pub complete: bool,
    /// Rows of the source that are committed, over all tables.
    pub source_rows: u64,
    users: u64,
    products: u64,
    orders: u64,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Rows of the source that earlier runs had committed.
    pub resumed_at: u64,
    /// Rows of the source that this run committed.
    pub rows: u64,
}

/// What the store holds; `None` while it is empty.
///
/// # Errors
///
/// Those of the store.
pub fn holding(db: &Db) -> Result<Option<Holding>> {
    Ok(db.get(META, HOLDING)?.map(|holding| Holding::clone(&holding)))
}

/// Brings the store to hold all of `source`. Costs nothing if it does already.
///
/// # Errors
///
/// [`Error::OtherData`] if the store holds anything else, [`Error::Cell`] if the source has a broken row (then nothing
/// is stored), and those of the store.
pub fn load(db: &Db, store: &str, source: &Source, resumed: impl FnOnce(u64)) -> Result<Loaded> {
    load_watched(db, store, source, resumed, &|_, _| ())
}

/// As [`load`], and tells after each batch how many are committed, of how many.
///
/// # Errors
///
/// As [`load`].
pub fn load_watched(
    db: &Db,
    store: &str,
    source: &Source,
    resumed: impl FnOnce(u64),
    watch: &dyn Fn(usize, usize),
) -> Result<Loaded> {
    let start = match holding(db)? {
        Some(held) if held.fingerprint != source.fingerprint() => return Err(other_data(store, &held, source)),
        Some(held) => held,
        None => Holding {
            label: source.label().to_owned(),
            fingerprint: source.fingerprint().to_owned(),
            complete: false,
            source_rows: 0,
            users: 0,
            products: 0,
            orders: 0,
        },
    };
    let resumed_at = start.source_rows;
    resumed(resumed_at);
    if start.complete {
        return Ok(Loaded { resumed_at, rows: 0 });
    }
    let end = commit_batches(db, start, &Dataset::read(source)?, watch)?;
    Ok(Loaded { resumed_at, rows: end.source_rows - resumed_at })
}

fn other_data(store: &str, held: &Holding, source: &Source) -> Error {
    Error::OtherData(format!(
        "the store {store} holds {} (fingerprint {:.12}), not {} (fingerprint {:.12}); \
         choose another store with --store, or remove this one",
        held.label,
        held.fingerprint,
        source.label(),
        source.fingerprint(),
    ))
}

/// The rows of one transaction.
enum Batch<'a> {
    Users(&'a [User]),
    Products(&'a [Product]),
    Orders(&'a [OrderGroup]),
}

/// What is left of a data set, in the order in which it is committed.
fn batches<'a>(dataset: &'a Dataset, held: &Holding) -> Vec<Batch<'a>> {
    fn rest<T>(rows: &[T], done: u64) -> std::slice::Chunks<'_, T> {
        let done = usize::try_from(done).unwrap_or(usize::MAX).min(rows.len());
        rows[done..].chunks(BATCH_ROWS)
    }
    let users = rest(&dataset.users, held.users).map(Batch::Users);
    let products = rest(&dataset.products, held.products).map(Batch::Products);
    let orders = rest(&dataset.orders, held.orders).map(Batch::Orders);
    users.chain(products).chain(orders).collect()
}

fn commit_batches(db: &Db, mut held: Holding, dataset: &Dataset, watch: &dyn Fn(usize, usize)) -> Result<Holding> {
    let batches = batches(dataset, &held);
    let progress = Progress::new("loading", batches.len());
    let last = batches.len().saturating_sub(1);
    for (number, batch) in batches.iter().enumerate() {
        let mut after = held.clone();
        batch.count(&mut after);
        after.complete = number == last;
        db.transact(|tx| {
            batch.put(tx)?;
            tx.put(META, HOLDING, &after)
        })?;
        held = after;
        progress.step();
        watch(number + 1, batches.len());
    }
    if batches.is_empty() {
        held.complete = true;
        db.put(META, HOLDING, &held)?;
    }
    Ok(held)
}

impl Batch<'_> {
    fn put(&self, tx: &Transaction) -> gangline::Result<()> {
        match self {
            Batch::Users(users) => users.iter().try_for_each(|user| tx.put(USERS, user.id, user)),
            Batch::Products(products) => products.iter().try_for_each(|row| tx.put(PRODUCTS, row.id, row)),
            Batch::Orders(groups) => put_orders(tx, groups),
        }
    }

    fn count(&self, held: &mut Holding) {
        match self {
            Batch::Users(users) => {
                held.users += users.len() as u64;
                // One who buys and sells stands in two files.
                held.source_rows += users.iter().map(|user| user.roles.len() as u64).sum::<u64>();
            }
            Batch::Products(products) => {
                held.products += products.len() as u64;
                held.source_rows += products.len() as u64;
            }
            Batch::Orders(groups) => {
                held.orders += groups.len() as u64;
                held.source_rows += groups.iter().map(OrderGroup::rows).sum::<u64>();
            }
        }
    }
}

/// Table by table, so that the transaction takes its locks upwards.
fn put_orders(tx: &Transaction, groups: &[OrderGroup]) -> gangline::Result<()> {
    let orders = groups.iter().flat_map(|group| &group.order);
    let items = groups.iter().flat_map(|group| &group.items);
    let payments = groups.iter().flat_map(|group| &group.payments);
    let reviews = groups.iter().flat_map(|group| &group.reviews);
    orders.into_iter().try_for_each(|row| tx.put(ORDERS, row.id, row))?;
    items.into_iter().try_for_each(|row| tx.put(ORDER_ITEMS, (row.order, row.number), row))?;
    payments.into_iter().try_for_each(|row| tx.put(PAYMENTS, (row.order, row.number), row))?;
    reviews.into_iter().try_for_each(|row| tx.put(REVIEWS, (row.id, row.order), row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_load_finds_everything() {
        let db = Db::in_memory().unwrap();
        let source = Source::built_in().unwrap();
        let first = load(&db, "s", &source, |_| ()).unwrap();
        assert_eq!(first, Loaded { resumed_at: 0, rows: 8135 + 1610 + 5460 + 8135 + 8365 + 8924 + 8225 });
        let second = load(&db, "s", &source, |_| ()).unwrap();
        assert_eq!(second, Loaded { resumed_at: first.rows, rows: 0 });
        assert_eq!(db.len(REVIEWS).unwrap(), 8225);
    }

    #[test]
    fn a_load_goes_on_after_any_batch_and_ends_the_same() {
        let source = Source::built_in().unwrap();
        let dataset = Dataset::read(&source).unwrap();
        let whole = Db::in_memory().unwrap();
        let total = load(&whole, "s", &source, |_| ()).unwrap().rows;
        let end = holding(&whole).unwrap().unwrap();
        let mut held = Holding { complete: false, source_rows: 0, users: 0, products: 0, orders: 0, ..end.clone() };
        let batches_in_all = batches(&dataset, &held);
        assert_eq!(batches_in_all.len(), 10 + 6 + 9);
        for batch in &batches_in_all[..batches_in_all.len() - 1] {
            batch.count(&mut held);
            let rest = batches(&dataset, &held);
            let mut after = held.clone();
            rest.iter().for_each(|batch| batch.count(&mut after));
            assert_eq!(after.source_rows, total);
        }
        let db = Db::in_memory().unwrap();
        db.put(META, HOLDING, &held).unwrap();
        let mut resumed = 0;
        let loaded = load(&db, "s", &source, |rows| resumed = rows).unwrap();
        assert_eq!(
            (loaded.resumed_at, resumed, loaded.rows),
            (held.source_rows, held.source_rows, total - held.source_rows)
        );
        assert_eq!(holding(&db).unwrap().unwrap(), end);
        assert_eq!(db.len(ORDERS).unwrap(), 8135 % 1000);
    }

    #[test]
    fn other_data_is_refused_by_both_names() {
        let db = Db::in_memory().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = "seller_id,seller_zip_code_prefix,seller_city,seller_state\n";
        std::fs::write(folder.path().join("sellers.csv"), text).unwrap();
        let sellers = Source::folder(folder.path()).unwrap();
        load(&db, "shop.gangline", &sellers, |_| ()).unwrap();
        assert!(holding(&db).unwrap().unwrap().complete);
        let error = load(&db, "shop.gangline", &Source::built_in().unwrap(), |_| ()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::OtherData(_)));
        assert!(
            text.contains("shop.gangline") && text.contains("built-in") && text.contains(sellers.label()),
            "{text}"
        );
        assert_eq!(db.len(USERS).unwrap(), 0);
    }
}
