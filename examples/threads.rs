//! Threads that write the same rows, in opposite orders, and never deadlock.
//!
//! `cargo run --example threads`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, Result, Table};

const ACCOUNTS: Table<u64, i64> = Table::new("accounts");
const ROWS: u64 = 16;
const TRANSFERS: u64 = 5_000;

fn main() -> Result<()> {
    let db = Db::in_memory()?;
    db.transact(|tx| (0..ROWS).try_for_each(|id| tx.put(ACCOUNTS, id, 100)))?;

    // A `Db` is a handle: threads borrow it or clone it. Half of these threads lock the smaller row first, the other
    // half the larger: with plain row locks two of them would soon wait for each other.
    std::thread::scope(|scope| {
        let upwards = scope.spawn(|| transfer(&db, |a, b| (a.min(b), a.max(b))));
        let downwards = scope.spawn(|| transfer(&db, |a, b| (a.max(b), a.min(b))));
        let watcher = scope.spawn(|| watch(&db));
        [upwards, downwards, watcher].into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;

    let total = sum(&db.read(ACCOUNTS, |_| true, |balance| *balance)?);
    let counters = db.locks().counters();
    println!("transfers {}, sum {total}", 2 * TRANSFERS);
    println!("waits {}, restarts {}, time-outs {}", counters.waits, counters.restarts, counters.timeouts);
    assert_eq!(total, 100 * ROWS as i64);
    assert_eq!(counters.timeouts, 0);
    Ok(())
}

fn transfer(db: &Db, order: impl Fn(u64, u64) -> (u64, u64)) -> Result<()> {
    for turn in 0..TRANSFERS {
        let (a, b) = (turn % ROWS, (turn * 7 + 3) % ROWS);
        if a == b {
            continue;
        }
        let (first, second) = order(a, b);
        db.transact(|tx| {
            tx.modify(ACCOUNTS, first, |balance| *balance -= 1)?;
            tx.modify(ACCOUNTS, second, |balance| *balance += 1)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads never wait for writers, and see either all of a transfer or nothing of it.
fn watch(db: &Db) -> Result<()> {
    for _ in 0..200 {
        let balances = db.read(ACCOUNTS, |_| true, |balance| *balance)?;
        assert_eq!(sum(&balances), 100 * ROWS as i64);
    }
    println!("200 reads in between saw the same sum");
    Ok(())
}

fn sum(balances: &[i64]) -> i64 {
    balances.iter().sum()
}
