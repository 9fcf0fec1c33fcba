//! One thread of a run: random transactions, calls outside of transactions, and snapshots, all recorded.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use gangline::{Access, Db, Durability, ErrorKind, Snapshot, Table, Transaction};
use parking_lot::Mutex;

use super::attempt::{Attempt, Found, Value};
use super::ops::{Keys, Op, UPDATED};
use super::record::{History, Kind, Stamp, TxnId, Write};
use crate::Failure;
use crate::random::Random;

const TABLES: [Table<u32, Value>; 2] = [Table::new("left"), Table::new("right")];
/// Tables of a run.
pub(super) const TABLE_COUNT: u32 = TABLES.len() as u32;

/// What the threads of a run share.
pub(super) struct World {
    pub(super) db: Db,
    pub(super) keys: Keys,
    /// The last number that a write of each key was given.
    versions: Vec<AtomicU64>,
    start: Instant,
    pub(super) over: AtomicBool,
    /// Transactions that ended; a watcher sees by it whether anything goes on.
    pub(super) ended: AtomicU64,
    pub(super) operations: AtomicU64,
}

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

impl World {
    /// Fills half of the keys or few, so that the tables grow over several segments while in use. Transaction 0 does
    /// that.
    pub(super) fn new(db: Db, keys: Keys, random: &mut Random) -> Result<(World, History), Failure> {
        let versions = (0..keys.all).map(|_| AtomicU64::new(0)).collect();
        let (over, ended, operations) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let world = World { db, keys, versions, start: Instant::now(), over, ended, operations };
        let one_in = if random.below(2) == 0 { 2 } else { 16 };
        let present: Vec<u32> = (0..keys.all).filter(|_| random.below(one_in) == 0).collect();
        let mut first = Attempt::new(0);
        let values: Vec<(u32, Stamp)> = present.into_iter().map(|key| (key, first.stamp())).collect();
        world.db.transact(|tx| {
            values.iter().try_for_each(|(key, stamp)| tx.put(world.table(*key), *key, Value::new(*key, *stamp)))
        })?;
        for (key, stamp) in &values {
            first.wrote(*key, world.number(*key), stamp.write, false);
        }
        let history = History { txns: vec![first.finish(Kind::Transaction, 0, 0, 0)], faults: Vec::new() };
        Ok((world, history))
    }

    fn table(&self, key: u32) -> Table<u32, Value> {
        TABLES[(key / self.keys.each) as usize]
    }

    /// The number of the next version of a key, whose lock the caller holds.
    fn number(&self, key: u32) -> u64 {
        self.versions[key as usize].fetch_add(1, Relaxed) + 1
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + 1
    }

    /// Reads all that is there in the end.
    pub(super) fn last(&self, db: &Db, id: TxnId) -> Result<History, Failure> {
        let begin = self.now();
        let mut attempt = Attempt::new(id);
        for table in 0..TABLE_COUNT {
            self.read(db, &mut attempt, &Op::Full { table })?;
        }
        let faults = std::mem::take(&mut attempt.faults);
        Ok(History { txns: vec![attempt.finish(Kind::Outside, 0, begin, self.now())], faults })
    }

    /// A read that a database, a snapshot and a transaction all have.
    fn read(&self, from: &impl Access, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
        match op {
            Op::Get(key) => {
                let value = from.get(self.table(*key), *key)?;
                attempt.saw(*key, value.map(|value| value.found()));
            }
            Op::Range { keys, sequential } => {
                let query = from.query(self.table(keys.start)).range(keys.clone());
                let query = if *sequential { query.sequential() } else { query };
                let found = query.project_keyed(|key, value| (key, value.found())).collect()?;
                self.check_keys(attempt, &found);
                attempt.saw_range(keys.clone(), &rows(&found));
            }
            Op::Top { keys, rows: most } => {
                let query = from.query(self.table(keys.start)).range(keys.clone()).limit(*most);
                let found = query.project_keyed(|key, value| (key, value.found())).collect()?;
                self.check_keys(attempt, &found);
                // Where the limit ended it, what lies behind the last row was not read.
                let end = match found.last() {
                    Some((last, _)) if found.len() == *most => last + 1,
                    _ => keys.end,
                };
                attempt.saw_range(keys.start..end, &rows(&found));
            }
            Op::Full { table } => {
                let found = from.read(TABLES[*table as usize], |_| true, Value::found)?;
                attempt.saw_range(self.keys.table(*table), &found);
            }
            other => unreachable!("{other:?} is not a read that all have"),
        }
        Ok(())
    }

