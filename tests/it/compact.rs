//! Compaction: gives space back, while everything goes on, and loses nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gangline::{Durability, ErrorKind, Table};

use crate::disk_full::SmallDisk;
use crate::support::{Ends, ITEMS, Random, fill, ids, item, place, small, until};

const PAIRS: Table<u64, i64> = Table::new("pairs");

#[test]
fn a_store_without_most_of_its_rows_becomes_small() {
    let (_folder, path) = place();
    let options = || small().durability(Durability::Eventual).segment_rows(500);
    let db = options().open(&path).unwrap();
    db.transact(|tx| (0..40_000).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    db.checkpoint().unwrap();
    for start in (0..40_000).step_by(1_000) {
        db.transact(|tx| {
            (start..start + 1_000).filter(|id| id % 10 > 0).try_for_each(|id| tx.remove(ITEMS, id).map(drop))
        })
        .unwrap();
    }
    db.checkpoint().unwrap();
    let (rows, checksum) = (ids(&db), db.verify().unwrap().tables[0].checksum);
    let before = db.status().unwrap();
    let report = db.compact().unwrap();
    let after = db.status().unwrap();
    assert_eq!((report.bytes_before, report.bytes_after), (before.store_bytes, after.store_bytes), "{report}");
    assert!(after.store_bytes * 2 < before.store_bytes, "{report}");
    assert_eq!(after.live_bytes, before.live_bytes, "the same pages, elsewhere");
    assert!(after.live_bytes > 4_000 * 250 && after.live_bytes < 4_000 * 600, "{after:?}");
    assert_eq!(after.dead_bytes, after.store_bytes - after.live_bytes);
    assert!(after.total_bytes >= after.store_bytes + after.journal_bytes, "{after:?}");
    assert_eq!(ids(&db), rows);
    db.put(ITEMS, 7, item(7)).unwrap();
    db.checkpoint().unwrap();
    db.remove(ITEMS, 7).unwrap();
    db.close().unwrap();
    let db = options().open(&path).unwrap();
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((ids(&db), report.tables[0].checksum), (rows, checksum));
    assert_eq!(
        std::fs::read_dir(&path).unwrap().count(),
        5,
        "lock, root, journal, and one page store with its settings"
    );
}

#[test]
fn live_bytes_are_known_after_a_close_and_after_a_crash() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 500);
    db.checkpoint().unwrap();
    let live = |db: &gangline::Db| db.status().unwrap().live_bytes;
    let counted = live(&db);
    assert!(counted > 500 * 250, "{counted}");
    // Nothing has changed since the checkpoint.
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(live(&db), counted);
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    assert_eq!(live(&db), counted);
}

#[test]
fn readers_and_writers_go_on() {
    let (_folder, path) = place();
    // Too little memory for the rows, so that pages are read from the store all the time.
    let options = || small().cache_bytes(128 << 10).durability(Durability::Eventual);
    let db = options().open(&path).unwrap();
    const ROWS: u64 = 3_000;
    db.transact(|tx| (0..ROWS).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    db.transact(|tx| (0..ROWS).try_for_each(|id| tx.put(PAIRS, id, 0))).unwrap();
    db.checkpoint().unwrap();
    let snapshot = db.snapshot();
    let before = snapshot.read(ITEMS, |_| true, Clone::clone).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        for thread in 0..4u64 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let mut random = Random(thread);
                while !stop.load(Ordering::Relaxed) {
                    let (a, b) = (random.below(ROWS), random.below(ROWS));
                    db.transact(|tx| {
                        tx.modify(PAIRS, a, |amount| *amount += 1)?;
                        tx.modify(PAIRS, b, |amount| *amount -= 1)
                    })
                    .unwrap();
                    db.modify(ITEMS, a, |row| row.amount += 1).unwrap();
                    assert_eq!(db.get(ITEMS, b).unwrap().unwrap().id, b);
                }
            });
        }
        for _ in 0..3 {
            let commits = db.status().unwrap().commits;
            until("the writers write", || db.status().unwrap().commits > commits + 20);
            db.compact().unwrap();
            let sum = db.query(PAIRS).fold(|| 0, |sum, row| sum + row, |a, b| a + b).unwrap();
            assert_eq!(sum, 0);
            assert_eq!(snapshot.read(ITEMS, |_| true, Clone::clone).unwrap(), before);
        }
    });
    drop(snapshot);
    let sums = |db: &gangline::Db| {
        let report = db.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        report.tables.into_iter().map(|table| (table.rows, table.checksum)).collect::<Vec<_>>()
    };
    let last = sums(&db);
    db.sync().unwrap();
    drop(db);
    assert_eq!(sums(&options().open(&path).unwrap()), last);
}

#[test]
fn a_disk_without_room_for_the_copy_leaves_everything_as_it_was() {
    let Some(disk) = SmallDisk::mount(96) else {
        eprintln!("skipped: this user cannot mount a small disk");
        return;
    };
    let path = disk.path().join("store");
    let db = small().durability(Durability::Eventual).open(&path).unwrap();
    db.transact(|tx| (0..20_000).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    db.checkpoint().unwrap();
    let before = ids(&db);
    // Room for some of it.
    let (ballast, piece) = (disk.path().join("ballast"), vec![7; 1 << 16]);
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &piece).is_ok() {}
    file.set_len(file.metadata().unwrap().len() - (18 << 20)).unwrap();
    let error = db.compact().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
    let error = db.backup(disk.path().join("backup")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 2, "the store and the ballast");
    db.put(ITEMS, 20_000, item(20_000)).unwrap();
    db.checkpoint().unwrap();
    assert!(db.verify().unwrap().is_clean());
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    db.compact().unwrap();
    assert_eq!(ids(&db)[..20_000], before);
    db.close().unwrap();
    assert_eq!(small().open(&path).unwrap().len(ITEMS).unwrap(), 20_001);
}

#[test]
fn leftovers_of_a_compaction_that_was_cut_off_are_removed_and_other_folders_are_not() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 100);
    db.close().unwrap();
    for name in ["sled-000002", "sled-2", "sled-mine", "mine"] {
        std::fs::create_dir(path.join(name)).unwrap();
        std::fs::write(path.join(name).join("db"), "half").unwrap();
    }
    std::fs::write(path.join("sled-000002.conf"), "half").unwrap();
    let db = small().open(&path).unwrap();
    assert!(!path.join("sled-000002").exists() && !path.join("sled-000002.conf").exists());
    assert!(["sled-000001", "sled-2", "sled-mine", "mine"].iter().all(|name| path.join(name).exists()));
    assert_eq!(ids(&db).len(), 100);
}

#[test]
fn a_database_in_memory_has_nothing_to_compact_and_a_closed_one_says_so() {
    let db = small().in_memory().unwrap();
    assert_eq!(db.compact().unwrap().bytes_after, 0);
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    let other = db.clone();
    db.close().unwrap();
    assert_eq!(other.compact().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.backup(folder.path().join("backup")).unwrap_err().kind(), ErrorKind::Closed);
}
