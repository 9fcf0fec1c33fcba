//! What transactions see of one another, and which of them wait.

use std::time::{Duration, Instant};

use gangline::{Result, Transaction};
use parking_lot::Mutex;

use crate::support::{ITEMS, Meeting, amount, beside, beside_holder, ids, item, until, waits, with_items};

#[test]
fn two_transactions_on_two_rows_of_one_segment_are_open_at_once() {
    let db = with_items(8);
    let both_hold_a_row = Meeting::of(2);
    std::thread::scope(|scope| {
        for id in [3, 4] {
            let (db, both_hold_a_row) = (&db, &both_hold_a_row);
            scope.spawn(move || {
                db.transact(|tx| {
                    tx.modify(ITEMS, id, |item| item.amount += 100)?;
                    both_hold_a_row.wait();
                    Ok(())
                })
                .unwrap();
            });
        }
    });
    assert_eq!((amount(&db, 3), amount(&db, 4)), (103, 104));
    assert_eq!(waits(&db), 0);
}

fn takes_down(tx: &Transaction) -> Result<()> {
    tx.modify(ITEMS, 3, |item| item.amount = -1).map(drop)
}

#[test]
fn a_reader_of_one_row_passes_while_another_is_exclusive() {
    let db = with_items(8);
    beside(&db, takes_down, |_, _| {
        let other = db.transact(|tx| Ok(tx.get(ITEMS, 4)?.unwrap().amount)).unwrap();
        assert_eq!(other, 4, "a row beside the one that is held");
        assert_eq!(amount(&db, 3), 3, "a read outside of a transaction sees what is committed");
        assert_eq!(ids(&db).len(), 8, "and so does one of the whole table");
        assert_eq!(waits(&db), 0);
    });
    assert_eq!(amount(&db, 3), -1);
}

#[test]
fn a_reader_in_a_transaction_waits_for_the_writer_of_its_row() {
    let db = with_items(8);
    beside(&db, takes_down, |scope, release| {
        let reader = scope.spawn(|| db.transact(|tx| Ok(tx.get(ITEMS, 3)?.unwrap().amount)));
        until("the reader waits", || waits(&db) > 0);
        release();
        assert_eq!(reader.join().unwrap().unwrap(), -1, "no dirty read, and none of the past");
    });
}

/// An open transaction reads; a row that would change what it read is inserted meanwhile.
fn insert_waits_for(read: impl Fn(&Transaction) -> Result<u64> + Send, inserted: u64) {
    let db = with_items(200);
    // Leaves a gap over several segments.
    db.transact(|tx| (50..100).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
    let reads_twice = move |tx: &Transaction, hold: &dyn Fn()| {
        let first = read(tx)?;
        hold();
        assert_eq!(first, read(tx)?, "no phantom");
        Ok(())
    };
    beside_holder(&db, reads_twice, |scope, release| {
        let before = waits(&db);
        let writer = scope.spawn(|| db.insert(ITEMS, inserted, item(inserted)));
        until("the insert waits", || waits(&db) > before);
        assert!(!writer.is_finished());
        release();
        writer.join().unwrap().unwrap();
    });
    assert!(db.contains(ITEMS, inserted).unwrap());
}

#[test]
fn an_insert_into_an_empty_range_that_was_read_waits() {
    insert_waits_for(|tx| tx.query(ITEMS).range(60..90).count(), 75);
}

#[test]
fn an_insert_of_an_absent_row_that_was_read_waits() {
    insert_waits_for(|tx| Ok(u64::from(tx.get(ITEMS, 75)?.is_some())), 75);
}

#[test]
fn an_insert_into_a_table_that_was_read_waits() {
    insert_waits_for(|tx| Ok(tx.read(ITEMS, |item| item.id > 1_000, |_| ())?.len() as u64), 5_000);
}

#[test]
fn an_insert_behind_the_last_row_that_was_read_waits() {
    insert_waits_for(|tx| Ok(tx.last(ITEMS)?.unwrap().0), 5_000);
}

#[test]
fn an_insert_beside_a_range_that_was_read_does_not_wait() {
    let db = with_items(200);
    let reads = |tx: &Transaction| {
        assert_eq!(tx.query(ITEMS).range(0..5).count()?, 5);
        Ok(())
    };
    beside(&db, reads, |_, _| db.put(ITEMS, 150, item(1)).unwrap());
    assert_eq!(waits(&db), 0);
}

#[test]
fn no_update_is_lost() {
    let db = with_items(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..250 {
                    db.transact(|tx| {
                        let mut item = tx.get(ITEMS, turn % 4)?.unwrap().to_owned();
                        item.amount += 1;
                        tx.put(ITEMS, turn % 4, &item)
                    })
                    .unwrap();
                }
            });
        }
    });
    let sum: i64 = db.read(ITEMS, |_| true, |item| item.amount).unwrap().iter().sum();
    assert_eq!(sum, 1_000 + 6);
}

