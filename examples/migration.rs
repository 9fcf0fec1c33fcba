//! A program that changes the type of its rows, and opens the store that it wrote before.
//!
//! `cargo run --example migration`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, Index, Migration, Options, Result, Table};
use serde::{Deserialize, Serialize};

/// The row as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UserV1 {
    name: String,
    age: u8,
}
const USERS_V1: Table<u64, UserV1> = Table::new("users");

/// The row as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    first: String,
    last: String,
    born: u16,
}
const BY_LAST: Index<String, User> = Index::new("by_last", |user, out| out.key(&user.last));
const USERS: Table<u64, User> = Table::new("users").version(2).indexes(&[&BY_LAST]);

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gangline-migration-{}", std::process::id()));
    let outcome = run(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn run(folder: &std::path::Path) -> Result<()> {
    let db = Db::open(folder)?;
    let rows = (0..20_000).map(|id| (id, UserV1 { name: format!("Ada Lovelace{}", id % 100), age: (id % 80) as u8 }));
    db.bulk_load(USERS_V1, rows)?;
    db.close()?;

    // Without a migration the table is refused, and says what to do.
    let db = Db::open(folder)?;
    println!("{}", db.get(USERS, 1).expect_err("the rows have version 1"));
    db.close()?;

    // The closure runs once for each row, in parallel. A crash before it is done leaves version 1.
    let users = Migration::new(USERS)
        .try_from(1, |old: UserV1| {
            let (first, last) = old.name.split_once(' ').ok_or_else(|| format!("no last name in {:?}", old.name))?;
            Ok::<_, String>(User { first: first.into(), last: last.into(), born: 2026 - u16::from(old.age) })
        })
        .progress(|progress| println!("{}: {} of {}", progress.table, progress.rows, progress.of));
    let db = Options::new().migrate(users).open(folder)?;
    let ada = db.get(USERS, 7)?.expect("it is there");
    println!("{} {}, born in {}", ada.first, ada.last, ada.born);
    assert_eq!(db.query(USERS).by(&BY_LAST).equal("Lovelace7").count()?, 200);

    // From now on the old program is refused.
    println!("{}", db.get(USERS_V1, 7).expect_err("the rows have version 2"));
    assert!(db.verify()?.is_clean());
    db.close()
}
