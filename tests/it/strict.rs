//! Transactions that fail where others start over, and the list of calls that do start over.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gangline::{Db, Error, ErrorKind, Result, Transaction, TransactionOptions};

use crate::support::{ITEMS, amount, beside, item, with_items};

/// Runs `body` while another transaction holds row 1.
fn beside_a_writer<T>(db: &Db, body: impl FnOnce() -> T) -> T {
    beside(db, |tx| tx.modify(ITEMS, 1, |item| item.amount += 1_000).map(drop), |_, _| body())
}

fn strict() -> TransactionOptions {
    TransactionOptions::new().strict(true)
}

fn add(tx: &Transaction, id: u64) -> Result<()> {
    tx.modify(ITEMS, id, |item| item.amount += 1).map(drop)
}

#[test]
fn the_call_out_of_order_fails_and_names_both_places() {
    let db = with_items(8);
    let line = line!() + 4;
    let runs = AtomicU64::new(0);
    let error = beside_a_writer(&db, || {
        db.transact_with(&strict(), |tx| {
            tx.modify(ITEMS, 5, |item| item.amount = 0)?;
            runs.fetch_add(1, Relaxed);
            tx.modify(ITEMS, 1, |item| item.amount = 0)?;
            Ok(())
        })
        .unwrap_err()
    });
    assert_eq!((error.kind(), runs.into_inner()), (ErrorKind::OutOfOrder, 1));
    let text = error.to_string();
    let keys = ["row 1 in mode X", "row 5 is held in mode X", "\"items\""];
    let places = [line, line + 2].map(|line| format!("{}:{line}:", file!()));
    for part in keys.into_iter().chain(places.iter().map(String::as_str)) {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert_eq!((amount(&db, 1), amount(&db, 5)), (1_001, 5));
    assert_eq!(db.locks().counters().restarts, 0);
    assert!(db.locks().dump().granules.is_empty());
}

#[test]
fn a_closure_that_drops_the_error_commits_nothing() {
    let db = with_items(8);
    let error = beside_a_writer(&db, || {
        db.transact_with(&strict(), |tx| {
            add(tx, 5)?;
            let refused = add(tx, 1).unwrap_err();
            let later = [
                add(tx, 7),
                tx.put(ITEMS, 9, item(9)),
                tx.read(ITEMS, |_| true, |_| ()).map(drop),
                tx.query(ITEMS).count().map(drop),
                tx.lock("name"),
            ];
            for outcome in later {
                assert_eq!(outcome.unwrap_err().to_string(), refused.to_string());
            }
            Ok(())
        })
        .unwrap_err()
    });
    assert_eq!((error.kind(), amount(&db, 5)), (ErrorKind::OutOfOrder, 5));
    assert!(!error.is_retryable());
}

#[test]
fn an_error_of_the_program_comes_back_as_it_was() {
    #[derive(Debug, PartialEq)]
    struct Own(u32);
    impl From<Error> for Own {
        fn from(_: Error) -> Self {
            Own(0)
        }
    }
    let db = with_items(8);
    let outcome = beside_a_writer(&db, || {
        db.try_transact_with(&strict(), |tx| {
            add(tx, 5)?;
            add(tx, 1).map_err(|_| Own(7))
        })
    });
    assert_eq!(outcome, Err(Own(7)));
}

#[test]
fn what_is_free_or_in_order_goes_through() {
    let db = with_items(8);
    db.transact_with(&strict(), |tx| {
        [5, 3, 4, 1].into_iter().try_for_each(|id| add(tx, id))?;
        tx.lock("name")
    })
    .unwrap();
    assert_eq!((amount(&db, 1), amount(&db, 5)), (2, 6));
}

#[test]
fn a_read_and_a_raised_lock_are_named_too() {
    let db = with_items(200);
    let text = beside_a_writer(&db, || {
        let options = strict();
        let scan = db.transact_with(&options, |tx| {
            tx.query(ITEMS).range(100..).count()?;
            tx.query(ITEMS).range(..50).count()
        });
        scan.unwrap_err().to_string()
    });
    assert!(text.contains("segment from the start up to ") && text.contains("in mode S at"), "{text}");
    assert!(text.contains("is held in mode S since") && text.contains(file!()), "{text}");
}

#[test]
fn the_list_of_restarting_calls_names_the_call_and_the_lock() {
    let db = with_items(8);
    let runs = AtomicU64::new(0);
    let transact_line = AtomicU64::new(0);
    let adds = |tx: &Transaction| add(tx, 1);
    beside(&db, adds, |_, release| {
        let options = TransactionOptions::new().label("backwards");
        transact_line.store(u64::from(line!()) + 1, Relaxed);
        db.transact_with(&options, |tx| {
            add(tx, 5)?;
            let outcome = tx.get(ITEMS, 1);
            if runs.fetch_add(1, Relaxed) == 0 {
                release();
            }
            outcome.map(drop)
        })
        .unwrap();
    });
    let line = transact_line.into_inner() as u32;
    let calls = db.locks().restarting();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let call = &calls[0];
    assert_eq!((call.caller.file(), call.caller.line()), (file!(), line));
    assert_eq!((call.wanted_at.file(), call.wanted_at.line()), (file!(), line + 2));
    assert_eq!((call.transactions, call.restarts, call.warnings), (1, 1, 0));
    assert_eq!(call.label.as_deref(), Some("backwards"));
    assert_eq!(call.wanted, "table \"items\" row 1");
    assert_eq!(call.held.as_deref(), Some("table \"items\" row 5"));
}
