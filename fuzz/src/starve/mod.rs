//! Nobody starves and nobody is held up for long: worst times under heavy contention, with bounds that are enforced.
//!
//! First part: all threads read, change and write two rows each, chosen by a Zipf distribution and locked in random
//! order, so that most of them want the same few rows. Second part: one thread reads the whole table inside a
//! transaction, again and again, while all others go on writing.

mod zipf;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::fill::fill;
use crate::random::Random;
use zipf::Zipf;

const ACCOUNTS: Table<u64, Account> = Table::new("accounts");
const OPENING_BALANCE: i64 = 1_000;
/// How unequal the rows are: the first is chosen some seven times in a hundred.
const SKEW: f64 = 0.99;
/// Runs from this length on are held to the bounds.
const BOUNDS_FROM: Duration = Duration::from_secs(60);
const WORST_COMMIT: Duration = Duration::from_millis(250);
const WORST_READER: Duration = Duration::from_secs(1);
const LEAST_RATIO: f64 = 0.5;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    balance: i64,
    moves: u64,
    owner: String,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long each of the two parts takes, in halves.
    pub time: Duration,
    /// Threads.
    pub threads: u32,
    /// Rows.
    pub rows: u64,
    /// Makes the same choices again (the schedule is the machine's).
    pub seed: u64,
}

/// What a run saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Transactions of the first part.
    pub commits: u64,
    /// The longest call of `transact` in the first part.
    pub worst_commit: Duration,
    /// Commits of the thread with the fewest, as a part of the mean.
    pub least_thread_ratio: f64,
    /// Requests that had to wait.
    pub waits: u64,
    /// Runs of closures that ended in a restart.
    pub restarts: u64,
    /// Restarts that took a lock on a table or on the database.
    pub escalations: u64,
    /// Locks that were not granted in time.
    pub timeouts: u64,
    /// Full reads in the second part.
    pub reads: u64,
    /// The longest of them.
    pub worst_reader: Duration,
    /// Transactions of the writers beside it.
    pub commits_beside_reader: u64,
    /// The longest of them, which waits for the reader.
    pub worst_commit_beside_reader: Duration,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "commits {}\nworst_commit_ms {:.1}\nleast_thread_ratio {:.3}\nwaits {}\nrestarts {}\nescalations {}\n\
             timeouts {}\nreads {}\nworst_reader_ms {:.1}\ncommits_beside_reader {}\n\
             worst_commit_beside_reader_ms {:.1}\nsum ok\n",
            self.commits,
            millis(self.worst_commit),
            self.least_thread_ratio,
            self.waits,
            self.restarts,
            self.escalations,
            self.timeouts,
            self.reads,
            millis(self.worst_reader),
            self.commits_beside_reader,
            millis(self.worst_commit_beside_reader),
        )
    }

    /// The first bound that was missed.
    fn missed(&self) -> Option<String> {
        if self.timeouts > 0 {
            return Some(format!("{} locks were not granted in time", self.timeouts));
        }
        if self.worst_commit > WORST_COMMIT {
            return Some(format!(
                "a transaction took {:?}, and at most {WORST_COMMIT:?} are allowed",
                self.worst_commit
            ));
        }
        if self.least_thread_ratio < LEAST_RATIO {
            let ratio = self.least_thread_ratio;
            return Some(format!("a thread had {ratio:.3} of the mean, and at least {LEAST_RATIO} is expected"));
        }
        if self.worst_reader > WORST_READER {
            return Some(format!("a full read took {:?}, and at most {WORST_READER:?} are allowed", self.worst_reader));
        }
        None
    }
}

/// What one thread did.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    done: u64,
    worst: Duration,
}

impl Tally {
    fn add(&mut self, began: Instant) {
        self.done += 1;
        self.worst = self.worst.max(began.elapsed());
    }
}

