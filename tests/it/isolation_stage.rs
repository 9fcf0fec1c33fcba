//! Plays scripts of named actors, one step at a time, and writes down what happens.
//!
//! A script is what it should give: each line has a command and, behind a colon, what came of it. Indented lines say
//! what followed from it for others. `T1`, `T2`, ... are threads with a transaction each, which begins with their first
//! command and ends with `commit` or `abort`; `S1`, ... are snapshots, `db` is the database outside of transactions.
//! The player gives a command when all actors are either done with theirs or wait for a lock, as the lock dump says.
//! An actor that has to start over does its steps again, and what they then give is written down too. A script must not
//! let several actors go on at once that want the same locks.
//!
//! Commands: `get K`, `getu K` (for update), `range A..B`, `all`, `len`, `first`, `last`, `put K V`, `insert K V`,
//! `remove K`, `add K N` (modify), `plus K N` (get, then put), `addall N` (update of all rows), `lock NAME`,
//! `share NAME`, `commit`, `abort`; after a first line `indexed` also `by V`, `by A..B` (by an index on the values) and
//! `large V` (by a unique index on those over 1,000); `once` before a command makes it a single call on the database. Between transactions,
//! `guard NAME` takes a name for the actor's thread and `unguard` gives all those back. A line `timeout MS` behind
//! the rows sets how long locks are waited for, and then `escalate N` how many hits make an update lock its table;
//! `await T1` lets time pass until that actor waits no more, and `await T1 MS` until it has
//! waited for so long, so that the time of those who come behind it ends well after its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gangline::{Access, Db, Error, ErrorKind, Index, Options, Result, Snapshot, Table, Transaction};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

use crate::support::{PATIENCE, until};

pub(crate) const ROWS: Table<u64, Row> = Table::new("rows");

/// The table of a script that begins with `indexed`: its values are found, and one that is over 1,000 stands for one row.
const INDEXED: Table<u64, Row> = Table::new("rows").indexes(&[&BY_VALUE, &BY_LARGE]);
const BY_VALUE: Index<i64, Row> = Index::new("by_value", |row, out| out.key(row.value));
const BY_LARGE: Index<i64, Row> = Index::<i64, Row>::new("by_large", |row, out| {
    if row.value > 1_000 {
        out.key(row.value);
    }
})
.unique();

/// A number, wide enough that few rows fill a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) value: i64,
    filler: String,
}

pub(crate) fn row(value: i64) -> Row {
    Row { value, filler: "f".repeat(600) }
}

/// Fails unless the script gives what it says.
#[track_caller]
pub(crate) fn holds(script: &str) {
    let lines: Vec<&str> = script.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let indent = lines.first().map_or(0, |line| line.len() - line.trim_start().len());
    let expected: String = lines.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
    let played = play(&expected);
    assert!(expected == played, "the script says\n{expected}\nand this is what happened\n{played}");
}

/// Plays the commands of a script and gives the script as it should be.
pub(crate) fn play(script: &str) -> String {
    let mut lines = script.lines().peekable();
    let indexed = lines.next_if(|line| *line == "indexed");
    let table = if indexed.is_some() { INDEXED } else { ROWS };
    let head = lines.next().expect("a script begins with its rows");
    let timeout = lines.next_if(|line| line.starts_with("timeout "));
    let escalate = lines.next_if(|line| line.starts_with("escalate "));
    let lock_timeout = timeout.map(|line| Duration::from_millis(number(&line["timeout ".len()..])));
    let db = Options::new()
        .segment_rows(4)
        .scan_threads(1)
        .lock_timeout(lock_timeout.unwrap_or(3 * PATIENCE))
        .escalate_row_locks(escalate.map_or(5_000, |line| number(&line["escalate ".len()..])))
        .in_memory()
        .expect("a database in memory opens");
    let rows = head.strip_prefix("rows").expect("the first line is `rows K=V ...`");
    for pair in rows.split_whitespace() {
        let (key, value) = pair.split_once('=').expect("rows are K=V");
        db.put(table, number(key), row(number(value))).unwrap();
    }
    let mut stage = Stage::new(db, table);
    let mut out: String =
        [indexed, Some(head), timeout, escalate].into_iter().flatten().map(|line| format!("{line}\n")).collect();
    for line in lines.filter(|line| !line.starts_with(' ')) {
        let command = line.split_once(':').map_or(line, |(command, _)| command).trim();
        out.push_str(&stage.give(command));
    }
    stage.end();
    out
}

