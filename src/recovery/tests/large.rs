//! Rows that take several entries of the page store.

use super::*;
use crate::codec::chunk::entries_of;
use crate::error::Error;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn text(length: usize, fill: char) -> String {
    std::iter::repeat_n(fill, length).collect()
}

/// All keys of the page store's tree of the texts.
fn keys(db: &Db) -> Vec<Vec<u8>> {
    let tree = TreeId(db.engine().catalog.find("texts").unwrap().id());
    let mut keys = Vec::new();
    let mut note = |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    db.engine().pager.store.scan(tree, &[], &mut note).unwrap();
    keys
}

/// The files that sled keeps large values in: there must never be one.
fn blobs(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("sled-000001").join("blobs")).unwrap().count()
}

fn check(db: &Db, dir: &Path, expected: &[(u64, usize, char)]) {
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    let rows = db.query(TEXTS).project_keyed(|key, row: &String| (key, row.clone())).collect().unwrap();
    assert_eq!(rows.len(), expected.len());
    for ((key, row), (at, length, fill)) in rows.iter().zip(expected) {
        assert_eq!((key, row.len()), (at, *length));
        assert!(row.chars().all(|found| found == *fill), "the row under {key}");
        assert_eq!(db.get(TEXTS, *key).unwrap().as_deref(), Some(row));
    }
    assert_eq!(blobs(dir), 0);
}

#[test]
fn rows_of_every_size_come_back_from_cache_store_and_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut sizes = vec![0, 1, 100 * KIB, MIB];
    sizes.extend([4 * KIB, 5 * KIB, 7 * KIB, 14 * KIB].into_iter().flat_map(|size| size - 40..size - 30));
    sizes.extend([5 * KIB, 7 * KIB].into_iter().flat_map(|size| size - 1..=size + 1));
    let rows: Vec<(u64, usize, char)> = sizes.iter().zip(0u64..).map(|(size, key)| (key * 10, *size, 'a')).collect();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for (key, size, fill) in &rows {
        db.put(TEXTS, *key, text(*size, *fill)).unwrap();
    }
    check(&db, dir.path(), &rows);
    let bytes: usize = rows.iter().map(|(_, size, _)| size).sum();
    assert!(db.engine().pager.cache.used() > 2 * bytes, "bytes and decoded rows are charged");
    drop(db);
    // From the journal.
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    check(&db, dir.path(), &rows);
    db.checkpoint().unwrap();
    check(&db, dir.path(), &rows);
    db.close().unwrap();
    // From the page store, with a memory that holds next to nothing.
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(1)).unwrap();
    check(&db, dir.path(), &rows);
    check(&db, dir.path(), &rows);
    let used = db.engine().pager.cache.used();
    assert!(used < 256 * KIB, "what does not fit is thrown out at once: {used} bytes stay");
}

#[test]
fn the_largest_row_by_default_is_stored_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.put(TEXTS, 1, "small".to_owned()).unwrap();
    // The length in front of a text takes five bytes.
    let most = 16 * MIB - 5;
    db.put(TEXTS, 2, text(most, 'm')).unwrap();
    let error = db.put(TEXTS, 3, text(most + 1, 'n')).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowTooLarge, "{error}");
    assert!(error.to_string().contains("max_row_bytes"), "{error}");
    db.checkpoint().unwrap();
    assert!(keys(&db).len() > 2_300);
    assert_eq!(blobs(dir.path()), 0);
    db.close().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.get(TEXTS, 2).unwrap().unwrap().len(), most);
    db.remove(TEXTS, 2).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(keys(&db).len(), 2, "a page and its list");
    db.close().unwrap();
    assert_eq!(blobs(dir.path()), 0);
}

