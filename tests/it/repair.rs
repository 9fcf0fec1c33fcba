//! Repair: whatever is damaged, what is left is saved, and what is not is told.

use std::fs;
use std::path::{Path, PathBuf};

use gangline::{Db, ErrorKind, Index, RepairReport, Table, repair};

use crate::support::{ITEMS, Item, copy, item, place, small};

const OTHERS: Table<String, u64> = Table::new("others");
const ROWS: u64 = 3_000;
const OTHER_ROWS: u64 = 300;

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
pub(crate) fn mended(path: &Path) -> (RepairReport, Db) {
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

pub(crate) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Changes a byte in every frame of the page store for which `wanted` is true. It is given kind, table and body, and the
/// frame's identity, which is the same for all copies. Gives how many there were.
pub(crate) fn break_frames(path: &Path, wanted: impl Fn(u8, u32, &[u8]) -> bool) -> usize {
    let mut broken = 0;
    change(&data(path), |bytes| {
        for at in 0..bytes.len() - 44 {
            if !bytes[at..].starts_with(b"GnLn\x01") {
                continue;
            }
            let table = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
            if wanted(bytes[at + 5], table, &bytes[at + 12..at + 36]) {
                bytes[at + 44] ^= 0x20;
                broken += 1;
            }
        }
    });
    broken
}

pub(crate) const PAGE_LIST: u8 = 6;
const DIRECTORY: u8 = 3;
const CATALOG: u8 = 4;

/// The identity of the frame of a kind and a table that is the `number`th in the file.
fn identity_of(path: &Path, kind: u8, table: u32, number: usize) -> Vec<u8> {
    let bytes = fs::read(data(path)).unwrap();
    let head = [b"GnLn\x01", &[kind, 0, 0][..], &table.to_le_bytes()].concat();
    let mut found = (0..bytes.len() - 44).filter(|at| bytes[*at..].starts_with(&head));
    let at = found.nth(number).expect("there are so many frames of this kind");
    bytes[at + 12..at + 36].to_vec()
}

/// At least 99 of 100 rows are there and right, and no other but those that were removed.
fn check_most(db: &Db) {
    let wanted = expected();
    let found = rows(db);
    let right = found
        .iter()
        .filter(|row| wanted.binary_search_by_key(&row.id, |row| row.id).is_ok_and(|at| wanted[at] == **row));
    assert!(right.count() * 100 >= wanted.len() * 99);
    let unchanged = |row: &&Item| item(row.id) == **row || Item { amount: -1, ..item(row.id) } == **row;
    assert_eq!(found.iter().filter(unchanged).count(), found.len());
    assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
}

pub(crate) fn data(path: &Path) -> PathBuf {
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
    let text = b"item 1503-----";
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
    assert!(range.cause.contains("sled-000001") && range.keys.contains("15"), "{report}");
    let (low, high) = (u64::from_be_bytes(range.low[..].try_into().unwrap()), range.high.as_deref().unwrap());
    let high = u64::from_be_bytes(high.try_into().unwrap());
    assert!((low..high).contains(&1_503));
    let outside = |row: &Item| !(low..high).contains(&row.id);
    let (found, wanted) = (rows(&db), expected());
    assert!(found.iter().filter(|row| outside(row)).eq(wanted.iter().filter(|row| outside(row))));
    assert!(found.len() * 100 >= wanted.len() * 99);
    assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
}

#[test]
fn a_page_list_that_is_lost_costs_at_most_its_segment_doubts() {
    let (_folder, path) = place();
    make(&path, true);
    let mut exact = 0;
    for number in [3, 60, 130] {
        let lost = identity_of(&path, PAGE_LIST, 1, number);
        assert!(break_frames(&path, |kind, table, identity| (kind, table) == (PAGE_LIST, 1) && identity == lost) > 0);
        let (report, db) = mended(&path);
        check_most(&db);
        assert!(report.is_proved);
        exact += usize::from(report.is_exact());
        if report.is_exact() {
            assert_eq!(rows(&db), expected());
        } else {
            assert!(report.to_string().contains("page list"), "{report}");
        }
        db.close().unwrap();
        fs::remove_dir_all(path.with_file_name("mended")).unwrap();
    }
    // Lists that were superseded cost nothing.
    assert!(exact > 0);
}

#[test]
fn without_a_directory_the_pages_say_what_they_hold() {
    for close in [true, false] {
        let (_folder, path) = place();
        make(&path, close);
        assert!(break_frames(&path, |kind, _, _| kind == DIRECTORY) > 10);
        assert_eq!(small().open(&path).unwrap_err().kind(), ErrorKind::Corrupted);
        let (report, db) = mended(&path);
        // The journal of the killed store begins with its first commit, so that nothing else is needed.
        assert_eq!(report.is_exact(), !close, "{report}");
        assert_eq!(report.to_string().contains("no directory entry"), close, "{report}");
        // A row of a page's border may have come back.
        let wanted = expected();
        let found = rows(&db);
        assert!(
            wanted
                .iter()
                .all(|row| found.binary_search_by_key(&row.id, |row| row.id).is_ok_and(|at| found[at] == *row))
        );
        assert!(found.len() <= wanted.len() + 10, "{} of {}", found.len(), wanted.len());
        assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
    }
}

#[test]
fn one_directory_entry_that_is_lost_costs_no_row() {
    let (_folder, path) = place();
    make(&path, true);
    let lost = identity_of(&path, DIRECTORY, 1, 30);
    assert!(break_frames(&path, |kind, table, identity| (kind, table) == (DIRECTORY, 1) && identity == lost) > 0);
    let (_, db) = mended(&path);
    check_most(&db);
}

#[test]
fn a_table_without_its_definition_keeps_its_rows() {
    let (_folder, path) = place();
    make(&path, true);
    assert!(break_frames(&path, |kind, table, _| (kind, table) == (CATALOG, 1)) > 0);
    assert_eq!(small().open(&path).unwrap_err().kind(), ErrorKind::Corrupted);
    // The journal still has it.
    let (report, db) = mended(&path);
    assert!(report.tables.iter().all(|table| table.is_named), "{report}");
    assert_eq!(rows(&db), expected());
    db.close().unwrap();
    fs::remove_dir_all(path.with_file_name("mended")).unwrap();
    fs::remove_dir_all(path.join("journal")).unwrap();
    let (report, db) = mended(&path);
    assert!(!report.is_exact() && !report.tables[0].is_named, "{report}");
    const UNNAMED: Table<u64, Item> = Table::new("table-1");
    assert_eq!(db.read(UNNAMED, |_| true, Clone::clone).unwrap(), expected());
    assert_eq!(db.read(OTHERS, |_| true, |id| *id).unwrap(), others());
    // The first row says of what shape the others are.
    db.put(UNNAMED, ROWS, item(ROWS)).unwrap();
}

#[test]
fn small_files_of_the_engine_are_healed_by_opening() {
    for close in [true, false] {
        for name in ["conf", "snap."] {
            let (_folder, path) = place();
            make(&path, close);
            let file = files(&path.join("sled-000001"))
                .into_iter()
                .map(|(file, _)| file)
                .find(|file| file.file_name().unwrap().to_string_lossy().starts_with(name))
                .unwrap();
            change(&file, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
            });
            let db = small().open(&path).unwrap();
            assert!(db.verify().unwrap().is_clean());
            assert_eq!(rows(&db), expected(), "{name}");
            db.close().unwrap();
        }
    }
}

