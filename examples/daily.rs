//! The small calls of every day: ids that are given once, changes that are made only where nobody was faster, rows that expire,
//! and work that is cancelled.
//!
//! `cargo run --example daily`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, SystemTime};

use gangline::{CancelToken, Db, ErrorKind, Result, Table, TransactionOptions};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
    until: SystemTime,
}

const ORDERS: Table<u64, String> = Table::new("orders");
const LEADERS: Table<String, String> = Table::new("leaders");
const SESSIONS: Table<u64, Session> = Table::new("sessions").expires(|session| Some(session.until));

fn main() -> Result<()> {
    let db = Db::in_memory()?;

    // An id is given once: not again after a rollback, a removal or a crash.
    let first = db.transact(|tx| {
        let id = tx.next_id(ORDERS)?;
        tx.insert(ORDERS, id, format!("order {id}"))?;
        Ok(id)
    })?;
    db.remove(ORDERS, first)?;
    assert!(db.next_id(ORDERS)? > first);
    // Rows from elsewhere have ids of their own, which are not given again either.
    db.put(ORDERS, 4_711, "imported".to_owned())?;
    db.skip_ids(ORDERS, 4_711)?;
    assert_eq!(db.next_id(ORDERS)?, 4_712);

    // Whoever is first leads. The other is told who does.
    let bid = |name: &str| db.compare_and_swap(LEADERS, "north", None, Some(name.to_owned()));
    assert!(bid("Togo")?.is_ok());
    let leader = bid("Balto")?.expect_err("the place is taken");
    println!("the leader is {}", leader.as_deref().map_or("nobody", |name| name));

    // Rows that expire are not there any more from their time on, and give back their room when that is asked for.
    let now = SystemTime::now();
    for (user, until) in [("Ada", now + Duration::from_secs(3_600)), ("Bo", now - Duration::from_secs(1))] {
        let id = db.next_id(SESSIONS)?;
        db.put(SESSIONS, id, Session { user: user.to_owned(), until })?;
    }
    assert_eq!(db.len(SESSIONS)?, 1);
    // A transaction sees all of it as of the moment when it began.
    let users = db.transact(|tx| tx.read(SESSIONS, |_| true, |session| session.user.clone()))?;
    println!("{users:?}; {} session was removed", db.remove_expired(SESSIONS)?);

    // A token stops what it was given to, wherever that stands; nothing of it is done.
    let token = CancelToken::new();
    let stopped = db.transact_with(&TransactionOptions::new().cancel(&token), |tx| {
        tx.clear(ORDERS)?;
        token.cancel();
        tx.put(ORDERS, 1, "never".to_owned())
    });
    assert_eq!(stopped.map_err(|error| error.kind()), Err(ErrorKind::Cancelled));
    assert_eq!(db.len(ORDERS)?, 1);
    // So does a deadline, which is also for queries.
    let orders = db.query(ORDERS).deadline(Duration::from_secs(10)).rows()?;
    println!("{} order is left", orders.len());
    Ok(())
}