#[test]
fn a_row_grows_and_shrinks_over_all_limits_and_leaves_no_chunk_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    let entries = |length: usize| if length > 4 * KIB { entries_of(length + 60) as usize } else { 0 };
    for (key, length) in [(10, 50), (30, 50)] {
        db.put(TEXTS, key, text(length, 'b')).unwrap();
    }
    let sizes = [10, 6 * KIB, 9 * KIB, 200 * KIB, 30 * KIB, 6 * KIB, 300 * KIB, 0, 100 * KIB, 40 * KIB, 90 * KIB];
    for (round, size) in sizes.into_iter().enumerate() {
        let fill = char::from(b'c' + round as u8);
        db.put(TEXTS, 20, text(size, fill)).unwrap();
        db.checkpoint().unwrap();
        check(&db, dir.path(), &[(10, 50, 'b'), (20, size, fill), (30, 50, 'b')]);
        let most = entries(size) + 4;
        let found = keys(&db).len();
        assert!(found >= entries(size) + 2 && found <= most, "{found} entries for a row of {size} bytes");
        if round % 3 == 2 {
            drop(db);
            db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
            check(&db, dir.path(), &[(10, 50, 'b'), (20, size, fill), (30, 50, 'b')]);
            assert_eq!(keys(&db).len(), found, "what is in the store is swept and not lost");
        }
    }
    db.remove(TEXTS, 20).unwrap();
    db.checkpoint().unwrap();
    check(&db, dir.path(), &[(10, 50, 'b'), (30, 50, 'b')]);
    assert!(keys(&db).len() <= 3, "all chunks are gone: {}", keys(&db).len());
}

#[test]
fn a_snapshot_keeps_the_old_row_over_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(64 << 10)).unwrap();
    db.put(TEXTS, 1, text(100 * KIB, 'a')).unwrap();
    db.put(TEXTS, 2, "small".to_owned()).unwrap();
    db.checkpoint().unwrap();
    let before = keys(&db).len();
    let snapshot = db.snapshot();
    for (round, fill) in ('b'..='e').enumerate() {
        // One of the moment too, so that every commit here finds the page held.
        let now = db.snapshot();
        let was = now.get(TEXTS, 1).unwrap();
        let row = (round != 1).then(|| text(50 * KIB * (round + 1), fill));
        match &row {
            None => drop(db.remove(TEXTS, 1).unwrap()),
            Some(row) => db.put(TEXTS, 1, row).unwrap(),
        }
        assert_eq!(db.get(TEXTS, 1).unwrap().as_deref(), row.as_ref());
        assert_eq!(now.get(TEXTS, 1).unwrap(), was);
        db.put(TEXTS, 0, format!("beside {fill}")).unwrap();
        db.checkpoint().unwrap();
        assert_eq!(*snapshot.get(TEXTS, 1).unwrap().unwrap(), text(100 * KIB, 'a'));
        assert_eq!(snapshot.read(TEXTS, |_| true, String::len).unwrap(), [100 * KIB, 5]);
    }
    drop(snapshot);
    db.put(TEXTS, 1, text(100 * KIB, 'z')).unwrap();
    db.checkpoint().unwrap();
    assert!(keys(&db).len() <= before + 2, "{} entries, {before} before", keys(&db).len());
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(db.read(TEXTS, |_| true, String::len).unwrap(), [8, 100 * KIB, 5]);
    assert_eq!(blobs(dir.path()), 0);
}

#[test]
fn an_edit_beside_a_large_row_does_not_write_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    // With keys between them, and none before the first: every edit falls to the page of a large row at first.
    for key in [100, 200, 300] {
        db.put(TEXTS, key, text(100 * KIB, 'a')).unwrap();
    }
    db.checkpoint().unwrap();
    let chunks = keys(&db);
    assert!(chunks.len() > 3 * 14);
    let large = |db: &Db| keys(db).into_iter().filter(|key| chunks.contains(key)).count();
    let mut expected = vec![(100, 100 * KIB, 'a'), (200, 100 * KIB, 'a'), (300, 100 * KIB, 'a')];
    for key in [150, 140, 160, 250, 50, 40, 350, 340, 290, 101, 199] {
        db.put(TEXTS, key, "small".repeat(20)).unwrap();
        expected.push((key, 100, 's'));
    }
    expected.sort_unstable();
    let pages = db.verify().unwrap().tables[0].pages;
    assert!(pages <= 3 + 4, "the small rows share pages: {pages}");
    db.checkpoint().unwrap();
    assert_eq!(large(&db), chunks.len() - 1, "all but the page list stays where it was");
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert!(db.verify().unwrap().is_clean());
    let found = db.query(TEXTS).project_keyed(|key, row: &String| (key, row.len())).collect().unwrap();
    assert_eq!(found, expected.iter().map(|(key, length, _)| (*key, *length)).collect::<Vec<_>>());
}

