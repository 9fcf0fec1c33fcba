//! Many rows at once inside transactions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gangline::{Db, ErrorKind, Index, Table};
use proptest::prelude::*;

use crate::support::{ITEMS, Item, beside, ids, item, kind, small, until, waits, with_items};

const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
const BY_TEXT: Index<String, Item> = Index::<String, Item>::new("by_text", |item, out| out.key(&item.text)).unique();
const INDEXED: Table<u64, Item> = Table::new("indexed").indexes(&[&BY_GROUP, &BY_TEXT]);

fn items(ids: impl IntoIterator<Item = u64>) -> impl Iterator<Item = (u64, Item)> {
    ids.into_iter().map(|id| (id, item(id)))
}

/// An error of the program's own undoes a transaction.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[test]
fn bounds_of_a_removed_range_fall_anywhere() {
    let ranges = [(0, 0), (0, 1), (5, 5), (3, 290), (16, 160), (299, 300), (150, 151), (0, 300), (250, 1_000), (9, 3)];
    for (from, to) in ranges {
        let db = small().in_memory().unwrap();
        db.bulk_load(INDEXED, items(0..300)).unwrap();
        let before = db.snapshot();
        let expected: Vec<u64> = (0..300).filter(|id| !(from..to).contains(id)).collect();
        let removed = db.transact(|tx| {
            let removed = tx.remove_range(INDEXED, from..to)?;
            assert_eq!(tx.query(INDEXED).keys()?, expected);
            assert_eq!(tx.len(INDEXED)?, expected.len() as u64);
            Ok(removed)
        });
        assert_eq!(removed.unwrap(), 300 - expected.len() as u64, "{from}..{to}");
        assert_eq!(db.query(INDEXED).keys().unwrap(), expected);
        let report = db.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(before.query(INDEXED).count().unwrap(), 300);
    }
}

#[test]
fn its_own_rows_go_with_those_that_are_stored_and_their_unique_keys_are_free() {
    let db = small().in_memory().unwrap();
    db.put_many(INDEXED, items((0..100).step_by(2))).unwrap();
    db.transact(|tx| {
        tx.put_many(INDEXED, items((1..100).step_by(2)))?;
        tx.remove(INDEXED, 50)?;
        assert_eq!(tx.remove_range(INDEXED, 40..60)?, 19);
        assert_eq!(tx.remove_range(INDEXED, 40..60)?, 0, "they are gone already");
        tx.put(INDEXED, 45, Item { id: 45, ..item(50) })?;
        assert_eq!(tx.get_by(INDEXED, &BY_TEXT, &item(50).text)?.map(|(key, _)| key), Some(45));
        Ok(())
    })
    .unwrap();
    assert_eq!(db.query(INDEXED).keys().unwrap(), (0..40).chain([45]).chain(60..100).collect::<Vec<_>>());
    assert_eq!(db.transact(|tx| tx.clear(INDEXED)).unwrap(), 81);
    assert_eq!(db.query(INDEXED).by(&BY_GROUP).range(..).count().unwrap(), 0);
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(db.transact(|tx| tx.clear(ITEMS)).unwrap(), 0, "a table that was never written to");
}

#[test]
fn a_transaction_that_ends_with_an_error_removes_and_puts_nothing() {
    let db = with_items(100);
    let outcome: Outcome<()> = db.try_transact(|tx| {
        assert_eq!(tx.remove_range(ITEMS, 10..)?, 90);
        tx.put_many(ITEMS, items(500..600))?;
        Err("undone".into())
    });
    assert!(outcome.is_err());
    assert_eq!(ids(&db), (0..100).collect::<Vec<_>>());
}

#[test]
fn too_many_rows_are_refused_by_the_name_of_the_limit_and_the_transaction_goes_on() {
    let db = small().max_transaction_bytes(4_000).in_memory().unwrap();
    db.bulk_load(ITEMS, items(0..500)).unwrap();
    db.transact(|tx| {
        for error in [tx.remove_range(ITEMS, 1..).unwrap_err(), tx.put_many(ITEMS, items(0..20)).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::TransactionTooLarge);
            assert!(error.to_string().contains("max_transaction_bytes"), "{error}");
        }
        assert_eq!(tx.len(ITEMS)?, 500);
        assert_eq!(tx.remove_range(ITEMS, ..150)?, 150);
        Ok(())
    })
    .unwrap();
    assert_eq!(ids(&db), (150..500).collect::<Vec<_>>());
}

