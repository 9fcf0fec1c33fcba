//! The list of workloads: what each needs, who takes part, and how its number is read.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::peer::{Durability, Kind, Peer, Settings};
use crate::workloads::{aggregate, beside, commit, get, load, mixed, remove, scan, size, transfer};

/// What the folder of a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    /// The rows as they were loaded.
    Loaded,
    /// The rows after as many random overwrites as there are rows.
    Overwritten,
    /// Of use to nobody: it is made anew.
    Spoiled,
}

/// When a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// In a plain run.
    Always,
    /// When `--workload` names it, and in a test run.
    Named,
    /// Only to bring a store into the state that another workload needs.
    Preparing,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Everybody,
    /// Those that keep rows on disk.
    OnDisk,
    /// Those with transactions over two rows, and their variants.
    Transacting,
}

/// Which numbers are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// One thing to measure.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// `None`: any state with rows in it will do.
    pub(crate) needs: Option<State>,
    /// `None`: the state stays as it was.
    pub(crate) leaves: Option<State>,
    pub(crate) when: When,
    pub(crate) who: Who,
    pub(crate) durability: Durability,
    /// This many times the rows of the command line.
    pub(crate) rows_times: u64,
    /// Instead of the budget of the command line.
    pub(crate) budget: Option<u64>,
    pub(crate) run: fn(&Setup) -> Outcome<Measured>,
}

impl Workload {
    pub(crate) fn takes(&self, kind: &Kind) -> bool {
        match self.who {
            Who::Everybody => !kind.variant,
            Who::OnDisk => kind.on_disk && !kind.variant,
            Who::Transacting => kind.transactions,
        }
    }
}

/// A budget that no setting of these runs fills.
pub(crate) const UNBOUNDED: u64 = 16 << 30;

/// The budget of the workloads that are about memory.
pub(crate) const TIGHT: u64 = 64 << 20;

const BASE: Workload = Workload {
    name: "",
    unit: "ns a row",
    better: Better::Less,
    needs: Some(State::Loaded),
    leaves: None,
    when: When::Always,
    who: Who::Everybody,
    durability: Durability::Eventual,
    rows_times: 1,
    budget: None,
    run: |_| Err("this workload does nothing".into()),
};

const COMMIT: Workload = Workload {
    unit: "a second",
    better: Better::More,
    needs: None,
    leaves: None,
    who: Who::OnDisk,
    durability: Durability::Immediate,
    ..BASE
};

const TRANSFER: Workload = Workload { who: Who::Transacting, durability: Durability::Eventual, ..COMMIT };

const BESIDE: Workload = Workload { unit: "times", better: Better::Less, when: When::Named, ..COMMIT };

