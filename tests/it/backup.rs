//! Backup and restore: whole, of one commit, verified, and never over something.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gangline::{BackupReport, Db, ErrorKind, Table, TableReport};

use crate::support::{Ends, ITEMS, Item, Random, amount, fill, ids, item, place, small, until};

const ACCOUNTS: Table<u64, i64> = Table::new("accounts");
/// The sum of all amounts: rows of 20 to a page, on many pages and segments.
const ACCOUNTS_OPEN: u64 = 4_000;
const EACH: i64 = 1_000;

fn sums(tables: &[TableReport]) -> Vec<(String, u64, u64)> {
    tables.iter().map(|table| (table.name.clone(), table.rows, table.checksum)).collect()
}

fn no_leftovers(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("unfinished"))
}

/// The backup is a store with these rows, and goes on from its commit.
fn check_opens(path: &Path, report: &BackupReport, rows: &[Item]) {
    let copy = small().create(false).open(path).unwrap();
    let verified = copy.verify().unwrap();
    assert!(verified.is_clean(), "{verified}");
    assert_eq!(sums(&verified.tables), sums(&report.tables));
    assert_eq!(copy.read(ITEMS, |_| true, Clone::clone).unwrap(), rows);
    assert_eq!(copy.snapshot().commit_number(), report.commit_number);
    copy.put(ITEMS, 1_000_000, item(1)).unwrap();
    copy.close().unwrap();
    let copy = small().open(path).unwrap();
    assert_eq!(copy.len(ITEMS).unwrap(), rows.len() as u64 + 1);
}

#[test]
fn a_backup_is_a_store_with_the_same_rows() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 2_000);
    for id in (0..2_000).step_by(3) {
        db.remove(ITEMS, id).unwrap();
    }
    let (rows, commit) = (db.read(ITEMS, |_| true, Clone::clone).unwrap(), db.snapshot().commit_number());
    let backup = folder.path().join("backup");
    let report = db.backup(&backup).unwrap();
    assert_eq!(report.rows, rows.len() as u64);
    assert_eq!(report.commit_number, commit);
    assert_eq!(sums(&report.tables), sums(&db.verify().unwrap().tables));
    // What comes later is not in it.
    fill(&db, 10);
    check_opens(&backup, &report, &rows);
    assert!(no_leftovers(folder.path()));
    db.close().unwrap();
}

#[test]
fn a_database_in_memory_is_written_out() {
    let (folder, _) = place();
    let db = small().in_memory().unwrap();
    fill(&db, 500);
    let rows = db.read(ITEMS, |_| true, Clone::clone).unwrap();
    let backup = folder.path().join("backup");
    let report = db.backup(&backup).unwrap();
    check_opens(&backup, &report, &rows);
    assert_eq!(sums(&report.tables), sums(&db.verify().unwrap().tables));
}

#[test]
fn backups_beside_four_writers_are_each_of_one_commit() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    db.transact(|tx| (0..ACCOUNTS_OPEN).try_for_each(|id| tx.put(ACCOUNTS, id, EACH))).unwrap();
    fill(&db, 1_000);
    let stop = AtomicBool::new(false);
    let reports: Vec<_> = thread::scope(|scope| {
        let _ends = Ends(&stop);
        for writer in 0..4u64 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let mut random = Random(writer);
                while !stop.load(Ordering::Relaxed) {
                    let (from, to) = (random.below(ACCOUNTS_OPEN), random.below(ACCOUNTS_OPEN));
                    db.transact(|tx| {
                        tx.modify(ACCOUNTS, from, |amount| *amount -= 1)?;
                        tx.modify(ACCOUNTS, to, |amount| *amount += 1)
                    })
                    .unwrap();
                    db.put(ITEMS, random.below(3_000), item(random.below(1 << 24))).unwrap();
                    db.remove(ITEMS, random.below(3_000)).unwrap();
                }
            });
        }
        let commits = || db.status().unwrap().commits;
        (0..3)
            .map(|round| {
                let before = commits();
                until("the writers write", || commits() > before + 20);
                let last = db.snapshot().commit_number();
                let report = db.backup(folder.path().join(format!("backup-{round}"))).unwrap();
                assert!(report.commit_number >= last, "all that was committed before is in it");
                report
            })
            .collect()
    });
    for (round, report) in reports.iter().enumerate() {
        let copy = small().open(folder.path().join(format!("backup-{round}"))).unwrap();
        let sum = copy.query(ACCOUNTS).fold(|| 0, |sum, amount| sum + amount, |a, b| a + b).unwrap();
        assert_eq!((copy.len(ACCOUNTS).unwrap(), sum), (ACCOUNTS_OPEN, ACCOUNTS_OPEN as i64 * EACH));
        assert_eq!(sums(&copy.verify().unwrap().tables), sums(&report.tables));
    }
    assert!(db.verify().unwrap().is_clean());
    db.close().unwrap();
}

