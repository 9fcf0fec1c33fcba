//! Ids that never repeat.

use std::collections::BTreeSet;
use std::time::Duration;

use gangline::{Db, Durability, ErrorKind, Table};

use crate::support::{ITEMS, copy, item, place, small, with_items};

const OTHERS: Table<u64, u64> = Table::new("others");

fn next(db: &Db, count: usize) -> Vec<u64> {
    (0..count).map(|_| db.next_id(ITEMS).unwrap()).collect()
}

#[test]
fn each_table_counts_from_one() {
    let db = with_items(10);
    assert_eq!(next(&db, 40), (1..=40).collect::<Vec<_>>());
    assert_eq!(db.next_id(OTHERS).unwrap(), 1);
    let twice = db.transact(|tx| Ok((tx.next_id(OTHERS)?, tx.next_id(ITEMS)?))).unwrap();
    assert_eq!(twice, (2, 41));
    assert!(db.locks().dump().to_string().contains("no locks"));
}

#[test]
fn a_rollback_or_a_removal_gives_no_id_back() {
    let db = with_items(0);
    let rolled_back = db.try_transact(|tx| -> Result<(), Box<dyn std::error::Error>> {
        let id = tx.next_id(ITEMS)?;
        tx.insert(ITEMS, id, item(id))?;
        Err(id.to_string().into())
    });
    assert_eq!(rolled_back.unwrap_err().to_string(), "1");
    let id = db.next_id(ITEMS).unwrap();
    assert_eq!(id, 2);
    db.put(ITEMS, id, item(id)).unwrap();
    db.remove(ITEMS, id).unwrap();
    assert_eq!(db.next_id(ITEMS).unwrap(), 3);
}

#[test]
fn threads_get_different_ids() {
    let db = small().in_memory().unwrap();
    let all: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|at| {
                let db = &db;
                scope.spawn(move || {
                    let one = |_| if at % 2 == 0 { db.next_id(ITEMS) } else { db.transact(|tx| tx.next_id(ITEMS)) };
                    (0..2_000).map(one).collect::<Result<Vec<_>, _>>().unwrap()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), (1..=8_000).collect());
    assert_eq!(all.len(), 8_000);
}

#[test]
fn opening_again_goes_on_behind_all_that_were_given_out() {
    let (_folder, path) = place();
    let mut given = 0;
    for (round, count) in [1, 3, 40, 1, 5_000, 1].into_iter().enumerate() {
        let db = small().open(&path).unwrap();
        let before = given;
        let ids = next(&db, count);
        assert!(ids[0] > before && ids[0] <= 2 * before + 16, "{} after {before}", ids[0]);
        assert!(ids.is_sorted_by(|a, b| a + 1 == *b));
        given = ids[count - 1];
        match round % 3 {
            0 => db.close().unwrap(),
            1 => drop(db),
            _ => {
                db.checkpoint().unwrap();
                drop(db);
            }
        }
    }
}

#[test]
fn the_mark_is_on_disk_before_the_id_goes_out() {
    let (folder, path) = place();
    let db = small().durability(Durability::Eventual).eventual_sync(Duration::from_secs(600)).open(&path).unwrap();
    for round in 0..4 {
        let ids = next(&db, 10 + 500 * round);
        // What a kill would leave at this moment.
        let killed = folder.path().join(format!("killed-{round}"));
        copy(&path, &killed);
        let opened = small().open(&killed).unwrap();
        assert!(opened.next_id(ITEMS).unwrap() > ids[ids.len() - 1], "round {round}");
        opened.close().unwrap();
    }
    db.close().unwrap();
}

#[test]
fn ids_of_an_import_are_skipped() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.skip_ids(ITEMS, 4_711).unwrap();
    db.skip_ids(ITEMS, 5).unwrap();
    assert_eq!(next(&db, 2), [4_712, 4_713]);
    db.skip_ids(ITEMS, 4_715).unwrap();
    assert_eq!(db.next_id(ITEMS).unwrap(), 4_716);
    db.skip_ids(OTHERS, 9).unwrap();
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(db.next_id(OTHERS).unwrap(), 10);
    db.skip_ids(OTHERS, u64::MAX).unwrap();
    assert_eq!(db.next_id(OTHERS).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(db.next_id(ITEMS).unwrap() > 4_716);
    let other = db.clone();
    db.close().unwrap();
    assert_eq!(other.next_id(ITEMS).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn the_table_of_the_marks_is_the_librarys_own() {
    let db = with_items(10);
    next(&db, 3);
    let names: Vec<String> = db.tables().unwrap().into_iter().map(|table| table.name).collect();
    assert_eq!(names, ["items"]);
    let marks = Table::<String, u64>::new("gangline.ids");
    assert_eq!(db.query(marks).count().unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(db.put(marks, "items", 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let mine = Table::<u64, u64>::new("gangline.mine");
    assert_eq!(db.put(mine, 1, 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_closure_of_the_database_asks_its_transaction() {
    let db = with_items(10);
    db.transact(|tx| {
        assert_eq!(db.next_id(ITEMS).unwrap_err().kind(), ErrorKind::Nested);
        assert_eq!(db.skip_ids(ITEMS, 3).unwrap_err().kind(), ErrorKind::Nested);
        tx.next_id(ITEMS)
    })
    .unwrap();
    assert_eq!(db.next_id(ITEMS).unwrap(), 2);
}
