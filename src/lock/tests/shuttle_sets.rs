//! The whole lock manager under schedules that shuttle picks: random ones, and those of few but telling switches (PCT).
//!
//! A case is a number from which everything follows: the programs of the threads, the splits, the limits, and its
//! schedules. Each thread runs a few transactions that lock rows, ranges, tables and names in any order and mode, some
//! of them under guards. What they may read and write by their locks is noted in a ledger, which fails where two may
//! not be in at once. Some wait as tasks do. Segments are split and merged, waits time out and are cancelled meanwhile. No
//! case may deadlock (shuttle sees that), start over more than six times or leave a lock behind.

use std::collections::BTreeMap;

use parking_lot::Mutex as Plain;
use shuttle::future::block_on;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::lock::mode::Mode::{self, IS, IX, S, SIX, U, X};
use crate::lock::set::LockTime;
use crate::lock::{CancelToken, Limit};
use crate::options::MAX_RESTARTS;
use crate::sync::schedule_tests::{Cases, Dice};

const KEYS: u8 = 6;
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Row(usize, u8, Mode),
    /// From one key up to but not another.
    Range(usize, u8, u8, Mode),
    Table(usize, Mode),
    Name(usize, Mode),
    /// A look that takes what is free and nothing else.
    TryTable(usize),
}

#[derive(Debug, Clone)]
struct Program {
    /// Names held as guards around the transaction, ascending.
    guards: Vec<(usize, Mode)>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Case {
    /// For each thread its transactions.
    threads: Vec<Vec<Program>>,
    /// Tables and keys at which a system transaction tries to split, or to merge what is there with what follows.
    cuts: Vec<(usize, u8, bool)>,
    max_row_locks: usize,
    /// Row locks of a table at which a lock on the whole of it is tried.
    escalate_rows: usize,
    /// Threads whose waits are cancelled at some moment.
    cancelled: Vec<usize>,
    /// Waits end after so many looks at the clock; 0 for never.
    patience: u64,
}

impl Case {
    fn new(number: u64) -> Case {
        let mut dice = Dice(number);
        let threads = 2 + dice.below(2);
        let cuts = dice.below(4);
        Case {
            threads: (0..threads).map(|_| (0..=dice.below(2)).map(|_| program(&mut dice)).collect()).collect(),
            cuts: (0..cuts).map(|_| cut(&mut dice)).collect(),
            max_row_locks: dice.of(&[2, 3, usize::MAX]),
            escalate_rows: dice.of(&[2, usize::MAX]),
            cancelled: (0..threads as usize).filter(|_| dice.below(6) == 0).collect(),
            patience: dice.of(&[0, 0, 3, 40]),
        }
    }

    fn timeout(&self) -> Duration {
        if self.patience == 0 { Duration::MAX } else { Duration::from_millis(self.patience) }
    }
}

fn cut(dice: &mut Dice) -> (usize, u8, bool) {
    (dice.below(2) as usize, 1 + dice.below(u64::from(KEYS) - 1) as u8, dice.below(3) == 0)
}

fn program(dice: &mut Dice) -> Program {
    let guards = match dice.below(4) {
        0 => vec![(dice.below(3) as usize, dice.of(&[S, X]))],
        1 => vec![(0, dice.of(&[S, X])), (1, dice.of(&[S, X]))],
        _ => Vec::new(),
    };
    let steps = 2 + dice.below(3);
    Program { guards, steps: (0..steps).map(|_| step(dice)).collect() }
}

fn step(dice: &mut Dice) -> Step {
    let table = dice.below(2) as usize;
    match dice.below(16) {
        0..9 => Step::Row(table, dice.below(u64::from(KEYS)) as u8, dice.of(&[S, U, X, X])),
        9..12 => {
            let low = dice.below(u64::from(KEYS)) as u8;
            let high = low + 1 + dice.below(u64::from(KEYS - low)) as u8;
            Step::Range(table, low, high, dice.of(&[S, S, SIX, U, X]))
        }
        12 => Step::Table(table, dice.of(&[IS, IX, S, SIX, U, X])),
        13..15 => Step::Name(dice.below(3) as usize, dice.of(&[S, X])),
        _ => Step::TryTable(table),
    }
}

/// What somebody may do by the locks that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Read,
    /// Read, and nobody else may mean to write.
    Update,
    Write,
}

