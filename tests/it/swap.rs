//! `compare_and_swap`, alone and inside transactions.

use std::time::Duration;

use gangline::{ErrorKind, Result, Table, TransactionOptions};

use crate::support::{ITEMS, beside, item, small, with_items};

const COUNTERS: Table<String, u64> = Table::new("counters");

#[test]
fn it_is_done_only_where_the_row_is_as_expected() {
    let db = with_items(10);
    let (old, new) = (item(3), item(33));
    let there = db.compare_and_swap(ITEMS, 3, Some(&item(4)), Some(new.clone())).unwrap().unwrap_err();
    assert_eq!(there.as_deref(), Some(&old), "another row");
    let there = db.compare_and_swap(ITEMS, 3, None, Some(new.clone())).unwrap().unwrap_err();
    assert_eq!(there.as_deref(), Some(&old), "none was expected");
    let there = db.compare_and_swap(ITEMS, 100, Some(&old), None).unwrap().unwrap_err();
    assert!(there.is_none(), "one was expected");
    assert_eq!(*db.get(ITEMS, 3).unwrap().unwrap(), old);
    assert_eq!(db.len(ITEMS).unwrap(), 10);
    db.compare_and_swap(ITEMS, 3, Some(&old), Some(new.clone())).unwrap().unwrap();
    assert_eq!(*db.get(ITEMS, 3).unwrap().unwrap(), new);
    db.compare_and_swap(ITEMS, 3, Some(&new), None).unwrap().unwrap();
    db.compare_and_swap(ITEMS, 3, None, None).unwrap().unwrap();
    db.compare_and_swap(ITEMS, 100, None, Some(item(100))).unwrap().unwrap();
    assert!(!db.contains(ITEMS, 3).unwrap() && db.contains(ITEMS, 100).unwrap());
}

#[test]
fn counting_by_swaps_loses_nothing() {
    let db = small().in_memory().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let mut seen = db.get(COUNTERS, "all").unwrap().map(|count| *count);
                    while let Err(now) =
                        db.compare_and_swap(COUNTERS, "all", seen.as_ref(), Some(seen.unwrap_or(0) + 1)).unwrap()
                    {
                        seen = now.map(|count| *count);
                    }
                }
            });
        }
    });
    assert_eq!(db.get(COUNTERS, "all").unwrap().as_deref(), Some(&1_200));
}

#[test]
fn in_a_transaction_it_sees_what_that_wrote_and_keeps_the_key_locked() {
    let db = with_items(10);
    db.transact(|tx| {
        tx.put(ITEMS, 5, item(55))?;
        assert!(tx.compare_and_swap(ITEMS, 5, Some(&item(5)), None)?.is_err());
        assert!(tx.compare_and_swap(ITEMS, 5, Some(&item(55)), Some(item(56)))?.is_ok());
        Ok(())
    })
    .unwrap();
    assert_eq!(db.get(ITEMS, 5).unwrap().unwrap().id, 56);
    let fails = |tx: &gangline::Transaction| -> Result<()> {
        assert!(tx.compare_and_swap(ITEMS, 77, Some(&item(1)), None)?.is_err());
        Ok(())
    };
    beside(&db, fails, |_, _| {
        let hasty = TransactionOptions::new().lock_timeout(Duration::from_millis(20));
        let late = db.transact_with(&hasty, |tx| tx.insert(ITEMS, 77, item(77)));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::LockTimeout, "that it is not there stays so");
    });
    db.transact(|_| {
        assert_eq!(db.compare_and_swap(ITEMS, 5, None, None).unwrap_err().kind(), ErrorKind::Nested);
        Ok(())
    })
    .unwrap();
}
