//! How much faster is a fold on all threads than on one, and what do the other operators cost?
//!
//! All go over the same rows in memory, in turns, so that what disturbs one disturbs all.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::error::Error;
use std::time::Duration;

use gangline::{Db, Query};
use rayon::iter::ParallelIterator;

use gangline_bench_support::user::{USERS, User};
use gangline_bench_support::{Size, eventual, load, median, ns_each, timed};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is measured: its name, and what gives the same number for all.
type Way = (&'static str, fn(Query<'_, u64, User>) -> gangline::Result<i128>);

const WAYS: [Way; 7] = [
    ("fold", |query| fold(query)),
    ("fold_one_thread", |query| fold(query.sequential())),
    ("sum", |query| query.project(|user| user.balance).sum()),
    ("group_by", |query| Ok(query.group_by(|user| user.roles.len()).sum(|user| user.balance)?.into_values().sum())),
    ("par_iter", |query| {
        let balances = query.project(|user| i128::from(user.balance)).par_iter()?;
        balances.try_reduce(|| 0, |a, b| Ok(a + b))
    }),
    ("iter", |query| query.project(|user| user.balance).iter()?.map(|balance| balance.map(i128::from)).sum()),
    ("rows", |query| Ok(query.rows()?.iter().map(|user| i128::from(user.balance)).sum())),
];

fn main() -> Outcome<()> {
    let size = Size::from_args(1_000_000, 5_000);
    let folder = tempfile::tempdir()?;
    let db = eventual().open(folder.path().join("store"))?;
    load(&db, size.rows)?;
    println!("rows {}", size.rows);
    let expected = i128::from(size.rows) * 1_000;
    let mut times = WAYS.map(|_| Vec::new());
    let rounds = if size.test { 1 } else { 11 };
    // The first round decodes, and does not count.
    for round in 0..=rounds {
        for ((name, way), times) in WAYS.iter().zip(&mut times) {
            let (time, sum) = measure(&db, *way)?;
            if sum != expected {
                return Err(format!("{name} gives {sum} and not {expected}").into());
            }
            if round > 0 {
                times.push(time);
            }
        }
    }
    let times = times.map(median);
    for ((name, _), time) in WAYS.iter().zip(&times) {
        println!("{name}_ns_a_row {:.1}", ns_each(*time, size.rows));
    }
    println!("fold_ratio {:.2}", times[0].as_secs_f64() / times[1].as_secs_f64());
    Ok(db.close()?)
}

fn measure(db: &Db, way: fn(Query<'_, u64, User>) -> gangline::Result<i128>) -> Outcome<(Duration, i128)> {
    let (time, sum) = timed(|| way(db.query(USERS)));
    Ok((time, sum?))
}

fn fold(query: Query<'_, u64, User>) -> gangline::Result<i128> {
    query.fold(|| 0, |sum, user| sum + i128::from(user.balance), |a, b| a + b)
}
