//! Whole transactions on a database in memory under schedules that shuttle picks: locks, commit latch and splits.
//!
//! As in `lock::tests::shuttle_sets`, a case is a number from which all else follows, and a failure names its case.
//! Threads move amounts between accounts in any order, add accounts in pairs and look at all of them; segments are so
//! small that they are split meanwhile. No sum may be off, no pair be seen by half, nothing may deadlock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sync::schedule_tests::{Cases, Dice};
use crate::{Db, Options, Result, Table};

const ACCOUNTS: Table<u32, Account> = Table::new("accounts");
/// Accounts at the beginning. More are added behind and between them.
const FIRST: u32 = 6;
const AMOUNT: i64 = 100;

/// A balance, wide enough that few rows fill a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    balance: i64,
    filler: String,
}

fn account(balance: i64) -> Account {
    Account { balance, filler: "f".repeat(900) }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Transfer {
        from: u32,
        to: u32,
        read_first: bool,
    },
    /// Two accounts that cancel each other out, so that half of them would be seen.
    AddPair(u32),
    Sum,
    Named(u32),
}

fn program(number: u64) -> Vec<Vec<Work>> {
    let mut dice = Dice(number);
    let dice = &mut |bound| dice.below(bound);
    let threads = 2 + dice(2);
    (0..threads)
        .map(|thread| {
            (0..2)
                .map(|turn| match dice(6) {
                    0..3 => {
                        let from = dice(u64::from(FIRST)) as u32;
                        let to = (from + 1 + dice(u64::from(FIRST) - 1) as u32) % FIRST;
                        Work::Transfer { from: 10 * from, to: 10 * to, read_first: dice(2) == 0 }
                    }
                    3 => Work::AddPair((2 * thread + turn) as u32),
                    4 => Work::Sum,
                    _ => Work::Named(10 * dice(u64::from(FIRST)) as u32),
                })
                .collect()
        })
        .collect()
}

fn work(db: &Db, work: Work) -> Result<()> {
    match work {
        Work::Transfer { from, to, read_first } => db.transact(|tx| {
            if read_first {
                tx.get(ACCOUNTS, to)?;
            }
            tx.modify(ACCOUNTS, from, |account| account.balance -= 1)?;
            tx.modify(ACCOUNTS, to, |account| account.balance += 1).map(drop)
        }),
        Work::AddPair(number) => db.transact(|tx| {
            tx.put(ACCOUNTS, 1_000 + number, account(7))?;
            tx.put(ACCOUNTS, 10 * (number % FIRST) + 1 + number % 8, account(-7))
        }),
        Work::Sum => db.transact(|tx| {
            let rows = tx.len(ACCOUNTS)?;
            assert!(rows >= u64::from(FIRST), "{rows} accounts");
            let keys: Vec<u32> = (0..10 * FIRST).chain(1_000..1_010).collect();
            let found = tx.get_many(ACCOUNTS, keys.iter().copied())?;
            let seen: Vec<i64> = found.iter().flatten().map(|account| account.balance).collect();
            assert_eq!(seen.iter().sum::<i64>(), AMOUNT * i64::from(FIRST), "{seen:?}");
            assert_eq!(seen.len() as u64, rows, "a row more or less was counted than read");
            Ok(())
        }),
        Work::Named(key) => {
            let guard = db.lock("lead")?;
            let before = db.get(ACCOUNTS, key)?.map(|account| account.balance);
            drop(guard);
            assert!(before.is_some());
            db.transact(|tx| {
                tx.modify(ACCOUNTS, key, |account| account.balance += 0)?;
                tx.lock_shared("lead")
            })
        }
    }
}

fn play(program: Vec<Vec<Work>>) {
    let options = Options::new().segment_rows(4).scan_threads(1).lock_timeout(Duration::MAX);
    let db = options.in_memory().expect("a database in memory opens");
    for key in 0..FIRST {
        db.put(ACCOUNTS, 10 * key, account(AMOUNT)).expect("a row is put");
    }
    let threads: Vec<_> = program
        .into_iter()
        .map(|program| {
            let db = db.clone();
            shuttle::thread::spawn(move || program.into_iter().try_for_each(|step| work(&db, step)))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread of the case does not panic").expect("every transaction ends well");
    }
    work(&db, Work::Sum).expect("the last look ends well");
    assert_eq!(db.locks().dump().granules.len(), 0, "all locks are given back");
}

const CASES: Cases<Vec<Vec<Work>>> = Cases { make: program, play, count: 20, schedules: 10 };

#[test]
fn random_schedules() {
    CASES.random();
}

#[test]
fn schedules_of_few_switches() {
    CASES.of_few_switches();
}