#[test]
fn write_skew_is_impossible() {
    // Each of two transactions reads both rows and takes one down if the sum allows it: only one may succeed.
    for _ in 0..50 {
        let db = with_items(2);
        db.update(ITEMS, |_| true, |item| item.amount = 50).unwrap();
        let start = Meeting::of(2);
        std::thread::scope(|scope| {
            for id in [0, 1] {
                let (db, start) = (&db, &start);
                scope.spawn(move || {
                    start.wait();
                    db.transact(|tx| {
                        let sum: i64 = tx.read(ITEMS, |_| true, |item| item.amount)?.iter().sum();
                        if sum >= 100 {
                            tx.modify(ITEMS, id, |item| item.amount -= 100)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(amount(&db, 0) + amount(&db, 1), 0);
    }
}

#[test]
fn a_commit_does_not_wait_for_a_reader_of_the_table_to_split_a_segment() {
    let db = with_items(20);
    let start = Meeting::of(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            db.transact(|tx| {
                tx.len(ITEMS)?;
                std::thread::sleep(Duration::from_secs(2));
                Ok(())
            })
            .unwrap();
        });
        let ended = Mutex::new(Instant::now());
        db.transact(|tx| {
            (20..1_000).try_for_each(|id| tx.put(ITEMS, id, item(id)))?;
            start.wait();
            // The reader gets the table as soon as this transaction gives it back, and so before the split does.
            until("the reader waits", || waits(&db) > 0);
            *ended.lock() = Instant::now();
            Ok(())
        })
        .unwrap();
        let took = ended.lock().elapsed();
        assert!(took < Duration::from_secs(1), "the commit took {took:?}");
    });
}

#[test]
fn a_point_read_that_saw_a_commit_is_followed_by_none_that_does_not() {
    // Both ends of the table and its length change together, and far apart.
    const ROWS: u64 = 64;
    let db = with_items(ROWS);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for turn in 1..1_000i64 {
                db.transact(|tx| {
                    (0..ROWS).try_for_each(|id| tx.modify(ITEMS, id, |item| item.amount = turn * 100).map(drop))?;
                    if turn % 2 == 0 {
                        (0..8).try_for_each(|id| tx.remove(ITEMS, ROWS + id).map(drop))
                    } else {
                        (0..8).try_for_each(|id| tx.put(ITEMS, ROWS + id, item(ROWS + id)))
                    }
                })
                .unwrap();
            }
        });
        while !writer.is_finished() {
            let first = amount(&db, 0);
            let last = amount(&db, ROWS - 1);
            assert!(last >= first, "the last row has {last}, of an earlier commit than the first row's {first}");
            let rows = db.len(ITEMS).unwrap();
            assert!(rows == ROWS || rows == ROWS + 8, "{rows} rows");
        }
    });
}

#[test]
fn a_scan_sees_all_of_a_commit_or_nothing() {
    let db = with_items(300);
    let sum = |amounts: Vec<i64>| amounts.iter().sum::<i64>();
    let expected = sum(db.read(ITEMS, |_| true, |item| item.amount).unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for turn in 0..2_000u64 {
                let (from, to) = (turn * 13 % 300, (turn * 7 + 150) % 300);
                if from != to {
                    db.transact(|tx| {
                        tx.modify(ITEMS, from, |item| item.amount -= 5)?;
                        tx.modify(ITEMS, to, |item| item.amount += 5)
                    })
                    .unwrap();
                }
            }
        });
        while !writer.is_finished() {
            assert_eq!(sum(db.read(ITEMS, |_| true, |item| item.amount).unwrap()), expected);
            let inside = db.transact(|tx| tx.read(ITEMS, |_| true, |item| item.amount)).unwrap();
            assert_eq!(sum(inside), expected);
            let folded = db.query(ITEMS).fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b).unwrap();
            assert_eq!(folded, expected);
        }
    });
}