impl Right {
    fn of(mode: Mode) -> Option<Right> {
        match mode {
            S => Some(Right::Read),
            SIX | U => Some(Right::Update),
            X => Some(Right::Write),
            _ => None,
        }
    }

    fn excludes(self, other: Right) -> bool {
        matches!((self, other), (Right::Write, _) | (_, Right::Write) | (Right::Update, Right::Update))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Key(usize, u8),
    Name(usize),
}

/// Who may do what, noted apart from the locks. Its latch is a plain one: nothing in here is a step of a schedule.
#[derive(Default)]
struct Ledger(Plain<BTreeMap<Thing, Vec<(usize, Right)>>>);

impl Ledger {
    #[track_caller]
    fn note(&self, who: usize, thing: Thing, mode: Mode) {
        let Some(right) = Right::of(mode) else { return };
        let mut ledger = self.0.lock();
        let holders = ledger.entry(thing).or_default();
        for (other, held) in holders.iter() {
            assert!(*other == who || !right.excludes(*held), "{who} and {other} share {thing:?}: {right:?}, {held:?}");
        }
        holders.push((who, right));
    }

    fn note_keys(&self, who: usize, table: usize, keys: std::ops::Range<u8>, mode: Mode) {
        // A range or a table in SIX or U says nothing of a single key but that it is read.
        let mode = if matches!(mode, SIX | U) { S } else { mode };
        keys.for_each(|key| self.note(who, Thing::Key(table, key), mode));
    }

    /// Before the locks are given back.
    fn forget(&self, who: usize) {
        self.0.lock().values_mut().for_each(|holders| holders.retain(|(holder, _)| *holder != who));
    }
}

/// One run of a case.
struct Stage {
    case: Case,
    manager: Arc<LockManager>,
    tables: [Arc<TestTable>; 2],
    ledger: Ledger,
    /// For each thread.
    tokens: Vec<CancelToken>,
}

impl Stage {
    fn new(case: Case) -> Arc<Stage> {
        let manager = LockManager::with_limits(case.timeout(), case.max_row_locks, case.escalate_rows);
        let tables = [TestTable::new(1, &[&[3]]), TestTable::new(2, &[])];
        let tokens = case.threads.iter().map(|_| CancelToken::new()).collect();
        Arc::new(Stage { case, manager, tables, ledger: Ledger::default(), tokens })
    }

    fn play(self: &Arc<Self>) {
        let mut threads: Vec<_> = (0..self.case.threads.len())
            .map(|thread| {
                let stage = self.clone();
                shuttle::thread::spawn(move || stage.transactions(thread))
            })
            .collect();
        if !self.case.cuts.is_empty() {
            let stage = self.clone();
            threads.push(shuttle::thread::spawn(move || stage.cut_and_join()));
        }
        if !self.case.cancelled.is_empty() {
            let stage = self.clone();
            threads.push(shuttle::thread::spawn(move || {
                stage.case.cancelled.iter().for_each(|thread| stage.tokens[*thread].cancel());
            }));
        }
        for thread in threads {
            thread.join().expect("a thread of the case does not panic");
        }
        assert_all_free(&self.manager, &self.tables.each_ref());
    }

    fn transactions(&self, thread: usize) {
        for program in &self.case.threads[thread] {
            // The guards and the transaction of a thread are two holders, which may not share either.
            let (outer, inner) = (2 * thread, 2 * thread + 1);
            let mut guards = Vec::new();
            for (name, mode) in &program.guards {
                match self.manager.lock_all(&[(NAMES[*name], *mode)]) {
                    Ok(guard) => {
                        self.ledger.note(outer, Thing::Name(*name), *mode);
                        guards.push(guard);
                    }
                    Err(error) => self.expected(&error),
                }
            }
            if let Err(error) = self.transact(thread, inner, program) {
                self.expected(&error);
            }
            self.ledger.forget(outer);
        }
    }

