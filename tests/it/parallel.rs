//! Scans on several threads.

use std::collections::HashSet;
use std::thread::ThreadId;

use gangline::{Access, Options};
use parking_lot::Mutex;

use crate::support::{ITEMS, Meeting, fill, with_items};

/// Two rows that are far from each other are looked at at the same time: each waits for the other.
fn two_threads_scan(on: &impl Access) {
    let at_the_same_time = Meeting::of(2);
    let found = on
        .read(
            ITEMS,
            |item| {
                if item.id == 0 || item.id == 4_999 {
                    at_the_same_time.wait();
                }
                item.group == 0
            },
            |item| item.id,
        )
        .unwrap();
    assert_eq!(found, (0..5_000).step_by(7).collect::<Vec<_>>(), "in the order of the keys");
}

#[test]
fn a_barrier_of_two_inside_select_opens() {
    let db = with_items(5_000);
    two_threads_scan(&db);
    two_threads_scan(&db.snapshot());
    db.transact(|tx| {
        two_threads_scan(tx);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_thread_gives_the_same() {
    let one = Options::new().segment_rows(16).scan_threads(1).in_memory().unwrap();
    fill(&one, 5_000);
    let two = with_items(5_000);
    let read = |db: &gangline::Db| db.read(ITEMS, |item| item.id % 3 == 1, |item| item.text.clone()).unwrap();
    assert_eq!(read(&one), read(&two));
}

#[test]
fn a_sequential_query_stays_on_its_thread() {
    let db = with_items(5_000);
    let threads = Mutex::new(HashSet::<ThreadId>::new());
    let query = db.query(ITEMS).sequential().select(|item| {
        threads.lock().insert(std::thread::current().id());
        item.id < 6_000
    });
    let count = query.count().unwrap();
    assert_eq!(count, 5_000);
    assert_eq!(threads.into_inner(), HashSet::from([std::thread::current().id()]));
}

#[test]
fn a_panic_in_a_closure_reaches_the_caller_and_the_next_scan_works() {
    let db = with_items(5_000);
    for _ in 0..3 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            db.read(ITEMS, |item| item.id < 4_000 || std::panic::resume_unwind(Box::new("select")), |item| item.id)
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"select"));
    }
    two_threads_scan(&db);
    db.transact(|tx| tx.read(ITEMS, |_| true, |_| ()).map(drop)).unwrap();
    db.update(ITEMS, |_| true, |item| item.amount = 0).unwrap();
}

#[test]
fn a_scan_may_start_inside_the_programs_own_rayon_pool() {
    let db = with_items(5_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let sums: Vec<i64> = pool.install(|| {
        use rayon::prelude::*;
        (0..20)
            .into_par_iter()
            .map(|_| db.query(ITEMS).fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b).unwrap())
            .collect()
    });
    assert_eq!(sums, vec![4_999 * 2_500; 20]);
}
