//! Opening, checkpoint and journal together, over file layers that record or fail.

mod bulk;
mod copies;
mod indexes;
mod large;
mod merges;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::open;
use crate::error::{ErrorKind, Result};
use crate::options::{Durability, Options};
use crate::storage::wrap::{Call, Fault, FaultFiles, RecordingFiles};
use crate::storage::{FileLayer, OsFiles, StoreOp, TreeId};
use crate::table::page::PageAddress;
use crate::{Db, Table};

const NUMBERS: Table<u64, u64> = Table::new("numbers");
const TEXTS: Table<u64, String> = Table::new("texts");

fn open_on(files: Arc<dyn FileLayer>, dir: &Path, options: Options) -> Result<Db> {
    Db::of(open(files, dir, options)?)
}

fn small() -> Options {
    Options::new().segment_rows(16).durability(Durability::Eventual)
}

/// Tells threads to end when the part of a test that needs them is over, also by a panic: they would run for ever.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many entries the trees of the page store hold.
fn entries_in(db: &Db, trees: impl IntoIterator<Item = TreeId>) -> usize {
    let mut entries = 0;
    for tree in trees {
        let mut count = |_: &[u8], _: &[u8]| {
            entries += 1;
            ControlFlow::Continue(())
        };
        db.engine().pager.store.scan(tree, &[], &mut count).unwrap();
    }
    entries
}

fn all_entries(db: &Db) -> usize {
    entries_in(db, db.engine().pager.store.trees().unwrap())
}

fn journal_writes_and_syncs(calls: &[Call], from: usize) -> (Option<usize>, Option<usize>) {
    let is_journal = |file: &Path| file.extension().is_some_and(|extension| extension == "journal");
    let written = calls.iter().enumerate().skip(from).find_map(|(at, call)| match call {
        Call::Write { file, .. } if is_journal(file) => Some(at),
        _ => None,
    });
    let synced = calls.iter().skip(from).rev().find_map(|call| match call {
        Call::Sync { file, started } if is_journal(file) => Some(*started),
        _ => None,
    });
    (written, synced)
}

#[test]
fn an_immediate_commit_returns_after_a_sync_that_covers_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let db = open_on(Arc::<RecordingFiles>::clone(&files), dir.path(), Options::new()).unwrap();
    db.put(NUMBERS, 0, 0).unwrap();
    for n in 1..200 {
        let before = files.count();
        db.put(NUMBERS, n, n).unwrap();
        let (written, sync_began) = journal_writes_and_syncs(&files.calls(), before);
        let written = written.expect("the record was written between the append and the return");
        let sync_began = sync_began.expect("a sync ended between the append and the return");
        assert!(sync_began > written, "commit {n}: the sync began at call {sync_began}, the write is call {written}");
    }
}

#[test]
fn immediate_commits_of_many_threads_share_syncs_and_are_all_covered() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let db = open_on(Arc::<RecordingFiles>::clone(&files), dir.path(), Options::new()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let (db, files) = (&db, &files);
            scope.spawn(move || {
                for n in 0..25 {
                    let before = files.count();
                    db.put(NUMBERS, thread * 1000 + n, n).unwrap();
                    let (_, sync_began) = journal_writes_and_syncs(&files.calls(), before);
                    assert!(sync_began.is_some(), "a sync ended before the commit returned");
                }
            });
        }
    });
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), Options::new()).unwrap();
    assert_eq!(db.len(NUMBERS).unwrap(), 200);
}

#[test]
fn after_a_failed_sync_a_commit_is_unknown_and_everything_else_refused_until_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = open_on(Arc::<FaultFiles>::clone(&files), dir.path(), Options::new()).unwrap();
    db.put(NUMBERS, 1, 1).unwrap();
    files.set(Fault { sync_in: Some(0), kind: Some(std::io::ErrorKind::Other), ..Fault::default() });
    assert_eq!(db.put(NUMBERS, 2, 2).unwrap_err().kind(), ErrorKind::CommitUnknown);
    files.set(Fault::default());
    assert_eq!(db.put(NUMBERS, 3, 3).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(db.get(NUMBERS, 1).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(db.read(NUMBERS, |_| true, |n| *n).unwrap_err().kind(), ErrorKind::Poisoned);
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), Options::new()).unwrap();
    assert_eq!(db.get(NUMBERS, 1).unwrap().as_deref(), Some(&1));
    assert!(db.get(NUMBERS, 3).unwrap().is_none());
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_full_disk_refuses_a_commit_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = open_on(Arc::<FaultFiles>::clone(&files), dir.path(), small()).unwrap();
    files.set(Fault { space: Some(2 << 20), ..Fault::default() });
    let text = "x".repeat(4000);
    let mut stored = 0;
    let error = loop {
        match db.put(TEXTS, stored, text.clone()) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "the disk has room for far less");
    };
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error:?}");
    assert!(stored > 100, "some rows fit: {stored}");
    assert_eq!(db.len(TEXTS).unwrap(), stored);
    files.set(Fault::default());
    db.put(TEXTS, stored, text.clone()).unwrap();
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.len(TEXTS).unwrap(), stored + 1);
    assert!(db.read(TEXTS, |_| true, |row| row.len()).unwrap().iter().all(|length| *length == 4000));
}