#[track_caller]
fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))
}

/// What actors have told and not yet been asked for.
#[derive(Default)]
struct Board {
    told: Mutex<BTreeMap<String, Told>>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    events: Vec<String>,
    busy: bool,
    open: bool,
}

impl Board {
    fn tell(&self, actor: &str, event: String) {
        self.told.lock().entry(actor.to_owned()).or_default().events.push(event);
    }

    fn set(&self, actor: &str, busy: bool, open: bool) {
        let mut told = self.told.lock();
        let told = told.entry(actor.to_owned()).or_default();
        (told.busy, told.open) = (busy, open);
        self.changed.notify_all();
    }
}

type Rows = Table<u64, Row>;

struct Stage {
    db: Db,
    table: Rows,
    board: Arc<Board>,
    actors: BTreeMap<String, Sender<String>>,
    snapshots: BTreeMap<String, Snapshot>,
}

impl Stage {
    fn new(db: Db, table: Rows) -> Self {
        Stage { db, table, board: Arc::default(), actors: BTreeMap::new(), snapshots: BTreeMap::new() }
    }

    /// Gives one command, waits until nothing moves any more, and says what came of it.
    fn give(&mut self, command: &str) -> String {
        let (actor, step) = command.split_once(' ').unwrap_or_else(|| panic!("{command:?} has no actor"));
        if actor == "await" {
            match step.split_once(' ') {
                None => self.await_end_of_wait(step),
                Some((actor, age)) => self.await_age(actor, Duration::from_millis(number(age))),
            }
            self.settle(command);
            return format!("{command}: ok\n{}", self.report(command, actor, step));
        }
        if actor == "db" {
            return format!("{command}: {}\n", told(read(&self.db, self.table, step)));
        }
        if actor.starts_with('S') {
            let new = step == "snapshot";
            let snapshot = self.snapshots.entry(actor.to_owned()).or_insert_with(|| self.db.snapshot());
            let outcome = if new { "ok".to_owned() } else { told(read(&*snapshot, self.table, step)) };
            return format!("{command}: {outcome}\n");
        }
        let sender = self.actors.entry(actor.to_owned()).or_insert_with(|| {
            let (sender, steps) = channel();
            let (db, table, board) = (self.db.clone(), self.table, Arc::clone(&self.board));
            let name = actor.to_owned();
            let thread = std::thread::Builder::new().name(actor.to_owned());
            thread.spawn(move || act((&db, table), &board, &name, &steps)).unwrap();
            sender
        });
        let busy = self.board.told.lock().get(actor).is_some_and(|told| told.busy);
        assert!(!busy, "{command:?} is given to an actor that still waits");
        self.board.set(actor, true, true);
        sender.send(step.to_owned()).unwrap();
        self.settle(command);
        self.report(command, actor, step)
    }

    fn await_end_of_wait(&self, actor: &str) {
        let end = Instant::now() + PATIENCE;
        let mut told = self.board.told.lock();
        while told.get(actor).is_some_and(|told| told.busy) {
            assert!(Instant::now() < end, "{actor} still waits");
            self.board.changed.wait_for(&mut told, Duration::from_millis(10));
        }
    }

    fn await_age(&self, actor: &str, age: Duration) {
        until("the actor has waited for so long", || {
            let dump = self.db.locks().dump();
            let mut waiting = dump.granules.iter().flat_map(|granule| &granule.waiting);
            waiting.any(|waiter| *waiter.thread == *actor && waiter.age >= age)
        });
    }

