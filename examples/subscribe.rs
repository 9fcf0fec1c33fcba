//! A table followed: as it changes, from where one had got to, and by a mirror that is right whatever happens.
//!
//! `cargo run --example subscribe`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gangline::{Db, Event, Options, Position, Result, Subscription, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    stock: u32,
}

const PRODUCTS: Table<u64, Product> = Table::new("products");

fn product(name: &str, stock: u32) -> Product {
    Product { name: name.to_owned(), stock }
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gangline-subscribe-{}", std::process::id()));
    let outcome = run(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

/// Keeps so much of the journal that a subscriber may be away for a while.
fn open(folder: &Path) -> Result<Db> {
    Options::new().keep_journal_bytes(256 << 20).open(folder)
}

fn run(folder: &Path) -> Result<()> {
    let db = open(folder)?;
    db.put(PRODUCTS, 1, product("booties", 40))?;

    // A mirror on a thread of its own: what the table has now, and then what changes. The subscription is opened first, so
    // that nothing falls between the two.
    let mut feed = db.subscribe(PRODUCTS).open()?;
    let mut mirror = Mirror::default();
    mirror.read_again(&db)?;
    let kept = feed.reached();
    let follower = {
        let db = db.clone();
        thread::spawn(move || mirror.follow(&db, &mut feed, 4).map(|_| mirror))
    };
    db.put(PRODUCTS, 2, product("harness", 5))?;
    db.modify(PRODUCTS, 1, |product| product.stock -= 1)?;
    db.bulk_load(PRODUCTS, (10..15).map(|id| (id, product("lantern", 1))))?;
    db.remove(PRODUCTS, 2)?;
    let mirror = follower.join().expect("the follower does not panic")?;
    assert_eq!(mirror.rows.len(), 6);

    // With the rows before, of some keys only.
    let mut low = db.subscribe(PRODUCTS).range(..10).with_old().open()?;
    db.modify(PRODUCTS, 1, |product| product.stock -= 2)?;
    if let Some(event) = low.next_timeout(Duration::from_secs(10))? {
        for change in event.changes() {
            let before = change.old.row().map(|product| product.stock);
            let after = change.new.as_ref().map(|product| product.stock);
            println!("product {}: {before:?} -> {after:?}", change.key);
        }
    }
    db.close()?;

    // A position can be kept anywhere. Whoever was away gets what has happened meanwhile, each commit once.
    let text = serde_json::to_string(&kept).expect("a position is plain data");
    let db = open(folder)?;
    let position: Position = serde_json::from_str(&text).expect("it was written a moment ago");
    let mut late = db.subscribe(PRODUCTS).from(position).open()?;
    let commits = Mirror::default().follow(&db, &mut late, 5)?;
    println!("{commits} commits happened since commit {}", position.commit());
    db.close()
}

/// The table as the subscription tells it.
#[derive(Debug, Default)]
struct Mirror {
    rows: BTreeMap<u64, Product>,
}

impl Mirror {
    /// Takes so many events.
    fn follow(&mut self, db: &Db, feed: &mut Subscription<u64, Product>, events: usize) -> Result<usize> {
        let mut count = 0;
        for event in feed.take(events) {
            match event? {
                Event::Rows { changes, .. } => {
                    for change in changes {
                        match change.new {
                            Some(row) => self.rows.insert(change.key, row.to_owned()),
                            None => self.rows.remove(&change.key),
                        };
                    }
                }
                Event::Dropped { .. } => self.rows.clear(),
                // Too many rows to be listed, or commits that were missed. What is read now may have commits that are
                // still to be delivered: they change nothing then.
                _ => self.read_again(db)?,
            }
            count += 1;
        }
        Ok(count)
    }

    fn read_again(&mut self, db: &Db) -> Result<()> {
        let entries = db.query(PRODUCTS).iter()?.map(|entry| entry.map(|(key, row)| (key, row.to_owned())));
        self.rows = entries.collect::<Result<_>>()?;
        Ok(())
    }
}
