//! One connection that runs random transactions and records them.
//!
//! Versions are numbered as for a store of ours: by a counter a key, asked for between a statement that wrote the row
//! and the commit. PostgreSQL locks a row that is written until the end at every level, so nobody else can write it
//! between, and the numbers are in the order of the versions.

use std::ops::Range;

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement, Transaction};

use super::super::attempt::{Attempt, Found};
use super::super::ops::{Op, UPDATED};
use super::super::record::{History, Kind, Stamp, TxnId};
use super::{Level, World};
use crate::random::Random;
use crate::{Failure, describe};

/// Times that a row is looked for which others insert and remove meanwhile.
const TRIES: usize = 20;

/// Why a transaction ends without a commit.
enum Stop {
    Error(postgres::Error),
    /// It ran into another one, and would have to start over.
    Refused,
    OnPurpose,
}

impl From<postgres::Error> for Stop {
    fn from(error: postgres::Error) -> Self {
        let refused = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        match error.code().is_some_and(|code| refused.contains(code)) {
            true => Stop::Refused,
            false => Stop::Error(error),
        }
    }
}

/// The statements of one table.
struct Statements {
    get: Statement,
    get_for_update: Statement,
    range: Statement,
    change: Statement,
    insert: Statement,
    remove: Statement,
    matching: Statement,
}

impl Statements {
    fn prepare(client: &mut Client, table: &str) -> Result<Statements, postgres::Error> {
        let mut prepare = |text: &str| client.prepare(&text.replace("TABLE", table));
        Ok(Statements {
            get: prepare("SELECT key, txn, write FROM TABLE WHERE key = $1")?,
            get_for_update: prepare("SELECT key, txn, write FROM TABLE WHERE key = $1 FOR UPDATE")?,
            range: prepare("SELECT key, txn, write FROM TABLE WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3")?,
            change: prepare("UPDATE TABLE SET txn = $2, write = $3 WHERE key = $1")?,
            insert: prepare("INSERT INTO TABLE (key, txn, write) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")?,
            remove: prepare("DELETE FROM TABLE WHERE key = $1 RETURNING key, txn, write")?,
            matching: prepare("SELECT key, txn, write FROM TABLE WHERE key % $1 = $2 ORDER BY key FOR UPDATE")?,
        })
    }
}

fn found(row: &Row) -> Found {
    let stamp = Stamp { txn: row.get::<_, i64>(1) as u64, write: row.get::<_, i64>(2) as u32 };
    Found::in_columns(row.get::<_, i32>(0) as u32, stamp)
}

/// One transaction while it runs.
struct Running<'a> {
    world: &'a World,
    tx: Transaction<'a>,
    statements: &'a [Statements],
    attempt: Attempt,
}

/// See the module's text.
pub(super) struct Session<'a> {
    world: &'a World,
    client: Client,
    statements: Vec<Statements>,
    thread: u32,
    random: Random,
    next: u64,
    history: History,
    /// Transactions that PostgreSQL ended.
    pub(super) refused: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(world: &'a World, url: &str, thread: u32, random: Random) -> Result<Self, Failure> {
        let mut client = connect(url)?;
        let tables = super::TABLES.iter().map(|table| Statements::prepare(&mut client, table));
        let statements = tables.collect::<Result<_, _>>().map_err(sql)?;
        Ok(Session { world, client, statements, thread, random, next: 0, history: History::default(), refused: 0 })
    }

    pub(super) fn run(mut self, level: Level) -> Result<(History, u64), Failure> {
        while !self.world.is_over() {
            let ops = match self.random.below(100) {
                0..90 => self.world.keys.transaction(&mut self.random, false),
                _ => vec![self.world.keys.read(&mut self.random)],
            };
            self.transaction(&ops, level)?;
        }
        Ok((self.history, self.refused))
    }

    /// A transaction that is refused leaves nothing behind: PostgreSQL promises nothing about what it read.
    fn transaction(&mut self, ops: &[Op], level: Level) -> Result<(), Failure> {
        self.next += 1;
        let id: TxnId = (u64::from(self.thread) + 1) << 40 | self.next;
        let aborts = self.random.below(25) == 0;
        let begin = self.world.now();
        let outcome = (|| {
            let tx = self.client.build_transaction().isolation_level(level.sql()).start()?;
            let attempt = Attempt::new(id);
            let mut running = Running { world: self.world, tx, statements: &self.statements, attempt };
            ops.iter().try_for_each(|op| running.call(op))?;
            if aborts {
                return Err(Stop::OnPurpose);
            }
            running.tx.commit()?;
            Ok(running.attempt)
        })();
        let end = self.world.now();
        match outcome {
            Ok(mut attempt) => {
                self.history.faults.append(&mut attempt.faults);
                self.history.txns.push(attempt.finish(Kind::Transaction, self.thread, begin, end));
            }
            Err(Stop::OnPurpose) => {}
            Err(Stop::Refused) => self.refused += 1,
            Err(Stop::Error(error)) => return Err(sql(error)),
        }
        Ok(())
    }
}

