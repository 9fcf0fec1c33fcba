//! Stores that cannot be opened or read: a clear error, never a panic and never fewer rows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gangline::{Db, Durability, ErrorKind, Options, Table};
use serde::{Deserialize, Serialize};

use crate::support::{ITEMS, Item, copy, fill, ids, item, other_process, part, place, small, with_items};

fn open_error(path: &Path) -> gangline::Error {
    Db::open(path).map(drop).expect_err("this store cannot be opened")
}

#[test]
fn a_store_that_this_process_has_open_is_refused() {
    let (_folder, path) = place();
    let db = Db::open(&path).unwrap();
    let error = open_error(&path);
    assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
    assert!(error.is_retryable() && error.to_string().contains(path.to_str().unwrap()), "{error}");
    fill(&db, 10);
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(ids(&db).len(), 10);
    db.close().unwrap();
}

#[test]
fn a_store_that_another_process_has_open_is_refused_with_its_number() {
    if let Some(path) = part() {
        let error = open_error(&path);
        eprintln!("refused {:?} {error}", error.kind());
        return;
    }
    let (_folder, path) = place();
    let db = Db::open(&path).unwrap();
    let mut other = other_process("bad_input::a_store_that_another_process_has_open_is_refused_with_its_number", &path)
        .spawn()
        .unwrap();
    let mut said = String::new();
    other.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(other.wait().unwrap().success(), "{said}");
    assert!(said.contains("refused AlreadyOpen") && said.contains(&std::process::id().to_string()), "{said}");
    db.close().unwrap();
}

#[test]
fn opening_and_closing_in_a_tight_loop_works() {
    let (_folder, path) = place();
    for round in 0..15 {
        let db = small().open(&path).unwrap();
        db.put(ITEMS, round, item(round)).unwrap();
        if round % 2 == 0 {
            db.close().unwrap();
        }
    }
    let db = small().open(&path).unwrap();
    assert_eq!(ids(&db), (0..15).collect::<Vec<_>>());
    db.close().unwrap();
}

#[test]
fn what_is_not_a_store_is_left_alone() {
    let (folder, _) = place();
    let file = folder.path().join("file");
    std::fs::write(&file, "a text").unwrap();
    assert!(matches!(open_error(&file).kind(), ErrorKind::NotAStore | ErrorKind::Io));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a text");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.txt"), "three years").unwrap();
    assert_eq!(open_error(&other).kind(), ErrorKind::NotAStore);
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
}

/// Gives every slot of the root file another format number, with a checksum that is right.
fn set_format(path: &Path, format: u32) {
    let root = path.join("root");
    let mut bytes = std::fs::read(&root).unwrap();
    let slots: Vec<usize> =
        (0..bytes.len().saturating_sub(8)).filter(|at| bytes[*at..].starts_with(b"glRootSl")).collect();
    assert!(!slots.is_empty());
    for at in slots {
        let number = |from: usize| u32::from_le_bytes(bytes[at + from..at + from + 4].try_into().unwrap());
        let body = at + 20..at + 20 + number(12) as usize;
        let mut sum = crc32fast::Hasher::new();
        sum.update(b"glRootSl");
        sum.update(&format.to_le_bytes());
        sum.update(&u64::from(number(12)).to_le_bytes());
        sum.update(&bytes[body]);
        bytes[at + 8..at + 12].copy_from_slice(&format.to_le_bytes());
        bytes[at + 16..at + 20].copy_from_slice(&sum.finalize().to_le_bytes());
    }
    std::fs::write(&root, bytes).unwrap();
}

#[test]
fn another_format_version_is_refused_before_anything_is_touched() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 100);
    db.close().unwrap();
    set_format(&path, 77);
    let error = open_error(&path);
    assert_eq!(error.kind(), ErrorKind::FormatVersion);
    assert!(error.to_string().contains("77"), "{error}");
    set_format(&path, 1);
    let db = Db::open(&path).unwrap();
    assert_eq!(ids(&db).len(), 100);
    db.close().unwrap();
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OtherItem {
    id: u64,
    group: u32,
    amount: i64,
    text: String,
}

#[test]
fn another_shape_of_row_or_key_is_refused_by_name() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 10);
    db.close().unwrap();

    let db = small().open(&path).unwrap();
    let other_row: Table<u64, OtherItem> = Table::new("items");
    let error = db.get(other_row, 1).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let text = error.to_string();
    assert!(["items", "group", "u64", "u32"].iter().all(|part| text.contains(part)), "{text}");
    let new = OtherItem { id: 1, group: 1, amount: 1, text: String::new() };
    assert_eq!(db.put(other_row, 1, new).map_err(|error| error.kind()), Err(ErrorKind::SchemaMismatch));

    let other_key: Table<i64, Item> = Table::new("items");
    let error = db.get(other_key, 1).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("i64"), "{error}");
    assert_eq!(ids(&db), (0..10).collect::<Vec<_>>(), "the right shape still works");
    db.close().unwrap();
}

/// A store with rows in its pages and, unless it was closed, in its journal too.
fn store_to_damage(path: &Path, close: bool) -> Vec<Item> {
    let db = small().journal_bytes(1 << 20).open(path).unwrap();
    fill(&db, 300);
    db.checkpoint().unwrap();
    for id in 0..20 {
        db.modify(ITEMS, id * 15, |item| item.text = "changed".repeat(10)).unwrap();
    }
    let rows = db.read(ITEMS, |_| true, Clone::clone).unwrap();
    if close {
        db.close().unwrap();
    }
    rows
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() { files.extend(files_below(&entry)) } else { files.push(entry) }
    }
    files.sort();
    files
}

