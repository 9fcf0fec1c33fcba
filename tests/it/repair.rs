//! Repair: whatever is damaged, what is left is saved, and what is not is told.

use std::fs;
use std::path::{Path, PathBuf};

use gangline::{Db, ErrorKind, RepairReport, Table, repair};

use crate::support::{ITEMS, Item, ids, item, place, small};

const OTHERS: Table<String, u64> = Table::new("others");
const ROWS: u64 = 6_000;
const OTHER_ROWS: u64 = 500;

/// A store with a checkpoint, later changes, and removed rows; closed, or with the changes in its journal only.
fn make(path: &Path, close: bool) {
    let db = small().open(path).unwrap();
    for start in (0..ROWS).step_by(200) {
        db.transact(|tx| (start..start + 200).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    }
    db.transact(|tx| (0..OTHER_ROWS).try_for_each(|id| tx.put(OTHERS, &name(id), id))).unwrap();
    db.checkpoint().unwrap();
    for id in (0..ROWS).step_by(10) {
        db.modify(ITEMS, id, |row| row.amount = -1).unwrap();
    }
    for id in (5..ROWS).step_by(100) {
        db.remove(ITEMS, id).unwrap();
    }
    db.sync().unwrap();
    if close {
        db.close().unwrap();
    }
}

fn name(id: u64) -> String {
    format!("other {id:04}")
}

fn expected() -> Vec<Item> {
    let changed = |id| Item { amount: if id % 10 == 0 { -1 } else { id as i64 }, ..item(id) };
    (0..ROWS).filter(|id| id % 100 != 5).map(changed).collect()
}

fn others() -> Vec<u64> {
    (0..OTHER_ROWS).collect()
}

fn rows(db: &Db) -> Vec<Item> {
    db.read(ITEMS, |_| true, Clone::clone).unwrap()
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    found.sort();
    found
}

/// Repairs the store and looks at what came of it, which must be a store like any other, and at the old one, which must
/// be as it was.
fn mended(path: &Path) -> (RepairReport, Db) {
    let into = path.with_file_name("mended");
    let before = files(path);
    let report = repair(path, &into).unwrap();
    assert!(files(path) == before, "the damaged store was changed");
    let db = small().create(false).open(&into).unwrap();
    let verified = db.verify().unwrap();
    assert!(verified.is_clean(), "{verified}");
    let sums: Vec<_> = verified.tables.iter().map(|table| (&table.name, table.rows, table.checksum)).collect();
    let told: Vec<_> = report.tables.iter().map(|table| (&table.name, table.rows, table.checksum)).collect();
    assert_eq!(told, sums);
    (report, db)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn data(path: &Path) -> PathBuf {
    path.join("sled-000001/db")
}

fn check_whole(path: &Path) -> RepairReport {
    let (report, db) = mended(path);
    assert_eq!(rows(&db), expected());
    assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
    report
}

#[test]
fn a_store_without_damage_comes_back_exactly() {
    for close in [true, false] {
        let (_folder, path) = place();
        make(&path, close);
        let report = check_whole(&path);
        assert!(report.is_exact() && report.damages.is_empty(), "{report}");
        assert_eq!(report.rows(), expected().len() as u64 + OTHER_ROWS);
    }
}

#[test]
fn without_a_root_all_rows_come_back() {
    for close in [true, false] {
        for slots in [0..131_072, 0..65_536, 65_536..131_072] {
            let (_folder, path) = place();
            make(&path, close);
            let all = slots.len() > 65_536;
            change(&path.join("root"), |bytes| bytes[slots.clone()].iter_mut().for_each(|byte| *byte ^= 0x55));
            if all {
                assert_eq!(small().open(&path).unwrap_err().kind(), ErrorKind::Corrupted);
            }
            let report = check_whole(&path);
            assert_eq!(report.damages.len(), if all { 2 } else { 1 }, "{report}");
            assert!(!all || !report.is_exact(), "{report}");
        }
        let (_folder, path) = place();
        make(&path, close);
        fs::remove_file(path.join("root")).unwrap();
        assert!(!check_whole(&path).is_exact());
    }
}

#[test]
fn a_page_that_is_lost_is_told_with_its_keys_and_its_place() {
    let (_folder, path) = place();
    make(&path, true);
    let text = b"item 3003-----";
    let mut at = Vec::new();
    change(&data(&path), |bytes| {
        at = (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
        at.iter().for_each(|at| bytes[*at] ^= 1);
    });
    assert!(!at.is_empty(), "the row is in the file");
    let (report, db) = mended(&path);
    assert!(!report.is_exact() && report.is_proved, "{report}");
    assert_eq!(report.tables[0].ranges.len(), 1, "{report}");
    let range = &report.tables[0].ranges[0];
    assert!(range.rows.is_some_and(|rows| (1..40).contains(&rows)), "{report}");
    let offset: usize = range.cause.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(at.iter().any(|at| (offset..offset + 8_000).contains(at)), "{report} for {at:?}");
    assert!(range.cause.contains("sled-000001") && range.keys.contains("30"), "{report}");
    let (low, high) = (u64::from_be_bytes(range.low[..].try_into().unwrap()), range.high.as_deref().unwrap());
    let high = u64::from_be_bytes(high.try_into().unwrap());
    assert!((low..high).contains(&3_003));
    let outside = |row: &Item| !(low..high).contains(&row.id);
    let (found, wanted) = (rows(&db), expected());
    assert!(found.iter().filter(|row| outside(row)).eq(wanted.iter().filter(|row| outside(row))));
    assert!(found.len() * 100 >= wanted.len() * 99);
    assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
}