    fn check_keys(&self, attempt: &mut Attempt, found: &[(u32, Found)]) {
        if let Some((key, row)) = found.iter().find(|(key, row)| *key != row.key) {
            attempt.fault(format!("found {row:?} under key {key}"));
        }
    }

    /// One call of a transaction.
    fn call(&self, tx: &Transaction, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
        match op {
            Op::GetForUpdate(key) => {
                let value = tx.get_for_update(self.table(*key), *key)?;
                attempt.saw(*key, value.map(|value| value.found()));
            }
            Op::GetMany(keys) => {
                let table = self.table(keys[0]);
                let keys: Vec<u32> = keys.iter().map(|key| key % self.keys.each + self.base(keys[0])).collect();
                for (key, value) in keys.iter().zip(tx.get_many(table, keys.iter().copied())?) {
                    attempt.saw(*key, value.map(|value| value.found()));
                }
            }
            Op::Put(key) => self.put(tx, attempt, *key)?,
            Op::Insert(key) => self.insert(tx, attempt, *key)?,
            Op::Modify(key) => {
                let stamp = attempt.stamp();
                let done = tx.modify(self.table(*key), *key, |value| self.change(value, *key, stamp))?;
                attempt.saw(*key, done.map(|(found, _)| found));
                if let Some((_, version)) = done {
                    attempt.wrote(*key, version, stamp.write, false);
                }
            }
            Op::Remove(key) => {
                let before = tx.remove(self.table(*key), *key)?.map(|value| value.found());
                attempt.saw(*key, before);
                if before.is_some() {
                    attempt.wrote(*key, self.number(*key), u32::MAX, true);
                }
            }
            Op::First { table } => {
                let (keys, first) = (self.keys.table(*table), tx.first(TABLES[*table as usize])?);
                let found: Vec<Found> = first.iter().map(|(_, value)| value.found()).collect();
                let end = first.map_or(keys.end, |(key, _)| key + 1);
                attempt.saw_range(keys.start..end, &found);
            }
            Op::Last { table } => {
                let (keys, last) = (self.keys.table(*table), tx.last(TABLES[*table as usize])?);
                let found: Vec<Found> = last.iter().map(|(_, value)| value.found()).collect();
                let start = last.map_or(keys.start, |(key, _)| key);
                attempt.saw_range(start..keys.end, &found);
            }
            Op::Update { table, remainder } => self.update(tx, attempt, *table, *remainder)?,
            Op::Lock { name, shared: false } => tx.lock(name)?,
            Op::Lock { name, shared: true } => tx.lock_shared(name)?,
            read => self.read(tx, attempt, read)?,
        }
        Ok(())
    }

    fn base(&self, key: u32) -> u32 {
        key / self.keys.each * self.keys.each
    }

    /// Writes over whatever is there. The first write takes the lock under which the second is given its number, and is
    /// the intermediate one that nobody may see.
    fn put(&self, tx: &Transaction, attempt: &mut Attempt, key: u32) -> gangline::Result<()> {
        if !attempt.has_written(key) {
            let stamp = attempt.stamp();
            tx.put(self.table(key), key, Value::new(key, stamp))?;
        }
        let stamp = attempt.stamp();
        let version = self.number(key);
        tx.put(self.table(key), key, Value::new(key, stamp))?;
        attempt.wrote(key, version, stamp.write, false);
        Ok(())
    }