    /// The line of a command and those of what followed from it.
    fn report(&self, command: &str, actor: &str, step: &str) -> String {
        let mut told = self.board.told.lock();
        let mut out = String::new();
        let mut others = String::new();
        for (name, told) in told.iter_mut() {
            let mut events = std::mem::take(&mut told.events).into_iter();
            if name == actor {
                let own = format!("{step}: ");
                let first = events.next().map(|event| event.strip_prefix(&own).unwrap_or(&event).to_owned());
                let waits_first = told.busy && events.len() == 0;
                let outcome = match (first, waits_first) {
                    (None, _) => "waits".to_owned(),
                    (Some(first), true) => format!("{first}, waits"),
                    (Some(first), false) => first,
                };
                out.push_str(&format!("{command}: {outcome}\n"));
                events.for_each(|event| out.push_str(&format!("  {name} {event}\n")));
            } else {
                let moved = events.len() > 0;
                events.for_each(|event| others.push_str(&format!("  {name} {event}\n")));
                if moved && told.busy {
                    others.push_str(&format!("  {name} waits\n"));
                }
            }
        }
        out + &others
    }

    /// Waits until every actor has either done all it was told or stands in a queue for a lock.
    ///
    /// A dump looks at one transaction after the other. That nothing moved between its first look and its last is known
    /// from the counters, and by the age of the waits, which is that of a request well inside its queue.
    fn settle(&self, command: &str) {
        const SETTLED: Duration = Duration::from_millis(4);
        let end = Instant::now() + PATIENCE;
        let busy = || -> Vec<String> {
            let told = self.board.told.lock();
            told.iter().filter(|(_, told)| told.busy).map(|(name, _)| name.clone()).collect()
        };
        loop {
            {
                let mut told = self.board.told.lock();
                if told.values().all(|told| !told.busy) {
                    return;
                }
                self.board.changed.wait_for(&mut told, Duration::from_millis(1));
            }
            let (actors, counters) = (busy(), self.db.locks().counters());
            let dump = self.db.locks().dump();
            let waits = |actor: &String| {
                let mut waiting = dump.granules.iter().flat_map(|granule| &granule.waiting);
                waiting.any(|waiter| *waiter.thread == **actor && waiter.age > SETTLED)
            };
            if actors.iter().all(waits) && counters == self.db.locks().counters() && actors == busy() {
                return;
            }
            assert!(Instant::now() < end, "after {command:?} this does not come to rest: {actors:?}\n{dump}");
        }
    }

    fn end(self) {
        for (name, told) in self.board.told.lock().iter() {
            assert!(!told.open, "{name} is left in the midst of its transaction");
        }
        assert_eq!(self.db.locks().dump().granules.len(), 0, "all locks are given back in the end");
    }
}