/// Opens a damaged store and reads it. Right rows or a typed error are both fine; anything else is not.
fn check_damaged(path: &Path, rows: &[Item], what: &str) -> bool {
    let typed = |error: gangline::Error| {
        let fine = [ErrorKind::Corrupted, ErrorKind::NotAStore, ErrorKind::FormatVersion, ErrorKind::Poisoned];
        assert!(fine.contains(&error.kind()), "{what}: {error:?}");
        assert!(error.to_string().len() > 20, "{what}: {error} says nothing");
    };
    let db = match small().create(false).open(path) {
        Ok(db) => db,
        Err(error) => {
            typed(error);
            return true;
        }
    };
    match db.read(ITEMS, |_| true, Clone::clone) {
        Ok(found) => {
            assert_eq!(found, rows, "{what}");
            false
        }
        Err(error) => {
            typed(error);
            true
        }
    }
}

#[test]
fn damage_to_a_closed_store_is_noticed_or_harmless() {
    let (folder, path) = place();
    let rows = store_to_damage(&path, true);
    let mut noticed = BTreeMap::new();
    for file in files_below(&path) {
        let relative = file.strip_prefix(&path).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        // Where there is something: the zeros of preallocated space are not data.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        if relative == Path::new("lock") || used.is_empty() {
            continue;
        }
        for part in 0..10 {
            let at = used[(used.len() - 1) * part / 9];
            let truncate = part % 5 == 4;
            let mut damaged = bytes.clone();
            if truncate {
                damaged.truncate(at)
            } else {
                damaged[at] ^= 1 << (part % 8)
            }
            let trial = folder.path().join("trial");
            copy(&path, &trial);
            std::fs::write(trial.join(relative), &damaged).unwrap();
            let deed = if truncate { "cut off" } else { "flipped" };
            if check_damaged(&trial, &rows, &format!("{} {deed} at {at}", relative.display())) {
                *noticed.entry(file.file_name().unwrap().to_owned()).or_insert(0) += 1;
            }
            std::fs::remove_dir_all(&trial).unwrap();
        }
    }
    // The other files can be done without: what they say stands elsewhere too, or is written anew. After a close both
    // slots of the root name the same pages.
    assert!(noticed.contains_key(OsStr::new("db")), "{noticed:?}");
}

#[test]
fn a_torn_end_of_the_journal_is_not_damage() {
    let (folder, path) = place();
    let rows = store_to_damage(&path, false);
    let journal = files_below(&path).into_iter().rfind(|file| file.parent().unwrap().ends_with("journal")).unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // The last record was never promised as far as the journal says: without it, the store is as before that commit.
    let trial = folder.path().join("trial");
    copy(&path, &trial);
    let mut torn = bytes.clone();
    torn[end] ^= 0x40;
    std::fs::write(trial.join(journal.strip_prefix(&path).unwrap()), torn).unwrap();
    let db = small().open(&trial).unwrap();
    let found = db.read(ITEMS, |_| true, Clone::clone).unwrap();
    let before: Vec<Item> = rows.iter().map(|row| if row.id == 285 { item(285) } else { row.clone() }).collect();
    assert_eq!(found, before);
    db.close().unwrap();
}

#[test]
fn damage_to_a_journal_below_what_was_synced_is_corruption() {
    let (folder, path) = place();
    store_to_damage(&path, false);
    let journal = files_below(&path).into_iter().rfind(|file| file.parent().unwrap().ends_with("journal")).unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    // "changed" stands in each of the last twenty records; the tenth is well below what later ones know as synced.
    let at = (0..bytes.len() - 7).filter(|at| bytes[*at..].starts_with(b"changedchanged")).nth(200);
    let at = at.or_else(|| (0..bytes.len() - 7).find(|at| bytes[*at..].starts_with(b"changedchanged"))).unwrap();
    let trial = folder.path().join("trial");
    copy(&path, &trial);
    let mut damaged = bytes.clone();
    damaged[at] ^= 1;
    std::fs::write(trial.join(journal.strip_prefix(&path).unwrap()), damaged).unwrap();
    let error = Options::new().open(&trial).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.to_string().contains("journal"), "{error}");
}

#[test]
fn a_row_version_without_migration_is_refused() {
    const SECOND: Table<u64, Item> = Table::new("items").version(2);
    let db = with_items(3);
    let error = db.get(SECOND, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("version 1") && error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_store_without_its_root_file_is_not_an_empty_one() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 50);
    db.close().unwrap();
    // Now no journal file has a commit any more.
    Db::open(&path).unwrap().close().unwrap();
    let root = std::fs::read(path.join("root")).unwrap();
    std::fs::remove_file(path.join("root")).unwrap();
    let error = open_error(&path);
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    std::fs::write(path.join("root"), root).unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(ids(&db).len(), 50);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in [
        Options::new().max_row_locks(0),
        Options::new().escalate_row_locks(0),
        Options::new().segment_rows(1),
        Options::new().max_transaction_bytes(1),
        Options::new().journal_bytes(1),
        Options::new().checkpoint_interval(Duration::ZERO),
    ] {
        assert_eq!(options.in_memory().unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn times_without_end_are_fine() {
    let (_folder, path) = place();
    let options = || Options::new().checkpoint_interval(Duration::MAX).lock_timeout(Duration::MAX);
    let db = options().eventual_sync(Duration::MAX).durability(Durability::Eventual).open(&path).unwrap();
    fill(&db, 10);
    db.sync().unwrap();
    db.checkpoint().unwrap();
    fill(&db, 20);
    db.close().unwrap();
    assert_eq!(ids(&options().open(&path).unwrap()).len(), 20);
}
