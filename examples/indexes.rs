//! Secondary indexes: unique or not, of several fields, several keys a row, for some rows only; built for a table that has
//! rows already; and rows of one table beside those of another.
//!
//! `cargo run --example indexes`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, ErrorKind, First, Index, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
    email: Option<String>,
    country: String,
    roles: Vec<String>,
    age: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    user: u64,
    cents: u64,
}

/// For the users that have an address, and for one each.
const BY_EMAIL: Index<String, User> =
    Index::<String, User>::new("by_email", |user, out| user.email.iter().for_each(|email| out.key(email))).unique();
/// Of two fields: users of a country, in the order of their age.
const BY_COUNTRY: Index<(String, u16), User> =
    Index::new("by_country", |user, out| out.key((user.country.as_str(), user.age)));
/// Several keys a row.
const BY_ROLE: Index<String, User> =
    Index::new("by_role", |user, out| user.roles.iter().for_each(|role| out.key(role)));

/// The table as it was, and as it is now.
const USERS_BEFORE: Table<u64, User> = Table::new("users");
const USERS: Table<u64, User> = Table::new("users").indexes(&[&BY_EMAIL, &BY_COUNTRY, &BY_ROLE]);
const ORDERS: Table<u64, Order> = Table::new("orders");

fn main() -> Result<()> {
    let db = Db::in_memory()?;
    db.transact(|tx| (0..1_000).try_for_each(|id| tx.put(USERS_BEFORE, id, user(id))))?;

    // A table that is there has the indexes that it was made with: others are built first, while it is in use.
    let refused = db.get(USERS, 1).expect_err("it has no indexes yet");
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch);
    let built = db.build_indexes(USERS, |progress| println!("{} of {} rows", progress.rows, progress.of))?;
    println!("built {built} indexes");

    // From then on every put keeps them up, in its own transaction.
    let (id, ada) = db.get_by(USERS, &BY_EMAIL, "user7@example.org")?.expect("it has an address");
    println!("{} is user {id}", ada.name);
    let taken = db.put(USERS, 2_000, &ada).expect_err("the address is taken");
    println!("{taken}");
    assert_eq!(taken.kind(), ErrorKind::Exists);

    // By one key, by the beginning of one, by a range. The rows come in the order of the index.
    let admins = db.query(USERS).by(&BY_ROLE).equal("admin").count()?;
    let youngest = db.query(USERS).by(&BY_COUNTRY).prefix(First("pt")).limit(3).project(|user| user.age).collect()?;
    let grown_up = db.query(USERS).by(&BY_COUNTRY).range(("pt", 18)..=("pt", u16::MAX)).count()?;
    println!("{admins} admins; the youngest in pt are {youngest:?}, and {grown_up} are 18 or more");
    assert!(youngest.is_sorted());

    // In a transaction what was read by an index stays as it was: nobody else becomes an admin until the end.
    let left = db.transact(|tx| {
        let admins = tx.query(USERS).by(&BY_ROLE).equal("admin").keys()?;
        if let [first, _, ..] = admins[..] {
            tx.modify(USERS, first, |user| user.roles.retain(|role| role != "admin"))?;
        }
        tx.query(USERS).by(&BY_ROLE).equal("admin").count()
    })?;
    println!("{left} admins are left");
    assert_eq!(left, admins - 1);

    // Each order beside its user, in parallel and as of one commit.
    db.transact(|tx| (0..5_000).try_for_each(|id| tx.put(ORDERS, id, Order { user: id * 7 % 1_100, cents: id })))?;
    let from_pt = |order: &Order, user: Option<&User>| match user {
        Some(user) if user.country == "pt" => order.cents,
        _ => 0,
    };
    println!("orders from pt: {} cents", db.query(ORDERS).join(USERS, |order| order.user).project(from_pt).sum()?);

    assert!(db.verify()?.is_clean(), "verification compares indexes with their tables");
    db.drop_index("users", "by_role")?;
    println!("without by_role: {}", db.get(USERS, 1).expect_err("the definition still has it"));
    Ok(())
}

fn user(id: u64) -> User {
    User {
        name: format!("user {id}"),
        email: (!id.is_multiple_of(3)).then(|| format!("user{id}@example.org")),
        country: ["at", "de", "pt"][id as usize % 3].to_owned(),
        roles: match id {
            _ if id.is_multiple_of(50) => vec!["buyer".to_owned(), "admin".to_owned()],
            _ if id.is_multiple_of(10) => vec!["buyer".to_owned(), "seller".to_owned()],
            _ => vec!["buyer".to_owned()],
        },
        age: 10 + (id * 31 % 70) as u16,
    }
}