#[test]
fn what_the_engine_cannot_open_is_saved_as_opening_has_left_it() {
    let (folder, original) = place();
    make(&original, false);
    let path = folder.path().join("copy");
    let mut refused = 0;
    for part in 1..40 {
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        copy(&original, &path);
        change(&data(&path), |bytes| {
            let at = bytes.len() / 40 * part;
            bytes[at] ^= 0x10;
        });
        match small().open(&path) {
            // Given back without a word to the disk.
            Ok(db) => drop(db),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
                let (_, db) = mended(&path);
                check_most(&db);
                db.close().unwrap();
                fs::remove_dir_all(path.with_file_name("mended")).unwrap();
                refused += 1;
                if refused == 4 {
                    return;
                }
            }
        }
    }
    panic!("only {refused} of 39 damages keep the engine from opening");
}

#[test]
fn a_record_that_is_lost_costs_its_commit() {
    let (_folder, path) = place();
    make(&path, false);
    let journal = path.join("journal/0000000001.journal");
    let text = b"item 1500-----";
    change(&journal, |bytes| {
        let at = (0..bytes.len() - text.len()).rfind(|at| bytes[*at..].starts_with(text)).unwrap();
        bytes[at] ^= 1;
    });
    assert_eq!(small().open(&path).unwrap_err().kind(), ErrorKind::Corrupted);
    let (report, db) = mended(&path);
    assert!(!report.is_exact() && report.is_proved, "{report}");
    assert_eq!(report.lost_commits.iter().map(|commits| commits.clone().count()).sum::<usize>(), 1, "{report}");
    assert!(report.damages.iter().any(|damage| damage.file == journal && damage.offset > 4096), "{report}");
    let mut wanted = expected();
    let at = wanted.binary_search_by_key(&1_500, |row| row.id).unwrap();
    wanted[at].amount = 1_500;
    assert_eq!(rows(&db), wanted);
}

