//! Transactions that say beforehand what they will lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gangline::{Db, ErrorKind, Footprint, Options, Result, Table, Transaction, TransactionOptions};

use crate::support::{ITEMS, Meeting, amount, beside, item, small, until, waits, with_items};

const COUNTS: Table<String, u64> = Table::new("counts");

fn declaring(footprint: Footprint) -> TransactionOptions {
    TransactionOptions::new().declare(footprint)
}

/// Holds a row exclusively, and leaves it as it is.
fn changes(id: u64) -> impl Fn(&Transaction) -> Result<()> {
    move |tx| tx.modify(ITEMS, id, |_| ()).map(drop)
}

fn transfer(tx: &Transaction, from: u64, to: u64) -> Result<()> {
    tx.modify(ITEMS, from, |item| item.amount -= 1)?;
    std::thread::yield_now();
    tx.modify(ITEMS, to, |item| item.amount += 1).map(drop)
}

#[test]
fn declared_transfers_never_start_over_while_others_do() {
    let db = with_items(8);
    let total = || db.query(ITEMS).fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b).unwrap();
    let (before, start) = (total(), Meeting::of(8));
    let (declared_runs, turns) = (AtomicU64::new(0), 300u64);
    // Not declared and from high to low, in the face of one that goes from low to high: it starts over.
    let runs = AtomicU64::new(0);
    beside(&db, changes(1), |_, release| {
        db.transact(|tx| {
            let outcome = transfer(tx, 6, 1);
            if runs.fetch_add(1, Relaxed) == 0 {
                release();
            }
            outcome
        })
        .unwrap();
    });
    assert_eq!((runs.into_inner(), db.locks().counters().restarts), (2, 1));
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (db, start, declared_runs) = (&db, &start, &declared_runs);
            scope.spawn(move || {
                start.wait();
                for turn in 0..turns {
                    let (low, high) = (turn % 4, 4 + turn % 3);
                    match thread {
                        0 => {
                            let footprint = Footprint::new().write_row(ITEMS, high).write_row(ITEMS, low);
                            db.transact_with(&declaring(footprint), |tx| {
                                declared_runs.fetch_add(1, Relaxed);
                                transfer(tx, high, low)
                            })
                        }
                        1..4 => db.transact(|tx| transfer(tx, low, high)),
                        _ => db.transact(|tx| transfer(tx, high, low)),
                    }
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(declared_runs.into_inner(), turns, "each closure ran once");
    assert_eq!(total(), before);
    assert_eq!(db.locks().counters().timeouts, 0);
}

#[test]
fn all_is_locked_before_the_closure_runs_and_in_order() {
    let db = small().in_memory().unwrap();
    crate::support::fill(&db, 200);
    let footprint = || {
        Footprint::new()
            .write_row(ITEMS, 190)
            .read_row(ITEMS, 100)
            .write_range(ITEMS, 50..60)
            .read_range(ITEMS, 0..10)
            .write(COUNTS)
            .name_shared("palette")
            .name("renderer")
    };
    db.put(COUNTS, "a", 1).unwrap();
    db.transact_with(&declaring(footprint()), |tx| {
        let dump = db.locks().dump();
        let strong = |locks: &&gangline::lock::GranuleLocks| !locks.holders[0].mode.to_string().starts_with('I');
        let seen: Vec<String> = dump
            .granules
            .iter()
            .filter(strong)
            .map(|locks| {
                let text = locks.granule.to_string();
                let low = text.split(" up to ").next().unwrap().trim_end_matches(|c: char| c.is_ascii_digit());
                format!("{} {}", low.trim_end(), locks.holders[0].mode)
            })
            .collect();
        let head = ["name \"palette\" S", "name \"renderer\" X", "table \"counts\" X"];
        assert_eq!(seen[..3], head);
        let inside = &seen[3..];
        assert_eq!(inside[0], "table \"items\" segment from the start S");
        assert!(inside.contains(&"table \"items\" segment from X".to_owned()));
        assert_eq!(inside[inside.len() - 2..], ["table \"items\" row S", "table \"items\" row X"]);
        let before = db.locks().counters();
        tx.put(ITEMS, 190, item(1))?;
        tx.put(COUNTS, "b", 2)?;
        tx.put(ITEMS, 55, item(55))?;
        tx.get(ITEMS, 100)?;
        assert_eq!(tx.query(ITEMS).range(0..10).count()?, 10);
        tx.lock("renderer")?;
        tx.lock_shared("palette")?;
        assert_eq!(db.locks().counters(), before);
        assert_eq!(db.locks().dump().granules.len(), dump.granules.len(), "nothing new was locked");
        Ok(())
    })
    .unwrap();
    // A range without a key in it is none.
    let empty = Footprint::new().read_range(ITEMS, 120..120);
    db.transact_with(&declaring(empty), |_| {
        let granules: Vec<String> =
            db.locks().dump().granules.into_iter().map(|locks| locks.granule.to_string()).collect();
        assert_eq!(granules.len(), 0, "{granules:?}");
        Ok(())
    })
    .unwrap();
    // Within a closure, too, and as often as wanted.
    db.transact(|tx| {
        tx.declare(&footprint())?;
        tx.declare(&footprint())?;
        tx.remove(ITEMS, 190).map(drop)
    })
    .unwrap();
    assert!(db.locks().dump().granules.is_empty());
}

#[test]
fn what_is_declared_is_waited_for_and_the_closure_runs_once() {
    let db = with_items(8);
    let runs = AtomicU64::new(0);
    let adds = |tx: &Transaction| tx.modify(ITEMS, 1, |item| item.amount += 10).map(drop);
    beside(&db, adds, |scope, release| {
        let waited = waits(&db);
        let declared = scope.spawn(|| {
            db.transact_with(&declaring(Footprint::new().write_row(ITEMS, 5).write_row(ITEMS, 1)), |tx| {
                runs.fetch_add(1, Relaxed);
                transfer(tx, 5, 1)
            })
        });
        until("the footprint is waited for", || waits(&db) == waited + 1);
        assert_eq!(runs.load(Relaxed), 0);
        release();
        declared.join().unwrap().unwrap();
    });
    assert_eq!((runs.into_inner(), db.locks().counters().restarts), (1, 0));
    assert_eq!((amount(&db, 1), amount(&db, 5)), (12, 4));
}

#[test]
fn outside_the_footprint_all_is_as_ever() {
    let db = with_items(8);
    let runs = AtomicU64::new(0);
    beside(&db, changes(0), |_, release| {
        db.transact_with(&declaring(Footprint::new().write_row(ITEMS, 5)), |tx| {
            let outcome = tx.modify(ITEMS, 0, |item| item.amount += 1);
            if runs.fetch_add(1, Relaxed) == 0 {
                assert_eq!(outcome.as_ref().unwrap_err().kind(), ErrorKind::Restart);
                release();
            }
            outcome?;
            tx.modify(ITEMS, 5, |item| item.amount += 1)
        })
        .unwrap();
    });
    assert_eq!((runs.into_inner(), amount(&db, 0), amount(&db, 5)), (2, 1, 6));
}

#[test]
fn a_table_that_is_not_there_yet_is_made() {
    let db = Db::in_memory().unwrap();
    let footprint = Footprint::new().write_row(COUNTS, "new").read(ITEMS);
    db.transact_with(&declaring(footprint), |tx| {
        tx.put(COUNTS, "new", tx.len(ITEMS)?)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(COUNTS, "new").unwrap().as_deref(), Some(&0));
}

#[test]
fn a_footprint_that_cannot_be_is_refused_before_the_closure_runs() {
    const OTHER: Table<String, Vec<String>> = Table::new("counts");
    let db = with_items(3);
    db.put(COUNTS, "a", 1).unwrap();
    let long = "k".repeat(gangline::MAX_KEY_BYTES + 1);
    let never = |tx: &Transaction| -> Result<()> { unreachable!("{tx:?}") };
    for (footprint, kind) in [
        (Footprint::new().write_row(COUNTS, &long), ErrorKind::KeyTooLarge),
        (Footprint::new().read(COUNTS).read(OTHER), ErrorKind::SchemaMismatch),
    ] {
        assert_eq!(db.transact_with(&declaring(footprint), never).unwrap_err().kind(), kind);
    }
    let _guard = db.lock("m").unwrap();
    let error = db.transact_with(&declaring(Footprint::new().name("a")), never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfOrder);
    db.transact_with(&declaring(Footprint::new().name("n")), |_| Ok(())).unwrap();
    assert_eq!(db.locks().dump().granules.len(), 2, "only the guard is left");
}

#[test]
fn more_rows_than_a_transaction_may_lock_are_declared_as_a_table() {
    let db = Options::new().max_row_locks(10).in_memory().unwrap();
    db.put(ITEMS, 99, item(99)).unwrap();
    beside(&db, changes(99), |scope, release| {
        let waited = waits(&db);
        let declares = scope.spawn(|| {
            let footprint = (0..50u64).fold(Footprint::new(), |footprint, id| footprint.write_row(ITEMS, id));
            db.transact_with(&declaring(footprint), |tx| {
                let granules: Vec<String> =
                    db.locks().dump().granules.into_iter().map(|locks| locks.granule.to_string()).collect();
                assert_eq!(granules, ["database", "table \"items\""]);
                (0..50u64).try_for_each(|id| tx.put(ITEMS, id, item(id)))
            })
        });
        until("the table is waited for", || waits(&db) == waited + 1);
        release();
        declares.join().unwrap().unwrap();
    });
    assert_eq!(db.locks().counters().restarts, 0);
}

#[test]
fn declared_late_and_refused_all_of_it_is_taken_in_the_next_run() {
    let db = with_items(8);
    let runs = AtomicU64::new(0);
    beside(&db, changes(1), |_, release| {
        db.transact(|tx| {
            let run = runs.fetch_add(1, Relaxed);
            tx.get(ITEMS, 4)?;
            if run == 1 {
                let rows = db
                    .locks()
                    .dump()
                    .granules
                    .iter()
                    .filter(|locks| locks.granule.to_string().contains(" row "))
                    .count();
                assert_eq!(rows, 4, "what was read, and all that was declared");
            }
            let rows = Footprint::new().write_row(ITEMS, 1).write_row(ITEMS, 6).write_row(ITEMS, 7);
            let declared = tx.declare(&rows);
            if run == 0 {
                assert_eq!(declared.as_ref().unwrap_err().kind(), ErrorKind::Restart);
                release();
            }
            declared
        })
        .unwrap();
    });
    assert_eq!(runs.into_inner(), 2);
}
