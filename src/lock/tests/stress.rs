//! Threads against each other for a second or two: no lost update, no wait without end, nothing left.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;
use crate::ErrorKind;
use crate::error::Result;
use crate::lock::mode::Mode::{S, U, X};

/// A small generator with a seed, so that a failure can be run again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

const ACCOUNTS: u64 = 40;

struct Bank {
    manager: Arc<LockManager>,
    table: Arc<TestTable>,
    other: Arc<TestTable>,
    /// Read and written apart, so that an update is lost where two hold one row.
    accounts: Vec<AtomicI64>,
}

fn key(account: u64) -> [u8; 1] {
    [account as u8 * 6]
}

impl Bank {
    fn new() -> Self {
        Bank {
            manager: manager(),
            table: TestTable::new(1, &[&[60], &[120], &[180]]),
            other: TestTable::new(2, &[]),
            accounts: (0..ACCOUNTS).map(|_| AtomicI64::new(100)).collect(),
        }
    }

    fn add(&self, account: u64, amount: i64) {
        let account = &self.accounts[account as usize];
        let balance = account.load(Ordering::Relaxed);
        std::hint::spin_loop();
        account.store(balance + amount, Ordering::Relaxed);
    }

    /// One transaction, run again as often as it is refused. Returns the number of restarts.
    fn transact(&self, body: impl Fn(&mut LockSet) -> Result<()>) -> u64 {
        let mut set = set(&self.manager);
        loop {
            match body(&mut set) {
                Ok(()) => return u64::from(set.restarts()),
                Err(error) if error.kind() == ErrorKind::Restart => set.restart().unwrap(),
                Err(error) => panic!("{error}\n{}", self.manager.dump()),
            }
        }
    }

    fn transfer(&self, from: u64, to: u64) -> u64 {
        self.transact(|set| {
            set.lock_row(&self.table, &key(from), X)?;
            set.lock_row(&self.table, &key(to), X)?;
            self.add(from, -1);
            self.add(to, 1);
            Ok(())
        })
    }

    fn transfer_by_upgrade(&self, from: u64, to: u64) -> u64 {
        self.transact(|set| {
            set.lock_row(&self.table, &key(from), U)?;
            set.lock_row(&self.other, &key(to), S)?;
            set.lock_row(&self.table, &key(to), S)?;
            set.lock_row(&self.table, &key(to), X)?;
            set.lock_row(&self.table, &key(from), X)?;
            self.add(from, -1);
            self.add(to, 1);
            Ok(())
        })
    }

    fn sum(&self, low: Option<u64>) -> u64 {
        self.transact(|set| {
            match low {
                None => set.lock_table(&self.table, S)?,
                Some(low) => {
                    set.lock_range(&self.table, &key(low), None, S)?;
                    set.lock_range(&self.table, b"", Some(&key(low)), S)?;
                }
            }
            let sum: i64 = self.accounts.iter().map(|account| account.load(Ordering::Relaxed)).sum();
            assert_eq!(sum, 100 * ACCOUNTS as i64, "a transfer was seen half done");
            Ok(())
        })
    }

    fn split(&self, at: u64) {
        let mut system = set(&self.manager);
        let segment = self.table.locate(&key(at));
        let deadline = Instant::now() + Duration::from_millis(20);
        if *segment.low != key(at) && system.lock_segment(&self.table, &segment, X, deadline).unwrap() {
            self.table.split(&key(at));
        }
    }

    fn merge(&self, at: u64) {
        let deadline = Instant::now() + Duration::from_millis(20);
        if let Some(_system) = lock_neighbours(&self.manager, &self.table, &key(at), deadline) {
            self.table.merge(&key(at));
        }
    }

    fn run(&self, seed: u64, end: Instant, restarts: &AtomicU64) -> u64 {
        let mut dice = Dice(seed);
        let mut runs = 0;
        while Instant::now() < end {
            let (from, to) = (dice.below(ACCOUNTS), dice.below(ACCOUNTS));
            let restarted = match dice.below(40) {
                0 => self.sum(None),
                1 => self.sum(Some(from)),
                2 if runs > 500 && self.table.segments.read().len() < 12 => {
                    self.split(from);
                    0
                }
                3 if self.table.segments.read().len() > 6 => {
                    self.merge(from);
                    0
                }
                4..20 => self.transfer(from, to),
                _ if from != to => self.transfer_by_upgrade(from, to),
                _ => 0,
            };
            restarts.fetch_add(restarted, Ordering::Relaxed);
            runs += 1;
        }
        runs
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "counts that a reader of the test's output wants to see")]
fn transfers_in_any_order_keep_the_sum() {
    for threads in [2, 6] {
        let bank = Bank::new();
        let restarts = AtomicU64::new(0);
        let end = Instant::now() + Duration::from_millis(1_200);
        let runs: u64 = thread::scope(|scope| {
            let spawn = |seed: u64| {
                let (bank, restarts) = (&bank, &restarts);
                scope.spawn(move || bank.run(0x9e37_79b9 * (seed + 1), end, restarts))
            };
            let workers: Vec<_> = (0..threads).map(spawn).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        let counters = bank.manager.counters();
        eprintln!("{threads} threads: {runs} transactions, {counters:?}");
        assert!(runs > 100 && counters.timeouts == 0, "{runs} transactions, {counters:?}");
        assert_eq!(counters.restarts, restarts.into_inner());
        bank.sum(None);
        assert_all_free(&bank.manager, &[&bank.table, &bank.other]);
    }
}
