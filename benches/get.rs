//! What does reading one row by its key cost, where all rows are in memory and decoded?
//!
//! Keys are drawn beforehand, so that what is measured is the read: over all rows, where each read meets cold lines of
//! memory, and over a few, where none does. The reference is a `BTreeMap` of the same rows in the same run.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use gangline::{Db, Result};
use gangline_bench_support::random::Random;
use gangline_bench_support::user::{USERS, User, user};
use gangline_bench_support::{Size, eventual, load, middle, ns_of};

/// Reads of which the middle time is told.
const ROUNDS: usize = 5;
/// So few rows that they stay in the processor's nearest memory.
const FEW: u64 = 64;

fn main() -> Result<()> {
    let size = Size::from_args(1_000_000, 1_000);
    let db = eventual().in_memory()?;
    load(&db, size.rows)?;
    let map: BTreeMap<u64, User> = (0..size.rows).map(|id| (id, user(id))).collect();
    // All pages are decoded once.
    db.read(USERS, User::is_seller, |_| ())?;
    for (name, rows) in [("all", size.rows), ("few", FEW.min(size.rows))] {
        let mut random = Random(1);
        let ids: Vec<u64> = (0..1 << 20).map(|_| random.below(rows)).collect();
        let (ours, bare) = measure(&size, &db, &map, &ids);
        println!("get_{name}_ns {ours:.1}\nbtreemap_{name}_ns {bare:.1}\nget_{name}_btreemap_ratio {:.2}", bare / ours);
    }
    db.close()
}

/// Nanoseconds of a read from the store and from the map, round by round in turns.
fn measure(size: &Size, db: &Db, map: &BTreeMap<u64, User>, ids: &[u64]) -> (f64, f64) {
    let time = size.time(Duration::from_millis(400));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut next = ids.iter().cycle();
        ours.push(ns_of(time, || {
            let id = *next.next().expect("a cycle has no end");
            let row = db.get(USERS, id).expect("a store in memory reads");
            black_box(row.map(|user| user.sum()));
        }));
        let mut next = ids.iter().cycle();
        bare.push(ns_of(time, || {
            let id = *next.next().expect("a cycle has no end");
            black_box(map.get(&id).map(User::sum));
        }));
    }
    (middle(ours), middle(bare))
}
