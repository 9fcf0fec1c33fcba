//! Growth: the same workloads at a hundredth, a tenth, once and ten times the rows, with a tight budget and without one.
//!
//! Prints `GROWTH budget workload peer rows value` lines, what ten times the rows cost of the largest step, and a chart for
//! each budget.

use std::fs;
use std::io::Write;

use serde::Serialize;

use crate::chart::{self, Curve};
use crate::cli::Options;
use crate::outcome::Outcome;
use crate::peer::Kind;
use crate::report::short;
use crate::runner::Runner;
use crate::workload::{TIGHT, UNBOUNDED, Workload, median, workload};

const WORKLOADS: [&str; 6] = ["load", "open", "scan_hot", "get_hot", "commit_durable_1", "commit_eventual_1"];

/// One number of the curves.
#[derive(Debug, Clone, Serialize)]
struct Point {
    budget: &'static str,
    workload: &'static str,
    unit: &'static str,
    peer: &'static str,
    rows: u64,
    value: f64,
}

/// Measures, prints and draws; gives what failed.
pub(crate) fn run(
    options: &Options,
    kinds: &[&'static Kind],
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Outcome<Vec<String>> {
    let workloads: Vec<&'static Workload> = WORKLOADS.iter().map(|name| workload(name)).collect::<Outcome<_>>()?;
    let sizes = if options.test { vec![options.rows / 2, options.rows] } else { sizes(options.rows) };
    let (mut points, mut failures) = (Vec::new(), Vec::new());
    for (budget, bytes) in [("64_mib", TIGHT), ("unbounded", UNBOUNDED)] {
        for rows in &sizes {
            let sized = Options { rows: *rows, budget: bytes, ..options.clone() };
            let mut runner = Runner::new(&sized, progress)?;
            let results = runner.rounds(&workloads, kinds, 1);
            runner.clear()?;
            points.extend(results.entries.iter().map(|entry| Point {
                budget,
                workload: entry.workload.name,
                unit: entry.workload.unit,
                peer: entry.peer,
                rows: *rows,
                value: median(entry.rounds.iter().map(|measured| measured.value).collect()),
            }));
            failures.extend(results.failures.into_iter().map(|text| format!("growth {budget} {rows} rows: {text}")));
        }
        let of_budget: Vec<&Point> = points.iter().filter(|point| point.budget == budget).collect();
        fs::write(options.out.join(format!("growth_{budget}.svg")), draw(&workloads, &of_budget))?;
    }
    for point in &points {
        let Point { budget, workload, unit, peer, rows, value } = point;
        writeln!(out, "GROWTH {budget} {workload} {peer} {rows} {} {unit}", short(*value))?;
    }
    for (point, times) in last_steps(&points) {
        writeln!(out, "GROWN {} {} {} {}", point.budget, point.workload, point.peer, short(times))?;
    }
    failures.iter().try_for_each(|text| writeln!(out, "FAILED {text}"))?;
    fs::write(options.out.join("growth.json"), serde_json::to_string_pretty(&points)?)?;
    Ok(failures)
}

fn sizes(rows: u64) -> Vec<u64> {
    [rows / 100, rows / 10, rows, rows * 10].into_iter().filter(|rows| *rows > 0).collect()
}

/// For each curve its last point, and its value in times of that of the point before.
fn last_steps(points: &[Point]) -> Vec<(&Point, f64)> {
    let same = |a: &Point, b: &Point| (a.budget, a.workload, a.peer) == (b.budget, b.workload, b.peer);
    let mut steps = Vec::new();
    for point in points {
        let rows = points.iter().filter(|other| same(point, other)).map(|other| other.rows);
        if rows.clone().max() == Some(point.rows) {
            let before = rows.filter(|rows| *rows < point.rows).max();
            let before = points.iter().find(|other| same(point, other) && Some(other.rows) == before);
            steps.extend(before.map(|before| (point, point.value / before.value)));
        }
    }
    steps
}

fn draw(workloads: &[&'static Workload], points: &[&Point]) -> String {
    let panels = workloads.iter().map(|workload| {
        let of_workload: Vec<&&Point> = points.iter().filter(|point| point.workload == workload.name).collect();
        let mut peers: Vec<&'static str> = of_workload.iter().map(|point| point.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        let curve = |peer| Curve {
            name: peer,
            points: of_workload.iter().filter(|p| p.peer == peer).map(|p| (p.rows as f64, p.value)).collect(),
        };
        (format!("{}, {}", workload.name, workload.unit), peers.into_iter().map(curve).collect())
    });
    chart::growth(&panels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_of_a_curve_is_between_its_two_largest_sizes() {
        let point = |peer, rows, value| Point { budget: "b", workload: "w", unit: "u", peer, rows, value };
        let points = [point("a", 10, 1.0), point("b", 10, 7.0), point("a", 100, 2.0), point("a", 1_000, 5.0)];
        let steps = last_steps(&points);
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].0.peer, steps[0].1), ("a", 2.5));
    }
}
