//! Compares every aggregate over a whole data set with what DuckDB gives for the same files.
//!
//! `cargo run --release -p gangline-statistics --example aggregates -- olist FOLDER` or `-- flights FILE`
//!
//! The aggregates are computed on the database, on a snapshot and inside a transaction. Exit code 1: they differ.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use gangline::{Durability, Options};
use gangline_statistics::aggregates::{differences, flights, olist};
use gangline_statistics::data::load::load;
use gangline_statistics::data::source::Source;

const OLIST: &str = include_str!("../data/aggregates/olist_full.txt");
const FLIGHTS: &str = include_str!("../data/aggregates/flights.txt");

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [set, path] = &words[..] else { return Err("usage: aggregates olist FOLDER | aggregates flights FILE".into()) };
    let path = Path::new(path);
    let db = Options::new().durability(Durability::Eventual).temporary()?;
    let compared = match set.as_str() {
        "olist" => {
            load(&db, "temporary", &Source::folder(path)?, |_| ())?;
            let inside = db.transact(|tx| compare(olist::lines(tx)?, OLIST))?;
            [compare(olist::lines(&db)?, OLIST)?, compare(olist::lines(&db.snapshot())?, OLIST)?, inside]
        }
        "flights" => {
            flights::load(&db, path)?;
            let inside = db.transact(|tx| compare(flights::lines(tx)?, FLIGHTS))?;
            [compare(flights::lines(&db)?, FLIGHTS)?, compare(flights::lines(&db.snapshot())?, FLIGHTS)?, inside]
        }
        other => return Err(format!("there is no data set {other:?}: olist or flights").into()),
    };
    for (what, (lines, differences)) in ["database", "snapshot", "transaction"].into_iter().zip(&compared) {
        if !differences.is_empty() {
            return Err(format!("{what}: {lines} lines, and some differ from DuckDB's\n{differences}").into());
        }
        writeln!(std::io::stdout(), "{what}: {lines} aggregates, all as DuckDB's")?;
    }
    Ok(())
}

/// The number of lines, and what differs.
fn compare(lines: Vec<String>, expected: &str) -> gangline::Result<(usize, String)> {
    Ok((lines.len(), differences(&lines, expected)))
}
