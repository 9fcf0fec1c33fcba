//! Runs the starvation program for a moment. Its bounds are for machines with nothing else to do, so they are not held to.

use std::time::Duration;

use gangline_torture::starve::{Plan, run};

#[test]
fn everybody_gets_on_and_the_sum_holds() {
    let plan = Plan { time: Duration::from_secs(2), threads: 4, rows: 500, seed: 1 };
    let summary = run(&plan).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(summary.commits > 0 && summary.reads > 0 && summary.commits_beside_reader > 0, "{summary:?}");
    assert!(summary.waits > 0 && summary.restarts > 0, "{summary:?}");
    assert!(summary.least_thread_ratio > 0.0 && summary.least_thread_ratio <= 1.0, "{summary:?}");
    assert_eq!(summary.timeouts, 0);
    assert!(summary.lines().lines().any(|line| line == "sum ok"));
}

#[test]
fn too_little_to_starve_is_refused() {
    let plan = Plan { time: Duration::from_secs(1), threads: 1, rows: 500, seed: 1 };
    assert!(run(&plan).is_err());
    assert!(run(&Plan { threads: 2, rows: 1, ..plan }).is_err());
}
