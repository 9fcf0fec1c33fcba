//! What does a lock cost when nobody else wants it?
//!
//! A name by the lock manager, a row with its three intents inside a transaction, and beside them what a program would
//! build by hand: a `RwLock`, and a `DashMap` of them.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use gangline::{LockManager, Result};
use parking_lot::RwLock;

use support::{Random, Size, USERS, eventual, load, ns_of};

fn main() -> Result<()> {
    let size = Size::from_args(100_000, 1_000);
    let time = size.time(Duration::from_secs(1));
    let print = |name: &str, ns: f64| println!("{name} {ns:.1}");

    let lock = RwLock::new(0u64);
    print("rwlock_write_ns", ns_of(time, || drop(black_box(lock.write()))));
    print("rwlock_read_ns", ns_of(time, || drop(black_box(lock.read()))));

    let map: DashMap<u64, Arc<RwLock<()>>> = (0..size.rows).map(|key| (key, Arc::default())).collect();
    let mut random = Random(1);
    let pair = || {
        let lock = map.get(&random.below(size.rows)).map(|lock| Arc::clone(&lock));
        if let Some(lock) = lock {
            drop(black_box(lock.write()));
        }
    };
    print("dashmap_of_rwlock_ns", ns_of(time, pair));

    let manager = LockManager::new(Duration::from_secs(10));
    let take = || drop(black_box(manager.lock("renderer")));
    print("name_exclusive_ns", ns_of(time, take));
    let share = || drop(black_box(manager.lock_shared("renderer")));
    print("name_shared_ns", ns_of(time, share));

    let db = eventual().in_memory()?;
    load(&db, size.rows)?;
    let mut random = Random(2);
    let empty = ns_of(time, || db.transact(|_| Ok(())).expect("nothing stands in the way"));
    print("empty_transaction_ns", empty);
    let row = || {
        let id = random.below(size.rows);
        let row = db.transact(|tx| tx.get_for_update(USERS, id)).expect("nothing stands in the way");
        drop(black_box(row));
    };
    let locked = ns_of(time, row);
    print("row_read_for_update_ns", locked);
    let point = || drop(black_box(db.get(USERS, random.below(size.rows)).expect("nothing stands in the way")));
    let read = ns_of(time, point);
    print("row_read_ns", read);
    // What is left is the row lock with its intents on database, table and segment, taken and given back.
    print("row_lock_with_intents_ns", locked - read - empty);
    Ok(())
}
