//! Merged segments on disk: what a checkpoint leaves, and what a crash around it does.

use std::sync::atomic::AtomicU64;

use super::*;

fn fill(db: &Db, rows: u64) {
    db.transact(|tx| (0..rows).try_for_each(|n| tx.put(TEXTS, n, text(n)))).unwrap();
}

fn text(n: u64) -> String {
    format!("{n:>250}")
}

/// Removes all rows but every hundredth, one by one; gives what is left.
fn thin_out(db: &Db, rows: u64) -> Vec<String> {
    let before = db.status().unwrap().segment_merges;
    for n in (0..rows).filter(|n| n % 100 != 50) {
        db.remove(TEXTS, n).unwrap();
    }
    let merges = db.status().unwrap().segment_merges - before;
    assert!(merges > rows / 50, "{merges} merges");
    (0..rows).filter(|n| n % 100 == 50).map(text).collect()
}

fn texts(db: &Db) -> Vec<String> {
    db.read(TEXTS, |_| true, Clone::clone).unwrap()
}

#[test]
fn a_store_of_merged_segments_is_the_same_after_a_crash_before_and_after_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    fill(&db, 1000);
    db.checkpoint().unwrap();
    let on_disk = entries_in(&db, [TreeId::DIRECTORY]);
    let left = thin_out(&db, 1000);
    db.sync().unwrap();
    // The root still names the segments from before the merges; the journal has the removals.
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(texts(&db), left);
    assert!(db.verify().unwrap().is_clean());
    // Opening merges nothing, but every removal brings one of the small segments up.
    assert!(db.status().unwrap().segments > 20);
    for n in 0..60 {
        db.put(TEXTS, 2000, text(n)).unwrap();
        db.remove(TEXTS, 2000).unwrap();
    }
    assert!(db.status().unwrap().segments <= 2, "{:?}", db.status().unwrap());
    db.checkpoint().unwrap();
    // The notes that segments are gone go with the checkpoint after the one that wrote them.
    db.checkpoint().unwrap();
    assert!(entries_in(&db, [TreeId::DIRECTORY]) + 20 < on_disk, "entries of merged segments are left");
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(texts(&db), left);
    assert!(db.verify().unwrap().is_clean() && db.status().unwrap().segments <= 2);
}

#[test]
fn a_checkpoint_of_merged_segments_that_fails_anywhere_leaves_the_old_store_whole() {
    for at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let db = open_on(Arc::<FaultFiles>::clone(&files), dir.path(), small()).unwrap();
        fill(&db, 400);
        db.checkpoint().unwrap();
        let left = thin_out(&db, 400);
        db.sync().unwrap();
        let (nth, torn_bytes) = (Some(at / 3), at as usize * 37);
        files.set(match at % 3 {
            0 => Fault { write_in: nth, ..Fault::default() },
            1 => Fault { write_in: nth, torn_bytes, ..Fault::default() },
            _ => Fault { sync_in: nth, ..Fault::default() },
        });
        let failed = db.checkpoint().is_err();
        files.set(Fault::default());
        drop(db);
        let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
        assert_eq!(texts(&db), left, "fault {at}");
        assert!(db.verify().unwrap().is_clean(), "fault {at}");
        db.checkpoint().unwrap();
        drop(db);
        let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
        assert_eq!(texts(&db), left, "after fault {at}");
        if !failed && at % 3 == 2 {
            assert!(at > 2, "no fault has met the checkpoint");
            return;
        }
    }
}

#[test]
fn merges_beside_checkpoints_leave_nothing_behind_in_the_page_store() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(64 << 10)).unwrap();
    let (done, checkpoints) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _ends = Ends(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                db.checkpoint().unwrap();
                checkpoints.fetch_add(1, Ordering::Relaxed);
            }
        });
        // However slow the disk is, some checkpoints are made while segments are merged.
        for round in 0.. {
            fill(&db, 800);
            thin_out(&db, 800);
            if round >= 3 && checkpoints.load(Ordering::Relaxed) > 3 {
                break;
            }
        }
    });
    // What was given up while a checkpoint was under way goes with the one after it.
    db.checkpoint().unwrap();
    let entries = all_entries(&db);
    drop(db);
    // An opening after a crash sweeps away what no root names.
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(all_entries(&db), entries, "entries that no root names were left");
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(texts(&db), (0..800).filter(|n| n % 100 == 50).map(text).collect::<Vec<_>>());
}

#[test]
fn the_books_of_the_memory_are_right_after_merges() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for _ in 0..3 {
        fill(&db, 600);
        drop(texts(&db));
        thin_out(&db, 600);
    }
    for n in 0..600 {
        db.remove(TEXTS, n).unwrap();
    }
    let status = db.status().unwrap();
    assert!(status.cache_bytes < 1024 && status.dirty_bytes < 1024, "an empty table takes {status:?}");
    db.checkpoint().unwrap();
    assert_eq!(db.status().unwrap().dirty_bytes, 0);
    db.checkpoint().unwrap();
    // The catalog, one segment, its page list and one empty page.
    assert!(all_entries(&db) <= 5, "{} entries", all_entries(&db));
}

#[test]
fn a_page_that_nobody_changed_is_freed_when_its_neighbour_is_joined_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    fill(&db, 800);
    // All pages are left half full, and written; then every other one is emptied but for a row or two.
    (0..800).filter(|n| n % 2 == 1).for_each(|n| drop(db.remove(TEXTS, n).unwrap()));
    db.checkpoint().unwrap();
    let before = db.status().unwrap();
    (0..800).filter(|n| n % 2 == 0 && n / 16 % 2 == 0).for_each(|n| drop(db.remove(TEXTS, n).unwrap()));
    let joined = db.status().unwrap().pages_joined - before.pages_joined;
    assert!(joined > 10, "{joined} pages joined");
    db.checkpoint().unwrap();
    let entries = all_entries(&db);
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(all_entries(&db), entries, "pages that no root names were left");
    assert!(db.verify().unwrap().is_clean());
}
