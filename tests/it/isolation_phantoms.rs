//! Predicate phantoms: rows that come, go or change in what an open transaction has read.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gangline::{Db, ErrorKind, Options, Result, Transaction};

use crate::isolation_stage::{ROWS, holds, row};
use crate::support::{PATIENCE, beside, until};

#[test]
fn an_insert_into_a_range_read() {
    holds(
        "
        rows 1=10 5=50
        T1 range 1..9: 1=10 5=50
        T2 insert 3 30: waits
        T1 range 1..9: 1=10 5=50
        T1 commit: ok
          T2 insert 3 30: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn a_removal_from_a_range_read() {
    holds(
        "
        rows 1=10 5=50
        T1 range 1..9: 1=10 5=50
        T2 remove 5: waits
        T1 range 1..9: 1=10 5=50
        T1 commit: ok
          T2 remove 5: 50
        T2 commit: ok
        ",
    );
}

#[test]
fn an_update_in_a_range_read() {
    holds(
        "
        rows 1=10 5=50
        T1 range 1..9: 1=10 5=50
        T2 add 5 1: waits
        T1 range 1..9: 1=10 5=50
        T1 commit: ok
          T2 add 5 1: 51
        T2 commit: ok
        ",
    );
}

#[test]
fn an_insert_into_an_empty_range() {
    holds(
        "
        rows 1=10 50=500
        T1 range 20..30: none
        T2 once insert 25 1: waits
        T1 range 20..30: none
        T1 commit: ok
          T2 once insert 25 1: ok
        ",
    );
}

#[test]
fn an_insert_beyond_the_last_row() {
    holds(
        "
        rows 1=10 5=50
        T1 range 5..99: 5=50
        T2 once insert 70 1: waits
        T1 last: starts over
          T1 range 5..99: 5=50 70=1
          T1 last: 70=1
          T2 once insert 70 1: ok
        T1 commit: ok
        T1 last: 70=1
        T2 once insert 80 1: waits
        T1 commit: ok
          T2 once insert 80 1: ok
        db all: 1=10 5=50 70=1 80=1
        ",
    );
}

#[test]
fn an_insert_before_the_first_row() {
    holds(
        "
        rows 5=50 6=60
        T1 first: 5=50
        T2 once insert 1 10: waits
        T1 first: 5=50
        T1 commit: ok
          T2 once insert 1 10: ok
        ",
    );
}

#[test]
fn an_insert_into_an_empty_table() {
    holds(
        "
        rows
        T1 all: none
        T2 once insert 1 10: waits
        T1 all: none
        T1 commit: ok
          T2 once insert 1 10: ok
        T1 remove 1: 10
        T1 commit: ok
        T1 range 0..9: none
        T2 once insert 1 10: waits
        T1 range 0..9: none
        T1 commit: ok
          T2 once insert 1 10: ok
        ",
    );
}

#[test]
fn an_insert_into_a_count() {
    holds(
        "
        rows 1=10 2=20
        T1 len: 2
        T2 once insert 3 30: waits
        T3 once remove 1: waits
        T1 len: 2
        T1 commit: ok
          T2 once insert 3 30: ok
          T3 once remove 1: 10
        ",
    );
}

#[test]
fn an_insert_of_a_row_that_was_not_found() {
    holds(
        "
        rows 1=10 9=90
        T1 get 5: none
        T2 once insert 5 50: waits
        T3 once insert 6 60: ok
        T1 get 5: none
        T1 commit: ok
          T2 once insert 5 50: ok
        ",
    );
}

#[test]
fn an_insert_where_a_row_was_removed() {
    holds(
        "
        rows 1=10 5=50
        T1 remove 5: 50
        T2 insert 5 51: waits
        T3 once range 1..9: 1=10 5=50
        T1 abort: ok
          T2 insert 5 51: Exists
        T2 commit: ok
        T1 remove 5: 50
        T2 insert 5 52: waits
        T1 commit: ok
          T2 insert 5 52: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn a_range_read_of_a_row_that_is_being_inserted() {
    holds(
        "
        rows 1=10 5=50
        T1 insert 3 30: ok
        T2 range 1..9: waits
        T3 once range 1..9: 1=10 5=50
        T1 commit: ok
          T2 range 1..9: 1=10 3=30 5=50
        T2 commit: ok
        ",
    );
}

#[test]
fn an_update_of_all_and_an_insert() {
    holds(
        "
        rows 1=10 2=20
        T1 addall 1: 2
        T2 once insert 3 30: waits
        T3 get 1: waits
        T1 commit: ok
          T2 once insert 3 30: ok
          T3 get 1: 11
        T3 commit: ok
        db all: 1=11 2=21 3=30
        ",
    );
}

#[test]
fn own_rows_in_a_range_are_no_phantoms() {
    holds(
        "
        rows 1=10 5=50
        T1 range 1..9: 1=10 5=50
        T1 insert 3 30: ok
        T1 remove 5: 50
        T1 range 1..9: 1=10 3=30
        T1 all: 1=10 3=30
        T2 once range 1..9: 1=10 5=50
        T1 commit: ok
        ",
    );
}

/// A table of many segments with a gap beside each row, and a short patience for locks.
fn segments() -> Db {
    let options = Options::new().segment_rows(4).scan_threads(1).lock_timeout(Duration::from_millis(2));
    let db = options.in_memory().unwrap();
    for key in 0..80 {
        // One at a time, with all else at rest, so that no split is put off.
        db.put(ROWS, 2 * key, row(key as i64)).unwrap();
    }
    assert!(db.status().unwrap().segments > 6, "{} segments", db.status().unwrap().segments);
    db
}

type Write = fn(&Transaction, u64) -> Result<()>;

/// Every way to change what is or is not under a key.
const WRITES: [(&str, Write); 4] = [
    ("put", |tx, key| tx.put(ROWS, key, row(-1))),
    ("insert", |tx, key| match tx.insert(ROWS, key, row(-1)) {
        Err(error) if error.kind() == ErrorKind::Exists => Ok(()),
        other => other,
    }),
    ("remove", |tx, key| tx.remove(ROWS, key).map(drop)),
    ("modify", |tx, key| tx.modify(ROWS, key, |row| row.value += 1).map(drop)),
];

/// What another transaction is told when it tries this write, and takes it back if it may.
fn tries(db: &Db, write: Write, key: u64) -> Option<ErrorKind> {
    enum End {
        Done,
        Refused(ErrorKind),
    }
    impl From<gangline::Error> for End {
        fn from(error: gangline::Error) -> Self {
            End::Refused(error.kind())
        }
    }
    let outcome = db.try_transact(|tx| {
        write(tx, key)?;
        Err::<(), _>(End::Done)
    });
    match outcome {
        Ok(()) | Err(End::Done) => None,
        Err(End::Refused(kind)) => Some(kind),
    }
}

#[test]
fn no_write_gets_into_a_range_at_any_border_of_segments() {
    let db = segments();
    let outside = AtomicU32::new(0);
    for low in (0..156).step_by(3) {
        let range = low..low + 5;
        db.transact(|tx| {
            let before = tx.query(ROWS).range(range.clone()).keys()?;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for key in range.clone() {
                        let (name, write) = WRITES[key as usize % WRITES.len()];
                        let told = tries(&db, write, key);
                        assert_eq!(told, Some(ErrorKind::LockTimeout), "{name} of {key} into {range:?}");
                    }
                    let far = tries(&db, WRITES[0].1, (low + 80) % 160);
                    outside.fetch_add(u32::from(far.is_none()), Relaxed);
                });
            });
            assert_eq!(tx.query(ROWS).range(range.clone()).keys()?, before);
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(outside.into_inner(), 52, "a write far from the range is let in");
}

#[test]
fn no_write_gets_beyond_the_last_row_that_was_read() {
    let db = segments();
    db.transact(|tx| {
        assert_eq!(tx.query(ROWS).range(150..).keys()?, [150, 152, 154, 156, 158]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for key in [150, 158, 159, 160, 1_000, u64::MAX] {
                    assert_eq!(tries(&db, WRITES[0].1, key), Some(ErrorKind::LockTimeout), "put of {key}");
                }
                assert_eq!(tries(&db, WRITES[0].1, 3), None);
            });
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_segment_is_not_split_under_an_open_writer() {
    // Else a reader of a new half would not see that somebody is writing there.
    let db = Options::new().segment_rows(4).scan_threads(1).lock_timeout(PATIENCE).in_memory().unwrap();
    db.put(ROWS, 0, row(0)).unwrap();
    beside(
        &db,
        |tx| tx.put(ROWS, 595, row(1)),
        |scope, release| {
            db.transact(|tx| (1..60).try_for_each(|key| tx.put(ROWS, 10 * key, row(0)))).unwrap();
            assert_eq!(db.status().unwrap().segment_splits, 0, "the split was tried, and put off");
            let reader = scope.spawn(|| db.transact(|tx| tx.query(ROWS).range(590..600).keys()));
            until("the reader waits", || reader.is_finished() || db.locks().dump().to_string().contains("S   wait"));
            assert!(!reader.is_finished(), "the row of the writer was not waited for");
            release();
            assert_eq!(reader.join().unwrap().unwrap(), [590, 595]);
        },
    );
}

#[test]
fn a_border_that_comes_while_the_range_is_wanted_lets_nothing_in() {
    // The range's only segment is split while the reader stands in its queue, so it must look its keys up again. A split
    // has little patience, so the reader may come too late for it, and tries again.
    let options = Options::new().segment_rows(4).scan_threads(1).lock_timeout(PATIENCE);
    let end = Instant::now() + PATIENCE;
    loop {
        let db = options.clone().in_memory().unwrap();
        db.put(ROWS, 0, row(0)).unwrap();
        let keeps = |tx: &Transaction| tx.put(ROWS, 0, row(1));
        let splits_before_the_reader = beside(&db, keeps, |scope, release| {
            // It grows beside that, and the thread that made it grow waits to split it.
            scope.spawn(|| db.transact(|tx| (1..60).try_for_each(|key| tx.put(ROWS, 10 * key, row(0)))));
            let reader = scope.spawn(|| {
                until("the split waits", || db.locks().dump().to_string().contains("split"));
                read_while_an_insert_waits(&db)
            });
            until("the reader waits", || reader.is_finished() || db.locks().dump().to_string().contains("S   wait"));
            release();
            let splits = db.status().unwrap().segment_splits;
            reader.join().unwrap();
            splits
        });
        if splits_before_the_reader == 0 && db.status().unwrap().segment_splits > 0 {
            return;
        }
        assert!(Instant::now() < end, "no reader stood behind a split");
    }
}

/// Reads a range twice in one transaction; an insert into it is tried between.
fn read_while_an_insert_waits(db: &Db) {
    std::thread::scope(|scope| {
        db.transact(|tx| {
            let first = tx.query(ROWS).range(0..1_000).keys()?;
            assert_eq!(first.len(), 60);
            let writer = scope.spawn(|| db.transact(|tx| tx.put(ROWS, 991, row(0))));
            until("the insert waits", || writer.is_finished() || db.locks().dump().to_string().contains("IX  wait"));
            assert!(!writer.is_finished(), "a row came into the range");
            assert_eq!(tx.query(ROWS).range(0..1_000).keys()?, first);
            Ok(())
        })
        .unwrap();
    });
    assert!(db.contains(ROWS, 991).unwrap());
}
