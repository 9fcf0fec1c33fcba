//! Bulk work and crashes: what is on disk at any moment is the old state or the new one.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::{Index, Migration, VerifyReport};

const BY_LENGTH: Index<u32, String> = Index::new("by_length", |text, out| out.key(text.len() as u32));
const INDEXED: Table<u64, String> = Table::new("texts").indexes(&[&BY_LENGTH]);

fn text(n: u64) -> String {
    format!("{}{n}", "x".repeat(100 + n as usize % 50))
}

fn rows(range: std::ops::Range<u64>) -> impl Iterator<Item = (u64, String)> {
    range.map(|n| (n, text(n)))
}

/// So little memory that loads go through the page store, or as much as they want.
fn options(cache: usize) -> Options {
    small().cache_bytes(cache)
}

const BUDGETS: [usize; 2] = [100_000, 1 << 30];

/// What a crash at this moment would leave, with all that was written so far.
fn image(db: &Db, dir: &Path) -> tempfile::TempDir {
    db.engine().pager.store.sync().unwrap();
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    image
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens an image and looks whether it has exactly these rows, and no page too many; twice, the second time closed.
fn check(image: &Path, expected: &[u64]) {
    for closed in [false, true] {
        let db = open_on(Arc::new(OsFiles), image, small()).unwrap();
        assert_eq!(db.query(INDEXED).keys().unwrap(), expected, "closed before: {closed}");
        assert_eq!(db.query(INDEXED).by(&BY_LENGTH).range(..).count().unwrap(), expected.len() as u64);
        let report: VerifyReport = db.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        db.checkpoint().unwrap();
        db.checkpoint().unwrap();
        let live: u64 = report.tables.iter().map(|table| table.pages + table.segments).sum();
        let directory = entries_in(&db, [TreeId::DIRECTORY]);
        assert_eq!(all_entries(&db) - directory, live as usize, "pages and lists that nobody names");
        db.close().unwrap();
    }
}

fn all(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

fn numbers(ranges: &[std::ops::Range<u64>]) -> Vec<u64> {
    ranges.iter().cloned().flatten().collect()
}

#[test]
fn a_load_that_is_cut_off_before_its_record_leaves_nothing() {
    for cache in BUDGETS {
        let dir = tempfile::tempdir().unwrap();
        let db = open_on(Arc::new(OsFiles), dir.path(), options(cache)).unwrap();
        db.bulk_load(INDEXED, rows(0..300)).unwrap();
        let mut images = Vec::new();
        let more = rows(1_000..3_000).inspect(|(n, _)| {
            if n % 900 == 0 {
                images.push(image(&db, dir.path()));
            }
        });
        db.bulk_load(INDEXED, more).unwrap();
        assert!(images.len() >= 2);
        images.iter().for_each(|image| check(image.path(), &all(0..300)));
        drop(db);
        check(dir.path(), &numbers(&[0..300, 1_000..3_000]));
    }
}

#[test]
fn a_load_that_has_returned_is_there_before_and_after_its_root() {
    for cache in BUDGETS {
        let dir = tempfile::tempdir().unwrap();
        let db = open_on(Arc::new(OsFiles), dir.path(), options(cache)).unwrap();
        db.bulk_load(INDEXED, rows(0..2_000).filter(|(n, _)| n % 2 == 0)).unwrap();
        db.put(INDEXED, 5_000, text(5_000)).unwrap();
        db.bulk_load(INDEXED, rows(0..2_000).filter(|(n, _)| n % 2 == 1)).unwrap();
        db.remove(INDEXED, 7).unwrap();
        db.sync().unwrap();
        let expected = numbers(&[0..7, 8..2_000, 5_000..5_001]);
        check(image(&db, dir.path()).path(), &expected);
        db.checkpoint().unwrap();
        check(image(&db, dir.path()).path(), &expected);
        // A second life of an image that was never closed: the records are replayed once more.
        let again = image(&db, dir.path());
        drop(open_on(Arc::new(OsFiles), again.path(), options(cache)).unwrap());
        check(again.path(), &expected);
    }
}

/// Where ids are small, the record of a bulk act is the shortest that there is.
#[test]
fn clearing_a_store_with_a_few_rows_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.put(INDEXED, 1, text(1)).unwrap();
    db.clear(INDEXED).unwrap();
    check(image(&db, dir.path()).path(), &[]);
}

#[test]
fn removed_ranges_and_dropped_tables_stay_so() {
    for cache in BUDGETS {
        let dir = tempfile::tempdir().unwrap();
        let db = open_on(Arc::new(OsFiles), dir.path(), options(cache)).unwrap();
        db.bulk_load(INDEXED, rows(0..1_000)).unwrap();
        db.checkpoint().unwrap();
        db.remove_range(INDEXED, 100..777).unwrap();
        check(image(&db, dir.path()).path(), &numbers(&[0..100, 777..1_000]));
        db.clear(INDEXED).unwrap();
        check(image(&db, dir.path()).path(), &[]);
        db.bulk_load(INDEXED, rows(0..400)).unwrap();
        db.drop_table("texts").unwrap();
        check(image(&db, dir.path()).path(), &[]);
        db.bulk_load(INDEXED, rows(3..9)).unwrap();
        check(image(&db, dir.path()).path(), &all(3..9));
        drop(db);
        check(dir.path(), &all(3..9));
    }
}

#[test]
fn a_load_whose_record_cannot_be_written_is_unknown_and_not_there_by_half() {
    for cache in BUDGETS {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = open_on(Arc::<FaultFiles>::clone(&files), dir.path(), options(cache)).unwrap();
        db.bulk_load(INDEXED, rows(0..300)).unwrap();
        files.set(Fault { sync_in: Some(0), kind: Some(std::io::ErrorKind::Other), ..Fault::default() });
        let error = db.bulk_load(INDEXED, rows(300..900)).unwrap_err();
        assert!([ErrorKind::CommitUnknown, ErrorKind::Io, ErrorKind::Poisoned].contains(&error.kind()), "{error}");
        files.set(Fault::default());
        drop(db);
        let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
        let there = db.len(INDEXED).unwrap();
        assert!(there == 300 || there == 900, "{there} rows");
        drop(db);
        check(dir.path(), &all(0..there));
    }
}

#[test]
fn a_load_that_is_given_up_frees_its_pages() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), options(100_000)).unwrap();
    db.bulk_load(INDEXED, rows(0..100)).unwrap();
    let before = db.engine().pager.store.live_bytes();
    let error = db.bulk_load(INDEXED, rows(1_000..3_000).chain(rows(50..51))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(db.engine().pager.store.live_bytes() > before + 100_000, "it had written pages");
    db.close().unwrap();
    check(dir.path(), &all(0..100));
}

