//! From what was measured to what is printed and written: medians, ratios, suspects, `peers.json`.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::cli::Options;
use crate::outcome::Outcome;
use crate::peer::OURS;
use crate::runner::{Entry, Results};
use crate::workload::{Better, median};

/// What each peer's `scan_hot` took elsewhere, in times of `vec` with 2 threads. A peer that is much slower here is
/// probably held wrong, and a ratio beside it says nothing.
const USUAL: &[(&str, f64)] =
    &[("lmdb", 4.0), ("redb", 7.0), ("sqlite", 3.2), ("rocksdb", 14.5), ("sled", 30.0), ("fjall", 20.0)];

/// How much slower than usual makes a suspect.
const TOLERANCE: f64 = 1.3;

/// One number beside ours; more is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) workload: String,
    pub(crate) peer: &'static str,
    /// Ours over theirs, or theirs over ours where less is better.
    pub(crate) value: f64,
}

/// All of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rows: u64,
    threads: usize,
    seed: u64,
    budget_mib: u64,
    test: bool,
    measured: Vec<Line>,
    pub(crate) ratios: Vec<Ratio>,
    suspects: Vec<String>,
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    threads: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    workload: &'static str,
    peer: &'static str,
    unit: &'static str,
    better: Better,
    median: f64,
    rounds: Vec<f64>,
    /// Medians too.
    notes: BTreeMap<String, f64>,
}

fn median_of(entry: &Entry) -> f64 {
    median(entry.rounds.iter().map(|measured| measured.value).collect())
}

fn line(entry: &Entry) -> Line {
    let mut notes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in entry.rounds.iter().flat_map(|measured| &measured.notes) {
        notes.entry(name.clone()).or_default().push(*value);
    }
    Line {
        workload: entry.workload.name,
        peer: entry.peer,
        unit: entry.workload.unit,
        better: entry.workload.better,
        median: median_of(entry),
        rounds: entry.rounds.iter().map(|measured| measured.value).collect(),
        notes: notes.into_iter().map(|(name, values)| (name, median(values))).collect(),
    }
}

impl Report {
    /// Works out medians, ratios and suspects.
    pub(crate) fn new(options: &Options, results: &Results) -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let machine = Machine {
            processor: name.unwrap_or("unknown").to_owned(),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
        };
        Report {
            machine,
            rows: options.rows,
            threads: options.threads,
            seed: options.seed,
            budget_mib: options.budget >> 20,
            test: options.test,
            measured: results.entries.iter().map(line).collect(),
            ratios: ratios(&results.entries),
            // Times of a few rows say nothing.
            suspects: if options.test { Vec::new() } else { suspects(&results.entries) },
            failures: results.failures.clone(),
        }
    }

    /// Prints a line for each number. Lines of one kind start with the same word.
    pub(crate) fn print(&self, out: &mut dyn Write) -> Outcome<()> {
        for line in &self.measured {
            let rounds: Vec<String> = line.rounds.iter().map(|value| short(*value)).collect();
            let (median, unit, rounds) = (short(line.median), line.unit, rounds.join(" "));
            writeln!(out, "VALUE {} {} {median} {unit} (rounds: {rounds})", line.workload, line.peer)?;
            for (name, value) in &line.notes {
                writeln!(out, "NOTE {} {} {name} {}", line.workload, line.peer, short(*value))?;
            }
        }
        for ratio in &self.ratios {
            writeln!(out, "RATIO {} {} {}", ratio.workload, ratio.peer, short(ratio.value))?;
        }
        self.suspects.iter().try_for_each(|text| writeln!(out, "SUSPECT {text}"))?;
        self.failures.iter().try_for_each(|text| writeln!(out, "FAILED {text}"))?;
        Ok(())
    }
}

/// Enough figures to compare, and no more.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn ratios(entries: &[Entry]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for entry in entries.iter().filter(|entry| entry.peer != OURS) {
        let same = |ours: &&Entry| ours.workload.name == entry.workload.name && ours.peer == OURS;
        let Some(ours) = entries.iter().find(same) else { continue };
        let (ours, theirs) = (median_of(ours), median_of(entry));
        let value = if entry.workload.better == Better::Less { theirs / ours } else { ours / theirs };
        ratios.push(Ratio { workload: entry.workload.name.to_owned(), peer: entry.peer, value });
    }
    ratios.extend(worse_of(&ratios, "scan_cold", ["scan_cold_loaded", "scan_cold_overwritten"]));
    ratios
}

/// The worse of two ratios under a name of its own, for each peer that has both.
fn worse_of(ratios: &[Ratio], name: &str, of: [&str; 2]) -> Vec<Ratio> {
    let find = |workload: &str, peer| ratios.iter().find(|ratio| ratio.workload == workload && ratio.peer == peer);
    let both = ratios.iter().filter(|ratio| ratio.workload == of[0]).filter_map(|first| {
        let second = find(of[1], first.peer)?;
        Some(Ratio { workload: name.to_owned(), peer: first.peer, value: first.value.min(second.value) })
    });
    both.collect()
}

fn suspects(entries: &[Entry]) -> Vec<String> {
    let value = |peer: &str| {
        let entry = entries.iter().find(|entry| entry.workload.name == "scan_hot" && entry.peer == peer);
        entry.map(median_of)
    };
    let Some(vec) = value("vec") else { return Vec::new() };
    let suspect = |(peer, usual): &(&str, f64)| {
        let times = value(peer)? / vec;
        (times > usual * TOLERANCE).then(|| {
            format!("{peer} scan_hot takes {} times vec's, and {usual} are usual: its ratios say little", short(times))
        })
    };
    USUAL.iter().filter_map(suspect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Measured, workload};

    fn entry(name: &str, peer: &'static str, values: &[f64]) -> Entry {
        let workload = workload(name).expect("it is in the list");
        Entry { workload, peer, rounds: values.iter().map(|value| Measured::new(*value)).collect() }
    }

    #[test]
    fn a_ratio_is_of_medians_and_more_is_better() {
        let entries = [
            entry("scan_hot", OURS, &[10.0, 90.0, 11.0]),
            entry("scan_hot", "lmdb", &[33.0, 30.0, 99.0]),
            entry("commit_durable_1", OURS, &[400.0]),
            entry("commit_durable_1", "lmdb", &[200.0]),
        ];
        let values: Vec<f64> = ratios(&entries).iter().map(|ratio| ratio.value).collect();
        assert_eq!(values, [3.0, 2.0]);
    }

    #[test]
    fn a_cold_scan_counts_by_its_worse_half() {
        let entries = [
            entry("scan_cold_loaded", OURS, &[10.0]),
            entry("scan_cold_loaded", "redb", &[40.0]),
            entry("scan_cold_overwritten", OURS, &[20.0]),
            entry("scan_cold_overwritten", "redb", &[30.0]),
        ];
        let last = ratios(&entries).pop().expect("there are three");
        assert_eq!(last, Ratio { workload: "scan_cold".to_owned(), peer: "redb", value: 1.5 });
    }

    #[test]
    fn a_peer_much_slower_than_usual_is_a_suspect() {
        let with = |lmdb: f64| [entry("scan_hot", "vec", &[10.0]), entry("scan_hot", "lmdb", &[lmdb])];
        assert!(suspects(&with(51.0)).is_empty());
        assert_eq!(suspects(&with(53.0)).len(), 1);
    }
}