/// All workloads, in the order in which a round runs them: each finds the state that the one before has left.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "load",
        needs: Some(State::Empty),
        leaves: Some(State::Loaded),
        who: Who::OnDisk,
        run: load::run,
        ..BASE
    },
    Workload { name: "scan_cold_loaded", who: Who::OnDisk, run: scan::cold, ..BASE },
    Workload { name: "scan_hot", run: scan::hot, ..BASE },
    Workload { name: "get_hot", unit: "ns", run: get::hot, ..BASE },
    Workload { name: "range_100", unit: "ns a range", when: When::Named, run: get::range, ..BASE },
    Workload { name: "half", when: When::Named, run: scan::half, ..BASE },
    Workload { name: "countries", when: When::Named, run: aggregate::run, ..BASE },
    Workload { name: "open", unit: "ms", when: When::Named, who: Who::OnDisk, run: size::open, ..BASE },
    Workload { name: "memory", unit: "MiB", when: When::Named, run: size::memory, ..BASE },
    Workload { name: "disk", unit: "MiB", when: When::Named, who: Who::OnDisk, run: size::disk, ..BASE },
    Workload { name: "scan_hot_updated", leaves: Some(State::Overwritten), run: scan::updated, ..BASE },
    Workload {
        name: "scan_cold_overwritten",
        needs: Some(State::Overwritten),
        who: Who::OnDisk,
        run: scan::cold,
        ..BASE
    },
    Workload { name: "commit_durable_1", run: |setup| commit::run(setup, 1), ..COMMIT },
    Workload { name: "commit_durable_16", run: |setup| commit::run(setup, 16), ..COMMIT },
    Workload {
        name: "commit_eventual_1",
        when: When::Named,
        durability: Durability::Eventual,
        run: |setup| commit::run(setup, 1),
        ..COMMIT
    },
    Workload { name: "transfer_uniform_1", run: |setup| transfer::uniform(setup, 1), ..TRANSFER },
    Workload { name: "transfer_uniform_2", run: |setup| transfer::uniform(setup, 2), ..TRANSFER },
    Workload { name: "transfer_uniform_16", run: |setup| transfer::uniform(setup, 16), ..TRANSFER },
    Workload { name: "transfer_zipf_1", run: |setup| transfer::zipf(setup, 1), ..TRANSFER },
    Workload { name: "transfer_zipf_2", run: |setup| transfer::zipf(setup, 2), ..TRANSFER },
    Workload { name: "transfer_zipf_16", run: |setup| transfer::zipf(setup, 16), ..TRANSFER },
    Workload { name: "transfer_uniform_60s", when: When::Named, run: transfer::long_uniform, ..TRANSFER },
    Workload { name: "transfer_zipf_60s", when: When::Named, run: transfer::long_zipf, ..TRANSFER },
    Workload { name: "mixed_95", when: When::Named, who: Who::OnDisk, run: |setup| mixed::run(setup, 5), ..TRANSFER },
    Workload { name: "mixed_50", when: When::Named, who: Who::OnDisk, run: |setup| mixed::run(setup, 50), ..TRANSFER },
    Workload { name: "commit_beside_scans_immediate", run: beside::run, ..BESIDE },
    Workload { name: "commit_beside_scans_eventual", durability: Durability::Eventual, run: beside::run, ..BESIDE },
    Workload {
        name: "remove_half",
        unit: "ns a removed row",
        when: When::Named,
        leaves: Some(State::Spoiled),
        run: remove::run,
        ..BASE
    },
    Workload {
        name: "get_cold",
        unit: "ns",
        when: When::Named,
        who: Who::OnDisk,
        rows_times: 10,
        budget: Some(TIGHT),
        run: get::cold,
        ..BASE
    },
    Workload {
        name: "overwrite",
        when: When::Preparing,
        leaves: Some(State::Overwritten),
        who: Who::OnDisk,
        run: load::overwrite,
        ..BASE
    },
];

pub(crate) fn workload(name: &str) -> Outcome<&'static Workload> {
    let known = || WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
    let found = WORKLOADS.iter().find(|workload| workload.name == name);
    found.ok_or_else(|| format!("no workload {name:?}: there are {}", known()).into())
}

/// What one child process is to measure.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) kind: &'static Kind,
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
    /// A run that only shows that all works.
    pub(crate) test: bool,
}

impl Setup {
    pub(crate) fn open(&self) -> Outcome<Box<dyn Peer>> {
        (self.kind.open)(&self.settings)
    }

    /// The time to measure for.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        if self.test { Duration::from_millis(30) } else { full }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.settings.rows
    }

    pub(crate) fn folder(&self) -> &PathBuf {
        &self.settings.folder
    }
}

/// What a child found. It goes to the parent as a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// In the unit of the workload.
    pub(crate) value: f64,
    /// A number made of the result, which must be the same for all peers; 0 where there is none.
    pub(crate) digest: u64,
    /// What else is worth knowing.
    pub(crate) notes: Vec<(String, f64)>,
}

impl Measured {
    pub(crate) fn new(value: f64) -> Self {
        Measured { value, digest: 0, notes: Vec::new() }
    }

    pub(crate) fn digest(mut self, digest: u64) -> Self {
        self.digest = digest;
        self
    }

    pub(crate) fn note(mut self, name: impl Into<String>, value: f64) -> Self {
        self.notes.push((name.into(), value));
        self
    }
}

/// How long something takes, and what it gives.
pub(crate) fn timed<T>(run: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = Instant::now();
    let value = run()?;
    Ok((start.elapsed(), value))
}

/// Nanoseconds for each of so many.
pub(crate) fn ns_each(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_values_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_workload_finds_its_state_when_all_run_in_order() {
        let mut state = State::Empty;
        for workload in WORKLOADS.iter().filter(|workload| workload.when == When::Always) {
            assert!(workload.needs.is_none_or(|needs| needs == state), "{} finds {state:?}", workload.name);
            state = workload.leaves.unwrap_or(state);
        }
    }
}
