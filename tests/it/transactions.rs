//! One transaction alone: what it does, what it undoes, what it refuses.

use gangline::{Db, Durability, Error, ErrorKind, Shared, Table, TransactionOptions};
use serde::{Deserialize, Serialize};

use crate::support::{ITEMS, Item, amount, ids, item, kind, small, with_items};

const COUNTS: Table<String, u64> = Table::new("counts");

#[test]
fn a_refused_update_leaves_nothing_of_itself_in_the_transaction() {
    let db = with_items(6);
    db.transact(|tx| {
        tx.modify(ITEMS, 1, |item| item.amount = 100)?;
        tx.remove(ITEMS, 2)?;
        tx.put(ITEMS, 6, item(6))?;
        let refused = tx.update(
            ITEMS,
            |_| true,
            |item| {
                item.amount += 1;
                if item.id == 5 {
                    item.text = "x".repeat(17 << 20);
                }
            },
        );
        assert_eq!(kind(refused), Err(ErrorKind::RowTooLarge));
        assert_eq!(tx.read(ITEMS, |_| true, |item| item.amount)?, [0, 100, 3, 4, 5, 6]);
        tx.modify(ITEMS, 3, |item| item.amount = 300).map(drop)
    })
    .unwrap();
    assert_eq!(db.read(ITEMS, |_| true, |item| item.amount).unwrap(), [0, 100, 300, 4, 5, 6]);
}

