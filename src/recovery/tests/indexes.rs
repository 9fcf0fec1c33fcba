//! Indexes on disk: what verification sees of one that is wrong, and what a crash around a drop leaves.

use super::*;
use crate::codec::{KeyBuf, encode_key};
use crate::table::index_core::IndexCore;
use crate::txn::WriteSet;
use crate::{Index, VerifyReport};

const BY_LENGTH: Index<u32, String> = Index::new("by_length", |text, out| out.key(text.len() as u32));
const BY_TEXT: Index<String, String> = Index::<String, String>::new("by_text", |text, out| out.key(text)).unique();
const INDEXED: Table<u64, String> = Table::new("texts").indexes(&[&BY_LENGTH, &BY_TEXT]);

fn text(n: u64) -> String {
    format!("{}{n}", "x".repeat(n as usize % 50))
}

fn fill(db: &Db, rows: u64) {
    db.transact(|tx| (0..rows).try_for_each(|n| tx.put(INDEXED, n, text(n)))).unwrap();
}

fn index(db: &Db, name: &str) -> Arc<IndexCore> {
    let indexes = db.engine().catalog.find("texts").unwrap().indexes();
    Arc::clone(indexes.find(name).unwrap())
}

/// Changes an entry behind everybody's back.
fn spoil(db: &Db, index: &IndexCore, (key, row): (KeyBuf, KeyBuf), there: bool) {
    let mut writes = WriteSet::default();
    writes.write_bytes(&index.core, key, there.then_some(&row[..]));
    let committed = db.engine().apply(writes).unwrap();
    db.engine().finish(committed, Durability::Eventual).unwrap();
}

fn errors(report: &VerifyReport) -> Vec<&str> {
    report.tables.iter().flat_map(|table| &table.errors).map(String::as_str).collect()
}

#[test]
fn verification_compares_indexes_with_their_tables() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    fill(&db, 300);
    assert!(db.verify().unwrap().is_clean());
    let (length, texts) = (index(&db, "by_length"), index(&db, "by_text"));
    let key = |n: u64| encode_key::<u64>(n);
    let of_length = |index_key: u32, n: u64| length.entry(&encode_key::<u32>(index_key), &key(n)).unwrap();
    let of_text = |text: &str, n: u64| texts.entry(&encode_key::<String>(text), &key(n)).unwrap();
    // Each is wrong alone, and then put right.
    let wrong = [
        (&length, of_length(text(7).len() as u32, 7), false, "has no entry"),
        (&length, of_length(1_000, 7), true, "there are 301 entries"),
        (&texts, of_text("nobody", 9), true, "there are 301 entries"),
        (&texts, of_text(&text(9), 10), true, "another row"),
    ];
    for (index, entry, there, word) in wrong {
        spoil(&db, index, (KeyBuf::from(&entry.0[..]), KeyBuf::from(&entry.1[..])), there);
        let report = db.verify().unwrap();
        assert!(errors(&report).iter().any(|error| error.contains(word)), "{word}: {report}");
        assert_eq!(report.tables[0].errors.len(), 0, "the table itself is right: {report}");
        let right = if word == "another row" { of_text(&text(9), 9) } else { entry };
        spoil(&db, index, right, !there || word == "another row");
        assert!(db.verify().unwrap().is_clean());
    }
    // Where the functions are not known, entries must lead to rows.
    spoil(&db, &texts, of_text("nobody", 1_000), true);
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    let report = db.verify().unwrap();
    assert!(matches!(errors(&report)[..], [error] if error.contains("where there is no row")), "{report}");
    // Who comes to it is told, and does not get fewer rows.
    let error = db.get_by(INDEXED, &BY_TEXT, "nobody").unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupted && error.to_string().contains("by_text"), "{error}");
    assert_eq!(db.query(INDEXED).by(&BY_TEXT).all().count().unwrap_err().kind(), ErrorKind::Corrupted);
}