#[test]
fn nothing_is_written_over() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 100);
    let backup = folder.path().join("backup");
    db.backup(&backup).unwrap();
    let before = ids(&small().open(&backup).unwrap());
    fill(&db, 200);
    let others = folder.path().join("others");
    std::fs::write(&others, "mine").unwrap();
    for used in [&backup, &path, &others] {
        assert_eq!(db.backup(used).unwrap_err().kind(), ErrorKind::InvalidArgument, "{}", used.display());
        assert_eq!(Db::restore(&backup, used).unwrap_err().kind(), ErrorKind::InvalidArgument, "{}", used.display());
    }
    assert_eq!(ids(&small().open(&backup).unwrap()), before);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(db.backup(&empty).unwrap().rows, 200);
    db.close().unwrap();
}

#[test]
fn a_backup_that_was_cut_off_is_no_store_and_is_made_anew() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 100);
    let backup = folder.path().join("backup");
    db.backup(&backup).unwrap();
    // A whole store but for its mark: what a cut just before the end leaves.
    let cut_off = folder.path().join("next.unfinished");
    std::fs::rename(&backup, &cut_off).unwrap();
    std::fs::write(cut_off.join("unfinished"), "").unwrap();
    for error in [small().open(&cut_off).unwrap_err(), Db::restore(&cut_off, &backup).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotAStore);
        assert!(error.to_string().contains("unfinished"), "{error}");
    }
    let next = folder.path().join("next");
    assert_eq!(db.backup(&next).unwrap().rows, 100);
    assert_eq!(ids(&small().open(&next).unwrap()).len(), 100);
    assert!(no_leftovers(folder.path()));
    db.close().unwrap();
}

#[test]
fn a_restored_store_is_the_backup_and_the_backup_stays_as_it_is() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 700);
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("a/new/store"));
    let report = db.backup(&backup).unwrap();
    db.close().unwrap();
    let root = std::fs::read(backup.join("root")).unwrap();
    let verified = Db::restore(&backup, &restored).unwrap();
    assert_eq!(sums(&verified.tables), sums(&report.tables));
    assert_eq!(std::fs::read(backup.join("root")).unwrap(), root);
    let store = small().open(&restored).unwrap();
    store.modify(ITEMS, 5, |row| row.amount = -5).unwrap();
    assert_eq!(store.len(ITEMS).unwrap(), 700);
    let copy = small().open(&backup).unwrap();
    assert_eq!(amount(&copy, 5), 5);
    // One that is open cannot be copied file by file.
    let again = folder.path().join("again");
    assert_eq!(Db::restore(&backup, &again).unwrap_err().kind(), ErrorKind::AlreadyOpen);
    assert!(!again.exists());
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 700);
    let backup = folder.path().join("backup");
    db.backup(&backup).unwrap();
    db.close().unwrap();
    let data = backup.join("sled-000001/db");
    let mut bytes = std::fs::read(&data).unwrap();
    // A letter of some row's text.
    let text = b"item 300-----";
    let at = bytes.windows(text.len()).rposition(|window| window == text).expect("the row is in the file");
    bytes[at + 8] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let restored = folder.path().join("restored");
    let error = Db::restore(&backup, &restored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error:?}");
    assert!(!restored.exists() && no_leftovers(folder.path()));
}
