//! Runs a short history, under both durabilities, and looks at what it says.

use gangline_torture::history::{Plan, run};
use std::time::Duration;

#[test]
fn a_short_history_has_a_serial_order() {
    let plan = Plan { time: Duration::from_secs(4), threads: 4, seed: 3 };
    let summary = run(&plan).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(summary.rounds > 0 && summary.commits > 0 && summary.waits > 0, "{summary:?}");
    assert_eq!(summary.anomalies, 0);
    let names: Vec<String> =
        summary.lines().lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    for name in ["operations", "commits", "waits", "restarts", "anomalies"] {
        assert!(names.iter().any(|line| line == name), "no line says {name}");
    }
}

#[test]
fn a_history_without_threads_is_refused() {
    let plan = Plan { time: Duration::from_secs(1), threads: 0, seed: 1 };
    assert!(run(&plan).is_err());
}