#[test]
fn pages_of_rows_that_were_large_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    let pages = || db.verify().unwrap().tables[0].pages;
    for key in 0..20 {
        db.put(TEXTS, key, text(5 * KIB, 'l')).unwrap();
    }
    assert_eq!(pages(), 20);
    for key in 0..20 {
        db.put(TEXTS, key, text(50, 's')).unwrap();
    }
    assert!(pages() <= 4, "{} pages for twenty small rows", pages());
    let rows: Vec<_> = (0..20).map(|key| (key, 50, 's')).collect();
    check(&db, dir.path(), &rows);
}

/// A store whose only large row has its `at`th chunk changed.
fn with_chunk(dir: &Path, at: usize, change: impl FnOnce(&Db, TreeId, Vec<u8>)) -> Db {
    let db = open_on(Arc::new(OsFiles), dir, small()).unwrap();
    db.put(TEXTS, 1, text(100, 's')).unwrap();
    db.put(TEXTS, 2, text(50 * KIB, 'l')).unwrap();
    db.put(TEXTS, 3, text(100, 's')).unwrap();
    db.checkpoint().unwrap();
    let store = &db.engine().pager.store;
    let tree = TreeId(db.engine().catalog.find("texts").unwrap().id());
    let mut chunks = Vec::new();
    let mut note = |key: &[u8], value: &[u8]| {
        if value[5] == crate::codec::frame::FrameKind::Chunk as u8 {
            chunks.push(key.to_vec());
        }
        ControlFlow::Continue(())
    };
    store.scan(tree, &[], &mut note).unwrap();
    assert_eq!(chunks.len(), 8);
    change(&db, tree, chunks.remove(at));
    store.sync().unwrap();
    db.close().unwrap();
    open_on(Arc::new(OsFiles), dir, small()).unwrap()
}

fn assert_names_the_damage(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    let text = error.to_string();
    for part in ["\"texts\"", "keys from 2 up to 3", what] {
        assert!(text.contains(part), "{text}");
    }
}

fn assert_damage_is_found(db: &Db, what: &str) {
    assert_names_the_damage(&db.get(TEXTS, 2).unwrap_err(), what);
    assert_names_the_damage(&db.read(TEXTS, |_| true, String::len).unwrap_err(), what);
    assert_names_the_damage(&db.put(TEXTS, 2, "new".to_owned()).unwrap_err(), what);
    assert_eq!(db.get(TEXTS, 1).unwrap().unwrap().len(), 100);
    assert_eq!(db.get(TEXTS, 3).unwrap().unwrap().len(), 100);
    let report = db.verify().unwrap();
    assert_eq!(report.tables[0].errors.len(), 1, "{report}");
    assert!(report.tables[0].errors[0].contains(what), "{report}");
    assert!(report.to_string().ends_with("sled-000001"), "{report}");
}

#[test]
fn a_missing_chunk_is_named() {
    for at in [0, 3, 7] {
        let dir = tempfile::tempdir().unwrap();
        let db = with_chunk(dir.path(), at, |db, tree, key| {
            db.engine().pager.store.write(vec![StoreOp::Remove { tree, key }]).unwrap();
        });
        assert_damage_is_found(&db, &format!("misses chunk {at} of 8"));
    }
}

#[test]
fn a_flipped_chunk_is_named() {
    for (at, byte) in [(0, 7), (3, 60), (5, 45), (7, 300)] {
        let dir = tempfile::tempdir().unwrap();
        let db = with_chunk(dir.path(), at, |db, tree, key| {
            let store = &db.engine().pager.store;
            let mut value = Vec::new();
            store.read(tree, &key, &mut |bytes| value.extend_from_slice(bytes)).unwrap();
            value[byte] ^= 4;
            store.write(vec![StoreOp::Put { tree, key, value }]).unwrap();
        });
        assert_damage_is_found(&db, "does not decode");
    }
}