#[test]
fn a_checkpoint_beside_writers_is_of_one_instant() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(1 << 20)).unwrap();
    const PAIRS: u64 = 400;
    db.transact(|tx| {
        for n in 0..2 * PAIRS {
            tx.put(NUMBERS, n, 1000)?;
        }
        Ok(())
    })
    .unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        for thread in 0..2u64 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) % PAIRS;
                    db.transact(|tx| {
                        tx.modify(NUMBERS, n, |row| *row -= 1)?;
                        tx.modify(NUMBERS, n + PAIRS, |row| *row += 1)
                    })
                    .unwrap();
                }
            });
        }
        for _ in 0..5 {
            db.checkpoint().unwrap();
            let sum = db.query(NUMBERS).fold(|| 0, |sum, row| sum + row, |a, b| a + b).unwrap();
            assert_eq!(sum, 2 * PAIRS * 1000);
        }
    });
    let before = db.read(NUMBERS, |_| true, |row| *row).unwrap();
    assert!(db.verify().unwrap().is_clean());
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.read(NUMBERS, |_| true, |row| *row).unwrap(), before);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn changes_of_pages_that_are_not_in_memory_come_back_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let text = |n: u64, round: u64| format!("{n:>100} in round {round}");
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.transact(|tx| (0..3000).try_for_each(|n| tx.put(TEXTS, n, text(n, 0)))).unwrap();
    db.close().unwrap();
    let mut expected: std::collections::BTreeMap<u64, String> = (0..3000).map(|n| (n, text(n, 0))).collect();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for change in 1..2000u64 {
        let n = change * 7919 % 3100;
        if change % 5 == 0 {
            db.remove(TEXTS, n).unwrap();
            expected.remove(&n);
        } else {
            db.put(TEXTS, n, text(n, change)).unwrap();
            expected.insert(n, text(n, change));
        }
    }
    assert_eq!(db.status().unwrap().checkpoints, 0);
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(64 << 10)).unwrap();
    assert_eq!(db.read(TEXTS, |_| true, Clone::clone).unwrap(), expected.into_values().collect::<Vec<_>>());
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn what_a_snapshot_sees_survives_splits_checkpoints_and_eviction() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small().cache_bytes(64 << 10)).unwrap();
    for n in 0..500u64 {
        db.put(TEXTS, n * 10, format!("first {n}")).unwrap();
    }
    db.checkpoint().unwrap();
    let snapshot = db.snapshot();
    let before = snapshot.read(TEXTS, |_| true, Clone::clone).unwrap();
    for round in 0..3 {
        for n in 0..5000u64 {
            db.put(TEXTS, n, format!("round {round} of {n}, longer than it was")).unwrap();
        }
        db.update(TEXTS, |row| row.ends_with('7'), |row| row.push('!')).unwrap();
        for n in (0..500u64).step_by(3) {
            db.remove(TEXTS, n * 10).unwrap();
        }
        db.checkpoint().unwrap();
        assert_eq!(snapshot.read(TEXTS, |_| true, Clone::clone).unwrap(), before);
        assert_eq!(snapshot.get(TEXTS, 4990).unwrap().as_deref().map(String::as_str), Some("first 499"));
    }
    let status = db.status().unwrap();
    assert!(status.segment_splits > 10, "{status:?}");
    drop(snapshot);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn no_closing_checkpoint_is_made_after_a_failed_one() {
    let dir = tempfile::tempdir().unwrap();
    let super::Opened { engine, keeper, lock } = open(Arc::new(OsFiles), dir.path(), small()).unwrap();
    let keeper = keeper.expect("a store on disk has a keeper");
    let db = Db::of(super::Opened { engine: Arc::clone(&engine), keeper: None, lock }).unwrap();
    for n in 0..100 {
        db.put(NUMBERS, n, n).unwrap();
    }
    // A checkpoint that fails has taken down what changed, and wrote no root.
    for table in engine.catalog.tables() {
        table.with_directory(|directory| assert!(directory.segments().iter().all(|segment| segment.take_dirty())));
    }
    engine.poison(&crate::Error::new(ErrorKind::Poisoned, "a checkpoint failed"));
    assert_eq!(keeper.close(&engine).unwrap_err().kind(), ErrorKind::Poisoned);
    drop((keeper, engine, db));
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(db.len(NUMBERS).unwrap(), 100);
}

