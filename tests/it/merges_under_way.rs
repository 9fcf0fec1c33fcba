//! Readers and writers beside merges: no row is missed or seen twice, and no lock is lost.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use gangline::lock::{GranuleLocks, Mode};
use gangline::{Db, ErrorKind, Options, Transaction};

use crate::isolation_stage::{ROWS, row};
use crate::support::{Ends, ITEMS, PATIENCE, Random, beside, fill, item, small, until};

fn merges(db: &Db) -> u64 {
    db.status().unwrap().segment_merges
}

/// Rows of the window that moves.
const LENGTH: u64 = 150;

/// The window, wherever it stands.
#[track_caller]
fn whole(ids: &[u64], who: &str) {
    assert_eq!(ids.len() as u64, LENGTH, "{who} sees {ids:?}");
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{who} sees {ids:?}");
}

#[test]
fn readers_of_a_moving_window_miss_nothing_and_see_nothing_twice() {
    const MOVES: u64 = 250;
    let db = small().in_memory().unwrap();
    fill(&db, LENGTH + 1);
    // Row 0 is left to nobody, so that the range of the transactions is not the whole table.
    db.remove(ITEMS, 0).unwrap();
    // Keys from `low` up to but not `high` are there, whatever the commit under way has done.
    let (low, high) = (AtomicU64::new(1), AtomicU64::new(LENGTH + 1));
    let (done, reads) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 4]);
    thread::scope(|scope| {
        let (db, low, high, done, reads) = (&db, &low, &high, &done, &reads);
        let _ends = Ends(done);
        let go_on = move |at: usize| {
            reads[at].fetch_add(1, SeqCst);
            !done.load(SeqCst)
        };
        scope.spawn(move || {
            let mut random = Random(1);
            while go_on(0) {
                let end = high.load(SeqCst);
                let begin = low.load(SeqCst);
                if begin < end {
                    let key = begin + random.below(end - begin);
                    let found = db.get(ITEMS, key).unwrap().is_some() && db.contains(ITEMS, key).unwrap();
                    assert!(found || key < low.load(SeqCst), "row {key} is missed");
                }
            }
        });
        scope.spawn(move || {
            while go_on(1) {
                whole(&db.read(ITEMS, |_| true, |row| row.id).unwrap(), "a scan");
            }
        });
        scope.spawn(move || {
            while go_on(2) {
                let snapshot = db.snapshot();
                let ids = snapshot.read(ITEMS, |_| true, |row| row.id).unwrap();
                whole(&ids, "a snapshot");
                assert!(ids.iter().all(|id| snapshot.get(ITEMS, *id).unwrap().is_some()), "a snapshot misses a row");
                whole(&snapshot.query(ITEMS).range(..).keys().unwrap(), "a snapshot, later");
            }
        });
        scope.spawn(move || {
            while go_on(3) {
                let ids = db.transact(|tx| tx.query(ITEMS).range(1..u64::MAX).keys()).unwrap();
                whole(&ids, "a transaction");
            }
        });
        let mut random = Random(2);
        let (mut from, mut to) = (1, LENGTH + 1);
        for round in 0..MOVES {
            let count = 1 + random.below(40);
            low.store(from + count, SeqCst);
            db.transact(|tx| {
                (from..from + count).try_for_each(|id| tx.remove(ITEMS, id).map(drop))?;
                (to..to + count).try_for_each(|id| tx.put(ITEMS, id, item(id)))
            })
            .unwrap();
            (from, to) = (from + count, to + count);
            high.store(to, SeqCst);
            if round == 0 || round == MOVES / 2 {
                let seen: Vec<u64> = reads.iter().map(|reads| reads.load(SeqCst)).collect();
                until("all read", || reads.iter().zip(&seen).all(|(now, seen)| now.load(SeqCst) > seen + 1));
            }
        }
    });
    assert!(merges(&db) > 50, "{:?}", db.status().unwrap());
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn values_that_only_grow_never_shrink_for_a_reader_while_pages_around_them_join() {
    const PILLARS: u64 = 12;
    const STEP: u64 = 50;
    let db = small().in_memory().unwrap();
    fill(&db, PILLARS * STEP);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (db, done) = (&db, &done);
        let _ends = Ends(done);
        for seed in 0..2 {
            scope.spawn(move || {
                let (mut random, mut least) = (Random(seed), vec![0; PILLARS as usize]);
                while !done.load(SeqCst) {
                    let at = random.below(PILLARS);
                    let row = db.get(ITEMS, at * STEP).unwrap();
                    let amount = row.unwrap_or_else(|| panic!("row {} is missed", at * STEP)).amount;
                    let least = &mut least[at as usize];
                    assert!(amount >= *least, "row {} went from {least} to {amount}", at * STEP);
                    *least = amount;
                }
            });
        }
        scope.spawn(move || {
            while !done.load(SeqCst) {
                for at in 0..PILLARS {
                    db.modify(ITEMS, at * STEP, |row| row.amount += 1).unwrap().expect("it is never removed");
                }
            }
        });
        let others = || (0..PILLARS * STEP).filter(|key| key % STEP != 0);
        for _ in 0..6 {
            others().for_each(|key| drop(db.remove(ITEMS, key).unwrap()));
            for key in others() {
                db.put(ITEMS, key, item(key)).unwrap();
            }
        }
    });
    let status = db.status().unwrap();
    assert!(status.segment_merges > 20 && status.pages_joined > 50, "{status:?}");
    assert_eq!(db.len(ITEMS).unwrap(), PILLARS * STEP);
    assert!(db.verify().unwrap().is_clean());
}