#[test]
fn own_writes_are_read_through_another_type_of_the_same_shape() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Amount")]
    struct First {
        amount: u64,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Amount")]
    struct Second {
        amount: u64,
    }
    const FIRST: Table<u64, First> = Table::new("amounts");
    const SECOND: Table<u64, Second> = Table::new("amounts");
    let db = Db::in_memory().unwrap();
    db.put(FIRST, 0, First { amount: 0 }).unwrap();
    db.transact(|tx| {
        tx.put(FIRST, 1, First { amount: 10 })?;
        assert_eq!(tx.get(SECOND, 1)?.as_deref(), Some(&Second { amount: 10 }));
        assert_eq!(tx.read(SECOND, |_| true, |row| row.amount)?, [0, 10]);
        tx.modify(SECOND, 1, |row| row.amount += 1)?;
        tx.put(FIRST, 2, First { amount: 20 })?;
        assert!(tx.remove(SECOND, 2)?.is_some());
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(FIRST, |_| true, |row| row.amount).unwrap(), [0, 11]);
}

#[test]
fn the_single_calls() {
    let db = with_items(3);
    assert_eq!(db.get(ITEMS, 1).unwrap().as_deref(), Some(&item(1)));
    assert!(db.get(ITEMS, 9).unwrap().is_none());
    assert!(db.contains(ITEMS, 2).unwrap() && !db.contains(ITEMS, 3).unwrap());
    assert_eq!(kind(db.insert(ITEMS, 2, item(2))), Err(ErrorKind::Exists));
    db.insert(ITEMS, 3, item(3)).unwrap();
    assert_eq!(db.modify(ITEMS, 3, |item| std::mem::replace(&mut item.amount, 33)).unwrap(), Some(3));
    assert_eq!(db.modify(ITEMS, 9, |_| ()).unwrap(), None);
    assert_eq!(db.remove(ITEMS, 3).unwrap().unwrap().amount, 33);
    assert!(db.remove(ITEMS, 3).unwrap().is_none());
    assert_eq!(db.first(ITEMS).unwrap().map(|(key, _)| key), Some(0));
    assert_eq!(db.last(ITEMS).unwrap().map(|(key, item)| (key, item.id)), Some((2, 2)));
    assert_eq!(db.len(ITEMS).unwrap(), 3);
    let many = db.get_many(ITEMS, [2, 9, 0, 2]).unwrap();
    let many: Vec<Option<u64>> = many.iter().map(|item| item.as_ref().map(|item| item.id)).collect();
    assert_eq!(many, [Some(2), None, Some(0), Some(2)]);
    assert_eq!(db.update(ITEMS, |item| item.id > 0, |item| item.amount += 10).unwrap(), 2);
    assert_eq!((amount(&db, 0), amount(&db, 2)), (0, 12));
}

#[test]
fn rows_are_given_in_many_forms() {
    let db = Db::in_memory().unwrap();
    let row = item(5);
    db.put(ITEMS, 1, &row).unwrap();
    db.put(ITEMS, 2, row.clone()).unwrap();
    db.put(ITEMS, 3, std::sync::Arc::new(row.clone())).unwrap();
    let shared: Shared<Item> = db.get(ITEMS, 1).unwrap().unwrap();
    db.put(ITEMS, 4, &shared).unwrap();
    assert_eq!(db.read(ITEMS, |item| *item == row, |item| item.id).unwrap(), [5; 4]);
    drop(db);
    assert_eq!(*shared, row, "a row outlives its database");
}

#[test]
fn a_transaction_reads_what_it_wrote() {
    let db = with_items(100);
    db.transact(|tx| {
        tx.put(ITEMS, 200, item(200))?;
        tx.remove(ITEMS, 0)?;
        assert_eq!(tx.modify(ITEMS, 50, |item| item.amount)?, Some(50));
        tx.modify(ITEMS, 50, |item| item.amount = -50)?;
        tx.modify(ITEMS, 50, |item| item.amount -= 1)?;
        assert_eq!(tx.get(ITEMS, 50)?.unwrap().amount, -51);
        assert_eq!(tx.get_for_update(ITEMS, 200)?.unwrap().id, 200);
        assert!(tx.get(ITEMS, 0)?.is_none() && !tx.contains(ITEMS, 0)?);
        assert_eq!((tx.first(ITEMS)?.unwrap().0, tx.last(ITEMS)?.unwrap().0), (1, 200));
        assert_eq!(tx.len(ITEMS)?, 100);
        assert_eq!(kind(tx.insert(ITEMS, 200, item(1))), Err(ErrorKind::Exists));
        tx.insert(ITEMS, 0, item(0))?;
        assert_eq!(tx.read(ITEMS, |item| item.amount < 0, |item| item.id)?, [50]);
        assert_eq!(tx.update(ITEMS, |item| item.id >= 99, |item| item.amount = 1)?, 2);
        let seen: Vec<_> = tx.get_many(ITEMS, [99, 200])?.iter().map(|item| item.as_ref().unwrap().amount).collect();
        assert_eq!(seen, [1, 1]);
        assert_eq!(tx.remove(ITEMS, 200)?.unwrap().amount, 1);
        assert!(tx.remove(ITEMS, 200)?.is_none());
        Ok(())
    })
    .unwrap();
    assert_eq!((db.len(ITEMS).unwrap(), amount(&db, 50), amount(&db, 99)), (100, -51, 1));
}

#[test]
fn an_error_undoes_everything_in_all_tables() {
    let db = with_items(100);
    db.put(COUNTS, "n", 1).unwrap();
    let commits = db.snapshot().commit_number();
    let outcome = db.try_transact(|tx| {
        tx.update(ITEMS, |_| true, |item| item.amount = 0)?;
        tx.put(COUNTS, "n", 2)?;
        tx.put(COUNTS, "m", 2)?;
        tx.remove(ITEMS, 5)?;
        Err::<(), _>(Stop)
    });
    assert!(matches!(outcome, Err(Stop)));
    assert_eq!(ids(&db).len(), 100);
    assert_eq!(amount(&db, 99), 99);
    assert_eq!((db.len(COUNTS).unwrap(), *db.get(COUNTS, "n").unwrap().unwrap()), (1, 1));
    assert_eq!(db.snapshot().commit_number(), commits);
}

#[derive(Debug)]
struct Stop;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        panic!("nothing of the library fails here: {error}")
    }
}

