//! Rules of the locks left out one at a time, to prove that the checks would see it.
//!
//! The library is built with its feature `mutants`, whose switch leaves out one rule. Each mutant runs in child
//! processes, one for each check, until one of them fails: the state-space model over the library's own functions, the
//! scripts, and random [histories](crate::history). A child that hangs is stuck in a deadlock, which is
//! caught too. A mutant that outlives its time is a hole in the checks. At first all checks run with nothing left out,
//! since a check that always fails sees nothing.

mod schedule;

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gangline::lock::mutant::{self, Mutant};

use crate::{Failure, history};

/// How long the run with nothing left out looks for an anomaly.
const CONTROL: Duration = Duration::from_secs(5);
/// What a child may take beyond its time before it hangs.
const GRACE: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For each mutant.
    pub time: Duration,
    /// Only this one.
    pub only: Option<String>,
    /// For the choices of the histories.
    pub seed: u64,
}

/// One way to find out that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// All interleavings of small programs over the library's own rules.
    Model,
    /// Scripts of named actors.
    Schedules,
    /// Random transactions that must have a serial order.
    History,
}

impl Check {
    const ALL: [Check; 3] = [Check::Model, Check::Schedules, Check::History];

    fn name(self) -> &'static str {
        match self {
            Check::Model => "model",
            Check::Schedules => "schedules",
            Check::History => "history",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Check {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Check::ALL.into_iter().find(|check| check.name() == name).ok_or(())
    }
}

/// Runs all mutants and says of each what caught it, as lines that come as they are known.
///
/// # Errors
///
/// A mutant that is not there, a check that fails with nothing left out, and the mutants that survived.
pub fn run(plan: &Plan, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(only) = &plan.only {
        named(only)?;
    }
    for check in Check::ALL {
        if let Ended::Failed = child("none", check, CONTROL, plan.seed)? {
            return Err(Failure(format!("the check {check} fails with nothing left out")));
        }
    }
    let mut survivors = Vec::new();
    let chosen = |name: &str| plan.only.as_deref().is_none_or(|only| only == name);
    for (name, _) in Mutant::ALL.into_iter().filter(|(name, _)| chosen(name)) {
        let start = Instant::now();
        let seconds = |start: Instant| start.elapsed().as_secs_f64();
        match catch(name, start + plan.time, plan.seed)? {
            Some(check) => writeln!(out, "mutant {name} caught_by {check} seconds {:.1}", seconds(start))?,
            None => {
                writeln!(out, "mutant {name} caught_by nothing seconds {:.1}", seconds(start))?;
                survivors.push(name);
            }
        }
        out.flush()?;
    }
    match survivors.is_empty() {
        true => Ok(()),
        false => Err(Failure(format!("these mutants survived: {}", survivors.join(", ")))),
    }
}

fn named(name: &str) -> Result<Mutant, Failure> {
    Mutant::named(name)
        .ok_or_else(|| Failure(format!("there is no mutant {name:?}: the names are {}", Mutant::names())))
}

/// The first check that fails.
fn catch(name: &str, end: Instant, seed: u64) -> Result<Option<Check>, Failure> {
    for check in Check::ALL {
        let left = end.saturating_duration_since(Instant::now());
        if let Ended::Failed = child(name, check, left, seed)? {
            return Ok(Some(check));
        }
    }
    Ok(None)
}

enum Ended {
    Passed,
    Failed,
}

/// Runs one check in a process of its own. One that does not end has failed.
fn child(name: &str, check: Check, time: Duration, seed: u64) -> Result<Ended, Failure> {
    let seconds = time.as_secs().max(1);
    let mut child = Command::new(std::env::current_exe()?)
        .args(["mutant-child", "--name", name, "--check", check.name()])
        .args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let end = Instant::now() + Duration::from_secs(seconds) + GRACE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Ended::Passed } else { Ended::Failed });
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::Failed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a child does: one check, with one rule left out (or with all rules, for the name `none`).
///
/// # Errors
///
/// What the check found.
pub fn check(name: &str, check: Check, time: Duration, seed: u64) -> Result<(), Failure> {
    let mutant = match name {
        "none" => None,
        name => Some(named(name)?),
    };
    mutant::set(mutant);
    match check {
        Check::Model => gangline::lock::check_model().map_err(Failure),
        Check::Schedules => schedule::run(),
        Check::History => {
            // Shorter than the time from which a run must have done a least of work.
            let time = time.min(Duration::from_secs(59));
            history::run(&history::Plan { time, threads: 8, seed }).map(drop)
        }
    }
}