#[test]
fn what_is_left_of_files_that_were_cut_is_saved() {
    for file in ["root", "sled-000001/db", "sled-000001/conf", "journal/0000000001.journal"] {
        let (_folder, path) = place();
        // The journal of a killed store has its first commit and all others: it would make up for the pages.
        make(&path, file == "sled-000001/db");
        change(&path.join(file), |bytes| bytes.truncate(bytes.len() / 2));
        let (report, db) = mended(&path);
        let found = rows(&db);
        let known = |row: &&Item| item(row.id) == **row || Item { amount: -1, ..item(row.id) } == **row;
        assert!(found.iter().all(|row| known(&row)) && found.len() > 500, "{file}: {} rows, {report}", found.len());
        if ["root", "sled-000001/conf"].contains(&file) {
            assert_eq!(found, expected(), "{file}");
        }
        assert!(file != "sled-000001/db" || report.tables[0].ranges.len() > 3, "{report}");
        assert_eq!(report.may_lack_last_commits, file.starts_with("journal"), "{report}");
        assert!(!report.is_exact() || found == expected(), "{report}");
    }
}

#[test]
fn without_a_page_store_the_journal_is_what_is_left() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    (0..100).for_each(|id| db.put(ITEMS, id, item(id)).unwrap());
    db.remove(ITEMS, 5).unwrap();
    drop(db);
    fs::remove_dir_all(path.join("sled-000001")).unwrap();
    let (_, db) = mended(&path);
    assert_eq!(rows(&db), (0..100).filter(|id| *id != 5).map(item).collect::<Vec<_>>());
}

#[test]
fn large_rows_come_back_out_of_their_chunks() {
    const TEXTS: Table<u64, String> = Table::new("texts");
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    let text = |id: u64| format!("{id:>width$}", width = 3_000 * id as usize);
    (1..12).for_each(|id| db.put(TEXTS, id, text(id)).unwrap());
    db.checkpoint().unwrap();
    db.put(TEXTS, 7, text(8)).unwrap();
    db.close().unwrap();
    let wanted: Vec<String> = (1..12).map(|id| text(if id == 7 { 8 } else { id })).collect();
    let (report, db) = mended(&path);
    assert!(report.is_exact());
    assert_eq!(db.read(TEXTS, |_| true, Clone::clone).unwrap(), wanted);
    db.close().unwrap();
    fs::remove_dir_all(path.with_file_name("mended")).unwrap();
    // Nothing names the pages any more.
    break_frames(&path, |kind, _, _| [DIRECTORY, PAGE_LIST].contains(&kind));
    let (_, db) = mended(&path);
    assert_eq!(db.read(TEXTS, |_| true, Clone::clone).unwrap(), wanted);
}