#[test]
fn the_functions_of_the_other_indexes_stay_when_one_is_dropped() {
    let db = small().in_memory().unwrap();
    fill(&db, 3);
    let row = text(2);
    for (name, left) in [("by_length", vec![vec![encode_key::<String>(&row).to_vec()]]), ("by_text", Vec::new())] {
        assert!(db.drop_index("texts", name).unwrap());
        let indexes = db.engine().catalog.find("texts").unwrap().indexes();
        let keys = indexes.keys.as_ref().expect("who is in the midst of writing needs them");
        assert_eq!(keys.of_row(&row), Some(left));
    }
}

/// All entries of the directory.
fn directory(db: &Db) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let store = &db.engine().pager.store;
    let mut keep = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    store.scan(TreeId::DIRECTORY, &[], &mut keep).unwrap();
    entries
}

#[test]
fn entries_of_a_dropped_index_that_a_crash_left_are_out_of_force() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    fill(&db, 300);
    db.checkpoint().unwrap();
    let before = directory(&db);
    assert!(db.drop_index("texts", "by_length").unwrap());
    db.checkpoint().unwrap();
    // As if the crash had come before the first removal.
    let after = directory(&db);
    let removed = before.into_iter().filter(|(key, _)| after.iter().all(|(kept, _)| kept != key));
    let back: Vec<StoreOp> = removed.map(|(key, value)| StoreOp::Put { tree: TreeId::DIRECTORY, key, value }).collect();
    assert!(back.len() > 2, "{} entries were removed", back.len());
    db.engine().pager.store.write(back).unwrap();
    drop(db);
    for _ in 0..2 {
        let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
        let report = db.verify().unwrap();
        assert!(report.is_clean() && report.tables.len() == 2, "{report}");
        db.checkpoint().unwrap();
    }
    // The id is free again, and nothing of the old index comes back with it.
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.build_indexes(INDEXED, |_| ()).unwrap(), 1);
    db.checkpoint().unwrap();
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.query(INDEXED).by(&BY_LENGTH).all().count().unwrap(), 300);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_drop_beside_faults_leaves_a_whole_store() {
    for at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = open_on(Arc::<FaultFiles>::clone(&files), dir.path(), small()).unwrap();
        fill(&db, 60);
        db.checkpoint().unwrap();
        let (nth, torn_bytes) = (Some(at / 2), at as usize * 37);
        files.set(match at % 2 {
            0 => Fault { write_in: nth, torn_bytes, ..Fault::default() },
            _ => Fault { sync_in: nth, ..Fault::default() },
        });
        let dropped = db.drop_index("texts", "by_text");
        let built = db.build_indexes(Table::<u64, String>::new("texts").indexes(&[&BY_LENGTH]), |_| ());
        let failed = dropped.is_err() || built.is_err() || db.checkpoint().is_err();
        files.set(Fault::default());
        drop(db);
        let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
        let report = db.verify().unwrap();
        assert!(report.is_clean(), "fault {at}: {report}");
        assert!(failed || report.tables.len() == 2, "fault {at}: {report}");
        db.build_indexes(INDEXED, |_| ()).unwrap();
        assert_eq!(db.query(INDEXED).by(&BY_TEXT).all().count().unwrap(), 60, "fault {at}");
        assert!(db.verify().unwrap().is_clean(), "fault {at}");
        if !failed && at % 2 == 1 {
            assert!(at > 3, "no fault has met anything");
            return;
        }
    }
}

#[test]
fn the_books_of_the_memory_are_right_after_a_drop() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.transact(|tx| (0..2_000).try_for_each(|n| tx.put(TEXTS, n, text(n)))).unwrap();
    db.checkpoint().unwrap();
    let before = db.status().unwrap();
    assert_eq!(before.dirty_bytes, 0);
    for _ in 0..3 {
        db.build_indexes(INDEXED, |_| ()).unwrap();
        assert!(db.status().unwrap().dirty_bytes > 20_000);
        assert!(db.drop_index("texts", "by_length").unwrap() && db.drop_index("texts", "by_text").unwrap());
        assert_eq!(db.status().unwrap().dirty_bytes, 0);
    }
    // The rows were decoded meanwhile.
    let decoded = db.read(TEXTS, |_| true, String::len).unwrap().len();
    assert_eq!(decoded, 2_000);
    db.checkpoint().unwrap();
    assert_eq!(db.engine().pager.store.trees().unwrap().len(), 2, "the trees of dropped indexes are left");
}
