//! Snapshots: the committed state at one moment, whatever happens afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, ErrorKind, Snapshot};
use parking_lot::Mutex;

use crate::support::{ITEMS, Meeting, PATIENCE, fill, item, place, small, with_items};

fn everything(snapshot: &Snapshot) -> Vec<(u64, i64)> {
    snapshot.query(ITEMS).project_keyed(|key, item| (key, item.amount)).collect().unwrap()
}

#[test]
fn a_snapshot_stays_as_it_was_under_writers() {
    let db = with_items(500);
    let snapshot = db.snapshot();
    let before = everything(&snapshot);
    assert_eq!(before.len(), 500);
    db.update(ITEMS, |_| true, |item| item.amount = -1).unwrap();
    db.transact(|tx| (0..250).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
    // Enough to split the segments under it.
    db.transact(|tx| (1_000..3_000).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    assert_eq!(everything(&snapshot), before);
    assert_eq!(snapshot.len(ITEMS).unwrap(), 500);
    assert_eq!(snapshot.get(ITEMS, 3).unwrap().unwrap().amount, 3);
    assert!(snapshot.get(ITEMS, 1_000).unwrap().is_none());
    assert_eq!(snapshot.read(ITEMS, |item| item.amount == -1, |_| ()).unwrap().len(), 0);
    assert_eq!(everything(&db.snapshot()).len(), 2_250);
}

#[test]
fn a_clone_keeps_it_when_the_original_is_gone() {
    let db = with_items(100);
    let original = db.snapshot();
    let clone = original.clone();
    let number = original.commit_number();
    drop(original);
    db.update(ITEMS, |_| true, |item| item.amount = 0).unwrap();
    assert_eq!(everything(&clone), (0..100).map(|id| (id, id as i64)).collect::<Vec<_>>());
    assert_eq!(clone.commit_number(), number);
    assert!(db.snapshot().commit_number() > number);
}

#[test]
fn each_snapshot_has_its_own_moment() {
    let db = with_items(100);
    let taken: Vec<Snapshot> = (0..10)
        .map(|round| {
            db.update(ITEMS, |_| true, |item| item.amount = round).unwrap();
            db.snapshot()
        })
        .collect();
    for (round, snapshot) in (0..).zip(&taken) {
        assert!(everything(snapshot).iter().all(|(_, amount)| *amount == round));
    }
    let numbers: Vec<u64> = taken.iter().map(Snapshot::commit_number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn checkpoints_and_eviction_leave_it_alone() {
    let (_folder, path) = place();
    let db = small().cache_bytes(32 << 10).open(&path).unwrap();
    fill(&db, 2_000);
    db.checkpoint().unwrap();
    let snapshot = db.snapshot();
    let before = everything(&snapshot);
    for round in 0..5 {
        db.update(ITEMS, |item| item.id % 2 == 0, |item| item.amount += round).unwrap();
        db.transact(|tx| (0..200).try_for_each(|id| tx.remove(ITEMS, round as u64 * 200 + id).map(drop))).unwrap();
        db.checkpoint().unwrap();
        assert_eq!(everything(&snapshot), before, "round {round}");
    }
    drop(snapshot);
    db.checkpoint().unwrap();
    assert!(db.verify().unwrap().is_clean());
    assert_eq!(db.len(ITEMS).unwrap(), 1_000);
    db.close().unwrap();
}

#[test]
fn readers_of_snapshots_never_wait_and_never_see_half_a_commit() {
    let db = with_items(200);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..300 {
                db.update(ITEMS, |_| true, |item| item.amount = round).unwrap();
            }
        });
        while !writer.is_finished() {
            let snapshot = db.snapshot();
            let seen = everything(&snapshot);
            let first = seen[0].1;
            if first > 0 {
                assert!(seen.iter().all(|(_, amount)| *amount == first), "{seen:?}");
            }
            assert_eq!(everything(&snapshot), seen, "twice the same");
        }
    });
}

fn aged(age: Duration) -> Db {
    let db = small().max_snapshot_age(age).in_memory().unwrap();
    fill(&db, 2_000);
    db
}

#[test]
fn a_snapshot_that_is_too_old_is_refused_and_keeps_nothing() {
    let db = aged(Duration::ZERO);
    let (snapshot, clone) = (db.snapshot(), db.snapshot().clone());
    let unnoticed = snapshot.get(ITEMS, 1).unwrap_err();
    assert_eq!((unnoticed.kind(), db.status().unwrap().readers), (ErrorKind::SnapshotTooOld, 2));
    db.transact(|tx| tx.put(ITEMS, 1, item(7))).unwrap();
    assert_eq!(db.status().unwrap().readers, 0, "the commit has taken its number away");
    let errors = [
        snapshot.get(ITEMS, 1).map(drop),
        snapshot.get(ITEMS, 9_999).map(drop),
        snapshot.read(ITEMS, |_| true, |_| ()).map(drop),
        snapshot.len(ITEMS).map(drop),
        snapshot.first(ITEMS).map(drop),
        clone.query(ITEMS).range(5_000..).count().map(drop),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::SnapshotTooOld);
        assert!(error.to_string().contains("max_snapshot_age (0ns)"), "{error}");
    }
    assert_eq!(db.len(ITEMS).unwrap(), 2_000);
}

#[test]
fn a_checkpoint_lets_go_of_old_snapshots_where_nobody_commits() {
    let (_folder, path) = place();
    let db = small().max_snapshot_age(Duration::from_millis(300)).open(&path).unwrap();
    fill(&db, 100);
    let snapshot = db.snapshot();
    db.put(ITEMS, 1, item(7)).unwrap();
    let end = Instant::now() + PATIENCE;
    while db.status().unwrap().readers > 0 {
        assert!(Instant::now() < end, "the checkpoints do not see that the snapshot is too old");
        db.checkpoint().unwrap();
    }
    assert_eq!(snapshot.len(ITEMS).unwrap_err().kind(), ErrorKind::SnapshotTooOld);
    db.close().unwrap();
}

#[test]
fn a_scan_whose_snapshot_becomes_too_old_ends_with_that_and_shows_no_later_row() {
    let db = aged(Duration::from_secs(1));
    let snapshot = db.snapshot();
    let (meeting, waits) = (Meeting::of(2), AtomicBool::new(true));
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            meeting.wait();
            let end = Instant::now() + PATIENCE / 2;
            while db.status().unwrap().readers > 0 && Instant::now() < end {
                db.update(ITEMS, |_| true, |item| item.amount = -1).unwrap();
            }
            meeting.wait();
        });
        let outcome = snapshot.query(ITEMS).sequential().project(|item| {
            if waits.swap(false, Ordering::SeqCst) {
                meeting.wait();
                meeting.wait();
            }
            seen.lock().push(item.amount);
        });
        assert_eq!(outcome.collect().unwrap_err().kind(), ErrorKind::SnapshotTooOld);
    });
    let seen = seen.into_inner();
    assert!(!seen.is_empty() && seen.len() < 2_000, "{} rows", seen.len());
    assert!(seen.iter().all(|amount| *amount != -1), "a row of a later commit was shown");
}
