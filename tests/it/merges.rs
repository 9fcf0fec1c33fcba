//! Segments that are merged and pages that are joined when rows are removed.

use gangline::{Db, Status};

use crate::support::{ITEMS, fill, ids, item, place, small, with_items};

fn segments(db: &Db) -> u64 {
    db.status().unwrap().segments
}

fn pages(db: &Db) -> u64 {
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    report.tables.iter().map(|table| table.pages).sum()
}

fn remove(db: &Db, keys: impl IntoIterator<Item = u64>) {
    for key in keys {
        assert!(db.remove(ITEMS, key).unwrap().is_some(), "row {key} is there to be removed");
    }
}

#[test]
fn an_emptied_table_ends_with_one_segment_and_one_page() {
    let orders: [fn(u64) -> u64; 4] = [|n| n, |n| 399 - n, |n| n * 7 % 400, |n| (n + 200) % 400];
    for (at, order) in orders.into_iter().enumerate() {
        let db = with_items(400);
        assert!(segments(&db) > 10);
        remove(&db, (0..400).map(order));
        assert_eq!((segments(&db), pages(&db), db.len(ITEMS).unwrap()), (1, 1, 0), "order {at}");
        fill(&db, 400);
        assert_eq!(ids(&db), Vec::from_iter(0..400));
        assert!(segments(&db) > 10 && pages(&db) > 20);
    }
}

#[test]
fn a_transaction_that_removes_everything_leaves_one_segment_and_one_page() {
    let db = with_items(100);
    db.transact(|tx| (0..100).try_for_each(|key| tx.remove(ITEMS, key).map(drop))).unwrap();
    assert_eq!((segments(&db), pages(&db)), (1, 1));
    db.put(ITEMS, 5, item(5)).unwrap();
    assert_eq!(ids(&db), [5]);
}

#[test]
fn what_is_left_after_scattered_removals_lies_in_few_segments_and_pages() {
    let db = with_items(2_000);
    let before = (segments(&db), pages(&db));
    remove(&db, (0..2_000).filter(|key| key % 50 != 7));
    let left: Vec<u64> = (0..2_000).filter(|key| key % 50 == 7).collect();
    assert_eq!(ids(&db), left);
    assert!(left.iter().all(|key| db.get(ITEMS, *key).unwrap().is_some_and(|row| row.id == *key)));
    let after = (segments(&db), pages(&db));
    assert!(after.0 <= 7 && after.1 <= 14, "40 rows of {before:?} segments and pages lie in {after:?}");
    let status = db.status().unwrap();
    assert!(status.segment_merges > 40 && status.pages_joined > 40, "{status:?}");
}

