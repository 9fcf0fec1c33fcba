//! Both queries with DuckDB, by its Python package: the crate would compile a million lines of C++.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use tpchgen::csv::LineItemCsv;
use tpchgen::generators::LineItemGenerator;

use super::{Found, RUNS};
use crate::cli::Options;
use crate::outcome::Outcome;
use crate::runner::output;

/// The name of the peer.
pub(crate) const NAME: &str = "duckdb";

const SCRIPT: &str = include_str!("queries.py");

/// Whether Python has the package.
pub(super) fn is_there(options: &Options) -> bool {
    let mut command = Command::new(&options.python);
    command.args(["-c", "import duckdb"]);
    output(command).is_ok()
}

/// Writes the table as CSV, which the script loads before it is asked. Its times are taken inside Python, around each query.
pub(super) fn run(folder: &Path, options: &Options) -> Outcome<Found> {
    let csv = folder.join("lineitem.csv");
    let mut file = BufWriter::new(File::create(&csv)?);
    writeln!(file, "{}", LineItemCsv::header())?;
    for line in LineItemGenerator::new(options.scale, 1, 1).iter() {
        writeln!(file, "{}", LineItemCsv::new(line))?;
    }
    file.into_inner()?.sync_all()?;
    let runs = if options.test { 1 } else { RUNS };
    let mut command = Command::new(&options.python);
    command.args(["-c", SCRIPT]).arg(&csv).arg(folder.join("store.duckdb"));
    command.args([options.threads.to_string(), runs.to_string()]);
    Ok(serde_json::from_str(&output(command)?)?)
}
