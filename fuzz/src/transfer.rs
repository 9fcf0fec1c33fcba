//! Threads that move money between random rows in opposite orders, where the sum must hold.
//!
//! Half of the threads lock the smaller key first, the other half the larger: what deadlocks a store with plain row
//! locks. Here nothing may deadlock, so that no lock may time out, and the transactions that could not take a lock out
//! of order start over, which is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::random::Random;

const ACCOUNTS: Table<u64, Account> = Table::new("accounts");
const OPENING_BALANCE: i64 = 1_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    balance: i64,
    moves: u64,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long.
    pub time: Duration,
    /// Threads that transfer.
    pub threads: usize,
    /// Rows. The fewer there are, the more often transactions meet.
    pub accounts: u64,
    /// Makes the same choices again (the schedule is the machine's).
    pub seed: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Transfers committed.
    pub transfers: u64,
    /// Runs of closures that ended in a restart.
    pub restarts: u64,
    /// Requests that had to wait.
    pub waits: u64,
    /// Locks that were not granted in time.
    pub timeouts: u64,
    /// Sums that were read while the threads ran, each of one snapshot.
    pub sums_checked: u64,
    /// All balances at the end.
    pub sum: i64,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { transfers, restarts, waits, timeouts, sums_checked, sum } = self;
        format!(
            "transfers {transfers}\nrestarts {restarts}\nwaits {waits}\ntimeouts {timeouts}\nsums_checked {sums_checked}\n\
             sum {sum}\n"
        )
    }
}

/// Runs the plan on a store in a temporary folder.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    if plan.accounts < 2 {
        return Err(Failure("a transfer needs at least 2 accounts".to_owned()));
    }
    let folder = tempfile::tempdir()?;
    let db = Options::new().durability(Durability::Eventual).segment_rows(64).open(folder.path())?;
    db.transact(|tx| {
        let opening = Account { balance: OPENING_BALANCE, moves: 0 };
        (0..plan.accounts).try_for_each(|id| tx.put(ACCOUNTS, id, &opening))
    })?;
    let expected = plan.accounts as i64 * OPENING_BALANCE;
    let transfers = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let mut sums_checked = 0;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let workers: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let (db, over, transfers) = (&db, &over, &transfers);
                scope.spawn(move || work(db, plan, thread, over, transfers))
            })
            .collect();
        let end = Instant::now() + plan.time;
        let checked = check_sums(&db, expected, end, &mut sums_checked);
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| Failure("a thread panicked".to_owned()))??;
        }
        checked
    })?;
    let sum = sum(&db)?;
    if sum != expected {
        return Err(Failure(format!("the sum is {sum} at the end, and was {expected}")));
    }
    let moves = db.query(ACCOUNTS).fold(|| 0, |sum, account| sum + account.moves, |a, b| a + b)?;
    let transfers = transfers.into_inner();
    if moves != 2 * transfers {
        return Err(Failure(format!("{transfers} transfers left {moves} moves: an update was lost")));
    }
    if !db.verify()?.is_clean() {
        return Err(Failure("the verification found something".to_owned()));
    }
    let counters = db.locks().counters();
    let (restarts, waits, timeouts) = (counters.restarts, counters.waits, counters.timeouts);
    db.close()?;
    Ok(Summary { transfers, restarts, waits, timeouts, sums_checked, sum })
}

fn work(db: &Db, plan: &Plan, thread: usize, over: &AtomicBool, done: &AtomicU64) -> Result<(), Failure> {
    let mut random = Random::part(plan.seed, thread as u64);
    while !over.load(Ordering::Relaxed) {
        let one = random.below(plan.accounts);
        let other = (one + 1 + random.below(plan.accounts - 1)) % plan.accounts;
        let (low, high) = (one.min(other), one.max(other));
        let amount = random.below(50) as i64;
        // Which end pays does not depend on which is locked first.
        let sign = if random.below(2) == 0 { 1 } else { -1 };
        let order = if thread.is_multiple_of(2) { [(low, sign), (high, -sign)] } else { [(high, sign), (low, -sign)] };
        db.transact(|tx| {
            for (id, sign) in order {
                tx.modify(ACCOUNTS, id, |account| {
                    account.balance += sign * amount;
                    account.moves += 1;
                })?;
            }
            Ok(())
        })?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn check_sums(db: &Db, expected: i64, end: Instant, checked: &mut u64) -> Result<(), Failure> {
    while Instant::now() < end {
        let snapshot = db.snapshot();
        let balances = snapshot.read(ACCOUNTS, |_| true, |account| account.balance)?;
        let sum: i64 = balances.iter().sum();
        if sum != expected {
            return Err(Failure(format!("a snapshot has the sum {sum}, and it should be {expected}")));
        }
        *checked += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn sum(db: &Db) -> Result<i64, Failure> {
    Ok(db.query(ACCOUNTS).fold(|| 0, |sum, account| sum + account.balance, |a, b| a + b)?)
}
