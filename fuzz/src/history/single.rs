//! Single calls on the database, each a transaction or a read of its own.

use std::sync::atomic::Ordering::Relaxed;

use gangline::ErrorKind;

use super::attempt::{Attempt, Value};
use super::numbers::UNKNOWN;
use super::ops::Op;
use super::record::Kind;
use super::sweep::Sweep;
use super::work::Worker;
use super::world::{World, rows_taken_out};
use crate::Failure;

impl Worker<'_> {
    pub(super) fn single_write(&mut self) -> Result<(), Failure> {
        let op = self.keys().write(&mut self.random);
        self.single(Kind::Transaction, |world, attempt| world.write(attempt, &op))
    }

    pub(super) fn single_read(&mut self) -> Result<(), Failure> {
        let op = self.keys().read_outside(&mut self.random);
        self.single(Kind::Outside, |world, attempt| world.read_outside(attempt, &op))
    }

    fn single(
        &mut self,
        kind: Kind,
        call: impl FnOnce(&World, &mut Attempt) -> gangline::Result<()>,
    ) -> Result<(), Failure> {
        let mut attempt = Attempt::new(self.id());
        let begin = self.world.now();
        call(self.world, &mut attempt)?;
        let end = self.world.now();
        self.world.operations.fetch_add(1, Relaxed);
        self.keep(attempt, kind, begin, end);
        Ok(())
    }
}

impl World {
    fn write(&self, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
        let stamp = attempt.stamp();
        match op {
            Op::Put(key) => {
                let (value, pen) = Value::with_pen(*key, stamp, &self.numbers);
                self.db.put(self.table(*key), *key, value)?;
                match pen.taken() {
                    Some(version) => attempt.wrote(*key, version, stamp.write, false),
                    None => attempt.fault(format!("key {key} was put and its row not encoded")),
                }
            }
            Op::Insert(key) => {
                let (value, pen) = Value::with_pen(*key, stamp, &self.numbers);
                match self.db.insert(self.table(*key), *key, value) {
                    Ok(()) => {
                        attempt.saw(*key, None);
                        attempt.wrote(*key, pen.taken().unwrap_or(0), stamp.write, false);
                    }
                    Err(error) if error.kind() == ErrorKind::Exists => {}
                    Err(error) => return Err(error),
                }
            }
            Op::Modify(key) => {
                let done = self.db.modify(self.table(*key), *key, |value| self.change(value, *key, stamp))?;
                attempt.saw(*key, done.map(|(found, _)| found));
                if let Some((_, version)) = done {
                    attempt.wrote(*key, version, stamp.write, false);
                }
            }
            Op::Remove(key) => {
                let before = self.db.remove(self.table(*key), *key)?.map(|value| value.found());
                attempt.saw(*key, before);
                if before.is_some() {
                    attempt.wrote(*key, UNKNOWN, u32::MAX, true);
                }
            }
            Op::RemoveRange { keys } => {
                let (removed, rows) =
                    rows_taken_out(|| self.db.remove_range(self.table(keys.start), keys.start..keys.end));
                let removed = removed?;
                if removed != rows.len() as u64 {
                    attempt
                        .fault(format!("removed {removed} rows of {keys:?}, and the index was asked about {rows:?}"));
                }
                attempt.saw_range(keys.clone(), &rows);
                rows.iter().for_each(|row| attempt.wrote(row.key, UNKNOWN, u32::MAX, true));
            }
            Op::Update { table, remainder } => {
                let sweep = Sweep::new(self, attempt, *table, *remainder);
                let table = self.tables(*table);
                let hits = self.db.update(table, |value| sweep.select(value), |value| sweep.change(value))?;
                sweep.finish(attempt, hits);
            }
            other => unreachable!("{other:?} does not write"),
        }
        Ok(())
    }

    /// The reads that a database has and a snapshot has not, and those that all have.
    fn read_outside(&self, attempt: &mut Attempt, op: &Op) -> gangline::Result<()> {
        match op {
            Op::GetMany(keys) => {
                let (table, keys) = self.in_one_table(keys);
                for (key, value) in keys.iter().zip(self.db.get_many(table, keys.iter().copied())?) {
                    attempt.saw(*key, value.map(|value| value.found()));
                }
            }
            Op::First { table } => {
                let first = self.db.first(self.tables(*table))?;
                self.saw_first(attempt, *table, first.map(|(key, value)| (key, value.found())));
            }
            Op::Last { table } => {
                let last = self.db.last(self.tables(*table))?;
                self.saw_last(attempt, *table, last.map(|(key, value)| (key, value.found())));
            }
            // How many rows there were at what moment is not recorded: only that there cannot be more than keys.
            Op::Len { table } => {
                let count = self.db.len(self.tables(*table))?;
                if count > u64::from(self.keys.each) {
                    attempt.fault(format!("counted {count} rows of {} keys in table {table}", self.keys.each));
                }
            }
            read => self.read(&self.db, attempt, read)?,
        }
        Ok(())
    }
}
