//! The checker on histories of a real PostgreSQL, which must be installed: `--features postgres`.
#![cfg(feature = "postgres")]

use std::time::Duration;

use gangline_torture::history::anomaly::Name;
use gangline_torture::history::postgres::{Level, Plan, run};

fn plan(seconds: u64, server: Option<&str>) -> Plan {
    Plan { time: Duration::from_secs(seconds), threads: 4, seed: 3, server: server.map(str::to_owned) }
}

#[test]
fn each_level_shows_what_it_is_known_for() {
    let summary = run(&plan(9, None)).unwrap_or_else(|failure| panic!("{failure}"));
    let at = |level| summary.at(level).anomalies;
    assert!(at(Level::ReadCommitted).contains_key(&Name::GSingle), "{}", summary.lines());
    let skewed = at(Level::RepeatableRead);
    assert!(skewed.contains_key(&Name::G2Item) || skewed.contains_key(&Name::G2), "{}", summary.lines());
    assert!(!skewed.contains_key(&Name::GSingle), "{}", summary.lines());
    assert_eq!(at(Level::Serializable).len(), 0, "{}", summary.lines());
    assert!(summary.at(Level::Serializable).commits > 100, "{}", summary.lines());
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let failure = run(&plan(1, Some("host=/nowhere user=nobody"))).expect_err("no server is there").to_string();
    assert!(failure.contains("there is no PostgreSQL at \"host=/nowhere user=nobody\""), "{failure}");
}

#[test]
fn one_thread_is_refused() {
    assert!(run(&Plan { threads: 1, ..plan(1, None) }).is_err());
}
