//! TPC-H queries 1 and 6 over `lineitem`, with Gangline, SQLite and DuckDB.
//!
//! The queries are those of the specification with its validation values. Money is counted in whole cents and results are
//! compared as whole numbers, so that they must be the same to the last digit. Loading is in the notes and not in the ratio.

mod gangline;
mod item;
mod python;
mod query;
mod sqlite;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::cli::Options;
use crate::outcome::{Outcome, check};
use crate::peer::OURS;
use crate::report::short;
use crate::runner::output;
use crate::workload::{median, timed};

pub(crate) use python::NAME as DUCKDB;

/// The name of both queries on the command line.
pub(crate) const NAME: &str = "tpch";

const SQLITE: &str = "sqlite";

/// Runs of each query in a process, of which the median counts.
const RUNS: usize = 5;

/// What one child found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    rows: u64,
    load_s: f64,
    q1_ms: f64,
    q6_ms: f64,
    /// Groups of query 1 in order, and the only number of query 6.
    q1: Vec<query::Group>,
    q6: i64,
}

/// Loads `lineitem` into one store and asks it both queries.
pub(crate) fn child(peer: &str, folder: &Path, options: &Options) -> Outcome<Found> {
    fs::create_dir_all(folder)?;
    match peer {
        OURS => gangline::run(folder, options),
        SQLITE => sqlite::run(folder, options),
        DUCKDB => python::run(folder, options),
        _ => Err(format!("{NAME} runs with {OURS}, {SQLITE} and {DUCKDB}, not with {peer}").into()),
    }
}

/// Asks a query several times; the median in milliseconds.
fn asked<T: PartialEq + std::fmt::Debug>(options: &Options, ask: impl Fn() -> Outcome<T>) -> Outcome<(f64, T)> {
    let first = ask()?;
    let mut times = Vec::new();
    for _ in 0..if options.test { 1 } else { RUNS } {
        let (time, again) = timed(&ask)?;
        check("the same query asked again", &again, &first)?;
        times.push(time.as_secs_f64() * 1e3);
    }
    Ok((median(times), first))
}

/// Runs all stores in rounds, compares and prints; gives what failed.
pub(crate) fn run(options: &Options, out: &mut dyn Write, progress: &mut dyn Write) -> Outcome<Vec<String>> {
    let wanted = |peer: &&str| options.peers.is_empty() || options.peers.iter().any(|name| name == peer);
    let mut peers: Vec<&str> = [OURS, SQLITE, DUCKDB].into_iter().filter(wanted).collect();
    if options.peers.is_empty() && !python::is_there(options) {
        writeln!(out, "SKIPPED {NAME} {DUCKDB}: {} has no package duckdb (pip install duckdb)", options.python)?;
        peers.retain(|peer| *peer != DUCKDB);
    }
    let (mut found, mut failures) = (BTreeMap::<&str, Vec<Found>>::new(), Vec::new());
    for round in 0..options.repeat {
        for peer in &peers {
            match in_process(peer, options) {
                Ok(numbers) => {
                    let text = format!("q1 {:.1} ms, q6 {:.1} ms", numbers.q1_ms, numbers.q6_ms);
                    writeln!(progress, "round {} {NAME} {peer}: {text} (load {:.1} s)", round + 1, numbers.load_s)?;
                    found.entry(peer).or_default().push(numbers);
                }
                Err(error) => failures.push(format!("{NAME} {peer}: {error}")),
            }
        }
    }
    let all: Vec<&Found> = found.values().flatten().collect();
    for other in all.iter().skip(1) {
        if (&other.q1, other.q6, other.rows) != (&all[0].q1, all[0].q6, all[0].rows) {
            failures
                .push(format!("{NAME}: results differ: {:?} {}, {:?} {}", all[0].q1, all[0].q6, other.q1, other.q6));
        }
    }
    if let Some(first) = all.first()
        && options.scale == 1.0
        && (!first.q1.iter().map(query::exact).eq(query::RIGHT_Q1) || first.q6 != query::RIGHT_Q6)
    {
        failures.push(format!("{NAME}: not the results of the specification: {:?} {}", first.q1, first.q6));
    }
    print(&found, out)?;
    failures.iter().try_for_each(|text| writeln!(out, "FAILED {text}"))?;
    fs::write(options.out.join("tpch.json"), serde_json::to_string_pretty(&found)?)?;
    Ok(failures)
}

fn in_process(peer: &str, options: &Options) -> Outcome<Found> {
    let folder = options.out.join("stores").join(format!("{NAME}-{peer}"));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", NAME, peer, "--folder"]).arg(&folder).args(["--python", &options.python]);
    command.args(["--threads", &options.threads.to_string(), "--sf", &options.scale.to_string()]);
    if options.test {
        command.arg("--test");
    }
    let text = output(command);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(serde_json::from_str(&text?)?)
}

fn print(found: &BTreeMap<&str, Vec<Found>>, out: &mut dyn Write) -> Outcome<()> {
    let middle = |rounds: &[Found], number: fn(&Found) -> f64| median(rounds.iter().map(number).collect());
    for (name, number) in [("tpch_q1", (|f| f.q1_ms) as fn(&Found) -> f64), ("tpch_q6", |f| f.q6_ms)] {
        let ours = found.get(OURS).map(|rounds| middle(rounds, number));
        for (peer, rounds) in found {
            let theirs = middle(rounds, number);
            writeln!(out, "VALUE {name} {peer} {} ms", short(theirs))?;
            writeln!(out, "NOTE {name} {peer} load_s {}", short(middle(rounds, |found| found.load_s)))?;
            if let Some(ours) = ours.filter(|_| *peer != OURS) {
                writeln!(out, "RATIO {name} {peer} {}", short(theirs / ours))?;
            }
        }
    }
    Ok(())
}
