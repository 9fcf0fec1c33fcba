//! Many row locks become one lock on their table.

use gangline::{Db, Result, Table, Transaction};

use crate::support::{ITEMS, Item, amount, beside, beside_holder, fill, item, small, until, waits};

/// Locks that are held now, as `granule mode`, but for intents.
fn held(db: &Db) -> Vec<String> {
    let dump = db.locks().dump();
    let lines = dump
        .granules
        .iter()
        .flat_map(|locks| locks.holders.iter().map(move |holder| (locks.granule.to_string(), holder.mode.to_string())));
    lines.filter(|(_, mode)| !mode.starts_with('I')).map(|(granule, mode)| format!("{granule} {mode}")).collect()
}

fn rows_held(db: &Db) -> usize {
    held(db).iter().filter(|lock| lock.contains(" row ")).count()
}

fn few() -> Db {
    let db = small().escalate_row_locks(20).in_memory().unwrap();
    fill(&db, 100);
    db
}

fn write(tx: &Transaction, ids: std::ops::Range<u64>) -> Result<()> {
    ids.into_iter().try_for_each(|id| tx.modify(ITEMS, id, |item| item.amount += 1_000).map(drop))
}

#[test]
fn many_written_rows_become_the_table_and_keep_others_out() {
    let db = &few();
    let before = db.locks().counters();
    std::thread::scope(|scope| {
        let late = db.transact(|tx| {
            write(tx, 0..19)?;
            assert_eq!(rows_held(db), 19);
            write(tx, 19..60)?;
            assert_eq!(held(db), ["table \"items\" X"], "{}", db.locks().dump());
            let waited = waits(db);
            // A row whose own lock was given back, and one that was never locked.
            let late = [3, 99].map(|id| scope.spawn(move || db.modify(ITEMS, id, |item| item.amount *= 2).unwrap()));
            until("both writers wait", || waits(db) == waited + 2);
            Ok(late)
        });
        late.unwrap().into_iter().for_each(|writer| assert!(writer.join().unwrap().is_some()));
    });
    assert_eq!([3, 59, 99].map(|id| amount(db, id)), [2_006, 1_059, 198]);
    let after = db.locks().counters();
    assert_eq!((after.escalations - before.escalations, after.restarts), (1, 0));
}

#[test]
fn a_refused_table_lock_changes_nothing() {
    let db = few();
    let before = db.locks().counters();
    let writes = |tx: &Transaction| write(tx, 99..100);
    beside(&db, writes, |_, _| {
        db.transact(|tx| {
            write(tx, 0..60)?;
            assert_eq!(rows_held(&db), 61);
            Ok(())
        })
        .unwrap();
    });
    let after = db.locks().counters();
    assert_eq!(after.refused_escalations - before.refused_escalations, 9, "at 20 rows and each 5 more");
    assert_eq!((after.restarts, after.waits, after.escalations), (before.restarts, before.waits, before.escalations));
    assert_eq!([0, 59, 60, 99].map(|id| amount(&db, id)), [1_000, 1_059, 60, 1_099]);
}

#[test]
fn many_read_rows_become_the_table_and_let_readers_in() {
    let db = few();
    db.transact(|tx| {
        (0..20).try_for_each(|id| tx.get(ITEMS, id).map(drop))?;
        assert_eq!(held(&db), ["table \"items\" S"]);
        std::thread::scope(|scope| {
            let reads = scope.spawn(|| db.transact(|tx| tx.get(ITEMS, 50)).unwrap().unwrap().amount);
            assert_eq!(reads.join().unwrap(), 50);
        });
        tx.put(ITEMS, 5, item(50))?;
        Ok(())
    })
    .unwrap();
    assert_eq!(amount(&db, 5), 50);
}

#[test]
fn the_limit_of_row_locks_waits_for_the_table() {
    let db = small().max_row_locks(20).escalate_row_locks(1_000).in_memory().unwrap();
    fill(&db, 100);
    let runs = std::sync::atomic::AtomicU64::new(0);
    let before = db.locks().counters();
    let writes = |tx: &Transaction| write(tx, 99..100);
    beside(&db, writes, |_, release| {
        db.transact(|tx| {
            let run = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let written = write(tx, 0..60);
            if run == 0 {
                assert!(written.is_err());
                release();
            } else {
                assert_eq!(held(&db), ["table \"items\" X"]);
            }
            written
        })
        .unwrap();
    });
    assert_eq!(runs.into_inner(), 2);
    let after = db.locks().counters();
    assert_eq!((after.restarts - before.restarts, after.escalations - before.escalations), (1, 1));
    assert_eq!([0, 59, 60, 99].map(|id| amount(&db, id)), [1_000, 1_059, 60, 1_099]);
}

const PLENTY: Table<u32, u64> = Table::new("plenty");

#[test]
fn an_update_of_all_rows_locks_the_table_and_no_row() {
    let db = Db::in_memory().unwrap();
    for start in (0..20_000u32).step_by(1_000) {
        db.transact(|tx| (start..start + 1_000).try_for_each(|id| tx.put(PLENTY, id, u64::from(id)))).unwrap();
    }
    let before = db.locks().counters().escalations;
    db.transact(|tx| {
        assert_eq!(tx.update(PLENTY, |_| true, |row| *row += 1)?, 20_000);
        assert_eq!(held(&db), ["table \"plenty\" X"]);
        assert_eq!(db.locks().counters().escalations, before, "no row was locked before the table");
        Ok(())
    })
    .unwrap();
    assert_eq!(db.update(PLENTY, |_| true, |row| *row += 1).unwrap(), 20_000);
    let sum = db.query(PLENTY).fold(|| 0, |sum, row| sum + row, |a, b| a + b).unwrap();
    assert_eq!(sum, (0..20_000).sum::<u64>() + 40_000);
    // Few hits leave the table to point readers.
    db.transact(|tx| {
        tx.update(PLENTY, |row| *row < 10, |row| *row += 1)?;
        assert_eq!(held(&db).first().map(String::as_str), Some("table \"plenty\" SIX"));
        assert_eq!(rows_held(&db), 8);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_update_of_many_rows_waits_for_the_readers_of_the_table() {
    let db = few();
    let reads_twice = |tx: &Transaction, hold: &dyn Fn()| {
        let row: gangline::Shared<Item> = tx.get(ITEMS, 7)?.unwrap();
        hold();
        assert_eq!(tx.get(ITEMS, 7)?.unwrap().amount, row.amount);
        Ok(())
    };
    beside_holder(&db, reads_twice, |scope, release| {
        let waited = waits(&db);
        let updates = scope.spawn(|| db.update(ITEMS, |_| true, |item| item.amount += 1_000).unwrap());
        until("the update waits", || waits(&db) == waited + 1);
        let dump = db.locks().dump();
        let waiting = dump.granules.iter().filter(|locks| !locks.waiting.is_empty());
        let waiting: Vec<String> = waiting.map(|locks| locks.granule.to_string()).collect();
        assert_eq!(waiting, ["table \"items\""]);
        release();
        assert_eq!(updates.join().unwrap(), 100);
    });
    assert_eq!((amount(&db, 7), db.locks().counters().restarts), (1_007, 0));
}