#[test]
fn a_transaction_over_its_limit_is_refused_whole() {
    let db = small().max_transaction_bytes(4096).in_memory().unwrap();
    let big = |id| Item { text: "x".repeat(1_000), ..item(id) };
    let outcome = db.transact(|tx| (0..100).try_for_each(|id| tx.put(ITEMS, id, big(id))));
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TransactionTooLarge);
    assert!(error.to_string().contains("4096"), "{error}");
    assert_eq!(db.len(ITEMS).unwrap(), 0);
    db.transact(|tx| (0..3).try_for_each(|id| tx.put(ITEMS, id, big(id)))).unwrap();
    assert_eq!(db.len(ITEMS).unwrap(), 3);
}

#[test]
fn a_key_over_its_limit_is_refused() {
    let db = Db::in_memory().unwrap();
    let long = "k".repeat(gangline::MAX_KEY_BYTES + 1);
    let error = db.put(COUNTS, &long, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyTooLarge);
    assert!(error.to_string().contains("counts"), "{error}");
    let fits = "k".repeat(gangline::MAX_KEY_BYTES - 16);
    db.put(COUNTS, &fits, 1).unwrap();
    assert_eq!(db.query(COUNTS).keys().unwrap(), [fits]);
}

#[test]
fn many_row_locks_become_a_lock_on_the_table() {
    let db = small().max_row_locks(50).in_memory().unwrap();
    db.transact(|tx| (0..500).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    assert_eq!(ids(&db), (0..500).collect::<Vec<_>>());
}

#[test]
fn a_transaction_can_choose_its_durability() {
    let (_folder, path) = crate::support::place();
    let db = small().open(&path).unwrap();
    for durability in [Durability::Eventual, Durability::Immediate] {
        db.transact(|tx| {
            tx.durability(durability)?;
            tx.put(COUNTS, &format!("{durability:?}"), 1)
        })
        .unwrap();
    }
    db.sync().unwrap();
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    assert_eq!(db.query(COUNTS).keys().unwrap(), ["Eventual", "Immediate"]);
}

#[test]
fn a_closed_database_says_so() {
    let db = with_items(3);
    let other = db.clone();
    db.close().unwrap();
    assert_eq!(kind(other.get(ITEMS, 1)), Err(ErrorKind::Closed));
    assert_eq!(kind(other.put(ITEMS, 1, item(1))), Err(ErrorKind::Closed));
    assert_eq!(kind(other.read(ITEMS, |_| true, |_| ())), Err(ErrorKind::Closed));
    assert_eq!(kind(other.transact(|tx| tx.get(ITEMS, 1))), Err(ErrorKind::Closed));
}

#[test]
fn a_table_and_a_row_as_wide_as_allowed() {
    let db = small().in_memory().unwrap();
    // A row that nearly fills a page of its own, beside small ones, growing and shrinking.
    for length in [10, 4_500, 0, 3_000, 4_500] {
        db.put(ITEMS, 1, Item { text: "w".repeat(length), ..item(1) }).unwrap();
        db.put(ITEMS, length as u64 + 10, item(2)).unwrap();
        assert_eq!(db.get(ITEMS, 1).unwrap().unwrap().text.len(), length);
    }
    let refused = db.put(ITEMS, 2, Item { text: "w".repeat(17 << 20), ..item(1) }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RowTooLarge);
    assert!(db.get(ITEMS, 2).unwrap().is_none());
}

#[test]
fn a_label_names_the_transaction_in_the_lock_dump() {
    let db = Db::in_memory().unwrap();
    let named = TransactionOptions::new().label("pay in");
    let dump = db
        .transact_with(&named, |tx| {
            tx.put(COUNTS, "sled", 1)?;
            Ok(db.locks().dump().to_string())
        })
        .unwrap();
    assert!(dump.contains("pay in"), "{dump}");
}