    /// Runs one program to its end. As `txn::run` does.
    fn transact(&self, thread: usize, who: usize, program: &Program) -> Result<()> {
        let token = self.case.cancelled.contains(&thread).then(|| self.tokens[thread].clone());
        let limit = Limit::new("transaction", None, Location::caller(), None, token);
        let mut set = set(&self.manager).limited(LockTime::Default, limit.into_iter().collect());
        let outcome = loop {
            let outcome = program.steps.iter().try_for_each(|step| self.step(&mut set, who, step));
            self.ledger.forget(who);
            match outcome {
                Err(error) if error.kind() == ErrorKind::Restart => {
                    assert!(set.restarts() < MAX_RESTARTS, "{program:?} starts over for ever");
                    if let Err(error) = set.restart() {
                        break Err(error);
                    }
                }
                outcome => break outcome,
            }
        };
        drop(set);
        outcome
    }

    fn step(&self, set: &mut LockSet, who: usize, step: &Step) -> Result<()> {
        match step {
            Step::Row(table, key, mode) => {
                // Each mode is waited for by threads and by tasks.
                if key % 2 == 0 {
                    set.lock_row(&self.tables[*table], &[*key], *mode)?;
                } else {
                    block_on(set.lock_row_async(&self.tables[*table], &[*key], *mode))?;
                }
                self.ledger.note(who, Thing::Key(*table, *key), *mode);
            }
            Step::Range(table, low, high, mode) => {
                set.lock_range(&self.tables[*table], &[*low], Some(&[*high]), *mode)?;
                self.ledger.note_keys(who, *table, *low..*high, *mode);
            }
            Step::Table(table, mode) => {
                set.lock_table(&self.tables[*table], *mode)?;
                self.ledger.note_keys(who, *table, 0..KEYS, *mode);
            }
            Step::Name(name, mode) => {
                set.lock_name(NAMES[*name], *mode)?;
                self.ledger.note(who, Thing::Name(*name), *mode);
            }
            Step::TryTable(table) => {
                let mut look = super::set(&self.manager);
                if look.try_lock_table(&self.tables[*table], S) {
                    // A look outside of the transaction: it must not see what anybody is writing.
                    self.ledger.note_keys(usize::MAX - who, *table, 0..KEYS, S);
                    self.ledger.forget(usize::MAX - who);
                }
            }
        }
        Ok(())
    }

    fn expected(&self, error: &crate::Error) {
        let may_time_out = self.case.patience > 0;
        let expected = match error.kind() {
            ErrorKind::OutOfOrder => true,
            ErrorKind::LockTimeout => may_time_out,
            ErrorKind::Cancelled => !self.case.cancelled.is_empty(),
            _ => false,
        };
        assert!(expected, "{error}");
    }

    fn cut_and_join(&self) {
        for (table, key, join) in &self.case.cuts {
            let table = &self.tables[*table];
            let deadline = Instant::now() + Duration::from_millis(20);
            if *join {
                if let Some(_system) = lock_neighbours(&self.manager, table, &[*key], deadline) {
                    table.merge(&[*key]);
                }
                continue;
            }
            let mut system = set(&self.manager);
            let segment = table.locate(&[*key]);
            let mut lock = |segment| {
                system.lock_segment(table, segment, X, deadline).expect("a system transaction has no errors of its own")
            };
            if *segment.low != [*key] && lock(&segment) {
                table.split(&[*key]);
            }
        }
    }
}

const CASES: Cases<Case> = Cases { make: Case::new, play: |case| Stage::new(case).play(), count: 60, schedules: 25 };

#[test]
fn random_schedules() {
    CASES.random();
}

#[test]
fn schedules_of_few_switches() {
    CASES.of_few_switches();
}