/// Insert at the right end, remove at the left one, for ever.
fn queue_rounds(db: &Db, rounds: u64, mut each: impl FnMut(u64, &Status)) {
    const BATCH: u64 = 40;
    const LENGTH: u64 = 200;
    fill(db, LENGTH);
    for round in 0..rounds {
        let (left, right) = (round * BATCH, round * BATCH + LENGTH);
        db.transact(|tx| (right..right + BATCH).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
        if round % 2 == 0 {
            db.transact(|tx| (left..left + BATCH).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
        } else {
            remove(db, left..left + BATCH);
        }
        each(round, &db.status().unwrap());
    }
    assert_eq!(ids(db), Vec::from_iter(rounds * BATCH..rounds * BATCH + LENGTH));
}

#[test]
fn a_queue_takes_no_more_room_after_two_hundred_rounds_than_after_ten() {
    let db = small().in_memory().unwrap();
    let (mut segments_max, mut bytes_max) = ((0, 0), (0, 0));
    queue_rounds(&db, 200, |round, status| {
        let (segments, bytes) =
            if round < 10 { (&mut segments_max.0, &mut bytes_max.0) } else { (&mut segments_max.1, &mut bytes_max.1) };
        *segments = status.segments.max(*segments);
        *bytes = status.cache_bytes.max(*bytes);
    });
    assert!(segments_max.1 <= segments_max.0 + 2, "segments early and late: {segments_max:?}");
    assert!(bytes_max.1 <= bytes_max.0 * 5 / 4, "bytes early and late: {bytes_max:?}");
    assert!(pages(&db) <= 40, "200 rows of some 280 bytes lie in {} pages", pages(&db));
}

#[test]
fn a_queue_on_disk_takes_no_more_room_either() {
    let (_folder, path) = place();
    let db = small().durability(gangline::Durability::Eventual).open(&path).unwrap();
    let mut segments_max = 0;
    queue_rounds(&db, 60, |round, status| {
        segments_max = status.segments.max(segments_max);
        if round % 7 == 0 {
            db.checkpoint().unwrap();
        }
    });
    assert!(segments_max <= 25, "{segments_max} segments");
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(ids(&db), Vec::from_iter(60 * 40..60 * 40 + 200));
    assert!(pages(&db) <= 40 && segments(&db) <= 25);
}

#[test]
fn a_merge_and_a_split_do_not_undo_each_other() {
    let db = with_items(400);
    // At every size, some rows come and go at one place many times.
    for size in (0..400u64).rev().step_by(7) {
        remove(&db, size..(size + 7).min(400));
        let before = db.status().unwrap();
        for round in 0..12 {
            let at = size.saturating_sub(3 * (round % 4));
            db.transact(|tx| (0..3).try_for_each(|n| tx.put(ITEMS, 1_000 + at * 10 + n, item(n)))).unwrap();
            remove(&db, (0..3).map(|n| 1_000 + at * 10 + n));
        }
        let after = db.status().unwrap();
        let moved = after.segment_merges + after.segment_splits - before.segment_merges - before.segment_splits;
        assert!(moved <= 2, "with {size} rows, 12 rounds of three rows moved borders {moved} times");
    }
}

#[test]
fn a_table_that_is_filled_and_emptied_in_waves_changes_its_segments_once_a_wave() {
    let db = with_items(400);
    let before = db.status().unwrap();
    for _ in 0..5 {
        remove(&db, 100..400);
        db.transact(|tx| (100..400).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    }
    let after = db.status().unwrap();
    let (merges, splits) = (after.segment_merges - before.segment_merges, after.segment_splits - before.segment_splits);
    assert!(merges >= 5 * 10 && merges <= 5 * before.segments, "{merges} merges of {} segments", before.segments);
    assert!(splits <= 5 * before.segments, "{splits} splits of {} segments", before.segments);
}

#[test]
fn a_snapshot_stays_as_it_was_while_segments_merge_and_pages_join() {
    let (_folder, path) = place();
    let db = small().cache_bytes(64 << 10).durability(gangline::Durability::Eventual).open(&path).unwrap();
    fill(&db, 1_000);
    let mut held = Vec::new();
    for step in 0..20u64 {
        held.push((db.snapshot(), ids(&db)));
        remove(&db, (0..1_000).filter(|key| key % 21 == step));
        if step % 3 == 0 {
            db.checkpoint().unwrap();
        }
        for (snapshot, before) in &held {
            assert_eq!(&snapshot.read(ITEMS, |_| true, |row| row.id).unwrap(), before, "step {step}");
            let found = (0..1_000).filter(|key| snapshot.get(ITEMS, *key).unwrap().is_some());
            assert!(found.eq(before.iter().copied()), "step {step}");
        }
        if step % 5 == 4 {
            held.remove(0);
        }
    }
    let status = db.status().unwrap();
    assert!(status.segment_merges > 20 && status.pages_joined > 20, "{status:?}");
    drop(held);
    assert!(pages(&db) < 20);
}

#[test]
fn a_store_that_is_opened_with_a_small_cache_merges_what_it_has_to_read_first() {
    let (_folder, path) = place();
    let options = small().cache_bytes(16 << 10).durability(gangline::Durability::Eventual);
    let db = options.clone().open(&path).unwrap();
    fill(&db, 600);
    db.close().unwrap();
    let db = options.open(&path).unwrap();
    remove(&db, (0..600).filter(|key| key % 100 != 0));
    assert_eq!(ids(&db), [0, 100, 200, 300, 400, 500]);
    assert!(segments(&db) <= 2, "{} segments", segments(&db));
    assert!(db.verify().unwrap().is_clean());
}
