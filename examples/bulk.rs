//! Many rows at once: loads in any order, several puts in one transaction, ranges and tables that go.
//!
//! `cargo run --example bulk`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Instant;

use gangline::{Db, ErrorKind, Index, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    day: u32,
    text: String,
}

const BY_DAY: Index<u32, Event> = Index::new("by_day", |event, out| out.key(event.day));
const EVENTS: Table<u64, Event> = Table::new("events").indexes(&[&BY_DAY]);

fn event(id: u64) -> (u64, Event) {
    (id, Event { day: (id / 1_000) as u32, text: format!("event {id}") })
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gangline-bulk-{}", std::process::id()));
    let outcome = run(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn run(folder: &std::path::Path) -> Result<()> {
    let db = Db::open(folder)?;

    // Straight into full pages: no lock and no journal record for each row. All of it is durable now, with the index.
    let start = Instant::now();
    let rows = db.bulk_load(EVENTS, (0..50_000).map(event))?;
    println!("loaded {rows} rows in {:?}", start.elapsed());
    assert_eq!(db.query(EVENTS).by(&BY_DAY).equal(7).count()?, 1_000);

    // Rows in another order are sorted, and those between others are merged with them.
    db.bulk_load(EVENTS, (60_000..70_000).rev().map(event))?;
    db.bulk_load(EVENTS, (50_000..60_000).map(event))?;

    // A load only adds rows. One that is there ends it, and then nothing was loaded.
    let refused = db.bulk_load(EVENTS, [event(80_000), event(5)]).expect_err("event 5 is there");
    println!("{refused}");
    assert_eq!(refused.kind(), ErrorKind::Exists);
    assert!(!db.contains(EVENTS, 80_000)?);

    // For some rows in a large table, or such as may be there: an ordinary transaction.
    db.put_many(EVENTS, [event(80_000), event(5)])?;

    // Old rows go by whole segments, while a snapshot still has them.
    let before = db.snapshot();
    println!("removed {} rows", db.remove_range(EVENTS, ..65_000)?);
    assert_eq!((db.len(EVENTS)?, before.query(EVENTS).count()?), (5_001, 70_001));
    assert!(db.verify()?.is_clean());

    // Inside a transaction, row by row, with what else belongs to it.
    let removed = db.transact(|tx| {
        let removed = tx.remove_range(EVENTS, ..66_000)?;
        tx.put_many(EVENTS, [event(1), event(2)])?;
        Ok(removed)
    })?;
    assert_eq!((removed, db.len(EVENTS)?), (1_000, 4_003));

    // What is stored tells what it is, without the types of the program.
    let (key, row) = db.stored_rows("events")?.next().expect("event 1 is there")?;
    println!("{key}: {row}");
    assert_eq!(row.to_string(), r#"{"day":0,"text":"event 1"}"#);

    println!("cleared {} rows", db.clear(EVENTS)?);
    assert!(db.drop_table("events")?);
    assert!(!db.drop_table("events")?, "it is gone");
    db.close()
}