/// Runs the plan on a store in a temporary folder.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    if plan.threads < 2 || plan.rows < 2 {
        return Err(Failure("starvation needs two threads and two rows at least".to_owned()));
    }
    let folder = tempfile::tempdir()?;
    let db = Options::new().durability(Durability::Eventual).open(folder.path())?;
    fill(&db, ACCOUNTS, plan.rows, account)?;
    let zipf = Zipf::new(plan.rows, SKEW);
    let mut summary = Summary::default();
    let world = World { db: &db, plan, zipf: &zipf };
    let writers = world.together(plan.time / 2, |_| Role::Writer)?;
    summary.commits = writers.iter().map(|(_, tally)| tally.done).sum();
    summary.worst_commit = worst(&writers, Role::Writer);
    let least = writers.iter().map(|(_, tally)| tally.done).min().unwrap_or(0);
    summary.least_thread_ratio = least as f64 * f64::from(plan.threads) / summary.commits.max(1) as f64;
    let both = world.together(plan.time / 2, |thread| if thread == 0 { Role::Reader } else { Role::Writer })?;
    let count = |role| both.iter().filter(|(own, _)| *own == role).map(|(_, tally)| tally.done).sum();
    (summary.reads, summary.commits_beside_reader) = (count(Role::Reader), count(Role::Writer));
    summary.worst_reader = worst(&both, Role::Reader);
    summary.worst_commit_beside_reader = worst(&both, Role::Writer);
    let counters = db.locks().counters();
    (summary.waits, summary.restarts) = (counters.waits, counters.restarts);
    (summary.escalations, summary.timeouts) = (counters.escalations, counters.timeouts);
    let (sum, moves) = world.sum(&db)?;
    if sum != plan.rows as i64 * OPENING_BALANCE {
        return Err(Failure(format!("the sum is {sum} at the end, and does not hold\n{}", summary.lines())));
    }
    let transfers = summary.commits + summary.commits_beside_reader;
    if moves != 2 * transfers {
        return Err(Failure(format!("{transfers} transfers left {moves} moves: an update was lost")));
    }
    db.close()?;
    match summary.missed() {
        Some(reason) if plan.time >= BOUNDS_FROM => Err(Failure(format!("{reason}\n{}", summary.lines()))),
        _ => Ok(summary),
    }
}

fn account(id: u64) -> Account {
    Account { balance: OPENING_BALANCE, moves: 0, owner: format!("owner of account {id:08}") }
}

fn worst(of: &[(Role, Tally)], role: Role) -> Duration {
    of.iter().filter(|(own, _)| *own == role).map(|(_, tally)| tally.worst).max().unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

struct World<'a> {
    db: &'a Db,
    plan: &'a Plan,
    zipf: &'a Zipf,
}

impl World<'_> {
    /// Runs all threads for some time, from one moment on.
    fn together(&self, time: Duration, role: impl Fn(u32) -> Role) -> Result<Vec<(Role, Tally)>, Failure> {
        let (over, ready) = (AtomicBool::new(false), Barrier::new(self.plan.threads as usize + 1));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.plan.threads)
                .map(|thread| {
                    let (role, over, ready) = (role(thread), &over, &ready);
                    let work = move || {
                        ready.wait();
                        match role {
                            Role::Writer => self.write(thread, over),
                            Role::Reader => self.read(over),
                        }
                    };
                    (role, scope.spawn(work))
                })
                .collect();
            ready.wait();
            let end = Instant::now() + time;
            while Instant::now() < end && threads.iter().all(|(_, thread)| !thread.is_finished()) {
                std::thread::sleep(Duration::from_millis(10));
            }
            over.store(true, Relaxed);
            let joined = threads.into_iter().map(|(role, thread)| {
                let tally = thread.join().map_err(|_| Failure("a thread panicked".to_owned()))??;
                Ok((role, tally))
            });
            joined.collect()
        })
    }

    fn write(&self, thread: u32, over: &AtomicBool) -> Result<Tally, Failure> {
        let mut random = Random::part(self.plan.seed, u64::from(thread));
        let mut tally = Tally::default();
        while !over.load(Relaxed) {
            let one = self.zipf.row(&mut random);
            let other = match self.zipf.row(&mut random) {
                same if same == one => (one + 1) % self.plan.rows,
                other => other,
            };
            let amount = random.below(50) as i64;
            let began = Instant::now();
            self.db.transact(|tx| {
                for (id, amount) in [(one, amount), (other, -amount)] {
                    tx.modify(ACCOUNTS, id, |account| {
                        account.balance += amount;
                        account.moves += 1;
                    })?;
                }
                Ok(())
            })?;
            tally.add(began);
        }
        Ok(tally)
    }

    fn read(&self, over: &AtomicBool) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let expected = self.plan.rows as i64 * OPENING_BALANCE;
        while !over.load(Relaxed) {
            let began = Instant::now();
            let balances = self.db.transact(|tx| tx.read(ACCOUNTS, |_| true, |account| account.balance))?;
            tally.add(began);
            let sum: i64 = balances.iter().sum();
            if sum != expected {
                return Err(Failure(format!("a full read has the sum {sum}, and it should be {expected}")));
            }
        }
        Ok(tally)
    }

    fn sum(&self, db: &Db) -> Result<(i64, u64), Failure> {
        let add = |(sum, moves): (i64, u64), account: &Account| (sum + account.balance, moves + account.moves);
        Ok(db.query(ACCOUNTS).fold(|| (0, 0), add, |a, b| (a.0 + b.0, a.1 + b.1))?)
    }
}
