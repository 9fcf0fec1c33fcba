//! Transactions and queries that end before their time: by a token or by a deadline, while they wait, scan or compute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Access, CancelToken, Db, Durability, ErrorKind, Options, Query, Result, Table, Transaction};
use gangline::{Index, TransactionOptions};
use rayon::prelude::*;

use crate::support::{ITEMS, PATIENCE, amount, beside, ids, kind, small, until, waits, with_items};

const SHORT: Duration = Duration::from_millis(40);

/// Holds a row shared.
fn reads(id: u64) -> impl Fn(&Transaction) -> Result<()> {
    move |tx| tx.get(ITEMS, id).map(drop)
}

#[test]
fn a_transaction_that_waits_is_woken_by_its_token_and_those_behind_go_on() {
    let db = with_items(4);
    let token = CancelToken::new();
    let options = TransactionOptions::new().label("night run").cancel(&token);
    beside(&db, reads(2), |scope, _| {
        let writer = scope.spawn(|| {
            db.transact_with(&options, |tx| {
                tx.put(ITEMS, 1, crate::support::item(77))?;
                tx.modify(ITEMS, 2, |item| item.amount = 0)
            })
        });
        until("the writer waits", || waits(&db) == 1);
        let reader = scope.spawn(|| db.transact(|tx| tx.get(ITEMS, 2).map(drop)));
        until("a reader waits behind it", || waits(&db) == 2);
        let begun = Instant::now();
        token.cancel();
        let error = writer.join().unwrap().unwrap_err();
        // The holder goes on holding; only the front of the queue has gone.
        reader.join().unwrap().unwrap();
        assert!(begun.elapsed() < PATIENCE / 4);
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let text = error.to_string();
        for part in ["transaction \"night run\"", "cancel.rs", "was cancelled", "items", "held by"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    });
    assert_eq!((amount(&db, 1), amount(&db, 2)), (1, 2), "nothing of it was done");
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_token_cancelled_before_the_begin_runs_nothing() {
    let db = with_items(4);
    let token = CancelToken::new();
    token.cancel();
    let runs = AtomicU64::new(0);
    let error = db
        .transact_with(&TransactionOptions::new().cancel(&token), |_| {
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap_err();
    assert_eq!((error.kind(), runs.into_inner()), (ErrorKind::Cancelled, 0));
    assert!(error.to_string().contains("before it began"), "{error}");
    assert_eq!(kind(db.query(ITEMS).cancel(&token).count()), Err(ErrorKind::Cancelled));
    assert_eq!(kind(db.snapshot().query(ITEMS).cancel(&token).rows()), Err(ErrorKind::Cancelled));
}

#[test]
fn a_transaction_cancelled_in_its_closure_does_not_commit() {
    let db = with_items(4);
    let token = CancelToken::new();
    let options = TransactionOptions::new().cancel(&token);
    let at_the_next_call = db.transact_with(&options, |tx| {
        tx.put(ITEMS, 1, crate::support::item(77))?;
        token.cancel();
        tx.get(ITEMS, 2).map(drop)
    });
    let error = at_the_next_call.unwrap_err();
    assert!(error.kind() == ErrorKind::Cancelled && error.to_string().contains("before its next call"), "{error}");
    let again = CancelToken::new();
    let swallowed = db.transact_with(&TransactionOptions::new().cancel(&again), |tx| {
        tx.put(ITEMS, 1, crate::support::item(77))?;
        again.cancel();
        let _ = tx.get(ITEMS, 2);
        Ok(())
    });
    assert_eq!(kind(swallowed), Err(ErrorKind::Cancelled));
    assert_eq!(amount(&db, 1), 1);
}

#[test]
fn a_commit_that_returned_is_not_undone() {
    let db = with_items(4);
    let token = CancelToken::new();
    let options = TransactionOptions::new().cancel(&token).durability(Durability::Immediate);
    db.transact_with(&options, |tx| tx.modify(ITEMS, 1, |item| item.amount = 9)).unwrap();
    token.cancel();
    assert!(token.is_cancelled() && token.clone().is_cancelled());
    assert_eq!(amount(&db, 1), 9);
}

#[test]
fn of_deadline_and_lock_timeout_the_earlier_counts() {
    let late = TransactionOptions::new().deadline(SHORT);
    let cases = [
        (PATIENCE, late.clone(), ErrorKind::Cancelled),
        (SHORT, TransactionOptions::new().deadline(PATIENCE), ErrorKind::LockTimeout),
        (PATIENCE, TransactionOptions::new().lock_timeout(SHORT), ErrorKind::LockTimeout),
        (SHORT, late.lock_timeout(PATIENCE), ErrorKind::Cancelled),
    ];
    for (lock_timeout, options, expected) in cases {
        let db = small().lock_timeout(lock_timeout).in_memory().unwrap();
        crate::support::fill(&db, 4);
        beside(&db, reads(2), |_, _| {
            let begun = Instant::now();
            let error = db.transact_with(&options, |tx| tx.modify(ITEMS, 2, |item| item.amount = 0)).unwrap_err();
            assert!(begun.elapsed() < PATIENCE / 4, "{error}");
            assert_eq!(error.kind(), expected, "{error}");
            let text = error.to_string();
            assert!(expected == ErrorKind::LockTimeout || text.contains("deadline of 40 ms"), "{text}");
        });
        assert_eq!(amount(&db, 2), 2);
    }
}

#[test]
fn a_deadline_counts_all_runs_of_a_closure() {
    let db = with_items(4);
    let options = TransactionOptions::new().deadline(SHORT);
    let runs = AtomicU64::new(0);
    beside(&db, reads(1), |_, _| {
        let error = db
            .transact_with(&options, |tx| {
                runs.fetch_add(1, Ordering::Relaxed);
                tx.modify(ITEMS, 3, |item| item.amount = 0)?;
                tx.modify(ITEMS, 1, |item| item.amount = 0)
            })
            .unwrap_err();
        // The second run never begins: the row that it needs first is not given back.
        assert_eq!((error.kind(), runs.load(Ordering::Relaxed)), (ErrorKind::Cancelled, 1), "{error}");
        assert!(error.to_string().contains("while it waited for the lock"), "{error}");
    });
    assert_eq!(ids(&db), [0, 1, 2, 3]);
}

const NUMBERS: Table<u64, u64> = Table::new("numbers");
const ROWS: u64 = 60_000;

fn with_numbers() -> Db {
    let db = Options::new().scan_threads(2).in_memory().unwrap();
    for start in (0..ROWS).step_by(5_000) {
        db.transact(|tx| (start..start + 5_000).try_for_each(|n| tx.put(NUMBERS, n, n))).unwrap();
    }
    db
}

#[test]
fn a_scan_ends_soon_after_its_token_from_another_thread() {
    let db = with_numbers();
    let in_transaction = TransactionOptions::new();
    for case in 0..4 {
        let token = CancelToken::new();
        let (seen, after) = (AtomicU64::new(0), AtomicU64::new(0));
        let select = |number: &u64| {
            if seen.fetch_add(1, Ordering::Relaxed) == 300 {
                std::thread::scope(|scope| drop(scope.spawn(|| token.cancel())));
            }
            after.fetch_add(u64::from(token.is_cancelled()), Ordering::Relaxed);
            *number == 0
        };
        let options = in_transaction.clone().cancel(&token);
        let outcome = match case {
            0 => db.query(NUMBERS).select(select).cancel(&token).count(),
            1 => db.query(NUMBERS).select(select).project(|_| ()).sequential().cancel(&token).collect().map(|_| 0),
            2 => db.transact_with(&options, |tx| tx.read(NUMBERS, select, |_| ()).map(|_| 0)),
            _ => db.transact_with(&options, |tx| tx.update(NUMBERS, select, |number| *number += 1)),
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let text = error.to_string();
        assert!(text.contains("\"numbers\"") && text.contains("cancel.rs"), "{text}");
        assert!(text.starts_with(if case < 2 { "query of" } else { "transaction of" }), "{text}");
        // Each thread ends the page that it stands in; a page is up to 4 KiB, some 300 of these rows.
        assert!(after.into_inner() < 3_000, "{} rows of {ROWS}", seen.into_inner());
    }
    assert_eq!(db.query(NUMBERS).count().unwrap(), ROWS);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

const BY_ITSELF: Index<u64, u64> = Index::new("by_itself", |number, out| out.key(*number));
const INDEXED: Table<u64, u64> = Table::new("indexed").indexes(&[&BY_ITSELF]);

type End = for<'q> fn(Query<'q, u64, u64>) -> Result<()>;

const ENDS: [(&str, End); 18] = [
    ("rows", |query| query.rows().map(drop)),
    ("keys", |query| query.keys().map(drop)),
    ("entries", |query| query.entries().map(drop)),
    ("collect", |query| query.project(|number| *number).collect().map(drop)),
    ("count", |query| query.count().map(drop)),
    ("fold", |query| query.fold(|| 0, |sum, number| sum + number, |a, b| a + b).map(drop)),
    ("reduce", |query| query.project(|number| *number).reduce(|a, b| a | b).map(drop)),
    ("sum", |query| query.project(|number| *number).sum().map(drop)),
    ("mean", |query| query.project(|number| *number).mean().map(drop)),
    ("min", |query| query.project(|number| *number).min().map(drop)),
    ("group_by", |query| query.group_by(|number| number % 3).count().map(drop)),
    ("top_k", |query| query.top_k(3, |number| *number).map(drop)),
    ("sort_by", |query| query.sort_by(|number| *number).map(drop)),
    ("all", |query| query.all(|_| true).map(drop)),
    ("find", |query| query.find(|_| false).map(drop)),
    ("iter", |query| query.iter()?.try_for_each(|entry| entry.map(drop))),
    ("par_iter", |query| query.par_iter()?.try_for_each(|entry| entry.map(drop))),
    ("join", |query| query.join(NUMBERS, |number| *number).project(|_, other| other.copied()).collect().map(drop)),
];

/// Asks each end of a query, which its token or its deadline stops after some hundred rows.
fn each_end(on: &impl Access, by_deadline: bool) {
    for (end, ask) in ENDS {
        for by_index in [false, true] {
            let (token, seen) = (CancelToken::new(), AtomicU64::new(0));
            let stop = |_: &u64| {
                let seen = seen.fetch_add(1, Ordering::Relaxed);
                if seen == 300 && by_deadline {
                    let end = Instant::now() + SHORT;
                    while Instant::now() < end {
                        std::thread::yield_now();
                    }
                } else if seen == 300 {
                    token.cancel();
                }
                true
            };
            let query = on.query(INDEXED).select(stop);
            let query = if by_deadline { query.deadline(SHORT) } else { query.cancel(&token) };
            let query = if by_index { query.by(&BY_ITSELF).all() } else { query };
            assert_eq!(kind(ask(query)), Err(ErrorKind::Cancelled), "{end}, by index: {by_index}");
            let seen = seen.into_inner();
            // A deadline may be over before the first row, where many are locked first.
            assert!((seen > 300 || by_deadline) && seen < ROWS, "{end} looked at {seen} rows");
        }
    }
}

#[test]
fn every_end_of_a_query_is_stopped_everywhere() {
    let db = Options::new().scan_threads(2).in_memory().unwrap();
    db.bulk_load(INDEXED, (0..ROWS).map(|number| (number, number))).unwrap();
    db.put(NUMBERS, 7, 7).unwrap();
    for by_deadline in [false, true] {
        each_end(&db, by_deadline);
        each_end(&db.snapshot(), by_deadline);
        // The transaction goes on when a query in it was stopped.
        db.transact(|tx| {
            each_end(tx, by_deadline);
            tx.put(NUMBERS, 8, 8)
        })
        .unwrap();
    }
    assert_eq!(db.len(NUMBERS).unwrap(), 2);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_scan_ends_at_its_deadline() {
    let db = with_numbers();
    let slow = |_: &u64| {
        std::thread::sleep(Duration::from_micros(200));
        true
    };
    let begun = Instant::now();
    let error = db.query(NUMBERS).select(slow).deadline(SHORT).count().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().contains("deadline of 40 ms"), "{error}");
    // All rows would take 12 s of two threads.
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(db.query(NUMBERS).deadline(PATIENCE).count().unwrap(), ROWS);
}

#[test]
fn a_query_that_is_late_in_its_wait_leaves_its_transaction_alive() {
    let db = with_items(40);
    let writes = |tx: &Transaction| tx.put(ITEMS, 1, crate::support::item(1));
    beside(&db, writes, |_, _| {
        db.transact(|tx| {
            let late = tx.query(ITEMS).range(0..10).deadline(SHORT).count().unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Cancelled);
            assert!(late.to_string().starts_with("query of") && late.to_string().contains("segment"), "{late}");
            tx.modify(ITEMS, 39, |item| item.amount = 5)
        })
        .unwrap();
    });
    assert_eq!(amount(&db, 39), 5);
}

#[test]
fn one_token_ends_all_that_were_given_it() {
    let db = with_items(8);
    let token = CancelToken::new();
    let options = TransactionOptions::new().cancel(&token);
    let change = || db.transact_with(&options, |tx| tx.modify(ITEMS, 2, |item| item.amount = 0));
    beside(&db, reads(2), |scope, _| {
        let writers: Vec<_> = (0..6).map(|_| scope.spawn(change)).collect();
        until("all wait", || waits(&db) == 6);
        token.cancel();
        for writer in writers {
            assert_eq!(kind(writer.join().unwrap()), Err(ErrorKind::Cancelled));
        }
    });
    assert_eq!(db.locks().counters().cancelled, 6);
    db.modify(ITEMS, 2, |item| item.amount = 1).unwrap();
}
