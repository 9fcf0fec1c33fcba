//! One thread of a run: random transactions, calls outside of transactions, and snapshots, all recorded.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;

use gangline::{Durability, Snapshot};

use super::attempt::Attempt;
use super::ops::Keys;
use super::record::{History, Kind, TxnId};
use super::world::World;
use crate::Failure;
use crate::random::Random;

/// Transactions after which tables that grew shrink, and the other way round.
const TIDE: u64 = 6_000;

/// Why a closure ends without a commit.
enum Stop {
    Error(gangline::Error),
    OnPurpose,
}

impl From<gangline::Error> for Stop {
    fn from(error: gangline::Error) -> Self {
        Stop::Error(error)
    }
}

/// A snapshot that is read now and then.
struct Kept {
    snapshot: Snapshot,
    attempt: Attempt,
    taken: (u64, u64),
    reads_left: u64,
}

/// See the module's text.
pub(super) struct Worker<'a> {
    pub(super) world: &'a World,
    thread: u32,
    pub(super) random: Random,
    next: u64,
    history: History,
    kept: Option<Kept>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(world: &'a World, thread: u32, random: Random) -> Self {
        Worker { world, thread, random, next: 0, history: History::default(), kept: None }
    }

    pub(super) fn run(mut self) -> Result<History, Failure> {
        while !self.world.over.load(Relaxed) {
            match self.random.below(100) {
                0..72 => self.transaction()?,
                72..84 => self.single_write()?,
                84..92 => self.single_read()?,
                _ => self.snapshot()?,
            }
            self.world.ended.fetch_add(1, Relaxed);
        }
        self.put_away();
        Ok(self.history)
    }

    fn ended(&self) -> u64 {
        self.world.ended.load(Relaxed)
    }

    /// The keys that are used now.
    pub(super) fn keys(&self) -> Keys {
        self.world.keys.after(self.ended())
    }

    pub(super) fn id(&mut self) -> TxnId {
        self.next += 1;
        (u64::from(self.thread) + 1) << 40 | self.next
    }

    pub(super) fn keep(&mut self, mut attempt: Attempt, kind: Kind, begin: u64, end: u64) {
        self.history.faults.append(&mut attempt.faults);
        self.history.txns.push(attempt.finish(kind, self.thread, begin, end));
    }

    fn transaction(&mut self) -> Result<(), Failure> {
        let low_tide = self.ended() / TIDE % 2 == 1 && self.world.keys.window.is_none();
        let ops = self.keys().transaction(&mut self.random, low_tide);
        let aborts = self.random.below(25) == 0;
        // Some linger, so that others come between their calls and their commit also where threads are few.
        let lingers = self.random.below(4) == 0;
        let durability = (self.random.below(40) == 0).then(|| match self.random.below(2) {
            0 => Durability::Immediate,
            _ => Durability::Eventual,
        });
        // Each run has a number of its own, since what a run wrote that started over must not be seen.
        let (first, runs) = (self.id(), RefCell::new(0));
        let last = RefCell::new(Attempt::new(first));
        let begin = self.world.now();
        let outcome = self.world.db.try_transact(|tx| {
            let mut attempt = Attempt::new(first | *runs.borrow() << 56);
            *runs.borrow_mut() += 1;
            durability.map_or(Ok(()), |durability| tx.durability(durability))?;
            for op in &ops {
                self.world.call(tx, &mut attempt, op)?;
                if lingers {
                    std::thread::yield_now();
                }
            }
            *last.borrow_mut() = attempt;
            if aborts { Err(Stop::OnPurpose) } else { Ok(()) }
        });
        let end = self.world.now();
        match outcome {
            Ok(()) => {
                self.world.operations.fetch_add(ops.len() as u64, Relaxed);
                self.keep(last.into_inner(), Kind::Transaction, begin, end);
            }
            Err(Stop::OnPurpose) => {
                let mut attempt = last.into_inner();
                attempt.give_up();
                self.keep(attempt, Kind::Aborted, begin, end);
            }
            Err(Stop::Error(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads a snapshot once more, or takes one.
    fn snapshot(&mut self) -> Result<(), Failure> {
        let op = self.keys().read(&mut self.random);
        if self.kept.is_none() {
            let attempt = Attempt::new(self.id());
            let begin = self.world.now();
            let snapshot = self.world.db.snapshot();
            let taken = (begin, self.world.now());
            self.kept = Some(Kept { snapshot, attempt, taken, reads_left: self.random.below(8) });
        }
        if let Some(kept) = &mut self.kept {
            self.world.read(&kept.snapshot, &mut kept.attempt, &op)?;
            self.world.operations.fetch_add(1, Relaxed);
            match kept.reads_left {
                0 => self.put_away(),
                left => kept.reads_left = left - 1,
            }
        }
        Ok(())
    }

    fn put_away(&mut self) {
        if let Some(Kept { snapshot, attempt, taken: (begin, end), .. }) = self.kept.take() {
            self.keep(attempt, Kind::Snapshot(snapshot.commit_number()), begin, end);
        }
    }
}
