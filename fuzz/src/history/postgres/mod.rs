//! The random programs of this module on PostgreSQL, at its three levels: what the checker must find there, and what not.
//!
//! PostgreSQL is known to lose updates and skew reads at READ COMMITTED, to have write skew alone at REPEATABLE READ
//! (which is snapshot isolation), and to have nothing at SERIALIZABLE. A checker that says so of real histories can be
//! believed when it says of ours that there is nothing.

mod cluster;
mod session;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postgres::{Client, IsolationLevel};

use super::anomaly::{Anomaly, Name};
use super::attempt::Attempt;
use super::check;
use super::numbers::Numbers;
use super::ops::Keys;
use super::record::{History, Kind, Stamp};
use crate::Failure;
use crate::random::Random;
use cluster::Cluster;
use session::{Session, connect, sql};

/// Time after which a round ends: what hangs together in it counts as one finding.
const ROUND_TIME: Duration = Duration::from_millis(400);
/// Findings that are shown where none should be.
const SHOWN: usize = 3;
const TABLES: [&str; 2] = ["gangline_torture.left_rows", "gangline_torture.right_rows"];

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long, all levels together.
    pub time: Duration,
    /// Connections.
    pub threads: u32,
    /// Makes the same choices again (the schedule is the machine's).
    pub seed: u64,
    /// A server to use instead of one of our own. A schema `gangline_torture` is made and dropped there.
    pub server: Option<String>,
}

/// How much PostgreSQL keeps transactions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// Snapshot isolation.
    RepeatableRead,
    /// A serial order.
    Serializable,
}

impl Level {
    const ALL: [Level; 3] = [Level::ReadCommitted, Level::RepeatableRead, Level::Serializable];

    fn sql(self) -> IsolationLevel {
        match self {
            Level::ReadCommitted => IsolationLevel::ReadCommitted,
            Level::RepeatableRead => IsolationLevel::RepeatableRead,
            Level::Serializable => IsolationLevel::Serializable,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::ReadCommitted => "read_committed",
            Level::RepeatableRead => "repeatable_read",
            Level::Serializable => "serializable",
        }
    }

    /// Whether the level lets this happen.
    fn allows(self, name: Name) -> bool {
        match self {
            Level::ReadCommitted => matches!(name, Name::GSingle | Name::G2Item | Name::G2),
            Level::RepeatableRead => matches!(name, Name::G2Item | Name::G2),
            Level::Serializable => false,
        }
    }
}

/// What a run found at one level.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Transactions that committed.
    pub commits: u64,
    /// Transactions that PostgreSQL ended with a serialization failure or a deadlock.
    pub refused: u64,
    /// Knots of transactions without a serial order, by the name of the worst cycle in them.
    pub anomalies: BTreeMap<Name, u64>,
}

impl Found {
    fn count(&self, names: &[Name]) -> u64 {
        names.iter().filter_map(|name| self.anomalies.get(name)).sum()
    }
}

/// What a run found, level by level.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    levels: Vec<(&'static str, Found)>,
}

impl Summary {
    /// What was found at one level.
    pub fn at(&self, level: Level) -> Found {
        self.levels.iter().find(|(name, _)| *name == level.name()).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for (level, found) in &self.levels {
            let (commits, refused) = (found.commits, found.refused);
            text.push_str(&format!("{level}_commits {commits}\n{level}_refused {refused}\n"));
            for name in Name::ALL {
                text.push_str(&format!("{level}_{name} {}\n", found.count(&[name])));
            }
        }
        text
    }

    /// Whether each level showed what it is known for. Lost updates are one kind of `G-single`.
    fn check(&self) -> Result<(), Failure> {
        let missing = [
            (
                Level::ReadCommitted,
                "a lost update or a skewed read",
                self.at(Level::ReadCommitted).count(&[Name::GSingle]),
            ),
            (Level::RepeatableRead, "a write skew", self.at(Level::RepeatableRead).count(&[Name::G2Item, Name::G2])),
        ];
        match missing.iter().find(|(_, _, count)| *count == 0) {
            None => Ok(()),
            Some((level, what, _)) => {
                let lines = self.lines();
                Err(Failure(format!("{what} should have been found at {}; run for longer\n{lines}", level.name())))
            }
        }
    }
}

