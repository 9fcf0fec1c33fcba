//! Random transactions whose every read and write is recorded, and a checker that looks for a serial order.
//!
//! A run is a row of rounds, each on a store of its own with other sizes, by turns under both durabilities. The threads
//! run transactions, calls outside of transactions and snapshots ([`record`] says what is kept of them). After each
//! round the store is closed, opened and read once more, and the history is [checked](check::check): there must be one
//! serial order that explains all reads and agrees with the clock.

pub mod anomaly;
mod attempt;
pub mod check;
pub mod graph;
mod numbers;
mod ops;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod record;
mod single;
mod sweep;
mod work;
mod world;

#[cfg(test)]
mod bad;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use gangline::lock::LockCounters;
use gangline::{Db, Durability, Options};

use crate::Failure;
use crate::random::Random;
use anomaly::Anomaly;
use ops::Keys;
use record::History;
use work::Worker;
use world::{TABLE_COUNT, World};

/// Transactions after which a round ends, so that its history fits into memory.
const ROUND_TRANSACTIONS: u64 = 60_000;
/// Time after which a round ends.
const ROUND_TIME: Duration = Duration::from_millis(1_200);
/// Threads that have ended nothing for so long hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// Anomalies that are shown.
const SHOWN: usize = 5;
/// Runs from this length on must do so much a minute, lest a change that locks whole tables passes.
const LEAST_FROM: Duration = Duration::from_secs(60);
const LEAST_COMMITS_A_MINUTE: f64 = 200_000.0;
const LEAST_WAITS: u64 = 1_000;
const LEAST_RESTARTS: u64 = 1_000;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long, the checks included.
    pub time: Duration,
    /// Threads that run transactions.
    pub threads: u32,
    /// Makes the same choices again (the schedule is the machine's).
    pub seed: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Calls in what was committed or read.
    pub operations: u64,
    /// Commits that wrote something.
    pub commits: u64,
    /// Requests for a lock that had to wait.
    pub waits: u64,
    /// Runs of closures that ended in a restart.
    pub restarts: u64,
    /// Segments split while in use.
    pub splits: u64,
    /// Segments merged while in use.
    pub merges: u64,
    /// Checkpoints made while in use.
    pub checkpoints: u64,
    /// Stores.
    pub rounds: u64,
    /// Cycles and reads that should not be.
    pub anomalies: u64,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { operations, commits, waits, restarts, splits, merges, checkpoints, rounds, anomalies } = self;
        format!(
            "operations {operations}\ncommits {commits}\nwaits {waits}\nrestarts {restarts}\nsplits {splits}\nmerges {merges}\n\
             checkpoints {checkpoints}\nrounds {rounds}\nanomalies {anomalies}\n"
        )
    }

    fn add(&mut self, world: &World) -> Result<(), Failure> {
        let status = world.db.status()?;
        let LockCounters { waits, restarts, .. } = status.locks;
        self.operations += world.operations.load(Relaxed);
        self.commits += status.commits;
        self.waits += waits;
        self.restarts += restarts;
        self.splits += status.segment_splits;
        self.merges += status.segment_merges;
        self.checkpoints += status.checkpoints;
        self.rounds += 1;
        Ok(())
    }

    /// Whether a long run did enough to mean something.
    fn check_least(&self, time: Duration) -> Result<(), Failure> {
        let minutes = time.as_secs_f64() / 60.0;
        let enough = self.commits as f64 >= LEAST_COMMITS_A_MINUTE * minutes
            && self.waits > LEAST_WAITS
            && self.restarts > LEAST_RESTARTS;
        match enough || time < LEAST_FROM {
            true => Ok(()),
            false => Err(Failure(format!(
                "too little to mean something: {LEAST_COMMITS_A_MINUTE} commits a minute, more than {LEAST_WAITS} waits \
                 and {LEAST_RESTARTS} restarts are expected, and these came\n{}",
                self.lines()
            ))),
        }
    }
}

/// Runs the plan on stores in temporary folders.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    if plan.threads == 0 {
        return Err(Failure("a history needs a thread at least".to_owned()));
    }
    let end = Instant::now() + plan.time;
    let mut summary = Summary::default();
    for round in 0.. {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let found = one_round(plan, round, left.min(ROUND_TIME), &mut summary)
            .map_err(|failure| Failure(format!("{failure}\n{}", repeat(plan, round))))?;
        if !found.is_empty() {
            summary.anomalies += found.len() as u64;
            return Err(Failure(report(plan, round, &found, &summary)));
        }
    }
    summary.check_least(plan.time)?;
    Ok(summary)
}

