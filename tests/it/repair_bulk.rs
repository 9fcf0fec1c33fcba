//! Repair of stores whose journal has loads, removed ranges, migrations and dropped tables that no checkpoint has seen.

use std::fs;
use std::path::Path;

use gangline::{Db, Index, Migration, Table};

use crate::repair::{PAGE_LIST, break_frames, change, data, mended};
use crate::support::{ITEMS, Item, item, place, small};

const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
const INDEXED: Table<u64, Item> = Table::new("indexed").indexes(&[&BY_GROUP]);
/// As repair leaves it, without its index.
const PLAIN: Table<u64, Item> = Table::new("indexed");
const DROPPED: Table<u64, u64> = Table::new("dropped");
const TEXTS: Table<u64, String> = Table::new("indexed").version(2);

/// So little that nearly all of a load goes into the page store at once, and so much that it goes into the journal.
const CACHES: [usize; 2] = [100_000, 1 << 30];

fn items(ids: impl IntoIterator<Item = u64>) -> Vec<(u64, Item)> {
    ids.into_iter().map(|id| (id, item(id))).collect()
}

/// Acts of all kinds behind the only checkpoint, with rows before, between and after; as a kill leaves it.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn make(path: &Path, cache: usize) {
    let db = small().cache_bytes(cache).open(path).unwrap();
    db.bulk_load(ITEMS, items((0..400).map(|id| id * 10))).unwrap();
    db.put(DROPPED, 1, 1).unwrap();
    db.checkpoint().unwrap();
    db.put(ITEMS, 5, item(5)).unwrap();
    db.bulk_load(ITEMS, items(10_000..12_000)).unwrap();
    db.bulk_load(INDEXED, items(0..500)).unwrap();
    db.modify(ITEMS, 10_007, |row| row.amount = -1).unwrap();
    db.remove_range(ITEMS, 1_000..2_000).unwrap();
    db.drop_table("dropped").unwrap();
    db.put(ITEMS, 1_500, item(1_500)).unwrap();
    let status = db.status().unwrap();
    assert_eq!(status.checkpoints, 1, "all that follows the checkpoint is in the journal only");
}

fn expected() -> Vec<Item> {
    let before = (0..400).map(|id| id * 10).filter(|id| !(1_000..2_000).contains(id)).chain([5, 1_500]);
    let mut ids: Vec<u64> = before.chain(10_000..12_000).collect();
    ids.sort_unstable();
    ids.into_iter().map(|id| Item { amount: if id == 10_007 { -1 } else { item(id).amount }, ..item(id) }).collect()
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn rows(db: &Db) -> Vec<Item> {
    db.read(ITEMS, |_| true, Clone::clone).unwrap()
}

/// Damages the page of the page store that has a row.
fn break_row(path: &Path, text: &[u8]) {
    change(&data(path), |bytes| {
        let found: Vec<usize> = (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
        assert!(!found.is_empty(), "the row is in the page store");
        found.into_iter().for_each(|at| bytes[at] ^= 1);
    });
}

#[test]
fn acts_since_the_last_checkpoint_are_done_again() {
    for cache in CACHES {
        let (_folder, path) = place();
        make(&path, cache);
        let (report, db) = mended(&path);
        assert!(report.is_exact() && report.damages.is_empty(), "{report}");
        assert_eq!(rows(&db), expected());
        assert_eq!(db.read(PLAIN, |_| true, Clone::clone).unwrap(), (0..500).map(item).collect::<Vec<_>>());
        assert_eq!(report.indexes, ["indexed.by_group"]);
        let names: Vec<&str> = report.tables.iter().map(|table| &*table.name).collect();
        assert_eq!(names, ["items", "indexed"]);
    }
}

#[test]
fn without_a_root_they_are_done_again_too() {
    for cache in CACHES {
        let (_folder, path) = place();
        make(&path, cache);
        fs::remove_file(path.join("root")).unwrap();
        let (report, db) = mended(&path);
        assert!(!report.is_proved && report.lost_commits.is_empty(), "{report}");
        assert_eq!(rows(&db), expected());
        assert_eq!(db.len(PLAIN).unwrap(), 500);
    }
}

#[test]
fn a_page_of_a_load_that_is_lost_costs_its_rows() {
    let (_folder, path) = place();
    make(&path, CACHES[0]);
    break_row(&path, b"item 11000-----");
    let (report, db) = mended(&path);
    assert!(report.is_proved && report.lost_commits.is_empty() && !report.is_exact(), "{report}");
    let ranges: Vec<_> = report.tables.iter().flat_map(|table| &table.ranges).collect();
    assert_eq!(ranges.len(), 1, "{report}");
    let lost = ranges[0].rows.unwrap();
    assert!((1..40).contains(&lost) && ranges[0].found == 0 && ranges[0].cause.contains("offset"), "{report}");
    let wanted = expected();
    let found = rows(&db);
    assert_eq!(found.len() as u64 + lost, wanted.len() as u64);
    assert!(found.iter().all(|row| wanted.contains(row)) && !found.contains(&item(11_000)));
}

#[test]
fn without_its_page_lists_the_pages_of_a_load_are_found() {
    let (_folder, path) = place();
    make(&path, CACHES[0]);
    let broken = break_frames(&path, |kind, _, _| kind == PAGE_LIST);
    assert!(broken > 100, "of the load, too");
    let (report, db) = mended(&path);
    assert!(report.is_exact(), "{report}");
    assert_eq!(rows(&db), expected());
}

#[test]
fn an_act_that_cannot_be_done_again_without_a_root_is_told_with_tables_and_rows() {
    let (_folder, path) = place();
    make(&path, CACHES[0]);
    fs::remove_file(path.join("root")).unwrap();
    break_row(&path, b"item 11000-----");
    let (report, db) = mended(&path);
    assert_eq!(report.lost_commits.len(), 1, "{report}");
    assert!(report.to_string().contains("2000 rows in place of a range of table \"items\""), "{report}");
    let wanted = expected();
    assert!(rows(&db).iter().filter(|row| row.id < 10_000).eq(wanted.iter().filter(|row| row.id < 10_000)));
}

#[test]
fn a_migration_is_done_again() {
    for cache in CACHES {
        let (_folder, path) = place();
        let db = small().open(&path).unwrap();
        db.bulk_load(PLAIN, items(0..500)).unwrap();
        db.close().unwrap();
        let migration = Migration::new(TEXTS).from(1, |old: Item| old.text);
        drop(small().cache_bytes(cache).migrate(migration).open(&path).unwrap());
        let (report, db) = mended(&path);
        assert!(report.is_exact(), "{report}");
        let texts: Vec<String> = (0..500).map(|id| item(id).text).collect();
        assert_eq!(db.read(TEXTS, |_| true, Clone::clone).unwrap(), texts);
    }
}
