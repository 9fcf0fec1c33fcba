//! Many rows at once: loads, removed ranges, dropped tables.

use std::collections::BTreeMap;

use gangline::{Db, ErrorKind, Index, Options, Table};
use proptest::prelude::*;

use crate::support::{ITEMS, Item, beside, fill, ids, item, small, until, waits, with_items};

const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
const BY_TEXT: Index<String, Item> = Index::<String, Item>::new("by_text", |item, out| out.key(&item.text)).unique();
const INDEXED: Table<u64, Item> = Table::new("indexed").indexes(&[&BY_GROUP, &BY_TEXT]);

fn items(ids: impl IntoIterator<Item = u64>) -> impl Iterator<Item = (u64, Item)> {
    ids.into_iter().map(|id| (id, item(id)))
}

/// Every number below a prime once, in an order that no part of ascends for long.
fn mixed(prime: u64) -> Vec<u64> {
    (0..prime).map(|n| n * 7_919 % prime).collect()
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check_indexed(db: &Db, expected: &[u64]) {
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(db.query(INDEXED).keys().unwrap(), expected);
    assert_eq!(db.len(INDEXED).unwrap(), expected.len() as u64);
    for group in 0..7 {
        let of_group: Vec<u64> = expected.iter().copied().filter(|id| id % 7 == group).collect();
        assert_eq!(db.query(INDEXED).by(&BY_GROUP).equal(group).keys().unwrap(), of_group);
    }
}

#[test]
fn a_load_gives_the_same_table_in_whatever_order_its_rows_come() {
    let orders: [Vec<u64>; 3] = [(0..1_009).collect(), (0..1_009).rev().collect(), mixed(1_009)];
    // With the least budget nearly everything goes through runs on disk; with the other, through memory.
    for (order, cache) in orders.iter().flat_map(|order| [(order, 100_000), (order, 1 << 30)]) {
        let dir = tempfile::tempdir().unwrap();
        let db = small().cache_bytes(cache).open(dir.path()).unwrap();
        assert_eq!(db.bulk_load(INDEXED, items(order.iter().copied())).unwrap(), 1_009);
        let all: Vec<u64> = (0..1_009).collect();
        check_indexed(&db, &all);
        assert_eq!(db.get_by(INDEXED, &BY_TEXT, &item(77).text).unwrap().map(|(id, _)| id), Some(77));
        db.checkpoint().unwrap();
        check_indexed(&db, &all);
        db.close().unwrap();
        let db = small().open(dir.path()).unwrap();
        check_indexed(&db, &all);
        assert_eq!(*db.get(INDEXED, 1_000).unwrap().unwrap(), item(1_000));
    }
}

#[test]
fn a_load_fills_full_pages() {
    let db = small().segment_rows(1_000).in_memory().unwrap();
    db.bulk_load(ITEMS, items(0..10_000)).unwrap();
    let loaded = db.verify().unwrap().tables[0].pages;
    // 14 of them fit a page.
    assert!((10_000u64.div_ceil(14)..=10_000u64.div_ceil(14) + 1).contains(&loaded), "{loaded} pages");
}

#[test]
fn rows_are_merged_with_those_that_are_there() {
    let db = small().in_memory().unwrap();
    db.transact(|tx| (0..500).step_by(2).try_for_each(|id| tx.put(INDEXED, id, item(id)))).unwrap();
    // Between them, beyond them, and both at once.
    db.bulk_load(INDEXED, items((1..300).step_by(2))).unwrap();
    db.bulk_load(INDEXED, items(1_000..1_200)).unwrap();
    db.bulk_load(INDEXED, items((301..700).step_by(2))).unwrap();
    let expected: Vec<u64> = (0..301).chain((301..500).chain((501..700).step_by(2))).chain(1_000..1_200).collect();
    check_indexed(&db, &expected);
    // And it is an ordinary table.
    db.put(INDEXED, 700, item(700)).unwrap();
    db.remove(INDEXED, 0).unwrap();
    let mut after: Vec<u64> = expected.iter().copied().filter(|id| *id != 0).chain([700]).collect();
    after.sort_unstable();
    check_indexed(&db, &after);
}

#[test]
fn the_first_page_of_a_segment_takes_all_keys_below_its_own() {
    for cache in [60_000, 1 << 28] {
        let dir = tempfile::tempdir().unwrap();
        let db = small().cache_bytes(cache).open(dir.path()).unwrap();
        // Of a load, of what a removal leaves below its range, and of what it leaves above.
        db.bulk_load(INDEXED, items(1_000..1_100)).unwrap();
        db.put_many(INDEXED, items((0..500).step_by(5))).unwrap();
        db.clear(INDEXED).unwrap();
        db.put_many(INDEXED, items([700, 701, 702])).unwrap();
        db.remove_range(INDEXED, 701..).unwrap();
        db.put_many(INDEXED, items((0..500).step_by(5))).unwrap();
        db.remove_range(INDEXED, ..498).unwrap();
        db.put_many(INDEXED, items(0..100)).unwrap();
        check_indexed(&db, &(0..100).chain([700]).collect::<Vec<_>>());
    }
}

#[test]
fn a_key_that_is_there_or_comes_twice_loads_nothing_and_is_named() {
    let db = small().in_memory().unwrap();
    db.put(INDEXED, 500, item(500)).unwrap();
    for twice in [vec![7, 8, 7], vec![7, 7], vec![400, 600, 500], vec![500], vec![9, 1, 1]] {
        let error = db.bulk_load(INDEXED, items(twice.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists, "{twice:?}: {error}");
        assert!(error.to_string().contains("\"indexed\""), "{error}");
        check_indexed(&db, &[500]);
    }
    let error = db.bulk_load(INDEXED, items([500])).unwrap_err();
    assert!(error.to_string().contains("key 500 "), "{error}");
    // The unique index, against a stored row and among the new ones.
    for rows in [vec![(1, item(500))], vec![(1, item(1)), (2, item(1))]] {
        let error = db.bulk_load(INDEXED, rows).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists);
        assert!(error.to_string().contains("by_text"), "{error}");
        check_indexed(&db, &[500]);
    }
}

#[test]
fn what_puts_refuse_loads_refuse() {
    const TEXTS: Table<String, String> = Table::new("texts");
    let db = Options::new().max_row_bytes(1_000).in_memory().unwrap();
    let long = "x".repeat(2_000);
    let error = db.bulk_load(TEXTS, [("a".to_owned(), "b".to_owned()), ("b".into(), long.clone())]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowTooLarge);
    assert_eq!(db.bulk_load(TEXTS, [(long, "b".to_owned())]).unwrap_err().kind(), ErrorKind::KeyTooLarge);
    assert_eq!(db.len(TEXTS).unwrap(), 0);
    let mut kind = None;
    let rows = std::iter::once_with(|| {
        kind = db.get(TEXTS, "a").err().map(|error| error.kind());
        ("a".to_owned(), "b".to_owned())
    });
    db.bulk_load(TEXTS, rows).unwrap();
    assert_eq!(kind, Some(ErrorKind::Nested));
    assert_eq!(db.bulk_load(TEXTS, Vec::<(String, String)>::new()).unwrap(), 0);
}

#[test]
fn a_snapshot_keeps_what_loads_and_removals_of_ranges_take_away() {
    let dir = tempfile::tempdir().unwrap();
    let db = small().cache_bytes(200_000).open(dir.path()).unwrap();
    fill(&db, 600);
    db.checkpoint().unwrap();
    let before = db.snapshot();
    assert_eq!(db.remove_range(ITEMS, 100..400).unwrap(), 300);
    db.bulk_load(ITEMS, items(700..1_200)).unwrap();
    let between = db.snapshot();
    assert_eq!(db.clear(ITEMS).unwrap(), 800);
    // The pages that the snapshots read are in no root any more.
    db.checkpoint().unwrap();
    db.checkpoint().unwrap();
    assert!(ids(&db).is_empty());
    assert_eq!(between.query(ITEMS).keys().unwrap(), (0..100).chain(400..600).chain(700..1_200).collect::<Vec<_>>());
    assert_eq!(between.query(ITEMS).rows().unwrap().len(), 800);
    assert_eq!(before.query(ITEMS).rows().unwrap().len(), 600);
    drop((before, between));
    db.bulk_load(ITEMS, items(0..50)).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(ids(&db), (0..50).collect::<Vec<_>>());
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn bounds_of_a_removed_range_fall_anywhere() {
    for (from, to) in [(0, 0), (0, 1), (5, 5), (3, 290), (16, 160), (299, 300), (150, 151), (0, 300), (250, 1_000)] {
        let db = small().in_memory().unwrap();
        db.bulk_load(INDEXED, items(0..300)).unwrap();
        fill(&db, 300);
        let expected: Vec<u64> = (0..300).filter(|id| !(from..to).contains(id)).collect();
        assert_eq!(db.remove_range(INDEXED, from..to).unwrap(), 300 - expected.len() as u64, "{from}..{to}");
        assert_eq!(db.remove_range(ITEMS, from..to).unwrap(), 300 - expected.len() as u64, "{from}..{to}");
        check_indexed(&db, &expected);
        assert_eq!(ids(&db), expected);
        fill(&db, 300);
        assert_eq!(db.len(ITEMS).unwrap(), 300);
        assert!(db.verify().unwrap().is_clean());
    }
}

#[test]
fn a_writer_waits_for_a_cleared_table_and_readers_do_not() {
    let db = with_items(200);
    let before = waits(&db);
    beside(
        &db,
        |tx| tx.put(ITEMS, 1, item(1)),
        |scope, let_go| {
            let clear = scope.spawn(|| db.clear(ITEMS));
            until("the clearing waits", || waits(&db) > before);
            assert!(!clear.is_finished());
            let_go();
            assert_eq!(clear.join().unwrap().unwrap(), 200);
        },
    );
    assert_eq!(db.len(ITEMS).unwrap(), 0);
}

#[test]
fn a_dropped_table_is_gone_with_its_indexes_and_its_name_is_free() {
    const OTHER: Table<String, u64> = Table::new("indexed");
    let dir = tempfile::tempdir().unwrap();
    let db = small().open(dir.path()).unwrap();
    db.bulk_load(INDEXED, items(0..300)).unwrap();
    db.checkpoint().unwrap();
    let before = db.snapshot();
    assert!(db.drop_table("indexed").unwrap());
    assert!(!db.drop_table("indexed").unwrap());
    assert_eq!(db.len(INDEXED).unwrap(), 0);
    db.put(OTHER, "one", 1).unwrap();
    assert_eq!(db.get(INDEXED, 1).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    db.checkpoint().unwrap();
    let _ = before;
    drop(db);
    let db = small().open(dir.path()).unwrap();
    assert_eq!(db.get(OTHER, "one").unwrap().as_deref(), Some(&1));
    let names: Vec<String> = db.verify().unwrap().tables.into_iter().map(|table| table.name).collect();
    assert_eq!(names, ["indexed"]);
}

#[test]
fn a_transaction_that_waited_for_a_table_that_is_dropped_finds_nothing_and_writes_nothing() {
    let db = with_items(100);
    let (snapshot, before) = (db.snapshot(), waits(&db));
    beside(
        &db,
        |tx| tx.put(ITEMS, 1, item(1)),
        |scope, let_go| {
            let waiting = |count: u64| until("all wait", || waits(&db) >= before + count);
            let drop = scope.spawn(|| db.drop_table("items"));
            waiting(1);
            let writer = scope.spawn(|| db.put(ITEMS, 1_000, item(1_000)));
            waiting(2);
            let reader = scope.spawn(|| db.transact(|tx| Ok(tx.get(ITEMS, 5)?.is_some())));
            waiting(3);
            let_go();
            assert!(drop.join().unwrap().unwrap());
            let error = writer.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
            assert!(!reader.join().unwrap().unwrap());
        },
    );
    assert_eq!(db.len(ITEMS).unwrap(), 0);
    assert_eq!(snapshot.query(ITEMS).count().unwrap(), 100);
    db.put(ITEMS, 1, item(1)).unwrap();
    assert_eq!(ids(&db), [1]);
}

#[test]
fn many_puts_are_one_transaction_in_which_the_last_of_a_key_counts() {
    let db = small().in_memory().unwrap();
    let again = Item { amount: 7, ..item(20) };
    let rows = items(mixed(101)).chain([(20, again.clone())]).collect::<Vec<_>>();
    assert_eq!(db.put_many(INDEXED, rows).unwrap(), 101);
    check_indexed(&db, &(0..101).collect::<Vec<_>>());
    assert_eq!(*db.get(INDEXED, 20).unwrap().unwrap(), again);
    let error = db.put_many(INDEXED, [(200, item(200)), (201, item(5))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(!db.contains(INDEXED, 200).unwrap());
    assert_eq!(db.put_many(INDEXED, []).unwrap(), 0);
}

#[derive(Debug, Clone)]
enum Op {
    Load(Vec<u64>),
    Puts(Vec<u64>),
    Remove(u64, u64),
    Clear,
    Drop,
    Checkpoint,
    /// Closed, or as after a crash.
    Reopen(bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let keys =
        || prop::collection::btree_set(0u64..2_000, 1..200).prop_map(|keys| keys.into_iter().collect::<Vec<_>>());
    let run = (0u64..2_000, 1u64..300).prop_map(|(from, count)| (from..from + count).collect::<Vec<_>>());
    let op = prop_oneof![
        3 => prop_oneof![keys().prop_shuffle(), run].prop_map(Op::Load),
        2 => keys().prop_map(Op::Puts),
        3 => (0u64..2_100, 0u64..900).prop_map(|(from, count)| Op::Remove(from, from + count)),
        1 => Just(Op::Clear),
        1 => Just(Op::Drop),
        2 => Just(Op::Checkpoint),
        2 => any::<bool>().prop_map(Op::Reopen),
    ];
    prop::collection::vec(op, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bulk_work_does_to_a_table_what_it_does_to_a_map(ops in ops(), cache in prop::sample::select(vec![60_000, 1 << 28])) {
        let dir = tempfile::tempdir().unwrap();
        let open = || small().cache_bytes(cache).open(dir.path()).unwrap();
        let (mut db, mut model) = (open(), BTreeMap::new());
        for op in ops {
            match op {
                Op::Load(keys) => {
                    let fresh: Vec<u64> = keys.into_iter().filter(|key| !model.contains_key(key)).collect();
                    db.bulk_load(INDEXED, items(fresh.iter().copied())).unwrap();
                    model.extend(items(fresh));
                }
                Op::Puts(keys) => {
                    db.put_many(INDEXED, items(keys.iter().copied())).unwrap();
                    model.extend(items(keys));
                }
                Op::Remove(from, to) => {
                    let before = model.len();
                    model.retain(|key, _| !(from..to).contains(key));
                    prop_assert_eq!(db.remove_range(INDEXED, from..to).unwrap(), (before - model.len()) as u64);
                }
                Op::Clear => {
                    prop_assert_eq!(db.clear(INDEXED).unwrap(), model.len() as u64);
                    model.clear();
                }
                Op::Drop => {
                    db.drop_table("indexed").unwrap();
                    model.clear();
                }
                Op::Checkpoint => db.checkpoint().unwrap(),
                Op::Reopen(closed) => {
                    if closed { db.close().unwrap() } else { drop(db) }
                    db = open();
                }
            }
            check_indexed(&db, &model.keys().copied().collect::<Vec<_>>());
        }
    }
}
