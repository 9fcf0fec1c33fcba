//! A typed table in a folder: put, get, read in parallel, ask for a range, close, open again.
//!
//! `cargo run --example quickstart`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
    country: String,
    seller: bool,
    balance: i64,
}

/// A table is a constant: its name, its key and its row.
const USERS: Table<u64, User> = Table::new("users");

fn main() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.db");
    let db = Db::open(&path)?;

    // A call is a transaction of its own, and is on disk when it returns.
    db.put(USERS, 0, user(0))?;
    // Many rows go faster in one transaction.
    db.transact(|tx| (1..=5_000).try_for_each(|id| tx.put(USERS, id, user(id))))?;
    println!("users {}", db.len(USERS)?);

    // One row. It is shared with the cache, not copied.
    let row = db.get(USERS, 42)?.expect("it was put above");
    println!("user 42 is {} from {}", row.name, row.country);
    assert_eq!(row.name, "user 42");

    // Select and project run on all cores; the result is in key order.
    let sellers: Vec<String> = db.read(USERS, |user| user.seller, |user| user.name.clone())?;
    println!("sellers {}, the first is {}", sellers.len(), sellers[0]);
    assert_eq!(sellers.len(), 501);

    // A range, with a limit.
    let next: Vec<(u64, i64)> =
        db.query(USERS).range(100..).project_keyed(|id, user| (id, user.balance)).limit(3).collect()?;
    println!("three from 100 on: {next:?}");
    assert_eq!(next.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [100, 101, 102]);

    // A sum, without collecting anything.
    let sum = db.query(USERS).fold(|| 0, |sum, user| sum + user.balance, |a, b| a + b)?;
    println!("all balances {sum}");

    // All sellers get a bonus, in one transaction.
    let changed = db.update(USERS, |user| user.seller, |user| user.balance += 5)?;
    println!("bonuses {changed}");

    db.close()?;
    let db = Db::open(&path)?;
    let again = db.query(USERS).fold(|| 0, |sum, user| sum + user.balance, |a, b| a + b)?;
    println!("all balances after opening again {again}");
    assert_eq!(again, sum + 5 * 501);
    db.close()
}

fn user(id: u64) -> User {
    let country = ["BR", "DE", "PT"][id as usize % 3].to_owned();
    User { name: format!("user {id}"), country, seller: id.is_multiple_of(10), balance: id as i64 % 100 }
}
