//! Transactions that start over: whatever their closures make of the error, they end right.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gangline::{Db, Error, ErrorKind, Result, Transaction};

use crate::support::{ITEMS, Meeting, amount, beside, item, with_items};

/// Runs `closure` as a transaction that cannot get row 1 in its first run, since another one holds it meanwhile, and
/// that holds row 5 by then. Returns its outcome and how often it ran.
fn refused_once<T, E: From<Error>>(
    db: &Db,
    closure: impl Fn(&Transaction, &dyn Fn(&Error)) -> Result<T, E>,
) -> (Result<T, E>, u64) {
    let runs = AtomicU64::new(0);
    let writes = |tx: &Transaction| tx.modify(ITEMS, 1, |item| item.amount += 1_000).map(drop);
    let outcome = beside(db, writes, |_, release| {
        db.try_transact(|tx| {
            let run = runs.fetch_add(1, Relaxed) + 1;
            closure(tx, &|error| {
                assert_eq!((error.kind(), run), (ErrorKind::Restart, 1));
                release();
            })
        })
    });
    (outcome, runs.into_inner())
}

fn take(tx: &Transaction, id: u64, refused: &dyn Fn(&Error)) -> Result<()> {
    tx.modify(ITEMS, id, |item| item.amount += 1).inspect_err(|error| refused(error)).map(drop)
}

#[derive(Debug, PartialEq)]
enum Own {
    Whatever,
    Wanted(u64),
}

impl From<Error> for Own {
    fn from(_: Error) -> Self {
        Own::Whatever
    }
}

#[test]
fn a_lock_out_of_order_makes_the_closure_run_again() {
    let db = with_items(8);
    let (outcome, runs) = refused_once(&db, |tx, refused| {
        take(tx, 5, refused)?;
        take(tx, 1, refused)
    });
    outcome.unwrap();
    assert_eq!(runs, 2);
    assert_eq!((amount(&db, 1), amount(&db, 5)), (1_002, 6), "each change is there once");
    assert_eq!(db.locks().counters().restarts, 1);
}

#[test]
fn a_closure_that_maps_every_error_to_its_own_type_starts_over() {
    let db = with_items(8);
    let (outcome, runs) = refused_once(&db, |tx, refused| {
        take(tx, 5, refused).map_err(|_| Own::Wanted(5))?;
        take(tx, 1, refused).map_err(|_| Own::Wanted(1))
    });
    assert_eq!((outcome, runs), (Ok(()), 2));
    assert_eq!((amount(&db, 1), amount(&db, 5)), (1_002, 6));
}

#[test]
fn a_closure_that_ignores_errors_and_returns_ok_starts_over() {
    let db = with_items(8);
    let (outcome, runs) = refused_once(&db, |tx, refused| {
        let taken = [5, 1, 6].map(|id| {
            take(tx, id, &|error| {
                if id == 1 {
                    refused(error)
                }
            })
            .is_ok()
        });
        Ok::<_, Error>(taken)
    });
    assert_eq!((outcome.unwrap(), runs), ([true; 3], 2), "the result of the last run, in which nothing was refused");
    assert_eq!((amount(&db, 1), amount(&db, 5), amount(&db, 6)), (1_002, 6, 7));
}

#[test]
fn once_asked_for_every_call_fails_until_the_restart() {
    let db = with_items(8);
    let (outcome, runs) = refused_once(&db, |tx, refused| {
        take(tx, 5, refused)?;
        if let Err(error) = take(tx, 1, refused) {
            let kinds = [
                tx.get(ITEMS, 7).map(drop),
                tx.put(ITEMS, 7, item(7)),
                tx.read(ITEMS, |_| true, |_| ()).map(drop),
                tx.query(ITEMS).count().map(drop),
                tx.len(ITEMS).map(drop),
            ]
            .map(|outcome| outcome.map_err(|error| error.kind()));
            assert_eq!(kinds, [Err(ErrorKind::Restart); 5]);
            return Err(error);
        }
        Ok::<_, Error>(())
    });
    outcome.unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn an_error_of_the_program_ends_the_transaction_and_comes_back_as_it_was() {
    let db = with_items(8);
    let runs = AtomicU64::new(0);
    let outcome = db.try_transact(|tx| {
        runs.fetch_add(1, Relaxed);
        tx.modify(ITEMS, 1, |item| item.amount = 0)?;
        Err::<(), _>(Own::Wanted(9))
    });
    assert_eq!((outcome, runs.into_inner()), (Err(Own::Wanted(9)), 1));
    assert_eq!(amount(&db, 1), 1);
}

#[test]
fn transfers_in_opposite_orders_never_time_out() {
    let db = with_items(4);
    let before: i64 = db.read(ITEMS, |_| true, |item| item.amount).unwrap().iter().sum();
    std::thread::scope(|scope| {
        for upwards in [true, false, true, false] {
            let db = &db;
            scope.spawn(move || {
                for turn in 0..500u64 {
                    let (low, high) = (turn % 3, 3);
                    let order = if upwards { [low, high] } else { [high, low] };
                    db.transact(|tx| {
                        tx.modify(ITEMS, order[0], |item| item.amount -= 1)?;
                        tx.modify(ITEMS, order[1], |item| item.amount += 1)
                    })
                    .unwrap();
                }
            });
        }
    });
    let after: i64 = db.read(ITEMS, |_| true, |item| item.amount).unwrap().iter().sum();
    assert_eq!((after, db.locks().counters().timeouts), (before, 0));
}

#[test]
fn two_that_read_a_row_and_then_change_it_both_end() {
    // Both hold the row shared and want it exclusive: one of them has to give way.
    let db = with_items(4);
    let first_runs = Meeting::of(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runs = AtomicU64::new(0);
                db.transact(|tx| {
                    let mut item = tx.get(ITEMS, 2)?.unwrap().to_owned();
                    if runs.fetch_add(1, Relaxed) == 0 {
                        first_runs.wait();
                    }
                    item.amount += 10;
                    tx.put(ITEMS, 2, &item)
                })
                .unwrap();
            });
        }
    });
    assert_eq!(amount(&db, 2), 22);
    assert!(db.locks().counters().restarts > 0);
}