impl<'a> Running<'a> {
    fn call(&mut self, op: &Op) -> Result<(), Stop> {
        let all = usize::MAX;
        match op {
            Op::Get(key) => self.get(*key),
            Op::GetForUpdate(key) => self.get_for_update(*key).map(drop),
            Op::GetMany(keys) => keys.iter().try_for_each(|key| self.get(*key)),
            Op::Put(key) => self.put(*key),
            Op::Insert(key) => self.insert(*key),
            Op::Modify(key) => self.modify(*key),
            Op::Remove(key) => self.remove(*key),
            Op::Range { keys, .. } | Op::Indexed { keys } => self.range(keys.clone(), all),
            Op::Top { keys, rows } => self.range(keys.clone(), *rows),
            Op::First { table } => self.range(self.world.keys.table(*table), 1),
            Op::Last { table } | Op::Full { table } | Op::Len { table } => {
                self.range(self.world.keys.table(*table), all)
            }
            Op::RemoveRange { keys } => keys.clone().try_for_each(|key| self.remove(key)),
            Op::Update { table, remainder } => self.update(*table, *remainder),
            // Names are ours alone.
            Op::Lock { .. } => Ok(()),
        }
    }

    /// The statements for the table of a key.
    fn of(&self, key: u32) -> &'a Statements {
        &self.statements[(key / self.world.keys.each) as usize]
    }

    fn get(&mut self, key: u32) -> Result<(), Stop> {
        let row = self.tx.query_opt(&self.of(key).get, &[&(key as i32)])?;
        self.attempt.saw(key, row.as_ref().map(found));
        Ok(())
    }

    fn get_for_update(&mut self, key: u32) -> Result<bool, Stop> {
        let row = self.tx.query_opt(&self.of(key).get_for_update, &[&(key as i32)])?;
        self.attempt.saw(key, row.as_ref().map(found));
        Ok(row.is_some())
    }

    fn range(&mut self, keys: Range<u32>, most: usize) -> Result<(), Stop> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.tx.query(&self.of(keys.start).range, &[&(keys.start as i32), &(keys.end as i32), &limit])?;
        let rows: Vec<Found> = rows.iter().map(found).collect();
        // Where the limit ended it, what lies behind the last row was not read.
        let end = match rows.last() {
            Some(last) if rows.len() == most => last.key + 1,
            _ => keys.end,
        };
        self.attempt.saw_range(keys.start..end, &rows);
        Ok(())
    }

    /// Changes a row that is there. Returns whether it was.
    fn change(&mut self, key: u32, stamp: Stamp) -> Result<bool, Stop> {
        let values: [&(dyn ToSql + Sync); 3] = [&(key as i32), &(stamp.txn as i64), &i64::from(stamp.write)];
        Ok(self.tx.execute(&self.of(key).change, &values)? == 1)
    }

    fn add(&mut self, key: u32, stamp: Stamp) -> Result<bool, Stop> {
        let values: [&(dyn ToSql + Sync); 3] = [&(key as i32), &(stamp.txn as i64), &i64::from(stamp.write)];
        Ok(self.tx.execute(&self.of(key).insert, &values)? == 1)
    }

    /// Writes over whatever is there, twice: the first write is the intermediate one that nobody may see.
    fn put(&mut self, key: u32) -> Result<(), Stop> {
        let first = self.attempt.stamp();
        let mut tries = 0;
        while !self.change(key, first)? && !self.add(key, first)? {
            tries += 1;
            if tries == TRIES {
                return Err(Stop::Refused);
            }
        }
        let stamp = self.attempt.stamp();
        self.change(key, stamp)?;
        self.attempt.wrote(key, self.world.numbers.next(key), stamp.write, false);
        Ok(())
    }

    /// Looks first: at REPEATABLE READ an insert goes ahead where the snapshot still has a row that others removed.
    fn insert(&mut self, key: u32) -> Result<(), Stop> {
        let row = self.tx.query_opt(&self.of(key).get, &[&(key as i32)])?;
        self.attempt.saw(key, row.as_ref().map(found));
        let stamp = self.attempt.stamp();
        if row.is_none() && self.add(key, stamp)? {
            self.attempt.wrote(key, self.world.numbers.next(key), stamp.write, false);
        }
        Ok(())
    }

    fn modify(&mut self, key: u32) -> Result<(), Stop> {
        let stamp = self.attempt.stamp();
        if self.get_for_update(key)? && self.change(key, stamp)? {
            self.attempt.wrote(key, self.world.numbers.next(key), stamp.write, false);
        }
        Ok(())
    }

    fn remove(&mut self, key: u32) -> Result<(), Stop> {
        let row = self.tx.query_opt(&self.of(key).remove, &[&(key as i32)])?;
        self.attempt.saw(key, row.as_ref().map(found));
        if row.is_some() {
            self.attempt.wrote(key, self.world.numbers.next(key), u32::MAX, true);
        }
        Ok(())
    }

    fn update(&mut self, table: u32, remainder: u32) -> Result<(), Stop> {
        let keys = self.world.keys.table(table);
        let rows = self.tx.query(&self.of(keys.start).matching, &[&(UPDATED as i32), &(remainder as i32)])?;
        let mut rows = rows.iter().map(found).peekable();
        for key in keys.filter(|key| key % UPDATED == remainder) {
            let row = rows.next_if(|row| row.key == key);
            self.attempt.saw_in_range(key, row);
            let stamp = self.attempt.stamp();
            if row.is_some() && self.change(key, stamp)? {
                self.attempt.wrote(key, self.world.numbers.next(key), stamp.write, false);
            }
        }
        Ok(())
    }
}

pub(super) fn connect(url: &str) -> Result<Client, Failure> {
    Client::connect(url, NoTls).map_err(|error| {
        let Failure(text) = sql(error);
        Failure(format!("there is no PostgreSQL at {url:?}: {text}; start it, or leave --server away"))
    })
}

pub(super) fn sql(error: postgres::Error) -> Failure {
    Failure(describe(&error))
}