#[test]
fn a_backup_that_is_made_while_a_load_is_under_way_has_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), options(100_000)).unwrap();
    db.bulk_load(INDEXED, rows(0..100)).unwrap();
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("copy");
    let others = db.clone();
    let mut made = false;
    let more = rows(1_000..3_000).inspect(|(n, _)| {
        if *n == 2_500 {
            // On another thread: this one must not call the database.
            thread::scope(|scope| scope.spawn(|| others.backup(&target)).join()).unwrap().unwrap();
            made = true;
        }
    });
    db.bulk_load(INDEXED, more).unwrap();
    assert!(made);
    check(&target, &all(0..100));
    drop(others);
    drop(db);
    check(dir.path(), &numbers(&[0..100, 1_000..3_000]));
}

const NEW: Table<u64, (u64, String)> = Table::new("texts").version(2).indexes(&[&BY_NUMBER]);
const BY_NUMBER: Index<u64, (u64, String)> =
    Index::<u64, (u64, String)>::new("by_number", |row, out| out.key(row.0 + 7)).unique();
const PAIRS: Table<u64, u64> = Table::new("pairs");
const NEW_PAIRS: Table<u64, (u64, u64)> = Table::new("pairs").version(2);

fn migrated(dir: &Path, cache: usize, halfway: impl Fn() + Send + Sync + 'static) -> Result<Db> {
    let texts = Migration::new(NEW).from(1, |old: String| (old.len() as u64 * 100_000 + digits(&old), old));
    let pairs = Migration::new(NEW_PAIRS).from(1, |old: u64| (old, old)).progress(move |_| halfway());
    options(cache).migrate(texts).migrate(pairs).open(dir)
}

/// The number at the end of a text.
fn digits(text: &str) -> u64 {
    text.trim_start_matches('x').parse().unwrap()
}

#[test]
fn a_migration_that_is_cut_off_leaves_the_old_version_or_the_new_one() {
    for cache in BUDGETS {
        let dir = tempfile::tempdir().unwrap();
        let db = open_on(Arc::new(OsFiles), dir.path(), options(cache)).unwrap();
        db.bulk_load(INDEXED, rows(0..600)).unwrap();
        db.bulk_load(PAIRS, (0..600).map(|n| (n, n))).unwrap();
        db.close().unwrap();
        // All of the first table is made anew by then, and a part of the second. What sled has not written yet is not in
        // the image, and nothing refers to it.
        let (before, from) = (Arc::new(tempfile::tempdir().unwrap()), dir.path().to_owned());
        let to = Arc::clone(&before);
        let halfway = move || {
            if fs::read_dir(to.path()).unwrap().next().is_none() {
                copy(&from, to.path());
            }
        };
        let db = migrated(dir.path(), cache, halfway).unwrap();
        let after = image(&db, dir.path());
        db.checkpoint().unwrap();
        let rooted = image(&db, dir.path());
        drop(db);
        check(before.path(), &all(0..600));
        for image in [after.path(), rooted.path(), dir.path(), before.path()] {
            let old = image == before.path();
            for opening in 0..3 {
                // The old one is migrated by its next opening, and the others need it no more.
                let first = old && opening == 0;
                let db = match first {
                    true => migrated(image, cache, || ()).unwrap(),
                    false => open_on(Arc::new(OsFiles), image, options(cache)).unwrap(),
                };
                assert_eq!(db.len(NEW).unwrap(), 600);
                assert_eq!(*db.get(NEW, 5).unwrap().unwrap(), (106 * 100_000 + 5, text(5)).clone());
                let (found, _) = db.get_by(NEW, &BY_NUMBER, 106 * 100_000 + 12).unwrap().unwrap();
                assert_eq!(found, 5);
                assert_eq!(db.get(NEW_PAIRS, 9).unwrap().as_deref(), Some(&(9, 9)));
                assert_eq!(db.get(INDEXED, 1).unwrap_err().kind(), ErrorKind::SchemaMismatch);
                let report = db.verify().unwrap();
                assert!(report.is_clean(), "{report}");
                assert_eq!(report.tables.len(), 3, "the old index is gone");
                if opening == 1 {
                    db.close().unwrap();
                }
            }
        }
    }
}