#[test]
fn nothing_is_written_over_and_what_is_in_use_or_no_store_is_refused() {
    let (folder, path) = place();
    let into = folder.path().join("into");
    let kind = |damaged: &Path, into: &Path| repair(damaged, into).unwrap_err().kind();
    assert_eq!(kind(&path, &into), ErrorKind::NotAStore);
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), "mine").unwrap();
    assert_eq!(kind(&into, &path), ErrorKind::NotAStore);
    let db = small().open(&path).unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    assert_eq!(kind(&path, &folder.path().join("new")), ErrorKind::AlreadyOpen);
    db.close().unwrap();
    assert_eq!(kind(&path, &into), ErrorKind::InvalidArgument);
    assert_eq!(kind(&path, &path.join("a/new/one")), ErrorKind::InvalidArgument);
    fs::write(path.join("unfinished"), "").unwrap();
    assert_eq!(kind(&path, &folder.path().join("new")), ErrorKind::NotAStore);
    fs::remove_file(path.join("unfinished")).unwrap();
    let root = fs::read(path.join("root")).unwrap();
    assert!(!folder.path().join("new").exists() && !folder.path().join("new.unfinished").exists());
    assert!(repair(&path, folder.path().join("new")).unwrap().is_exact());
    assert_eq!(fs::read(path.join("root")).unwrap(), root);
}

#[test]
fn rows_of_merged_segments_do_not_come_back() {
    let (_folder, path) = place();
    make(&path, true);
    let db = small().open(&path).unwrap();
    for id in (0..ROWS).filter(|id| id % 100 != 50) {
        db.remove(ITEMS, id).unwrap();
        if id % 500 == 0 {
            db.checkpoint().unwrap();
        }
    }
    assert!(db.status().unwrap().segment_merges > 100);
    db.checkpoint().unwrap();
    // By now the notes that segments are gone have been removed.
    db.checkpoint().unwrap();
    db.close().unwrap();
    let wanted: Vec<Item> = expected().into_iter().filter(|row| row.id % 100 == 50).collect();
    let (report, db) = mended(&path);
    assert_eq!(rows(&db), wanted);
    assert!(report.is_exact(), "{report}");
    db.close().unwrap();
    fs::remove_dir_all(path.with_file_name("mended")).unwrap();
    // Nor where no root can say so.
    fs::write(path.join("root"), "").unwrap();
    let (report, db) = mended(&path);
    assert!(!report.is_proved);
    assert_eq!(rows(&db), wanted, "{report}");
}

#[test]
fn opening_with_an_older_root_destroys_nothing_of_the_newest() {
    let (_folder, path) = place();
    make(&path, false);
    let db = small().open(&path).unwrap();
    for amount in 0..2 {
        for id in (0..ROWS).step_by(50) {
            db.modify(ITEMS, id, |row| row.amount = -amount - 2).unwrap();
        }
        db.checkpoint().unwrap();
    }
    drop(db);
    let root = fs::read(path.join("root")).unwrap();
    // The number of a root stands at the beginning of its body.
    let number = |slot: usize| u64::from_le_bytes(root[slot + 20..slot + 28].try_into().unwrap());
    let newest = if number(0) > number(65_536) { 0 } else { 65_536 };
    change(&path.join("root"), |bytes| bytes[newest + 30] ^= 1);
    assert_eq!(small().open(&path).unwrap_err().kind(), ErrorKind::Corrupted);
    fs::write(path.join("root"), root).unwrap();
    let db = small().open(&path).unwrap();
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(rows(&db).iter().filter(|row| row.amount == -3).count() as u64, ROWS / 50);
}

const BY_AMOUNT: Index<i64, Item> = Index::new("by_amount", |item, keys| keys.key(item.amount));
const INDEXED: Table<u64, Item> = Table::new("indexed").indexes(&[&BY_AMOUNT]);

#[test]
fn indexes_are_left_out_and_built_again() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    let put =
        |ids: std::ops::Range<u64>| db.transact(|tx| ids.clone().try_for_each(|id| tx.put(INDEXED, id, item(id))));
    put(0..200).unwrap();
    db.checkpoint().unwrap();
    put(200..300).unwrap();
    db.sync().unwrap();
    drop(db);
    fs::remove_file(path.join("root")).unwrap();
    let (report, db) = mended(&path);
    assert_eq!(report.indexes, ["indexed.by_amount"]);
    assert_eq!((report.tables.len(), report.tables[0].name.as_str(), report.rows()), (1, "indexed", 300));
    assert!(report.to_string().contains("indexed.by_amount: an index, to be built again"), "{report}");
    assert_eq!(db.build_indexes(INDEXED, |_| ()).unwrap(), 1);
    assert_eq!(db.query(INDEXED).by(&BY_AMOUNT).range(190..210).keys().unwrap(), (190..210).collect::<Vec<_>>());
    assert!(db.verify().unwrap().is_clean());
}