/// What the connections of a round share.
struct World {
    keys: Keys,
    numbers: Numbers,
    start: Instant,
    end: Instant,
}

impl World {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + 1
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// Runs the plan, a third of its time at each level.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    if plan.threads < 2 {
        return Err(Failure("anomalies need two threads at least".to_owned()));
    }
    let cluster = match &plan.server {
        Some(url) => Cluster::at(url),
        None => Cluster::start()?,
    };
    let mut client = connect(&cluster.url)?;
    make_tables(&mut client)?;
    let outcome = all_levels(plan, &cluster.url, &mut client);
    let dropped = client.batch_execute("DROP SCHEMA gangline_torture CASCADE").map_err(sql);
    let summary = outcome?;
    dropped?;
    summary.check()?;
    Ok(summary)
}

fn all_levels(plan: &Plan, url: &str, client: &mut Client) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    for level in Level::ALL {
        let end = Instant::now() + plan.time / Level::ALL.len() as u32;
        let mut found = Found::default();
        for round in 0.. {
            if round > 0 && Instant::now() >= end {
                break;
            }
            let anomalies = one_round(plan, round, url, client, level, &mut found)?;
            if let Some(bad) = anomalies.iter().find(|anomaly| !level.allows(anomaly.name)) {
                let shown: Vec<String> = anomalies.iter().take(SHOWN).map(Anomaly::to_string).collect();
                return Err(Failure(format!(
                    "{} should not have {}; seed {}, round {round}\n{}",
                    level.name(),
                    bad.name,
                    plan.seed,
                    shown.join("\n")
                )));
            }
            for anomaly in anomalies {
                *found.anomalies.entry(anomaly.name).or_default() += 1;
            }
        }
        summary.levels.push((level.name(), found));
    }
    Ok(summary)
}

fn one_round(
    plan: &Plan,
    round: u64,
    url: &str,
    client: &mut Client,
    level: Level,
    found: &mut Found,
) -> Result<Vec<Anomaly>, Failure> {
    let mut random = Random::part(plan.seed, round);
    let keys = super::keys(0, &mut random);
    let numbers = Numbers::new(keys.all);
    let start = Instant::now();
    let world = &World { keys, numbers, start, end: start + ROUND_TIME };
    let mut history = fill(world, client, &mut random)?;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let threads: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let random = Random::part(random.next(), u64::from(thread));
                scope.spawn(move || Session::new(world, url, thread, random)?.run(level))
            })
            .collect();
        for thread in threads {
            let (recorded, refused) = thread.join().map_err(|_| Failure("a thread panicked".to_owned()))??;
            found.commits += recorded.txns.len() as u64;
            found.refused += refused;
            history.append(recorded);
        }
        Ok(())
    })?;
    Ok(check::check(&history))
}

fn make_tables(client: &mut Client) -> Result<(), Failure> {
    let mut text = "DROP SCHEMA IF EXISTS gangline_torture CASCADE; CREATE SCHEMA gangline_torture;".to_owned();
    for table in TABLES {
        text.push_str(&format!("CREATE TABLE {table} (key integer PRIMARY KEY, txn bigint, write bigint);"));
    }
    client.batch_execute(&text).map_err(sql)
}

/// Puts half of the keys into the emptied tables, as transaction 0.
fn fill(world: &World, client: &mut Client, random: &mut Random) -> Result<History, Failure> {
    let mut first = Attempt::new(0);
    let mut text = "BEGIN;".to_owned();
    TABLES.iter().for_each(|table| text.push_str(&format!("TRUNCATE {table};")));
    for key in (0..world.keys.all).filter(|_| random.below(2) == 0) {
        let table = TABLES[(key / world.keys.each) as usize];
        let Stamp { txn, write } = first.stamp();
        text.push_str(&format!("INSERT INTO {table} VALUES ({key}, {txn}, {write});"));
        first.wrote(key, world.numbers.next(key), write, false);
    }
    text.push_str("COMMIT;");
    client.batch_execute(&text).map_err(sql)?;
    Ok(History { txns: vec![first.finish(Kind::Transaction, 0, 0, 0)], faults: Vec::new() })
}