#[test]
fn one_large_commit_leaves_segments_of_the_size_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.transact(|tx| (0..5000).try_for_each(|n| tx.put(TEXTS, n, format!("{n:>250}")))).unwrap();
    let segments = db.status().unwrap().segments;
    assert!((100..=400).contains(&segments), "5000 rows in segments of 16: {segments}");
    db.checkpoint().unwrap();
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(db.len(TEXTS).unwrap(), 5000);
}

#[test]
fn what_a_cut_off_close_left_is_freed_after_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.put(TEXTS, 1, "one".to_owned()).unwrap();
    db.close().unwrap();
    let tree = TreeId(1);
    let key = PageAddress { segment: 1, page: 99 }.to_key();
    {
        let files = OsFiles;
        let (mut file, root) = crate::storage::RootFile::open(&files, dir.path()).unwrap().unwrap();
        assert!(root.clean && root.free.is_empty(), "a close that went through leaves nothing to free: {root:?}");
        let store = crate::storage::SledStore::open(dir.path(), &root.sled_folder).unwrap();
        let put = StoreOp::Put { tree, key: key.to_vec(), value: vec![1; 64] };
        crate::storage::PageStore::write(&store, vec![put]).unwrap();
        crate::storage::PageStore::close(&store).unwrap();
        let free = vec![(tree.0, key)];
        file.write(&crate::storage::Root { number: root.number + 1, free, ..root }).unwrap();
    }
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    db.put(TEXTS, 2, "two".to_owned()).unwrap();
    db.checkpoint().unwrap();
    assert!(!db.engine().pager.store.read(tree, &key, &mut |_| ()).unwrap(), "the page is still there");
}

#[test]
fn pages_that_no_root_names_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for n in 0..1000 {
        db.put(TEXTS, n, format!("text {n}")).unwrap();
    }
    db.checkpoint().unwrap();
    let named = all_entries(&db);
    let tree = TreeId(db.engine().catalog.find("texts").unwrap().id());
    let orphan = |n: u64| StoreOp::Put {
        tree,
        key: PageAddress { segment: 1, page: 1 << 40 | n }.to_key().to_vec(),
        value: vec![1; 100],
    };
    db.engine().pager.store.write((0..50).map(orphan).collect()).unwrap();
    assert_eq!(all_entries(&db), named + 50);
    drop(db);
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(all_entries(&db), named);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn superseded_pages_are_freed_by_the_next_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for n in 0..2000 {
        db.put(TEXTS, n, format!("text {n}")).unwrap();
    }
    db.checkpoint().unwrap();
    let first = all_entries(&db);
    for round in 0..5 {
        db.update(TEXTS, |_| true, |row| *row = format!("round {round}")).unwrap();
        db.checkpoint().unwrap();
    }
    let last = all_entries(&db);
    assert!(last <= first * 2, "the store has {last} entries after five rewrites of {first}");
}

#[test]
fn no_page_is_swept_while_a_page_list_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    for n in 0..1000 {
        db.put(TEXTS, n, format!("text {n}")).unwrap();
    }
    db.checkpoint().unwrap();
    let core = db.engine().catalog.find("texts").unwrap();
    let tree = TreeId(core.id());
    let (segment, page) = core.with_directory(|directory| {
        let segment = &directory.segments()[0];
        (segment.id, segment.stored().expect("it was written").lists[0])
    });
    let before = entries_in(&db, [tree]);
    let key = PageAddress { segment, page }.to_key().to_vec();
    db.engine().pager.store.write(vec![StoreOp::Remove { tree, key }]).unwrap();
    drop((core, db));
    let db = open_on(Arc::new(OsFiles), dir.path(), small()).unwrap();
    assert_eq!(entries_in(&db, [tree]), before - 1);
    assert_eq!(db.read(TEXTS, |_| true, String::len).unwrap_err().kind(), ErrorKind::Corrupted);
}
