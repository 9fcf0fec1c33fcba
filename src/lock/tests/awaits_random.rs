//! Many tasks on few names and rows: given up in the middle, cancelled from outside, moved between threads. The seed of
//! each part is in its name, so that a failure can be run again.

use std::panic::Location;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::executor::{give_up_after, run_all, yield_now};
use super::stress::Dice;
use super::*;
use crate::ErrorKind;
use crate::error::Result;
use crate::lock::mode::Mode::{S, U, X};
use crate::lock::{CancelToken, Limit, LockTime};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Who is inside, by name: readers count up, a writer counts down from nothing.
#[derive(Default)]
struct Rooms([AtomicI64; NAMES.len()]);

impl Rooms {
    fn enter(&self, name: usize, alone: bool) {
        let before = self.0[name].fetch_add(if alone { -1_000 } else { 1 }, Ordering::AcqRel);
        assert!(if alone { before == 0 } else { before >= 0 }, "{before} beside a lock that excludes them");
    }

    fn leave(&self, name: usize, alone: bool) {
        self.0[name].fetch_add(if alone { 1_000 } else { -1 }, Ordering::AcqRel);
    }
}

async fn visit_rooms(manager: Arc<LockManager>, rooms: Arc<Rooms>, seed: u64, taken: Arc<AtomicU64>) {
    let mut dice = Dice(seed);
    for _ in 0..60 {
        // Left out, shared or alone.
        let wanted = (0..NAMES.len()).map(|name| (name, dice.below(6)));
        let wanted: Vec<_> = wanted.filter(|(_, how)| *how < 3).map(|(name, how)| (name, how == 0)).collect();
        let names: Vec<_> = wanted.iter().map(|(name, alone)| (NAMES[*name], if *alone { X } else { S })).collect();
        let taking = manager.lock_all_async(&names);
        let patience = if dice.below(3) == 0 { dice.below(6) } else { u64::MAX };
        let Some(guard) = give_up_after(patience.min(1 << 20), taking).await else { continue };
        let guard = guard.unwrap();
        wanted.iter().for_each(|(name, alone)| rooms.enter(*name, *alone));
        for _ in 0..dice.below(4) {
            guard.scope_async(yield_now()).await;
        }
        wanted.iter().for_each(|(name, alone)| rooms.leave(*name, *alone));
        taken.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn no_poll_blocks_the_one_thread_of_all_tasks() {
    for threads in [1, 3] {
        let (manager, rooms, taken) = (manager(), Arc::new(Rooms::default()), Arc::new(AtomicU64::new(0)));
        let task = |number: u64| {
            let visit = visit_rooms(manager.clone(), rooms.clone(), 0x9e37_79b9 * (number + 1), taken.clone());
            Box::pin(visit) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        run_all(threads, (0..24).map(task).collect());
        let counters = manager.counters();
        assert!(taken.load(Ordering::Relaxed) > 500 && counters.waits > 100 && counters.cancelled > 20, "{counters:?}");
        assert_eq!(counters.timeouts, 0, "{counters:?}");
        assert_all_free(&manager, &[]);
    }
}

const ACCOUNTS: u64 = 12;

struct Bank {
    manager: Arc<LockManager>,
    table: Arc<TestTable>,
    accounts: Vec<AtomicI64>,
    token: CancelToken,
}

impl Bank {
    fn add(&self, account: u64, amount: i64) {
        let account = &self.accounts[account as usize];
        account.store(account.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    async fn transfer(&self, own: &mut LockSet, from: u64, to: u64) -> Result<()> {
        loop {
            let locked = async {
                own.lock_row_async(&self.table, &[from as u8], U).await?;
                own.lock_row_async(&self.table, &[to as u8], X).await?;
                yield_now().await;
                own.lock_row_async(&self.table, &[from as u8], X).await
            };
            match locked.await {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Restart => own.restart_async().await?,
                Err(error) => return Err(error),
            }
        }
        self.add(from, -1);
        self.add(to, 1);
        Ok(())
    }

    async fn sum(&self, own: &mut LockSet) -> Result<()> {
        own.lock_range_async(&self.table, &[], Some(&[ACCOUNTS as u8]), S).await?;
        let sum: i64 = self.accounts.iter().map(|account| account.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 100 * ACCOUNTS as i64, "a transfer was seen half done");
        Ok(())
    }

    async fn work(self: Arc<Self>, seed: u64) {
        let mut dice = Dice(seed);
        for _ in 0..80 {
            let token = (dice.below(3) == 0).then(|| self.token.clone());
            let limit = Limit::new("transaction", None, Location::caller(), None, token);
            let mut own = set(&self.manager).limited(LockTime::Default, limit.into_iter().collect());
            let patience = if dice.below(4) == 0 { dice.below(8) } else { 1 << 20 };
            let (from, to) = (dice.below(ACCOUNTS), dice.below(ACCOUNTS));
            let outcome = match dice.below(6) {
                0 => give_up_after(patience, self.sum(&mut own)).await,
                _ if from == to => continue,
                _ => give_up_after(patience, self.transfer(&mut own, from, to)).await,
            };
            if let Some(Err(error)) = outcome {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}\n{}", self.manager.dump());
            }
        }
    }
}

#[test]
fn transfers_of_tasks_keep_the_sum_though_many_are_cancelled() {
    let bank = Arc::new(Bank {
        manager: manager(),
        table: TestTable::new(1, &[&[4], &[8]]),
        accounts: (0..ACCOUNTS).map(|_| AtomicI64::new(100)).collect(),
        token: CancelToken::new(),
    });
    let task = |number: u64| {
        Box::pin(bank.clone().work(0x51f1_5e5d * (number + 1))) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            until("many wait", || bank.manager.counters().waits > 300);
            bank.token.cancel();
        });
        run_all(2, (0..16).map(task).collect());
    });
    let counters = bank.manager.counters();
    assert!(counters.timeouts == 0 && counters.cancelled > 20, "{counters:?}");
    assert_eq!(bank.token.waiting(), 0);
    assert_all_free(&bank.manager, &[&bank.table]);
}
