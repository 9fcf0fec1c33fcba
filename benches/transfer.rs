//! How many transfers a second between random rows in random order, and how often do they start over?
//!
//! One to sixteen threads, uniform and by Zipf's law (0.99), where a few rows are in nearly every transfer.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Result};

use gangline_bench_support::random::{Random, Zipf};
use gangline_bench_support::user::USERS;
use gangline_bench_support::{Size, eventual, load};

fn main() -> Result<()> {
    let size = Size::from_args(1_000_000, 1_000);
    let time = size.time(Duration::from_secs(3));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = eventual().open(folder.path().join("store"))?;
    load(&db, size.rows)?;
    let before = sum(&db)?;
    let zipf = Zipf::new(size.rows, 0.99);
    for threads in [1, 2, 16] {
        transfer(&db, &format!("uniform_{threads}"), threads, time, |random| random.below(size.rows))?;
        transfer(&db, &format!("zipf_{threads}"), threads, time, |random| zipf.id(random))?;
    }
    assert_eq!(sum(&db)?, before, "no update is lost");
    println!("sum {before}\ntimeouts {}", db.locks().counters().timeouts);
    db.close()
}

fn sum(db: &Db) -> Result<i64> {
    db.query(USERS).fold(|| 0, |sum, user| sum + user.balance, |a, b| a + b)
}

fn transfer(db: &Db, name: &str, threads: u64, time: Duration, draw: impl Fn(&mut Random) -> u64 + Sync) -> Result<()> {
    let restarts = db.locks().counters().restarts;
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (done, draw) = (&done, &draw);
                scope.spawn(move || {
                    let mut random = Random(thread);
                    while start.elapsed() < time {
                        let (from, to) = (draw(&mut random), draw(&mut random));
                        if from != to {
                            db.transact(|tx| {
                                tx.modify(USERS, from, |user| user.balance -= 1)?;
                                tx.modify(USERS, to, |user| user.balance += 1)
                            })?;
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })?;
    let rate = done.into_inner() as f64 / start.elapsed().as_secs_f64();
    println!("transfer_{name}_a_second {rate:.0}");
    println!("transfer_{name}_restarts {}", db.locks().counters().restarts - restarts);
    Ok(())
}
