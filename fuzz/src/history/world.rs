//! The store of a round, and the calls on it, each with the recording of what it read and wrote.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use gangline::{Access, Db, ErrorKind, Index, Table, Transaction};

use super::attempt::{Attempt, Found, Value};
use super::numbers::Numbers;
use super::ops::{Keys, Op};
use super::record::{History, Kind, Stamp, TxnId};
use super::sweep::Sweep;
use crate::Failure;
use crate::random::Random;

const TABLES: [Table<u32, Value>; 2] =
    [Table::new("left").indexes(&[&BY_KEY]), Table::new("right").indexes(&[&BY_KEY])];
/// Each row under its key and something that its writers change.
const BY_KEY: Index<(u32, u32), Value> = Index::new("by_key", |value, out| {
    note_indexed(value);
    out.key((value.key(), value.turn()));
});

thread_local! {
    /// The rows that the index was asked about, while somebody on this thread wants to know.
    static INDEXED: RefCell<Option<Vec<Found>>> = const { RefCell::new(None) };
}

fn note_indexed(value: &Value) {
    INDEXED.with_borrow_mut(|rows| rows.iter_mut().for_each(|rows| rows.push(value.found())));
}

/// Runs `remove`, which takes rows out of the index, and gives these: who removes rows in bulk learns their number only,
/// but the index is asked about each of them.
pub(super) fn rows_taken_out<T>(remove: impl FnOnce() -> T) -> (T, Vec<Found>) {
    INDEXED.set(Some(Vec::new()));
    let removed = remove();
    (removed, INDEXED.take().unwrap_or_default())
}

/// Tables of a run.
pub(super) const TABLE_COUNT: u32 = TABLES.len() as u32;

/// What the threads of a run share.
pub(super) struct World {
    pub(super) db: Db,
    pub(super) keys: Keys,
    pub(super) numbers: Arc<Numbers>,
    start: Instant,
    pub(super) over: AtomicBool,
    /// Transactions that ended; a watcher sees by it whether anything goes on.
    pub(super) ended: AtomicU64,
    pub(super) operations: AtomicU64,
}

impl World {
    /// Fills half of the keys or few, so that the tables grow over several segments while in use. Transaction 0 does
    /// that.
    pub(super) fn new(db: Db, keys: Keys, random: &mut Random) -> Result<(World, History), Failure> {
        let numbers = Arc::new(Numbers::new(keys.all));
        let (over, ended, operations) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let world = World { db, keys, numbers, start: Instant::now(), over, ended, operations };
        let one_in = if random.below(4) == 0 && world.keys.window.is_none() { 2 } else { 16 };
        let present: Vec<u32> = (0..world.keys.all).filter(|_| random.below(one_in) == 0).collect();
        let mut first = Attempt::new(0);
        let values: Vec<(u32, Stamp)> = present.into_iter().map(|key| (key, first.stamp())).collect();
        world.db.transact(|tx| {
            values.iter().try_for_each(|(key, stamp)| tx.put(world.table(*key), *key, Value::new(*key, *stamp)))
        })?;
        for (key, stamp) in &values {
            first.wrote(*key, world.numbers.next(*key), stamp.write, false);
        }
        let history = History { txns: vec![first.finish(Kind::Transaction, 0, 0, 0)], faults: Vec::new() };
        Ok((world, history))
    }

    /// The table of a key.
    pub(super) fn table(&self, key: u32) -> Table<u32, Value> {
        self.tables(key / self.keys.each)
    }

    pub(super) fn tables(&self, table: u32) -> Table<u32, Value> {
        TABLES[table as usize]
    }

