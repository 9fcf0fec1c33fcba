//! What does a unique index cost a put, and what does a read by an index cost?
//!
//! The store is in memory, so that no disk hides the work. Prints `unique_put_ratio`: a put into a table with a unique index
//! beside one into the same table without, of new rows and of rows whose key in the index changes. The least of several
//! interleaved rounds is taken of each.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::time::Duration;

use gangline::{Db, Index, Result, Table};
use gangline_bench_support::random::spread;
use gangline_bench_support::user::{USERS, User, user};
use gangline_bench_support::{Size, eventual, load, ns_each, timed};

const ROUNDS: usize = 7;

const PLAIN: Table<u64, User> = Table::new("plain");
const INDEXED: Table<u64, User> = Table::new("indexed").indexes(&[&BY_EMAIL]);
const BY_EMAIL: Index<String, User> = Index::<String, User>::new("by_email", |user, out| out.key(&user.email)).unique();
const BY_COUNTRY: Index<String, User> = Index::new("by_country", |user, out| out.key(&user.country));
const LISTED: Table<u64, User> = USERS.indexes(&[&BY_COUNTRY]);

fn main() -> Result<()> {
    let size = Size::from_args(100_000, 200);
    let mut least = [[Duration::MAX; 2]; 2];
    let mut gets = [Duration::MAX; 2];
    for round in 0..ROUNDS {
        let db = eventual().in_memory()?;
        let mut tables = [PLAIN, INDEXED];
        if round % 2 == 1 {
            tables.reverse();
        }
        for table in tables {
            let which = usize::from(table.name() == INDEXED.name());
            for (changed, least) in least[which].iter_mut().enumerate() {
                let time = puts(&db, table, size.rows, changed == 1)?;
                *least = time.min(*least);
            }
        }
        gets[0] = gets[0].min(reads(size.rows, |id| db.get(INDEXED, id).map(|row| row.is_some()))?);
        let by_email = |id| db.get_by(INDEXED, &BY_EMAIL, &changed(user(id), true).email).map(|row| row.is_some());
        gets[1] = gets[1].min(reads(size.rows, by_email)?);
    }
    for (which, name) in ["plain", "unique"].into_iter().enumerate() {
        println!("{name}_put_ns {:.0}", ns_each(least[which][0], size.rows));
        println!("{name}_change_ns {:.0}", ns_each(least[which][1], size.rows));
    }
    let ratio = |at: usize| least[1][at].as_secs_f64() / least[0][at].as_secs_f64();
    println!("unique_put_ratio {:.2}\nunique_change_ratio {:.2}", ratio(0), ratio(1));
    println!("get_ns {:.0}\nget_by_ns {:.0}", ns_each(gets[0], size.rows), ns_each(gets[1], size.rows));
    ranges(size.rows)
}

fn changed(mut user: User, changed: bool) -> User {
    if changed {
        user.email.push_str(".uk");
    }
    user
}

/// The time of a put for each row, one after another in an order that is not that of the keys. The rows are made before.
fn puts(db: &Db, table: Table<u64, User>, rows: u64, change: bool) -> Result<Duration> {
    let rows: Vec<User> = (0..rows).map(|at| changed(user(spread(at, rows)), change)).collect();
    let (time, outcome) = timed(|| rows.into_iter().try_for_each(|row| db.put(table, row.id, row)));
    outcome.map(|()| time)
}

fn reads(rows: u64, read: impl Fn(u64) -> Result<bool>) -> Result<Duration> {
    let check = |at| {
        assert!(read(spread(at, rows))?, "every row is there");
        Ok(())
    };
    let (time, outcome) = timed(|| (0..rows).try_for_each(check));
    outcome.map(|()| time)
}

/// How fast indexes are built, and the rows of a quarter of the table read by one.
fn ranges(rows: u64) -> Result<()> {
    let db = eventual().in_memory()?;
    load(&db, rows)?;
    let (time, built) = timed(|| db.build_indexes(LISTED, |_| ()));
    built?;
    println!("build_ns_a_row {:.0}", ns_each(time, rows));
    let (time, found) = timed(|| db.query(LISTED).by(&BY_COUNTRY).equal("DE").project(|user| user.id).collect());
    let found = found?.len();
    println!("by_index_ns_a_row {:.0}", ns_each(time, found as u64));
    let (time, scanned) = timed(|| db.read(LISTED, |user| user.country == "DE", |user| user.id));
    println!("scan_ns_a_row {:.0}", ns_each(time, rows));
    assert_eq!(found, scanned?.len(), "both ways find the same rows");
    Ok(())
}
