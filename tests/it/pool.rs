//! The program's pool: jobs that lock names, read and nest, and never hang.

use gangline::{Db, Error, ErrorKind, Options, Pool, Result};

use crate::support::{ITEMS, Meeting, fill, item, until, waits};

fn db_with_pool_of_2() -> Db {
    let db = Options::new().segment_rows(256).scan_threads(2).pool_threads(2).in_memory().unwrap();
    // More rows than are scanned on the calling thread.
    fill(&db, 2_100);
    db
}

fn render(db: &Db, job: u64) -> Result<u64> {
    let _renderer = db.lock("renderer")?;
    Ok(job + db.read(ITEMS, |item| item.id < 2, |item| item.id)?.len() as u64)
}

#[test]
fn two_hundred_jobs_on_two_threads_lock_a_name_and_read() {
    let db = db_with_pool_of_2();
    for _ in 0..100 {
        let done = db.pool().try_map(0..200, |job| render(&db, job)).unwrap();
        assert_eq!(done, (2..202).collect::<Vec<_>>());
    }
}

#[test]
fn and_from_inside_of_the_programs_own_rayon_pool() {
    use rayon::prelude::*;
    let db = db_with_pool_of_2();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| {
        (0..100).into_par_iter().for_each(|_| {
            let done = db.pool().try_map(0..200, |job| render(&db, job)).unwrap();
            assert_eq!(done, (2..202).collect::<Vec<_>>());
        });
    });
}

#[test]
fn jobs_that_wait_for_a_name_of_the_caller_do_not_stop_its_own_call() {
    let db = db_with_pool_of_2();
    let handle = db.clone();
    // Submitted before the caller has the name, so that they may wait for it.
    let start = std::sync::Arc::new(Meeting::of(3));
    let jobs_start = start.clone();
    let jobs = db.pool().map_async(0..2u64, move |job| {
        jobs_start.wait();
        // The caller takes the name between these two meetings.
        jobs_start.wait();
        render(&handle, job)
    });
    start.wait();
    let renderer = db.lock("renderer").unwrap();
    start.wait();
    until("both threads of the pool wait", || waits(&db) >= 2);
    assert_eq!(db.pool().map(0..50, |x| x + 1).unwrap(), (1..51).collect::<Vec<_>>());
    assert_eq!(db.pool().apply(|| 7).unwrap(), 7);
    let nested = db.pool().map(0..3, |row| db.pool().map(0..3, |column| row + column).unwrap().len()).unwrap();
    assert_eq!(nested, [3, 3, 3]);
    drop(renderer);
    assert_eq!(jobs.wait().unwrap().into_iter().collect::<Result<Vec<_>>>().unwrap(), [2, 3]);
}

#[test]
fn a_job_counts_the_names_of_its_submitter_as_held() {
    let db = db_with_pool_of_2();
    let _m = db.lock("m").unwrap();
    let kinds = db.pool().map(["a", "m", "n"], |name| db.lock(name).map(drop).map_err(|error| error.kind())).unwrap();
    assert_eq!(kinds, [Err(ErrorKind::OutOfOrder), Err(ErrorKind::OutOfOrder), Ok(())]);
    let handle = db.clone();
    let task = db.pool().apply_async(move || handle.lock("a").map(drop).map_err(|error| error.kind()));
    assert_eq!(task.wait().unwrap(), Err(ErrorKind::OutOfOrder));
    // What a job inherits its own jobs inherit too.
    let nested = db.pool().apply(|| db.pool().apply(|| db.lock("a").map(drop).map_err(|error| error.kind())));
    assert_eq!(nested.unwrap().unwrap(), Err(ErrorKind::OutOfOrder));
}

#[test]
fn a_task_is_not_waited_for_under_a_name_taken_after_it() {
    let db = db_with_pool_of_2();
    let task = db.pool().apply_async(|| 1);
    let _renderer = db.lock("renderer").unwrap();
    assert_eq!(task.wait().map_err(|error| error.kind()), Err(ErrorKind::OutOfOrder));
}

#[test]
fn nested_calls_on_one_thread_go_on() {
    let pool = Pool::new(1);
    let sums = pool
        .map(0..10u64, |outer| {
            let inner = pool.map(0..10u64, |inner| pool.apply(|| outer * inner).unwrap()).unwrap();
            inner.iter().sum::<u64>()
        })
        .unwrap();
    assert_eq!(sums.iter().sum::<u64>(), 45 * 45);
}

#[test]
fn results_keep_the_order_of_the_items_whichever_ends_first() {
    let pool = Pool::new(2);
    let second_first = Meeting::of(2);
    let done = pool.map(0..2, |job| {
        // Neither ends before both have begun.
        second_first.wait();
        job
    });
    assert_eq!(done.unwrap(), [0, 1]);
}

#[test]
fn the_first_error_in_item_order_wins() {
    let pool = Pool::new(2);
    let both = Meeting::of(2);
    let failed = pool.try_map(0..2u64, |job| {
        both.wait();
        Err::<(), _>(Wrong(job))
    });
    assert_eq!(failed, Err(Wrong(0)));
}

#[derive(Debug, PartialEq)]
struct Wrong(u64);

impl From<Error> for Wrong {
    fn from(_: Error) -> Self {
        Wrong(u64::MAX)
    }
}

#[test]
fn a_panic_of_a_job_reaches_who_waits_for_it() {
    let pool = Pool::new(2);
    let fail = |job: u64| if job == 3 { std::panic::resume_unwind(Box::new("job 3")) } else { job };
    for _ in 0..5 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.map(0..8, fail)));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"job 3"));
        let task = pool.map_async(0..8, fail);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.wait()));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"job 3"));
    }
    assert_eq!(pool.map(0..3, |x| x).unwrap(), [0, 1, 2], "no thread is lost");
}

#[test]
fn a_task_that_nobody_waits_for_is_done_all_the_same() {
    let pool = Pool::new(1);
    let done = std::sync::Arc::new(Meeting::of(2));
    let there = done.clone();
    drop(pool.apply_async(move || there.wait()));
    done.wait();
}

#[test]
fn jobs_write_in_transactions_of_their_own() {
    let db = db_with_pool_of_2();
    db.pool().try_map(0..100u64, |job| db.modify(ITEMS, job % 5, |item| item.amount += 1).map(drop)).unwrap();
    let sum: i64 = db.query(ITEMS).range(0..5).project(|item| item.amount).collect().unwrap().iter().sum();
    assert_eq!(sum, 10 + 100);
    db.pool().try_map(0..10u64, |job| db.insert(ITEMS, 10_000 + job, item(job))).unwrap();
    assert_eq!(db.len(ITEMS).unwrap(), 2_110);
}
