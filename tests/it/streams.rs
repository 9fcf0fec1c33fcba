//! Results one after another, and for rayon: what they hold, where they run, how they end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gangline::{CancelToken, Db, ErrorKind, Options, ParallelResults, Query, Result};
use parking_lot::Mutex;
use rayon::iter::ParallelIterator;

use crate::support::{ITEMS, Item, Meeting, amount, beside, fill, item, place, small, with_items};

fn readers(db: &Db) -> u64 {
    db.status().unwrap().readers
}

#[test]
fn a_stream_sees_one_commit_and_lets_go_at_its_end_or_when_it_is_dropped() {
    let db = with_items(1_000);
    let mut stream = db.query(ITEMS).project_keyed(|key, item| (key, item.amount)).iter().unwrap();
    assert_eq!(stream.next().unwrap().unwrap(), (0, 0));
    assert_eq!(readers(&db), 1);
    db.update(ITEMS, |_| true, |item| item.amount = -1).unwrap();
    db.transact(|tx| (0..900).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
    assert_eq!(stream.by_ref().map(|entry| entry.unwrap().1).sum::<i64>(), 999 * 500);
    assert_eq!(readers(&db), 0, "it has ended, and is still there");
    assert!(stream.next().is_none());
    let dropped = db.query(ITEMS).iter().unwrap();
    assert_eq!(readers(&db), 1);
    drop(dropped);
    let mut limited = db.query(ITEMS).limit(2).iter().unwrap();
    assert_eq!((limited.by_ref().count(), readers(&db)), (2, 0));
    let none = db.query(ITEMS).limit(0).iter().unwrap();
    assert_eq!((readers(&db), none.count()), (0, 0));
}

#[test]
fn the_loop_over_a_stream_may_write() {
    let db = with_items(1_000);
    for entry in db.query(ITEMS).select(|item| item.group == 3).reverse().iter().unwrap() {
        let (key, row) = entry.unwrap();
        db.put(ITEMS, key + 10_000, row.to_owned()).unwrap();
        db.remove(ITEMS, key).unwrap();
    }
    assert_eq!(db.query(ITEMS).range(..10_000).select(|item| item.group == 3).count().unwrap(), 0);
    assert_eq!(db.query(ITEMS).range(10_000..).count().unwrap(), 143);
}

#[test]
fn a_stream_in_a_transaction_locks_what_it_covers_and_sees_the_writes_before_it() {
    let db = with_items(1_000);
    db.transact(|tx| {
        tx.put(ITEMS, 5, item(7_777))?;
        let mut seen = Vec::new();
        for entry in tx.query(ITEMS).range(3..8).iter()? {
            let (key, row) = entry?;
            seen.push(row.id);
            tx.put(ITEMS, key, item(8_888))?;
            tx.put(ITEMS, 7, item(9_999))?;
        }
        assert_eq!(seen, [3, 4, 7_777, 6, 7]);
        assert_eq!(tx.query(ITEMS).range(3..8).project(|item| item.id).collect()?, [8_888, 8_888, 8_888, 8_888, 9_999]);
        let rest = tx.query(ITEMS).range(500..).iter()?;
        let dump = db.locks().dump().to_string();
        assert!(dump.contains("segment") && dump.contains('S'), "{dump}");
        drop(rest);
        Ok(())
    })
    .unwrap();
    beside(
        &db,
        |tx| tx.query(ITEMS).range(100..110).iter()?.next().transpose().map(drop),
        |_, _| {
            let writer = gangline::TransactionOptions::new().lock_timeout(Duration::from_millis(20));
            let late = db.transact_with(&writer, |tx| tx.put(ITEMS, 105, item(1)));
            assert_eq!(late.unwrap_err().kind(), ErrorKind::LockTimeout, "what the stream covers stays locked");
            db.put(ITEMS, 900, item(1)).unwrap();
        },
    );
}

#[test]
fn a_stream_over_a_large_table_keeps_little_in_memory() {
    let (_folder, path) = place();
    let db = small().segment_rows(4_000).open(&path).unwrap();
    fill(&db, 40_000);
    db.close().unwrap();
    let db = small().cache_bytes(64 << 10).open(&path).unwrap();
    let mut stream = db.query(ITEMS).project(|item| item.id).iter().unwrap();
    let mut most = 0;
    let mut sum = 0;
    for id in stream.by_ref() {
        sum += id.unwrap();
        if sum % 1_000 == 0 {
            most = most.max(db.status().unwrap().cache_bytes);
        }
    }
    assert_eq!(sum, 39_999 * 20_000);
    // The rows have 11 MB.
    assert!(most < 1 << 20, "{most} bytes in memory");
    drop(stream);
    db.close().unwrap();
}

#[test]
fn cancelled_streams_end_with_one_error() {
    let db = with_items(5_000);
    let stop = CancelToken::new();
    let mut stream = db.query(ITEMS).cancel(&stop).iter().unwrap();
    stream.next().unwrap().unwrap();
    stop.cancel();
    let errors: Vec<ErrorKind> = stream.by_ref().filter_map(|entry| Some(entry.err()?.kind())).collect();
    assert_eq!((errors, readers(&db)), (vec![ErrorKind::Cancelled], 0));
    let stop = CancelToken::new();
    let parallel = db.query(ITEMS).cancel(&stop).par_iter().unwrap();
    stop.cancel();
    let gathered: Result<Vec<_>> = parallel.collect();
    assert_eq!(gathered.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_parallel_iterator_runs_on_the_databases_threads() {
    let db = with_items(5_000);
    let both = Meeting::of(2);
    let threads = Mutex::new(HashSet::new());
    let count = db
        .query(ITEMS)
        .par_iter()
        .unwrap()
        .map(|entry| {
            threads.lock().insert(std::thread::current().name().unwrap_or_default().to_owned());
            let (key, _) = entry.unwrap();
            if key == 0 || key == 4_999 {
                both.wait();
            }
            assert_eq!(db.get(ITEMS, 1).unwrap_err().kind(), ErrorKind::Nested);
        })
        .count();
    assert_eq!(count, 5_000);
    assert_eq!(threads.into_inner(), ["gangline-scan-0", "gangline-scan-1"].map(str::to_owned).into());
    assert_eq!(amount(&db, 1), 1, "the thread that asked is free again");
}

#[test]
fn on_a_pool_of_the_program_it_runs_there_and_splits_only_if_nothing_is_held() {
    let db = with_items(5_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).thread_name(|at| format!("mine-{at}")).build().unwrap();
    // Rayon begins a fold once for each piece.
    let pieces_of = |rows: ParallelResults<'_, Item, u64>| {
        let (pieces, foreign) = (AtomicU64::new(0), AtomicU64::new(0));
        let begin = || {
            pieces.fetch_add(1, Ordering::Relaxed);
        };
        let look = |(): (), _| {
            let mine = std::thread::current().name().is_some_and(|name| name.starts_with("mine-"));
            foreign.fetch_add(u64::from(!mine), Ordering::Relaxed);
        };
        rows.fold(begin, look).count();
        assert_eq!(foreign.into_inner(), 0, "rows on other threads than the program's");
        pieces.into_inner()
    };
    let rows = |query: Query<'_, u64, Item>| pieces_of(query.project(|item| item.id).par_iter().unwrap());
    assert!(pool.install(|| rows(db.query(ITEMS))) > 1);
    assert_eq!(pool.install(|| rows(db.query(ITEMS).sequential())), 1);
    let under_a_name = pool.install(|| {
        let _renderer = db.lock("renderer").unwrap();
        rows(db.query(ITEMS))
    });
    assert_eq!(under_a_name, 1, "a stolen job could want the name");
    assert_eq!(pool.install(|| db.transact(|tx| Ok(rows(tx.query(ITEMS)))).unwrap()), 1);
    let snapshot = db.snapshot();
    let beside_locks = pool.install(|| db.transact(|_| Ok(rows(snapshot.query(ITEMS)))).unwrap());
    assert_eq!(beside_locks, 1, "a stolen job could want what the transaction holds");
    let carried_over = db.transact(|tx| {
        let rows = tx.query(ITEMS).project(|item| item.id).par_iter()?;
        Ok(pool.install(|| pieces_of(rows)))
    });
    assert_eq!(carried_over.unwrap(), 1, "the transaction waits for the pool");
}

/// All threads of the program's pool want a row that a transaction holds while it asks for a parallel iterator: the
/// iterator must not wait for a pool that waits for its own transaction.
#[test]
fn a_full_pool_of_the_program_does_not_stop_a_transaction_that_iterates() {
    let db = with_items(5_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    std::thread::scope(|scope| {
        let sum = db
            .transact(|tx| {
                tx.modify(ITEMS, 1, |item| item.amount += 1)?;
                tx.query(ITEMS).count()?;
                for _ in 0..2 {
                    let db = db.clone();
                    pool.spawn(move || drop(db.modify(ITEMS, 1, |item| item.amount += 1)));
                }
                crate::support::until("both wait", || crate::support::waits(&db) >= 2);
                tx.query(ITEMS).project(|item| item.amount).par_iter()?.try_reduce(|| 0, |a, b| Ok(a + b))
            })
            .unwrap();
        assert_eq!(sum, 4_999 * 2_500 + 1);
        scope.spawn(|| crate::support::until("both are done", || amount(&db, 1) == 4));
    });
}

#[test]
fn parallel_iterators_end_early_and_pass_panics_on() {
    let db = with_items(5_000);
    let seen = AtomicU64::new(0);
    let found = db.query(ITEMS).par_iter().unwrap().find_any(|_| {
        seen.fetch_add(1, Ordering::Relaxed);
        true
    });
    assert!(found.is_some());
    assert!(seen.into_inner() < 100, "one row would do");
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let rows = db.query(ITEMS).project(|item| item.id).par_iter().unwrap();
        rows.for_each(|id| {
            if id.unwrap() == 4_000 {
                std::panic::resume_unwind(Box::new("on purpose"))
            }
        });
    }));
    assert_eq!(panics.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(readers(&db), 0);
    db.put(ITEMS, 1, item(1)).unwrap();
    let limited: Vec<u64> =
        db.query(ITEMS).offset(3).limit(4).project(|item| item.id).par_iter().unwrap().map(Result::unwrap).collect();
    assert_eq!(limited, [3, 4, 5, 6]);
}

#[test]
fn a_scan_of_few_rows_is_not_split() {
    let db = Options::new().in_memory().unwrap();
    fill(&db, 100);
    let here = std::thread::current().id();
    let threads: HashSet<_> = db.query(ITEMS).par_iter().unwrap().map(|_| std::thread::current().id()).collect();
    assert_eq!(threads, HashSet::from([here]));
}