/// Pages of six rows and segments of one page: keys 0, 2, ... 158.
fn rows(patience: Duration) -> Db {
    let db = Options::new().segment_rows(4).scan_threads(1).lock_timeout(patience).in_memory().unwrap();
    for key in 0..80 {
        db.put(ROWS, 2 * key, row(key as i64)).unwrap();
    }
    db
}

fn remove_all(db: &Db, keys: impl IntoIterator<Item = u64>) {
    keys.into_iter().for_each(|key| drop(db.remove(ROWS, key).unwrap()));
}

/// Removes rows from the start until a segment has gone by it; gives the least key that is left.
fn low_keys_of_segments(db: &Db) -> Vec<u64> {
    let mut borders = Vec::new();
    for key in (0..160).step_by(2) {
        let before = merges(db);
        db.remove(ROWS, key).unwrap();
        if merges(db) > before {
            borders.push(key + 2);
        }
    }
    borders
}

#[test]
fn who_reads_a_range_keeps_merges_out_and_the_segment_goes_later() {
    // Which keys are in the first two segments is found out on a twin.
    let borders = low_keys_of_segments(&rows(PATIENCE));
    let (second, third) = (borders[0], borders[1]);
    let db = rows(PATIENCE);
    let before = db.status().unwrap();
    db.transact(|tx| {
        let read = tx.query(ROWS).range(second..second + 1).keys()?;
        thread::scope(|scope| {
            scope.spawn(|| remove_all(&db, (0..second).step_by(2)));
        });
        assert_eq!(merges(&db), before.segment_merges, "a merge got past the lock of a reader");
        assert_eq!(tx.query(ROWS).range(second..second + 1).keys()?, read);
        Ok(())
    })
    .unwrap();
    // The empty segment is touched by nobody any more; a removal anywhere in the table brings it up again.
    remove_all(&db, [158]);
    assert_eq!(merges(&db), before.segment_merges + 1);
    assert!(db.status().unwrap().segments < before.segments);
    // What was the second segment is the first now, and its lock covers the keys of both.
    assert!(read_twice_while_an_insert_waits(&db, 0..1, third - 1));
}