    pub(super) fn now(&self) -> u64 {
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
    pub(super) fn read(&self, from: &impl Access, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
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
            Op::Indexed { keys } => {
                let query = from.query(self.table(keys.start)).by(&BY_KEY).range((keys.start, 0)..(keys.end, 0));
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
                let found = from.read(self.tables(*table), |_| true, Value::found)?;
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
    pub(super) fn call(&self, tx: &Transaction, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
        match op {
            Op::GetForUpdate(key) => {
                let value = tx.get_for_update(self.table(*key), *key)?;
                attempt.saw(*key, value.map(|value| value.found()));
            }
            Op::GetMany(keys) => {
                let (table, keys) = self.in_one_table(keys);
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
                    attempt.wrote(*key, self.numbers.next(*key), u32::MAX, true);
                }
            }
            Op::First { table } => {
                let first = tx.first(self.tables(*table))?;
                self.saw_first(attempt, *table, first.map(|(key, value)| (key, value.found())));
            }
            Op::Last { table } => {
                let last = tx.last(self.tables(*table))?;
                self.saw_last(attempt, *table, last.map(|(key, value)| (key, value.found())));
            }
            Op::Len { table } => self.count(tx, attempt, *table)?,
            Op::Update { table, remainder } => self.update(tx, attempt, *table, *remainder)?,
            Op::Lock { name, shared: false } => tx.lock(name)?,
            Op::Lock { name, shared: true } => tx.lock_shared(name)?,
            read => self.read(tx, attempt, read)?,
        }
        Ok(())
    }

    /// What lies before the first row was looked at, too.
    pub(super) fn saw_first(&self, attempt: &mut Attempt, table: u32, first: Option<(u32, Found)>) {
        let keys = self.keys.table(table);
        let end = first.map_or(keys.end, |(key, _)| key + 1);
        attempt.saw_range(keys.start..end, &rows(first.as_slice()));
    }

    pub(super) fn saw_last(&self, attempt: &mut Attempt, table: u32, last: Option<(u32, Found)>) {
        let keys = self.keys.table(table);
        let start = last.map_or(keys.start, |(key, _)| key);
        attempt.saw_range(start..keys.end, &rows(last.as_slice()));
    }

    /// The keys, moved into the table of the first.
    pub(super) fn in_one_table(&self, keys: &[u32]) -> (Table<u32, Value>, Vec<u32>) {
        let base = keys[0] / self.keys.each * self.keys.each;
        (self.table(keys[0]), keys.iter().map(|key| key % self.keys.each + base).collect())
    }

    /// Writes over whatever is there. The first write takes the lock under which the second is given its number, and is
    /// the intermediate one that nobody may see.
    fn put(&self, tx: &Transaction, attempt: &mut Attempt, key: u32) -> gangline::Result<()> {
        if !attempt.has_written(key) {
            let stamp = attempt.stamp();
            tx.put(self.table(key), key, Value::new(key, stamp))?;
        }
        let stamp = attempt.stamp();
        let version = self.numbers.next(key);
        tx.put(self.table(key), key, Value::new(key, stamp))?;
        attempt.wrote(key, version, stamp.write, false);
        Ok(())
    }

    fn insert(&self, tx: &Transaction, attempt: &mut Attempt, key: u32) -> gangline::Result<()> {
        let stamp = attempt.stamp();
        match tx.insert(self.table(key), key, Value::new(key, stamp)) {
            Ok(()) => {
                attempt.saw(key, None);
                attempt.wrote(key, self.numbers.next(key), stamp.write, false);
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

    pub(super) fn change(&self, value: &mut Value, key: u32, stamp: Stamp) -> (Found, u64) {
        let found = value.found();
        *value = Value::new(key, stamp);
        (found, self.numbers.next(key))
    }

    fn update(&self, tx: &Transaction, attempt: &mut Attempt, table: u32, remainder: u32) -> gangline::Result<()> {
        let sweep = Sweep::new(self, attempt, table, remainder);
        let hits = tx.update(self.tables(table), |value| sweep.select(value), |value| sweep.change(value))?;
        sweep.finish(attempt, hits);
        Ok(())
    }

    /// The count that the table keeps, and the rows that there are, under one lock.
    fn count(&self, tx: &Transaction, attempt: &mut Attempt, table: u32) -> gangline::Result<()> {
        let count = tx.len(self.tables(table))?;
        let found = tx.read(self.tables(table), |_| true, Value::found)?;
        if count != found.len() as u64 {
            attempt.fault(format!("counted {count} rows in table {table} and read {}", found.len()));
        }
        attempt.saw_range(self.keys.table(table), &found);
        Ok(())
    }
}

fn rows(found: &[(u32, Found)]) -> Vec<Found> {
    found.iter().map(|(_, row)| *row).collect()
}