    fn insert(&self, tx: &Transaction, attempt: &mut Attempt, key: u32) -> gangline::Result<()> {
        let stamp = attempt.stamp();
        match tx.insert(self.table(key), key, Value::new(key, stamp)) {
            Ok(()) => {
                attempt.saw(key, None);
                attempt.wrote(key, self.number(key), stamp.write, false);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Exists => {
                let value = tx.get(self.table(key), key)?;
                if value.is_none() {
                    attempt.fault(format!("could not insert key {key}, which is not there"));
                }
                attempt.saw(key, value.map(|value| value.found()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn change(&self, value: &mut Value, key: u32, stamp: Stamp) -> (Found, u64) {
        let found = value.found();
        *value = Value::new(key, stamp);
        (found, self.number(key))
    }

    fn update(&self, tx: &Transaction, attempt: &mut Attempt, table: u32, remainder: u32) -> gangline::Result<()> {
        let (id, stamps) = attempt.stamps(self.keys.each);
        let next = AtomicU32::new(stamps.start);
        let (looked, changed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let hits = tx.update(
            TABLES[table as usize],
            |value| {
                looked.lock().push(value.found());
                value.key() % UPDATED == remainder
            },
            |value| {
                let (key, stamp) = (value.key(), Stamp { txn: id, write: next.fetch_add(1, Relaxed) });
                let (_, version) = self.change(value, key, stamp);
                changed.lock().push(Write { key, version, write: stamp.write, removes: false });
            },
        )?;
        let mut looked = looked.into_inner();
        looked.sort_unstable_by_key(|found| found.key);
        attempt.saw_range(self.keys.table(table), &looked);
        let changed = changed.into_inner();
        if changed.len() as u64 != hits {
            attempt.fault(format!("an update changed {} rows and says {hits}", changed.len()));
        }
        changed.iter().for_each(|write| attempt.wrote(write.key, write.version, write.write, false));
        Ok(())
    }
}

fn rows(found: &[(u32, Found)]) -> Vec<Found> {
    found.iter().map(|(_, row)| *row).collect()
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
    world: &'a World,
    thread: u32,
    random: Random,
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
                0..78 => self.transaction()?,
                78..84 => self.modify()?,
                84..92 => self.outside()?,
                _ => self.snapshot()?,
            }
            self.world.ended.fetch_add(1, Relaxed);
        }
        self.put_away();
        Ok(self.history)
    }

    fn id(&mut self) -> TxnId {
        self.next += 1;
        (u64::from(self.thread) + 1) << 40 | self.next
    }

    fn keep(&mut self, mut attempt: Attempt, kind: Kind, begin: u64, end: u64) {
        self.history.faults.append(&mut attempt.faults);
        self.history.txns.push(attempt.finish(kind, self.thread, begin, end));
    }

    fn transaction(&mut self) -> Result<(), Failure> {
        let ops = self.world.keys.transaction(&mut self.random);
        let aborts = self.random.below(25) == 0;
        // Some linger, so that others come between their calls and their commit also where threads are few.
        let lingers = self.random.below(6) == 0;
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

    /// A single call that writes.
    fn modify(&mut self) -> Result<(), Failure> {
        let key = self.world.keys.any(&mut self.random);
        let mut attempt = Attempt::new(self.id());
        let stamp = attempt.stamp();
        let begin = self.world.now();
        let done = self.world.db.modify(self.world.table(key), key, |value| self.world.change(value, key, stamp))?;
        let end = self.world.now();
        attempt.saw(key, done.map(|(found, _)| found));
        if let Some((_, version)) = done {
            attempt.wrote(key, version, stamp.write, false);
        }
        self.world.operations.fetch_add(1, Relaxed);
        self.keep(attempt, Kind::Transaction, begin, end);
        Ok(())
    }

    /// A single call that reads.
    fn outside(&mut self) -> Result<(), Failure> {
        let op = self.world.keys.read(&mut self.random);
        let mut attempt = Attempt::new(self.id());
        let begin = self.world.now();
        self.world.read(&self.world.db, &mut attempt, &op)?;
        let end = self.world.now();
        self.world.operations.fetch_add(1, Relaxed);
        self.keep(attempt, Kind::Outside, begin, end);
        Ok(())
    }

    /// Reads a snapshot once more, or takes one.
    fn snapshot(&mut self) -> Result<(), Failure> {
        let op = self.world.keys.read(&mut self.random);
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
