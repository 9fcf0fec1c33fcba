//! Point reads and counts outside of transactions, while commits of many rows are applied.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gangline::Db;

use crate::support::{Ends, ITEMS, amount, fill, item, small};

const ROWS: u64 = 300;

/// Runs `commit` again and again for turns 1, 2, ..., and `read` beside it until that is done.
fn beside(commit: impl Fn(&Db, u64) + Sync, read: impl Fn(&Db)) {
    const TURNS: u64 = 300;
    let db = small().in_memory().unwrap();
    fill(&db, ROWS);
    write_all(&db, 0);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ends = Ends(&over);
            (1..=TURNS).for_each(|turn| commit(&db, turn));
        });
        while !over.load(Relaxed) {
            read(&db);
        }
    });
}

/// Writes the turn into every row.
fn write_all(db: &Db, turn: u64) {
    db.transact(|tx| {
        (0..ROWS).try_for_each(|id| tx.modify(ITEMS, id, |item| item.amount = 1_000 + turn as i64).map(drop))
    })
    .unwrap();
}

#[test]
fn two_reads_by_one_thread_never_go_back_in_time() {
    beside(write_all, |db| {
        let first = amount(db, 0);
        let last = amount(db, ROWS - 1);
        assert!(last >= first, "the first row was seen as of {first}, and the last one thereafter as of {last}");
    });
}

#[test]
fn what_was_read_once_is_found_by_whatever_comes_behind() {
    beside(write_all, |db| {
        let first = amount(db, 0);
        let snapshot = db.snapshot();
        let last = snapshot.get(ITEMS, ROWS - 1).unwrap().unwrap().amount;
        assert!(last >= first, "the first row was seen as of {first}, and a later snapshot is as of {last}");
        let first = amount(db, 0);
        let many = db.get_many(ITEMS, [ROWS - 1, 0]).unwrap();
        let amounts: Vec<i64> = many.into_iter().map(|item| item.unwrap().amount).collect();
        assert!(amounts[0] == amounts[1] && amounts[0] >= first, "{first} was seen, and then {amounts:?}");
    });
}

#[test]
fn a_count_is_never_of_half_a_commit() {
    // Every commit takes one row away and puts another there.
    let swap = |db: &Db, turn: u64| {
        let (out, into) = if turn.is_multiple_of(2) { (ROWS, 0) } else { (0, ROWS) };
        db.transact(|tx| {
            tx.put(ITEMS, into, item(into))?;
            (1..ROWS).try_for_each(|id| tx.modify(ITEMS, id, |item| item.amount += 1).map(drop))?;
            tx.remove(ITEMS, out).map(drop)
        })
        .unwrap();
    };
    beside(swap, |db| assert_eq!(db.len(ITEMS).unwrap(), ROWS));
}
