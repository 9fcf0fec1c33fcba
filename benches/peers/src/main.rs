//! Gangline beside LMDB, redb, fjall, SQLite, RocksDB, sled and plain collections: one program, one machine, one run.
//!
//! Each workload runs with each peer in a process of its own, in rounds in which the peers take turns. All results are
//! checked, and peers that were asked for the same must give the same; else the program fails. It prints
//! `RATIO workload peer value` lines (more is better), and writes `peers.json` and charts.

mod chart;
mod child;
mod cli;
mod encoded;
mod growth;
mod outcome;
mod peer;
mod peers;
mod random;
mod report;
mod row;
mod runner;
mod tpch;
mod workload;
mod workloads;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use cli::{Command, GROWTH, Options};
use outcome::Outcome;
use peer::{KINDS, Kind};
use report::Report;
use runner::Runner;
use workload::{WORKLOADS, When, Workload};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Where this cannot be written either, the exit code is all that is left.
            _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let mut out = io::stdout();
    match cli::parse(std::env::args_os().skip(1))? {
        Command::Help => out.write_all(cli::help().as_bytes())?,
        Command::Child { workload, peer, folder, options } if workload == tpch::NAME => {
            writeln!(out, "{}", serde_json::to_string(&tpch::child(&peer, &folder, &options)?)?)?;
        }
        Command::Child { workload, peer, folder, options } => {
            writeln!(out, "{}", serde_json::to_string(&child::run(&workload, &peer, folder, &options)?)?)?;
        }
        Command::Run(options) => return measure(&options, &mut out),
    }
    Ok(ExitCode::SUCCESS)
}

/// All that the options ask for. Fails if a result was wrong, after everything else was measured.
fn measure(options: &Options, out: &mut dyn Write) -> Outcome<ExitCode> {
    let (workloads, kinds) = (workloads(options), kinds(options));
    fs::create_dir_all(&options.out)?;
    let mut progress = io::stderr();
    let mut failures = Vec::new();
    if !workloads.is_empty() {
        let mut runner = Runner::new(options, &mut progress)?;
        let results = runner.rounds(&workloads, &kinds, options.repeat);
        runner.clear()?;
        let report = Report::new(options, &results);
        report.print(out)?;
        fs::write(options.out.join("peers.json"), serde_json::to_string_pretty(&report)?)?;
        fs::write(options.out.join("peers.svg"), chart::ratios(&report.ratios))?;
        failures.extend(report.failures);
    }
    let named = |name: &str| {
        options.workloads.iter().any(|named| named == name) || options.test && options.workloads.is_empty()
    };
    if named(GROWTH) {
        failures.extend(growth::run(options, &kinds, out, &mut progress)?);
    }
    if named(tpch::NAME) {
        failures.extend(tpch::run(options, out, &mut progress)?);
    }
    writeln!(out, "written to {}", options.out.display())?;
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn workloads(options: &Options) -> Vec<&'static Workload> {
    let named = |workload: &&Workload| {
        let scan_cold = workload.name.starts_with("scan_cold_");
        options.workloads.iter().any(|name| name == workload.name || name == "scan_cold" && scan_cold)
    };
    let wanted = |workload: &&'static Workload| match workload.when {
        When::Preparing => false,
        _ if !options.workloads.is_empty() => named(workload),
        When::Named => options.test,
        When::Always => true,
    };
    WORKLOADS.iter().filter(wanted).collect()
}

fn kinds(options: &Options) -> Vec<&'static Kind> {
    let wanted = |kind: &&Kind| options.peers.is_empty() || options.peers.iter().any(|name| name == kind.name);
    KINDS.iter().filter(wanted).collect()
}
