//! The command line, of the program and of the child processes that it starts.

use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::outcome::Outcome;
use crate::peer::{KINDS, kind};
use crate::tpch;
use crate::workload::{WORKLOADS, When, workload};

/// What `--help` prints, before the names.
const HELP: &str = "\
Measures Gangline beside other stores, a process for each workload, peer and round, and checks all results.

usage: gangline-bench-peers [options]

options:
  --rows N          rows of the table                                  (default 1000000)
  --threads N       threads of parallel scans                          (default 2)
  --workload A,B    only these                                         (default: those of a plain run)
  --peer A,B        only these                                         (default: all of this build)
  --repeat N        rounds; peers take turns in each, medians count    (default 3)
  --seed N          which rows are picked at random                    (default 1)
  --budget-mib N    memory for caches, where a store has a setting     (default 1024)
  --sf X            scale factor of TPC-H                              (default 1)
  --python PATH     a Python that has the package duckdb               (default python3)
  --out DIR         where peers.json, the charts and the stores go     (default target/peers)
  --test            all workloads in a small run that checks results and measures nothing
  --help            prints this
";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Help,
    Run(Options),
    /// One workload with one peer, in the folder of a store.
    Child {
        workload: String,
        peer: String,
        folder: PathBuf,
        options: Options,
    },
}

/// Options of a run; a child is given those that it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) rows: u64,
    pub(crate) threads: usize,
    /// Empty: those of a plain run.
    pub(crate) workloads: Vec<String>,
    /// Empty: all.
    pub(crate) peers: Vec<String>,
    pub(crate) repeat: usize,
    pub(crate) seed: u64,
    pub(crate) budget: u64,
    pub(crate) scale: f64,
    pub(crate) python: String,
    pub(crate) out: PathBuf,
    pub(crate) test: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            rows: 1_000_000,
            threads: 2,
            workloads: Vec::new(),
            peers: Vec::new(),
            repeat: 3,
            seed: 1,
            budget: 1 << 30,
            scale: 1.0,
            python: "python3".to_owned(),
            out: "target/peers".into(),
            test: false,
        }
    }
}

/// The name of the workload that runs others at several sizes.
pub(crate) const GROWTH: &str = "growth";

/// Reads the words behind the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Outcome<Command> {
    let mut options = Options::default();
    let (mut child, mut folder) = (Vec::new(), PathBuf::new());
    let (mut rows, mut repeat, mut scale) = (None, None, None);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Long("rows") => rows = Some(parser.value()?.parse()?),
            Long("threads") => options.threads = parser.value()?.parse::<usize>()?.max(1),
            Long("workload") => options.workloads = names(&parser.value()?.string()?, is_workload)?,
            Long("peer") => options.peers = names(&parser.value()?.string()?, is_peer)?,
            Long("repeat") => repeat = Some(parser.value()?.parse::<usize>()?.max(1)),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("budget-mib") => options.budget = parser.value()?.parse::<u64>()? << 20,
            Long("sf") => scale = Some(parser.value()?.parse()?),
            Long("python") => options.python = parser.value()?.string()?,
            Long("out") => options.out = parser.value()?.into(),
            Long("folder") => folder = parser.value()?.into(),
            Long("test") => options.test = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(word) => child.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    options.rows = rows.unwrap_or(if options.test { 2_000 } else { options.rows });
    options.repeat = repeat.unwrap_or(if options.test { 1 } else { options.repeat });
    options.scale = scale.unwrap_or(if options.test { 0.001 } else { options.scale });
    match child.as_slice() {
        [] => Ok(Command::Run(options)),
        [word, workload, peer] if word == "child" => {
            Ok(Command::Child { workload: workload.clone(), peer: peer.clone(), folder, options })
        }
        _ => Err(format!("what is {child:?}? try --help").into()),
    }
}

fn names(list: &str, known: impl Fn(&str) -> Outcome<()>) -> Outcome<Vec<String>> {
    let names: Vec<String> = list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.iter().try_for_each(|name| known(name))?;
    Ok(names)
}

fn is_workload(name: &str) -> Outcome<()> {
    // The worse of two: both are run.
    let made_of_others = [GROWTH, tpch::NAME, "scan_cold"].contains(&name);
    if made_of_others { Ok(()) } else { workload(name).map(drop) }
}

fn is_peer(name: &str) -> Outcome<()> {
    if name == tpch::DUCKDB { Ok(()) } else { kind(name).map(drop) }
}

/// The help with the names of this build.
pub(crate) fn help() -> String {
    let list = |when| {
        let names = WORKLOADS.iter().filter(|workload| workload.when == when).map(|workload| workload.name);
        names.collect::<Vec<_>>().join(" ")
    };
    let peers: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    format!(
        "{HELP}\nworkloads of a plain run: {}\nothers: {} {GROWTH} {}\npeers: {} (duckdb: only in {})\n",
        list(When::Always),
        list(When::Named),
        tpch::NAME,
        peers.join(" "),
        tpch::NAME
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Outcome<Command> {
        parse(text.split_whitespace().map(Into::into))
    }

    #[test]
    fn a_test_run_is_small_but_what_is_said_counts() {
        let Command::Run(small) = words("--test").unwrap() else { panic!("not a run") };
        assert_eq!((small.rows, small.repeat), (2_000, 1));
        let Command::Run(said) = words("--test --rows 50 --repeat 2").unwrap() else { panic!("not a run") };
        assert_eq!((said.rows, said.repeat), (50, 2));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let text = words("--peer lmdb,oracle").expect_err("nobody knows it").to_string();
        assert!(text.contains("\"oracle\"") && text.contains("redb"), "{text}");
        assert!(words("--workload scan_hot,scan").is_err());
        assert!(words("--workload scan_hot,growth,tpch").is_ok());
        assert!(words("--rows").is_err() && words("nonsense").is_err());
    }
}
