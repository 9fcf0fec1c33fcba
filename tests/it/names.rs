//! Locks with names: modes, order, transactions that want them, time-outs.

use std::time::Duration;

use gangline::{Db, ErrorKind, Transaction};

use crate::support::{ITEMS, Meeting, amount, beside, kind, small, until, waits, with_items};

#[test]
fn readers_share_and_a_writer_waits_for_them() {
    let db = Db::in_memory().unwrap();
    let (both_read, writer_waits) = (Meeting::of(3), Meeting::of(3));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _palette = db.lock_shared("palette").unwrap();
                both_read.wait();
                writer_waits.wait();
            });
        }
        both_read.wait();
        let writer = scope.spawn(|| db.lock("palette").map(drop));
        until("the writer waits", || waits(&db) > 0);
        assert!(!writer.is_finished());
        writer_waits.wait();
        writer.join().unwrap().unwrap();
    });
}

#[test]
fn names_are_taken_in_their_order_or_not_at_all() {
    let db = Db::in_memory().unwrap();
    {
        let _a = db.lock("a").unwrap();
        let _b = db.lock_shared("b").unwrap();
        let _c = db.lock("c").unwrap();
    }
    let _m = db.lock("m").unwrap();
    for refused in [db.lock("a"), db.lock_shared("a"), db.lock("m"), db.lock_shared("m")] {
        let error = refused.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfOrder);
        assert!(error.to_string().contains("\"m\"") || error.to_string().contains("`m`"), "{error}");
    }
    assert_eq!(kind(db.lock("n")), Ok(()));
    assert_eq!(waits(&db), 0, "all of that is said at once");
}

#[test]
fn a_shared_name_cannot_be_taken_again_exclusively() {
    let db = Db::in_memory().unwrap();
    let _shared = db.lock_shared("palette").unwrap();
    assert_eq!(kind(db.lock("palette")), Err(ErrorKind::OutOfOrder));
    assert_eq!(kind(db.lock_shared("palette")), Err(ErrorKind::OutOfOrder));
}

#[test]
fn a_guard_gives_its_lock_back_also_after_a_panic() {
    let db = Db::in_memory().unwrap();
    std::thread::scope(|scope| {
        let panicked = scope.spawn(|| {
            let _renderer = db.lock("renderer").unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.join().is_err());
    });
    assert_eq!(kind(db.lock("renderer")), Ok(()));
}

#[test]
fn a_holder_of_a_name_reads_and_writes_the_database() {
    let db = with_items(100);
    let _renderer = db.lock("renderer").unwrap();
    assert_eq!(db.read(ITEMS, |item| item.group == 0, |_| ()).unwrap().len(), 15);
    db.modify(ITEMS, 3, |item| item.amount = 33).unwrap();
    db.transact(|tx| tx.modify(ITEMS, 3, |item| item.amount += 1)).unwrap();
    assert_eq!(amount(&db, 3), 34);
}

#[test]
fn a_transaction_under_a_guard_takes_larger_names_only() {
    let db = with_items(4);
    let _m = db.lock("m").unwrap();
    assert_eq!(kind(db.transact(|tx| tx.lock("z"))), Ok(()));
    assert_eq!(kind(db.transact(|tx| tx.lock_shared("z"))), Ok(()));
    assert_eq!(kind(db.transact(|tx| tx.lock("a"))), Err(ErrorKind::OutOfOrder));
    assert_eq!(kind(db.transact(|tx| tx.lock("m"))), Err(ErrorKind::OutOfOrder));
}

#[test]
fn a_name_wanted_after_rows_makes_the_transaction_start_over() {
    let db = with_items(4);
    let (held, refused) = (Meeting::of(2), Meeting::of(2));
    let runs = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _renderer = db.lock("renderer").unwrap();
            held.wait();
            refused.wait();
            // What would deadlock if the transaction waited for the name while it held its row.
            db.modify(ITEMS, 2, |item| item.amount += 5).unwrap();
        });
        held.wait();
        db.transact(|tx| {
            let run = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tx.modify(ITEMS, 2, |item| item.amount += 100)?;
            tx.lock("renderer").inspect_err(|error| {
                assert_eq!((error.kind(), run), (ErrorKind::Restart, 0));
                refused.wait();
            })
        })
        .unwrap();
    });
    assert_eq!((amount(&db, 2), runs.into_inner()), (107, 2));
}

#[test]
fn a_lock_that_is_never_given_back_ends_in_a_time_out_that_names_its_holder() {
    let db = small().lock_timeout(Duration::from_millis(50)).in_memory().unwrap();
    let _renderer = db.lock("renderer").unwrap();
    std::thread::scope(|scope| {
        let error = scope.spawn(|| db.lock("renderer").map(drop)).join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.is_retryable());
        let text = error.to_string();
        assert!(text.contains("renderer") && text.contains("names.rs"), "{text}");
    });
    assert_eq!(db.locks().counters().timeouts, 1);
}

#[test]
fn a_row_that_is_never_given_back_ends_in_a_time_out() {
    let db = small().lock_timeout(Duration::from_millis(50)).in_memory().unwrap();
    crate::support::fill(&db, 4);
    let holds = |tx: &Transaction| tx.get_for_update(ITEMS, 2).map(drop);
    beside(&db, holds, |_, release| {
        let late = db.modify(ITEMS, 2, |item| item.amount = 0);
        release();
        let error = late.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.to_string().contains("items"), "{error}");
    });
    assert_eq!(amount(&db, 2), 2);
}

#[test]
fn the_dump_shows_who_holds_and_who_waits() {
    let db = with_items(4);
    let reads = |tx: &Transaction| tx.read(ITEMS, |_| true, |_| ()).map(drop);
    beside(&db, reads, |scope, release| {
        let writer = scope.spawn(|| db.modify(ITEMS, 2, |item| item.amount = 0).map(drop));
        until("the writer waits", || waits(&db) > 0);
        let dump = db.locks().dump().to_string();
        release();
        writer.join().unwrap().unwrap();
        for part in ["items", "names.rs", "support.rs"] {
            assert!(dump.contains(part), "{part}: {dump}");
        }
    });
    let after = db.locks().dump().to_string();
    assert!(!after.contains("items"), "everything was given back: {after}");
}
