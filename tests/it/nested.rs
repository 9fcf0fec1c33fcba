//! Calls of a database from inside its own closures: an error at once, not a hang.

use std::sync::OnceLock;

use gangline::{Db, ErrorKind, Pool, Result, Table};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{ITEMS, amount, ids, item, with_items};

#[track_caller]
fn assert_nested<T>(outcome: Result<T>) {
    let error = outcome.map(drop).expect_err("it is called from inside of a closure");
    assert_eq!(error.kind(), ErrorKind::Nested);
    assert_eq!(error.to_string().matches("nested.rs").count(), 2, "both places are named: {error}");
}

/// Every call of a database that is refused inside of a closure.
fn all_calls(db: &Db) {
    assert_nested(db.get(ITEMS, 1));
    assert_nested(db.get_many(ITEMS, [1, 2]));
    assert_nested(db.contains(ITEMS, 1));
    assert_nested(db.first(ITEMS));
    assert_nested(db.last(ITEMS));
    assert_nested(db.len(ITEMS));
    assert_nested(db.put(ITEMS, 1, item(1)));
    assert_nested(db.insert(ITEMS, 1, item(1)));
    assert_nested(db.modify(ITEMS, 1, |item| item.amount = 0));
    assert_nested(db.remove(ITEMS, 1));
    assert_nested(db.update(ITEMS, |_| true, |item| item.amount = 0));
    assert_nested(db.read(ITEMS, |_| true, |_| ()));
    assert_nested(db.query(ITEMS).count());
    assert_nested(db.query(ITEMS).rows());
    assert_nested(db.transact(|tx| tx.put(ITEMS, 1, item(1))));
    assert_nested(db.lock("renderer"));
    assert_nested(db.lock_shared("palette"));
}

#[test]
fn no_call_of_the_database_inside_a_transaction() {
    let db = with_items(100);
    db.transact(|tx| {
        all_calls(&db);
        tx.modify(ITEMS, 1, |item| item.amount += 1)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(amount(&db, 1), 2, "the transaction itself goes on");
}

#[test]
fn nor_of_another_database() {
    let (db, other) = (with_items(10), with_items(10));
    db.transact(|_| {
        all_calls(&other);
        Ok(())
    })
    .unwrap();
    assert_eq!(ids(&other).len(), 10);
}

#[test]
fn nor_inside_select_and_project() {
    // Enough rows that other threads than the caller's run the closures, too.
    let db = with_items(5_000);
    let hits = db
        .read(
            ITEMS,
            |item| {
                if item.id % 1_000 == 0 {
                    all_calls(&db);
                }
                item.id % 1_000 == 1
            },
            |item| {
                all_calls(&db);
                item.id
            },
        )
        .unwrap();
    assert_eq!(hits, [1, 1_001, 2_001, 3_001, 4_001]);
}

#[test]
fn nor_inside_a_change() {
    let db = with_items(20);
    db.modify(ITEMS, 1, |_| all_calls(&db)).unwrap();
    let changed = db.update(ITEMS, |item| item.id == 3, |_| all_calls(&db)).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn a_snapshot_may_be_taken_anywhere() {
    let db = with_items(10);
    let taken = db
        .transact(|tx| {
            tx.modify(ITEMS, 1, |item| item.amount = 50)?;
            Ok(db.snapshot())
        })
        .unwrap();
    assert_eq!(taken.get(ITEMS, 1).unwrap().unwrap().amount, 1, "it does not see what was not committed");
    assert_eq!(amount(&db, 1), 50);
}

#[test]
fn a_snapshot_may_be_read_in_every_closure() {
    let db = with_items(5_000);
    let snapshot = db.snapshot();
    let rows = db
        .transact(|tx| {
            tx.modify(ITEMS, 1, |item| item.amount = 50)?;
            assert_eq!(snapshot.get(ITEMS, 1)?.unwrap().amount, 1);
            Ok(snapshot.read(ITEMS, |item| item.amount > 0, |item| item.amount)?.len())
        })
        .unwrap();
    assert!(rows > 4_000, "{rows}");
    let both = db.read(ITEMS, |item| snapshot.get(ITEMS, 1).unwrap().unwrap().amount == 1 && item.amount == 50, |_| ());
    assert_eq!(both.unwrap().len(), snapshot.read(ITEMS, |item| item.amount == 50, |_| ()).unwrap().len() + 1);
}

#[test]
fn the_pool_cannot_be_called_inside_a_transaction() {
    let db = with_items(10);
    db.transact(|_| {
        assert_nested(db.pool().map(0..3, |x| x));
        assert_nested(db.pool().try_map(0..3, Ok::<i32, gangline::Error>));
        assert_nested(db.pool().apply(|| 1));
        assert_nested(Pool::new(1).map(0..3, |x| x));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_closure_that_panics_leaves_its_thread_free() {
    let db = with_items(10);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.transact::<()>(|tx| {
            tx.modify(ITEMS, 1, |item| item.amount = 0)?;
            std::panic::resume_unwind(Box::new("on purpose"))
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    db.modify(ITEMS, 1, |item| item.amount += 10).unwrap();
    assert_eq!(amount(&db, 1), 11, "no lock has leaked, and nothing of it was committed");
}

#[test]
fn a_row_type_that_calls_the_database_while_it_is_stored_is_refused() {
    static DB: OnceLock<Db> = OnceLock::new();
    #[derive(Debug, Clone)]
    struct Sly(u64);
    impl Serialize for Sly {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if let Some(db) = DB.get() {
                // To make a table here would wait for the one that is being made.
                assert_nested(db.put(Table::<u64, u64>::new("others"), 1, 1));
            }
            self.0.serialize(serializer)
        }
    }
    impl<'de> Deserialize<'de> for Sly {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u64::deserialize(deserializer).map(Sly)
        }
    }
    let db = DB.get_or_init(|| with_items(1));
    db.put(Table::<u64, Sly>::new("sly"), 1, Sly(7)).unwrap();
    assert_eq!(db.get(Table::<u64, Sly>::new("sly"), 1).unwrap().unwrap().0, 7);
}
