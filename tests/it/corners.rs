//! Stores at the ends of what is allowed: odd places, and rows of nothing and of the largest size.

use std::fs;
use std::io::Read;
use std::path::Path;

use gangline::{Db, ErrorKind, Options, Table, repair};

use crate::support::{ITEMS, ids, item, other_process, part, place, small};

const MIB: usize = 1 << 20;
const MARKS: Table<String, ()> = Table::new("marks");
const TEXTS: Table<u8, String> = Table::new("texts");

/// All that is made of a store, each with the rows that `check` wants.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check_copies(options: &Options, path: &Path, check: &dyn Fn(&Db)) {
    let [backup, restored, mended] = ["backup", "restored", "mended"].map(|name| {
        let mut of = path.file_name().unwrap().to_owned();
        of.push(name);
        path.with_file_name(of)
    });
    // What was not closed, out of the journal; then a checkpoint, and a new page store.
    let db = options.clone().create(false).open(path).unwrap();
    check(&db);
    db.backup(&backup).unwrap();
    db.compact().unwrap();
    check(&db);
    db.close().unwrap();
    let db = options.clone().open(path).unwrap();
    check(&db);
    assert!(db.verify().unwrap().is_clean());
    db.close().unwrap();
    Db::restore(&backup, &restored).unwrap();
    let report = repair(&restored, &mended).unwrap();
    assert!(report.is_exact(), "{report}");
    for path in [&backup, &restored, &mended] {
        let db = options.clone().create(false).open(path).unwrap();
        check(&db);
        db.close().unwrap();
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_may_have_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (_folder, path) = place();
    for name in [&b"sh\xffop"[..], b"a\nb ", b"-", b"%s\\*?", b"snap."] {
        let path = path.with_file_name(OsStr::from_bytes(name));
        let db = small().open(&path).unwrap();
        (0..100).for_each(|id| db.put(ITEMS, id, item(id)).unwrap());
        drop(db);
        check_copies(&small(), &path, &|db| assert_eq!(ids(db).len(), 100));
    }
}

#[test]
#[cfg(unix)]
fn files_and_folders_of_a_store_may_be_links() {
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    (0..100).for_each(|id| db.put(ITEMS, id, item(id)).unwrap());
    db.checkpoint().unwrap();
    (100..200).for_each(|id| db.put(ITEMS, id, item(id)).unwrap());
    drop(db);
    let journal = fs::read_dir(path.join("journal")).unwrap().last().unwrap().unwrap().path();
    for (number, there) in [path.join("root"), path.join("lock"), path.join("sled-000001"), journal].iter().enumerate()
    {
        let away = folder.path().join(format!("away-{number}"));
        fs::rename(there, &away).unwrap();
        std::os::unix::fs::symlink(&away, there).unwrap();
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let db = small().create(false).open(&link).unwrap();
    assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::AlreadyOpen);
    assert_eq!(ids(&db).len(), 200);
    drop(db);
    check_copies(&small(), &link, &|db| assert_eq!(ids(db).len(), 200));
}

#[test]
fn a_store_stays_where_it_is_when_the_process_goes_elsewhere() {
    if let Some(path) = part() {
        let (here, elsewhere) = (path.parent().unwrap(), path.with_file_name("elsewhere"));
        std::env::set_current_dir(here).unwrap();
        // Each needs a file of its own later: a journal, a page store, a copy.
        let db = small().journal_bytes(1 << 20).open("store").unwrap();
        std::env::set_current_dir(&elsewhere).unwrap();
        for id in 0..3_000 {
            db.transact(|tx| (0..20).try_for_each(|part| tx.put(ITEMS, id * 20 + part, item(id)))).unwrap();
        }
        db.compact().unwrap();
        db.backup("../backup").unwrap();
        db.close().unwrap();
        return;
    }
    let (folder, path) = place();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let name = "corners::a_store_stays_where_it_is_when_the_process_goes_elsewhere";
    let mut other = other_process(name, &path).spawn().unwrap();
    let mut said = String::new();
    other.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(other.wait().unwrap().success(), "{said}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    for path in [path.with_file_name("backup"), path] {
        let db = Options::new().create(false).open(path).unwrap();
        assert_eq!(db.len(ITEMS).unwrap(), 60_000);
    }
}

#[test]
fn rows_and_keys_of_no_bytes_are_rows_and_keys() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    let keys: Vec<String> = (0..200).map(|length| "k".repeat(length)).collect();
    db.bulk_load(MARKS, keys[..100].iter().map(|key| (key.clone(), ()))).unwrap();
    db.checkpoint().unwrap();
    db.remove(MARKS, "").unwrap();
    db.remove_range(MARKS, ""..="kk").unwrap();
    db.put(TEXTS, 0, String::new()).unwrap();
    db.remove(TEXTS, 0).unwrap();
    keys[100..].iter().for_each(|key| db.put(MARKS, key, ()).unwrap());
    ["", "k", "kk"].iter().for_each(|key| db.put(MARKS, *key, ()).unwrap());
    db.put(TEXTS, 0, String::new()).unwrap();
    drop(db);
    check_copies(&small(), &path, &|db| {
        assert_eq!(db.query(MARKS).keys().unwrap(), keys);
        assert_eq!(db.get(TEXTS, 0).unwrap().as_deref(), Some(&String::new()));
    });
}

#[test]
fn a_row_of_the_largest_size_lives_through_everything() {
    let (_folder, path) = place();
    let options = small().max_row_bytes(64 * MIB).max_transaction_bytes(70 * MIB);
    let row: String = "0123456789abcdef".repeat(4 * MIB).split_off(5);
    let db = options.clone().open(&path).unwrap();
    db.put(TEXTS, 0, &row).unwrap();
    drop(db);
    // Out of the journal.
    let mended = path.with_file_name("first");
    let report = repair(&path, &mended).unwrap();
    assert!(report.is_exact(), "{report}");
    fs::remove_dir_all(mended).unwrap();
    check_copies(&options, &path, &|db| assert!(**db.get(TEXTS, 0).unwrap().unwrap() == row));
}