#[test]
fn no_write_gets_into_a_range_where_segments_were_merged() {
    let db = rows(Duration::from_millis(2));
    let before = db.status().unwrap();
    // Every third run of twelve keys goes, so that borders of all kinds are left.
    remove_all(&db, (0..160).filter(|key| key % 36 < 14));
    let after = db.status().unwrap();
    assert!(after.segment_merges >= before.segment_merges + 3, "{after:?}");
    for low in (0..156).step_by(3) {
        let range = low..low + 5;
        db.transact(|tx| {
            let first = tx.query(ROWS).range(range.clone()).keys()?;
            thread::scope(|scope| {
                scope.spawn(|| {
                    for key in range.clone() {
                        let told = db.put(ROWS, key, row(-1)).map_err(|error| error.kind());
                        assert_eq!(told, Err(ErrorKind::LockTimeout), "put of {key} into {range:?}");
                    }
                });
            });
            assert_eq!(tx.query(ROWS).range(range.clone()).keys()?, first);
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_range_reader_that_stands_behind_a_merge_reads_the_merged_segment() {
    // The border goes while the reader stands in its queue, so it must look its keys up again. A merge has little
    // patience, so the reader may come too late for it, and tries again.
    let second = low_keys_of_segments(&rows(PATIENCE))[0];
    let end = Instant::now() + PATIENCE;
    loop {
        let db = rows(PATIENCE);
        remove_all(&db, (0..second - 2).step_by(2));
        let before = merges(&db);
        let keeps = move |tx: &Transaction| tx.put(ROWS, second, row(1));
        let in_time = beside(&db, keeps, |scope, release| {
            scope.spawn(|| remove_all(&db, [second - 2]));
            let reader = scope.spawn(|| {
                until("the merge waits or has given up", || {
                    db.locks().dump().to_string().contains("merge") || db.len(ROWS).unwrap() == 80 - second / 2
                });
                // It reads keys of the second segment, and the insert is where the first one was.
                read_twice_while_an_insert_waits(&db, second..second + 3, second - 1)
            });
            until("the reader waits", || reader.is_finished() || db.locks().dump().to_string().contains("S   wait"));
            release();
            let in_time = merges(&db) == before;
            reader.join().unwrap() && in_time
        });
        if in_time && merges(&db) > before {
            return;
        }
        assert!(Instant::now() < end, "no reader stood behind a merge");
    }
}

/// Reads a range twice in one transaction; between, an insert beside it is tried that goes into the same segment. False
/// if the merge gave up, so that it does not go there.
fn read_twice_while_an_insert_waits(db: &Db, range: Range<u64>, beside: u64) -> bool {
    thread::scope(|scope| {
        db.transact(|tx| {
            let first = tx.query(ROWS).range(range.clone()).keys()?;
            if !reads_the_first_segment(db) {
                return Ok(false);
            }
            let writer = scope.spawn(|| db.put(ROWS, beside, row(0)));
            until("the insert waits", || writer.is_finished() || db.locks().dump().to_string().contains("IX  wait"));
            assert!(!writer.is_finished(), "row {beside} came into a segment that is read");
            assert_eq!(tx.query(ROWS).range(range.clone()).keys()?, first);
            Ok(true)
        })
        .unwrap()
    })
}

fn reads_the_first_segment(db: &Db) -> bool {
    let reads = |locks: &GranuleLocks| locks.holders.iter().any(|holder| holder.mode == Mode::S);
    let dump = db.locks().dump();
    dump.granules.iter().any(|locks| reads(locks) && locks.granule.to_string().contains("segment from the start"))
}

#[test]
fn transfers_keep_their_sum_while_the_segments_under_them_come_and_go() {
    const ACCOUNTS: u64 = 30;
    const STEP: u64 = 20;
    let db = small().in_memory().unwrap();
    fill(&db, ACCOUNTS * STEP);
    let is_account = |key: u64| key.is_multiple_of(STEP);
    let sum: i64 = (0..ACCOUNTS).map(|at| item(at * STEP).amount).sum();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Ends(&done);
        for seed in 0..2 {
            let (db, done) = (&db, &done);
            scope.spawn(move || {
                let mut random = Random(seed);
                while !done.load(SeqCst) {
                    let (from, to) = (random.below(ACCOUNTS) * STEP, random.below(ACCOUNTS) * STEP);
                    db.transact(|tx| {
                        tx.modify(ITEMS, from, |row| row.amount -= 1)?.expect("accounts stay");
                        tx.modify(ITEMS, to, |row| row.amount += 1)?.expect("accounts stay");
                        Ok(())
                    })
                    .unwrap();
                }
            });
        }
        let (db, done) = (&db, &done);
        scope.spawn(move || {
            while !done.load(SeqCst) {
                let all = db.transact(|tx| tx.query(ITEMS).range(0..u64::MAX).project(Clone::clone).collect()).unwrap();
                let accounts: Vec<_> = all.iter().filter(|row| is_account(row.id)).collect();
                assert_eq!(accounts.iter().map(|row| row.id).collect::<BTreeSet<_>>().len() as u64, ACCOUNTS);
                assert_eq!(accounts.iter().map(|row| row.amount).sum::<i64>(), sum);
            }
        });
        for _ in 0..5 {
            for key in (0..ACCOUNTS * STEP).filter(|key| !is_account(*key)) {
                db.remove(ITEMS, key).unwrap();
            }
            fill_between(db, ACCOUNTS * STEP, STEP);
        }
    });
    assert!(merges(&db) > 20, "{:?}", db.status().unwrap());
}

fn fill_between(db: &Db, rows: u64, step: u64) {
    for start in (0..rows).step_by(step as usize) {
        db.transact(|tx| (start + 1..start + step).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    }
}