/// Why a closure ends without a commit.
enum Stop {
    Asked,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

/// The thread of an actor: one transaction or single call after the other.
fn act((db, table): (&Db, Rows), board: &Board, name: &str, commands: &Receiver<String>) {
    let mut guards = Vec::new();
    while let Ok(first) = commands.recv() {
        if let Some(name_of_lock) = first.strip_prefix("guard ") {
            let taken = db.lock(name_of_lock).map(|guard| guards.push(guard));
            board.tell(name, format!("{first}: {}", told(ok(taken))));
        } else if first == "unguard" {
            guards.clear();
            board.tell(name, format!("{first}: ok"));
        } else if let Some(step) = first.strip_prefix("once ") {
            board.tell(name, format!("{first}: {}", told(once(db, table, step))));
        } else {
            transact((db, table), board, name, first, commands);
        }
        board.set(name, false, false);
    }
}

fn transact((db, table): (&Db, Rows), board: &Board, name: &str, first: String, commands: &Receiver<String>) {
    let steps = RefCell::new(vec![first]);
    let outcome = db.try_transact(|tx| {
        for at in 0.. {
            if at == steps.borrow().len() {
                board.set(name, false, true);
                steps.borrow_mut().push(commands.recv().map_err(|_| Stop::Asked)?);
            }
            let step = steps.borrow()[at].clone();
            match step.as_str() {
                "commit" => return Ok(()),
                "abort" => return Err(Stop::Asked),
                _ => {}
            }
            match change(tx, table, &step) {
                Err(error) if error.kind() == ErrorKind::Restart => {
                    board.tell(name, "starts over".to_owned());
                    return Err(error.into());
                }
                outcome => board.tell(name, format!("{step}: {}", told(outcome))),
            }
        }
        unreachable!("an actor has no last step")
    });
    let step = steps.borrow().last().cloned().unwrap_or_default();
    match outcome {
        Ok(()) | Err(Stop::Asked) => board.tell(name, format!("{step}: ok")),
        Err(Stop::Error(error)) => board.tell(name, format!("{step}: {}", told(Err(error)))),
    }
}

fn told(outcome: Result<String>) -> String {
    outcome.unwrap_or_else(|error| format!("{:?}", error.kind()))
}

fn ok(outcome: Result<()>) -> Result<String> {
    outcome.map(|()| "ok".to_owned())
}

fn maybe(value: Option<i64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn list(rows: &[(u64, i64)]) -> String {
    let rows: Vec<String> = rows.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if rows.is_empty() { "none".to_owned() } else { rows.join(" ") }
}

/// Reads that all have.
fn read(from: &impl Access, table: Rows, step: &str) -> Result<String> {
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["get", key] => Ok(maybe(from.get(table, number(key))?.map(|row| row.value))),
        ["range", range] => {
            let (low, high) = range.split_once("..").expect("a range is A..B");
            let query = from.query(table).range(number::<u64>(low)..number::<u64>(high));
            Ok(list(&query.project_keyed(|key, row| (key, row.value)).collect()?))
        }
        ["all"] => {
            let rows = from.query(table).project_keyed(|key, row| (key, row.value)).collect()?;
            let read = from.read(table, |_| true, |row| row.value)?;
            assert!(rows.iter().map(|(_, value)| value).eq(&read), "two ways to read all give {rows:?} and {read:?}");
            Ok(list(&rows))
        }
        ["by", value] => {
            let query = from.query(table).by(&BY_VALUE);
            let query = match value.split_once("..") {
                Some((low, high)) => query.range(number::<i64>(low)..number::<i64>(high)),
                None => query.equal(number(value)),
            };
            Ok(list(&query.project_keyed(|key, row| (key, row.value)).collect()?))
        }
        ["large", value] => {
            let found = from.get_by(table, &BY_LARGE, number(value))?.map(|(key, row)| (key, row.value));
            Ok(list(&found.into_iter().collect::<Vec<_>>()))
        }
        _ => panic!("{step:?} is not a command here"),
    }
}

/// What an actor can do in its transaction.
fn change(tx: &Transaction, table: Rows, step: &str) -> Result<String> {
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["getu", key] => Ok(maybe(tx.get_for_update(table, number(key))?.map(|row| row.value))),
        ["put", key, value] => ok(tx.put(table, number(key), row(number(value)))),
        ["insert", key, value] => ok(tx.insert(table, number(key), row(number(value)))),
        ["remove", key] => Ok(maybe(tx.remove(table, number(key))?.map(|row| row.value))),
        ["add", key, more] => Ok(maybe(tx.modify(table, number(key), |row| {
            row.value += number::<i64>(more);
            row.value
        })?)),
        ["plus", key, more] => {
            let sum = tx.get(table, number(key))?.map_or(0, |row| row.value) + number::<i64>(more);
            tx.put(table, number(key), row(sum))?;
            Ok(sum.to_string())
        }
        ["addall", more] => Ok(tx.update(table, |_| true, |row| row.value += number::<i64>(more))?.to_string()),
        ["len"] => Ok(tx.len(table)?.to_string()),
        ["first"] => Ok(list(&tx.first(table)?.map(|(key, row)| (key, row.value)).into_iter().collect::<Vec<_>>())),
        ["last"] => Ok(list(&tx.last(table)?.map(|(key, row)| (key, row.value)).into_iter().collect::<Vec<_>>())),
        ["lock", name] => ok(tx.lock(name)),
        ["share", name] => ok(tx.lock_shared(name)),
        _ => read(tx, table, step),
    }
}

/// Single calls of the database.
fn once(db: &Db, table: Rows, step: &str) -> Result<String> {
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["put", key, value] => ok(db.put(table, number(key), row(number(value)))),
        ["insert", key, value] => ok(db.insert(table, number(key), row(number(value)))),
        ["remove", key] => Ok(maybe(db.remove(table, number(key))?.map(|row| row.value))),
        ["addall", more] => Ok(db.update(table, |_| true, |row| row.value += number::<i64>(more))?.to_string()),
        _ => read(db, table, step),
    }
}