#[test]
fn no_row_comes_into_a_removed_range_before_the_end() {
    let db = with_items(200);
    let before = waits(&db);
    beside(
        &db,
        |tx| tx.remove_range(ITEMS, 50..60).map(drop),
        |scope, let_go| {
            // A reader outside sees what was committed.
            assert_eq!(db.get(ITEMS, 55).unwrap().unwrap().id, 55);
            let insert = scope.spawn(|| db.insert(ITEMS, 55, Item { amount: -7, ..item(55) }));
            let remove = scope.spawn(|| db.transact(|tx| tx.remove_range(ITEMS, 51..53)));
            until("both wait", || waits(&db) > before + 1 || insert.is_finished() || remove.is_finished());
            assert!(!insert.is_finished() && !remove.is_finished());
            let_go();
            insert.join().unwrap().unwrap();
            assert_eq!(remove.join().unwrap().unwrap(), 0);
        },
    );
    let expected: Vec<u64> = (0..50).chain([55]).chain(60..200).collect();
    assert_eq!(ids(&db), expected);
}

#[test]
fn rows_that_are_over_go_with_the_range_and_count() {
    const SHORT: Table<u8, SystemTime> = Table::new("short").expires(|at| Some(*at));
    let db = Db::in_memory().unwrap();
    let now = SystemTime::now();
    let hour = Duration::from_secs(3_600);
    for n in 0..20 {
        db.put(SHORT, n, if n % 2 == 0 { now - hour } else { now + hour }).unwrap();
    }
    assert_eq!(db.transact(|tx| tx.remove_range(SHORT, ..10)).unwrap(), 10);
    assert_eq!(db.remove_range(SHORT, 10..15).unwrap(), 5, "as outside transactions");
    // One that is over is in the way of a load, which looks at no rows, and not of an insert.
    assert_eq!(kind(db.bulk_load(SHORT, [(16, now + hour)])), Err(ErrorKind::Exists));
    db.transact(|tx| tx.insert(SHORT, 16, now - hour)).unwrap();
    assert_eq!(db.stored_rows("short").unwrap().count(), 5);
    assert_eq!(db.len(SHORT).unwrap(), 3);
}

#[test]
fn of_many_puts_with_one_key_the_last_counts() {
    let db = small().in_memory().unwrap();
    let last = |id| Item { amount: -1, text: format!("last {id}"), ..item(id) };
    db.transact(|tx| {
        tx.put(INDEXED, 3, item(3))?;
        let rows = items([7, 3, 9, 3, 7]).chain([(3, last(3)), (7, last(7))]);
        assert_eq!(tx.put_many(INDEXED, rows)?, 3);
        assert_eq!(tx.put_many(INDEXED, [])?, 0);
        assert_eq!(tx.query(INDEXED).keys()?, [3, 7, 9]);
        Ok(())
    })
    .unwrap();
    assert_eq!(*db.get(INDEXED, 3).unwrap().unwrap(), last(3));
    assert_eq!(*db.get(INDEXED, 7).unwrap().unwrap(), last(7));
    assert!(db.verify().unwrap().is_clean());
}

#[derive(Debug, Clone)]
enum Op {
    Puts(Vec<u64>),
    Remove(u64, u64),
    RemoveOne(u64),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => prop::collection::vec(0u64..300, 1..60).prop_map(Op::Puts),
        4 => (0u64..310, 0u64..120).prop_map(|(from, count)| Op::Remove(from, from + count)),
        2 => (0u64..300).prop_map(Op::RemoveOne),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn bulk_work_inside_does_to_a_table_what_it_does_to_a_map(
        transactions in prop::collection::vec((ops(), any::<bool>(), any::<bool>()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || small().cache_bytes(100_000).open(dir.path()).unwrap();
        let (mut db, mut model) = (open(), BTreeMap::new());
        for (ops, undo, reopen) in transactions {
            let outcome: Outcome<_> = db.try_transact(|tx| {
                let mut after = model.clone();
                for op in &ops {
                    let before = after.len();
                    match op {
                        Op::Puts(keys) => {
                            after.extend(items(keys.iter().copied()));
                            tx.put_many(INDEXED, items(keys.iter().copied()))?;
                        }
                        Op::Remove(from, to) => {
                            after.retain(|key, _| !(*from..*to).contains(key));
                            assert_eq!(tx.remove_range(INDEXED, from..to)?, (before - after.len()) as u64);
                        }
                        Op::RemoveOne(key) => {
                            assert_eq!(tx.remove(INDEXED, *key)?.is_some(), after.remove(key).is_some());
                        }
                        Op::Clear => {
                            after.clear();
                            assert_eq!(tx.clear(INDEXED)?, before as u64);
                        }
                    }
                    let keys = after.keys().copied().collect::<Vec<_>>();
                    assert_eq!(tx.query(INDEXED).keys()?, keys);
                }
                if undo { Err("undone".into()) } else { Ok(after) }
            });
            prop_assert_eq!(outcome.is_err(), undo);
            model = outcome.unwrap_or(model);
            if reopen {
                drop(db);
                db = open();
            }
            prop_assert_eq!(db.query(INDEXED).keys().unwrap(), model.keys().copied().collect::<Vec<_>>());
            let report = db.verify().unwrap();
            prop_assert!(report.is_clean(), "{}", report);
        }
    }
}
