//! Indexes of tables that have rows already: built beside readers and writers, dropped, and cut off in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gangline::{Db, Durability, ErrorKind, Index, Options, Table};

use super::support::{
    Ends, ITEMS, Item, Random, beside, fill, item, kind, other_process, part, place, small, with_items,
};

const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
const BY_AMOUNT: Index<i64, Item> = Index::<i64, Item>::new("by_amount", |item, out| out.key(item.amount)).unique();
const GROUPED: Table<u64, Item> = Table::new("items").indexes(&[&BY_GROUP, &BY_AMOUNT]);
const ROWS: u64 = 600;

fn groups(db: &Db) -> Vec<usize> {
    (0..7).map(|group| db.query(GROUPED).by(&BY_GROUP).equal(group).rows().unwrap().len()).collect()
}

#[track_caller]
fn assert_clean(db: &Db) {
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn an_index_is_built_over_rows_that_are_there() {
    let db = with_items(ROWS);
    let error = db.put(GROUPED, 1, item(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("by_group") && error.to_string().contains("build_indexes"), "{error}");
    assert_eq!(kind(db.query(GROUPED).by(&BY_GROUP).equal(1).count()), Err(ErrorKind::SchemaMismatch));
    let snapshot = db.snapshot();
    let mut steps = Vec::new();
    assert_eq!(db.build_indexes(GROUPED, |progress| steps.push(progress)).unwrap(), 2);
    assert!(steps.len() > 2 && steps.is_sorted_by(|a, b| a.rows < b.rows), "{steps:?}");
    let last = steps.last().unwrap();
    assert_eq!((last.rows, last.of, last.entries), (ROWS, ROWS, 2 * ROWS));
    assert_eq!(groups(&db).iter().sum::<usize>(), ROWS as usize);
    assert_eq!(db.get_by(GROUPED, &BY_AMOUNT, 77).unwrap().unwrap().0, 77);
    assert_clean(&db);
    // Who does not know of it cannot leave it stale, nor read what was before it by it.
    let error = db.put(ITEMS, 1, item(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("drop_index"), "{error}");
    let error = snapshot.query(GROUPED).by(&BY_GROUP).equal(1).count().unwrap_err();
    assert!(error.kind() == ErrorKind::SchemaMismatch && error.to_string().contains("snapshot"), "{error}");
    assert_eq!(snapshot.query(GROUPED).count().unwrap(), ROWS);
    // Nothing is left to do.
    assert_eq!(db.build_indexes(GROUPED, |_| panic!("there is nothing to build")).unwrap(), 0);
}

#[test]
fn writers_go_on_while_an_index_is_built() {
    let (_folder, path) = place();
    let options = small().durability(Durability::Eventual);
    let db = options.clone().open(&path).unwrap();
    fill(&db, ROWS);
    let (ended, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _ends = Ends(&ended);
        for (seed, new) in [(1, false), (2, true)] {
            let (db, ended, written) = (&db, &ended, &written);
            scope.spawn(move || {
                let mut random = Random(seed);
                while !ended.load(Ordering::SeqCst) {
                    // Those of one writer are even, those of the other odd, and their amounts are their own.
                    let id = 2 * random.below(ROWS) + seed - 1;
                    let row = Item { group: random.below(7), ..item(id) };
                    let table = if new { GROUPED } else { ITEMS };
                    let outcome = match random.below(3) {
                        0 => db.remove(table, id).map(drop),
                        _ => db.put(table, id, row),
                    };
                    match outcome {
                        Ok(()) => drop(written.fetch_add(1, Ordering::SeqCst)),
                        // The new definition is refused before the build, the old one after it.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}"),
                    }
                }
            });
        }
        for round in 0..4 {
            let before = written.load(Ordering::SeqCst);
            db.build_indexes(GROUPED, |_| while written.load(Ordering::SeqCst) < before + 5 {}).unwrap();
            assert_clean(&db);
            if round < 3 {
                assert!(db.drop_index("items", "by_group").unwrap());
                assert!(db.drop_index("items", "by_amount").unwrap());
            }
        }
    });
    assert_clean(&db);
    let rows = db.query(GROUPED).count().unwrap();
    assert_eq!(groups(&db).iter().sum::<usize>() as u64, rows);
    drop(db);
    let db = options.open(&path).unwrap();
    assert_eq!(db.len(GROUPED).unwrap(), rows);
    assert_clean(&db);
}

#[test]
fn a_build_begins_when_nobody_is_in_the_midst_of_writing() {
    let db = with_items(ROWS);
    let writes = |tx: &gangline::Transaction| tx.put(ITEMS, 3, item(3));
    beside(&db, writes, |scope, let_go| {
        let waits = super::support::waits(&db);
        let build = scope.spawn(|| db.build_indexes(GROUPED, |_| ()).unwrap());
        super::support::until("the build waits", || super::support::waits(&db) > waits);
        assert_eq!(db.verify().unwrap().tables.len(), 1, "the indexes are not made yet");
        let_go();
        assert_eq!(build.join().unwrap(), 2);
    });
    assert_clean(&db);
}

/// Row 0 takes the key of a row that the build has not come to yet, and that row then goes.
#[test]
fn a_unique_key_that_changes_hands_while_its_index_is_built() {
    let db = with_items(ROWS);
    let mut steps = 0;
    let change_hands = || {
        db.put(GROUPED, 0, Item { amount: 599, ..item(0) }).unwrap();
        db.remove(GROUPED, 599).unwrap();
    };
    db.build_indexes(GROUPED, |_| {
        steps += 1;
        if steps == 1 {
            std::thread::scope(|scope| scope.spawn(change_hands).join().unwrap());
        }
    })
    .unwrap();
    assert_eq!(db.get_by(GROUPED, &BY_AMOUNT, 599).unwrap().unwrap().0, 0);
    assert_clean(&db);
}

#[test]
fn a_build_that_cannot_be_leaves_nothing() {
    const PICKY: Index<u64, Item> = Index::new("picky", |item, out| {
        assert!(item.id != 400, "an item that is not liked");
        out.key(item.id);
    });
    const TABLE: Table<u64, Item> = Table::new("items").indexes(&[&PICKY]);
    let db = with_items(ROWS);
    db.put(ITEMS, 9, Item { amount: 300, ..item(9) }).unwrap();
    let error = db.build_indexes(GROUPED, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("by_amount") && error.to_string().contains("300"), "{error}");
    catch_unwind(AssertUnwindSafe(|| db.build_indexes(TABLE, |_| ()))).unwrap_err();
    catch_unwind(AssertUnwindSafe(|| db.build_indexes(GROUPED, |_| panic!("the program's own")))).unwrap_err();
    let report = db.verify().unwrap();
    assert!(report.is_clean() && report.tables.len() == 1, "{report}");
    assert_eq!(kind(db.len(GROUPED)), Err(ErrorKind::SchemaMismatch));
    assert!(db.locks().dump().granules.is_empty());
    db.put(ITEMS, 9, item(9)).unwrap();
    let nested = |_| assert_eq!(kind(db.build_indexes(GROUPED, |_| ())), Err(ErrorKind::Nested));
    assert_eq!(db.build_indexes(GROUPED, nested).unwrap(), 2);
    assert_clean(&db);
}

#[test]
fn an_index_with_another_function_is_built_anew() {
    const SECOND: Index<u64, Item> =
        Index::<u64, Item>::new("by_group", |item, out| out.key(item.group + 100)).version(2);
    const TEXTS: Index<String, Item> = Index::new("by_group", |item, out| out.key(&item.text));
    const TABLE: Table<u64, Item> = Table::new("items").indexes(&[&SECOND]);
    const OTHER: Table<u64, Item> = Table::new("items").indexes(&[&TEXTS]);
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 100);
    db.build_indexes(GROUPED, |_| ()).unwrap();
    // One that is not declared is not dropped by the way.
    assert_eq!(kind(db.build_indexes(TABLE, |_| ())), Err(ErrorKind::SchemaMismatch));
    assert!(db.drop_index("items", "by_amount").unwrap());
    assert!(!db.drop_index("items", "by_amount").unwrap());
    assert_eq!(kind(db.drop_index("nothing", "by_amount")), Err(ErrorKind::InvalidArgument));
    for (error, word) in [(db.len(TABLE).unwrap_err(), "version"), (db.len(OTHER).unwrap_err(), "string")] {
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(db.build_indexes(TABLE, |_| ()).unwrap(), 1);
    assert_eq!(db.query(TABLE).by(&SECOND).equal(103).count().unwrap(), 14);
    drop(db);
    let db = Db::open(&path).unwrap();
    assert_eq!(db.query(TABLE).by(&SECOND).equal(103).count().unwrap(), 14);
    assert_clean(&db);
}

#[test]
fn a_dropped_index_is_read_to_the_end_and_then_gone_from_the_disk() {
    let (_folder, path) = place();
    let options = small().cache_bytes(10_000);
    let db = options.clone().open(&path).unwrap();
    fill(&db, ROWS);
    db.checkpoint().unwrap();
    let plain = db.status().unwrap().live_bytes;
    db.build_indexes(GROUPED, |_| ()).unwrap();
    db.checkpoint().unwrap();
    assert!(db.status().unwrap().live_bytes > plain);
    let mut reader = db.query(GROUPED).by(&BY_AMOUNT).all().iter().unwrap();
    let first: Vec<u64> = reader.by_ref().take(100).map(|entry| entry.unwrap().0).collect();
    db.drop_index("items", "by_amount").unwrap();
    db.drop_index("items", "by_group").unwrap();
    db.checkpoint().unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    db.checkpoint().unwrap();
    let rest: Vec<u64> = reader.map(|entry| entry.unwrap().0).collect();
    assert_eq!(first.into_iter().chain(rest).collect::<Vec<_>>(), (0..ROWS).collect::<Vec<_>>());
    db.put(ITEMS, 1, item(1)).unwrap();
    db.checkpoint().unwrap();
    let left = db.status().unwrap().live_bytes;
    assert!(left < plain + 2_000, "{left} bytes where the table alone had {plain}");
    drop(db);
    let db = options.open(&path).unwrap();
    assert_eq!(db.len(ITEMS).unwrap(), ROWS);
    assert_eq!(db.build_indexes(GROUPED, |_| ()).unwrap(), 2);
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(groups(&db).iter().sum::<usize>() as u64, ROWS);
    assert_clean(&db);
}

#[test]
fn a_drop_waits_for_who_reads_by_the_index() {
    let db = with_items(50);
    db.build_indexes(GROUPED, |_| ()).unwrap();
    // No row has this key, so that no row is locked either.
    let reads = |tx: &gangline::Transaction| tx.query(GROUPED).by(&BY_GROUP).equal(99).count().map(drop);
    beside(&db, reads, |scope, let_go| {
        let waits = super::support::waits(&db);
        let drop_index = scope.spawn(|| db.drop_index("items", "by_group").unwrap());
        super::support::until("the drop waits", || super::support::waits(&db) > waits);
        let_go();
        assert!(drop_index.join().unwrap());
    });
}

/// Ends the process in the midst of a build.
#[test]
fn a_build_that_a_crash_cuts_off_leaves_nothing() {
    if let Some(store) = part() {
        let db = small().open(store).unwrap();
        let mut steps = 0;
        let _ = db.build_indexes(GROUPED, |_| {
            steps += 1;
            if steps == 2 {
                // By another thread, since this one is in the midst of a call: what is committed so far is on disk.
                std::thread::scope(|scope| scope.spawn(|| db.sync().unwrap()).join().unwrap());
                std::process::abort();
            }
        });
        unreachable!("it was to be cut off");
    }
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, ROWS);
    db.close().unwrap();
    for _ in 0..2 {
        let ended =
            other_process("index_builds::a_build_that_a_crash_cuts_off_leaves_nothing", &path).output().unwrap();
        assert!(!ended.status.success());
        let db = Options::new().open(&path).unwrap();
        let report = db.verify().unwrap();
        assert!(report.is_clean() && report.tables.len() == 1, "{report}");
        assert_eq!(db.len(ITEMS).unwrap(), ROWS);
    }
    let db = Options::new().open(&path).unwrap();
    assert_eq!(db.build_indexes(GROUPED, |_| ()).unwrap(), 2);
    assert_eq!(groups(&db).iter().sum::<usize>() as u64, ROWS);
    assert_clean(&db);
}