fn repeat(plan: &Plan, round: u64) -> String {
    let Plan { time, threads, seed } = plan;
    let seconds = time.as_secs().max(1);
    format!(
        "in round {round} of seed {seed}; to repeat, as far as the schedule does\n\
         gangline-torture history --seconds {seconds} --threads {threads} --seed {seed}"
    )
}

fn report(plan: &Plan, round: u64, found: &[Anomaly], summary: &Summary) -> String {
    let shown: Vec<String> = found.iter().take(SHOWN).map(Anomaly::to_string).collect();
    format!("no serial order, {}\n{}{}", repeat(plan, round), summary.lines(), shown.join("\n"))
}

fn options(round: u64, random: &mut Random) -> Options {
    let durability = if round.is_multiple_of(4) { Durability::Immediate } else { Durability::Eventual };
    Options::new()
        .durability(durability)
        .eventual_sync(Duration::from_millis(5 + random.below(50)))
        .segment_rows(4 + random.below(28) as usize)
        .scan_threads(random.below(3) as usize)
        .cache_bytes(64 << (10 + random.below(4)))
        .journal_bytes(1 << 20)
        .checkpoint_interval(Duration::from_millis(20 + random.below(200)))
}

/// Keys of a table that grows through the whole round.
const LONG_TABLE: u32 = 16_384;

fn keys(round: u64, random: &mut Random) -> Keys {
    let grows = round % 2 == 1;
    let each = if grows { LONG_TABLE } else { 64 << random.below(5) };
    Keys { each, all: each * TABLE_COUNT, hot: 8 << random.below(3), window: grows.then_some(0..0) }
}

fn one_round(plan: &Plan, round: u64, time: Duration, summary: &mut Summary) -> Result<Vec<Anomaly>, Failure> {
    let mut random = Random::part(plan.seed, round);
    let folder = tempfile::tempdir()?;
    let options = options(round, &mut random);
    let db = options.clone().open(folder.path())?;
    let (world, mut history) = World::new(db, keys(round, &mut random), &mut random)?;
    let seed = random.next();
    std::thread::scope(|scope| -> Result<(), Failure> {
        let workers: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let worker = Worker::new(&world, thread, Random::part(seed, u64::from(thread)));
                scope.spawn(|| worker.run())
            })
            .collect();
        watch(&world, Instant::now() + time, || workers.iter().any(|worker| worker.is_finished()));
        world.over.store(true, Relaxed);
        for worker in workers {
            history.append(worker.join().map_err(|_| Failure("a thread panicked".to_owned()))??);
        }
        Ok(())
    })?;
    summary.add(&world)?;
    history.append(at_the_end(&world, &options, folder.path())?);
    numbers::settle(&mut history);
    Ok(check::check(&history))
}

/// Waits until the round is over, or until nothing happens any more: then all that can be done is to say who waits.
fn watch(world: &World, end: Instant, stopped: impl Fn() -> bool) {
    let (mut ended, mut since) = (0, Instant::now());
    while Instant::now() < end && ended < ROUND_TRANSACTIONS && !stopped() {
        std::thread::sleep(Duration::from_millis(10));
        let now = world.ended.load(Relaxed);
        if now != ended {
            (ended, since) = (now, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            // Threads that hang cannot be joined, so this is the end of the process too.
            let text = format!("failed: nothing has ended for {PATIENCE:?}\n{}\n", world.db.locks().dump());
            drop(std::io::stderr().write_all(text.as_bytes()));
            std::process::exit(1);
        }
    }
}

/// Checks the store as it is, and again as it is after closing and opening it; both reads belong to the history.
fn at_the_end(world: &World, options: &Options, path: &Path) -> Result<History, Failure> {
    let mut last = world.last(&world.db, 1)?;
    if !world.db.verify()?.is_clean() {
        return Err(Failure("the verification found something".to_owned()));
    }
    world.db.clone().close()?;
    let db: Db = options.clone().open(path)?;
    last.append(world.last(&db, 2)?);
    db.close()?;
    Ok(last)
}
