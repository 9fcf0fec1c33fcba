//! What does loading a table cost?
//!
//! Loads the users into a store on disk, durable at the end of each: by transactions, by `bulk_load` in the order of the keys,
//! in another order, between rows that are there, and with an index. The rows are made before. Prints nanoseconds a row, and
//! what a checkpoint after it takes, which a program does not wait for.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use gangline::{Db, Index, Options, Result, Table};
use gangline_bench_support::random::spread;
use gangline_bench_support::user::{USERS, User, user};
use gangline_bench_support::{Size, ms, ns_each, timed};

/// Rows of one transaction.
const BATCH: usize = 10_000;
const BY_EMAIL: Index<String, User> = Index::<String, User>::new("by_email", |user, out| out.key(&user.email)).unique();
const INDEXED: Table<u64, User> = USERS.indexes(&[&BY_EMAIL]);

fn main() -> Result<()> {
    let size = Size::from_args(1_000_000, 200);
    // One of them alone, to count its instructions.
    let only = std::env::args().skip_while(|word| word != "--only").nth(1);
    let users: Vec<User> = (0..size.rows).map(user).collect();
    let row = |at: u64| (at, &users[at as usize]);
    let load = |name: &str, before: &dyn Fn(&Db) -> Result<u64>, load: &dyn Fn(&Db) -> Result<u64>| -> Result<()> {
        if only.as_deref().is_some_and(|only| only != name) {
            return Ok(());
        }
        let folder = tempfile::tempdir().expect("a folder for the store");
        let db = Options::new().open(folder.path().join("store"))?;
        let there = before(&db)?;
        db.checkpoint()?;
        let (time, rows) = timed(|| load(&db));
        let rows = rows?;
        let (settle, outcome) = timed(|| db.checkpoint());
        outcome?;
        assert_eq!(db.len(USERS).or_else(|_| db.len(INDEXED))?, there + rows, "every row is there");
        println!("{name}_ns {:.0}  (checkpoint {:.0} ms)", ns_each(time, rows), ms(settle));
        db.close()
    };
    let nothing = |_: &Db| Ok(0);
    load("transactions", &nothing, &|db| {
        users
            .chunks(BATCH)
            .try_for_each(|users| db.transact(|tx| users.iter().try_for_each(|user| tx.put(USERS, user.id, user))))?;
        db.sync().map(|()| size.rows)
    })?;
    load("ascending", &nothing, &|db| db.bulk_load(USERS, (0..size.rows).map(row)))?;
    load("mixed", &nothing, &|db| db.bulk_load(USERS, (0..size.rows).map(|at| row(spread(at, size.rows)))))?;
    let even = |db: &Db| db.bulk_load(USERS, (0..size.rows).step_by(2).map(row));
    load("between", &even, &|db| db.bulk_load(USERS, (1..size.rows).step_by(2).map(row)))?;
    load("unique_index", &nothing, &|db| db.bulk_load(INDEXED, (0..size.rows).map(row)))
}
