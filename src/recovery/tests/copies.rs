//! Backup and compaction where a file of ours cannot be written: at each of their writes and syncs in turn.

use super::*;
use crate::storage::names;

/// Rows that a checkpoint has written, and a journal at rest.
fn at_rest(files: &Arc<FaultFiles>, dir: &Path) -> Db {
    let db = open_on(Arc::<FaultFiles>::clone(files), dir, small()).unwrap();
    (0..300).for_each(|n| db.put(TEXTS, n, format!("text {n}")).unwrap());
    db.checkpoint().unwrap();
    db.sync().unwrap();
    db
}

fn whole(dir: &Path) -> Db {
    let db = open_on(Arc::new(OsFiles), dir, small()).unwrap();
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(db.len(TEXTS).unwrap(), 300);
    db
}

fn page_stores(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| names::sled_folder_number(name).is_some()).collect()
}

/// Faults of the `n`th write, torn at several places, and of the `n`th sync.
fn faults(n: u64) -> [Fault; 4] {
    let torn = |torn_bytes| Fault { write_in: Some(n), torn_bytes, ..Fault::default() };
    [torn(0), torn(30), torn(1 << 20), Fault { sync_in: Some(n), ..Fault::default() }]
}

#[test]
fn a_compaction_whose_root_cannot_be_written_leaves_the_old_store_or_the_new() {
    let mut found = std::collections::BTreeSet::new();
    // It writes two roots: the switch, and the same once more.
    for fault in (0..2).flat_map(faults) {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = at_rest(&files, dir.path());
        files.set(fault);
        assert_eq!(db.compact().unwrap_err().kind(), ErrorKind::Io, "{fault:?}");
        files.set(Fault::default());
        assert_eq!(page_stores(dir.path()).len(), 2, "{fault:?}: nobody knows which one the next opening wants");
        assert_eq!(db.put(TEXTS, 0, String::new()).unwrap_err().kind(), ErrorKind::Poisoned);
        drop(db);
        let db = whole(dir.path());
        let left = page_stores(dir.path());
        assert_eq!(left.len(), 1, "{fault:?}: {left:?}");
        found.extend(left);
        db.compact().unwrap();
        drop(db);
        drop(whole(dir.path()));
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [names::sled_folder(1), names::sled_folder(2)]);
}

#[test]
fn after_a_compaction_both_slots_of_the_root_name_the_new_page_store() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = at_rest(&files, dir.path());
    db.compact().unwrap();
    assert_eq!(page_stores(dir.path()), [names::sled_folder(2)]);
    let root = std::fs::read(dir.path().join(names::ROOT)).unwrap();
    let named = |number: u32| {
        let name = names::sled_folder(number);
        root.windows(name.len()).filter(|window| *window == name.as_bytes()).count()
    };
    assert_eq!((named(1), named(2)), (0, 2));
}

#[test]
fn a_backup_that_cannot_be_written_leaves_nothing_and_the_database_as_it_was() {
    let mut failed = 0;
    for fault in (0..60).step_by(4).flat_map(|n| [faults(n)[0], faults(n)[3]]) {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = at_rest(&files, &dir.path().join("store"));
        let backup = dir.path().join("backup");
        files.set(fault);
        let outcome = db.backup(&backup);
        files.set(Fault::default());
        match outcome {
            Ok(report) => {
                assert_eq!(report.rows, 300);
                drop(whole(&backup));
            }
            Err(error) => {
                failed += 1;
                assert!([ErrorKind::Io, ErrorKind::Poisoned].contains(&error.kind()), "{fault:?}: {error:?}");
                assert!(!backup.exists(), "{fault:?}: {error:?}");
                if error.kind() == ErrorKind::Io && db.put(TEXTS, 0, "text 0".to_owned()).is_ok() {
                    assert_eq!(db.backup(&backup).unwrap().rows, 300);
                    assert!(!dir.path().join("backup.unfinished").exists());
                }
            }
        }
        drop(db);
        drop(whole(&dir.path().join("store")));
    }
    assert!(failed > 0, "no fault has met the backup");
}

#[test]
fn the_folders_made_above_a_store_and_a_backup_are_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let synced = |from: usize| {
        let top = dir.path().file_name().unwrap();
        let folders = files.calls().split_off(from).into_iter().filter_map(|call| match call {
            Call::SyncDir { dir } if dir == top => Some("the top".to_owned()),
            Call::SyncDir { dir } => dir.file_name().and_then(|name| name.to_str()).map(str::to_owned),
            _ => None,
        });
        folders.take(3).collect::<Vec<_>>()
    };
    let db = open_on(Arc::<RecordingFiles>::clone(&files), &dir.path().join("a/b/store"), small()).unwrap();
    assert_eq!(synced(0), ["the top", "a", "b"]);
    db.put(TEXTS, 1, "one".to_owned()).unwrap();
    let before = files.count();
    db.backup(dir.path().join("c/d/backup")).unwrap();
    assert_eq!(synced(before), ["the top", "c", "d"]);
}

#[test]
fn a_panic_in_the_checkpoint_of_a_backup_stops_the_database_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = at_rest(&files, &dir.path().join("store"));
    (0..300).for_each(|n| db.put(TEXTS, n, format!("changed {n}")).unwrap());
    db.sync().unwrap();
    // It writes the lock of its folder, and then the root.
    files.set(Fault { write_in: Some(1), panics: true, ..Fault::default() });
    let backup = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.backup(dir.path().join("backup"))));
    files.set(Fault::default());
    // A root after this one would name nothing of what had changed, and begin the journal behind it.
    let after = db.checkpoint().map_err(|error| error.kind());
    drop(db);
    let db = whole(&dir.path().join("store"));
    assert!(db.read(TEXTS, |_| true, |row| row.starts_with("changed")).unwrap().into_iter().all(|changed| changed));
    assert_eq!(after, Err(ErrorKind::Poisoned));
    assert_eq!(backup.expect("the panic is an error").unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn a_backup_to_a_full_disk_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = at_rest(&files, &dir.path().join("store"));
    let backup = dir.path().join("backup");
    files.set(Fault { space: Some(100_000), ..Fault::default() });
    assert_eq!(db.backup(&backup).unwrap_err().kind(), ErrorKind::DiskFull);
    assert!(!backup.exists());
    files.set(Fault::default());
    db.put(TEXTS, 300, "one more".to_owned()).unwrap();
    assert_eq!(db.backup(&backup).unwrap().rows, 301);
}

#[test]
fn a_damaged_or_missing_page_is_refused_and_the_store_stays() {
    for damage in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = at_rest(&files, &dir.path().join("store"));
        let core = db.engine().catalog.find("texts").unwrap();
        let tree = TreeId(core.id());
        let slot = core.with_directory(|directory| {
            let segment = &directory.segments()[1];
            Arc::clone(&db.engine().pager.list(&core, segment, None).unwrap().slots[0])
        });
        let key = slot.view(None).unwrap().content.stored.unwrap().address.to_key().to_vec();
        let op = match damage {
            true => StoreOp::Put { tree, key, value: vec![1; 100] },
            false => StoreOp::Remove { tree, key },
        };
        db.engine().pager.store.write(vec![op]).unwrap();
        assert_eq!(db.compact().unwrap_err().kind(), ErrorKind::Corrupted);
        let backup = dir.path().join("backup");
        assert_eq!(db.backup(&backup).unwrap_err().kind(), ErrorKind::Corrupted);
        assert!(!backup.exists());
        assert_eq!(page_stores(&dir.path().join("store")), [names::sled_folder(1)]);
        db.put(TEXTS, 300, "one more".to_owned()).unwrap();
    }
}
