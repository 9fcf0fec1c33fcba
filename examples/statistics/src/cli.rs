//! The command line: `report` and its options.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::error::{Error, Result};

/// What `--help` prints.
pub const HELP: &str = "\
Statistics of a marketplace: loads a data set into a Gangline store and draws a report of it.

usage: gangline-statistics report [options]

options:
  --store DIR       where the store is, made if it is not there   (default ./olist.gangline)
  --data DIR        folder of Olist's CSV files, plain or .gz     (default: the sample that is built in)
  --out DIR         where the report goes                         (default ./report)
  --sellers N       how many of the best sellers are shown        (default 12)
  --synthetic ROWS  adds a table of so many made-up users, and measures reading it
  --help            prints this
  --version         prints the version
";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
    /// Make a report.
    Report(ReportOptions),
}

/// Options of `report`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// Folder of the store.
    pub store: PathBuf,
    /// Folder of the data; the built-in sample without one.
    pub data: Option<PathBuf>,
    /// Folder of the report.
    pub out: PathBuf,
    /// How many of the best sellers are shown.
    pub sellers: usize,
    /// Rows of the synthetic table.
    pub synthetic: Option<u64>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            store: PathBuf::from("./olist.gangline"),
            data: None,
            out: PathBuf::from("./report"),
            sellers: 12,
            synthetic: None,
        }
    }
}

/// Reads the arguments, without the name of the program.
///
/// # Errors
///
/// [`Error::Usage`] for anything that [`HELP`] does not have.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let mut options = ReportOptions::default();
    let mut command = None;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) if command.is_none() && word == "report" => command = Some(word),
            Long("store") => options.store = folder("--store", parser.value().map_err(usage)?)?,
            Long("data") => options.data = Some(folder("--data", parser.value().map_err(usage)?)?),
            Long("out") => options.out = folder("--out", parser.value().map_err(usage)?)?,
            Long("sellers") => options.sellers = number("--sellers", &parser.value().map_err(usage)?)?,
            Long("synthetic") => options.synthetic = Some(number("--synthetic", &parser.value().map_err(usage)?)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    match command {
        Some(_) => Ok(Command::Report(options)),
        None => Err(Error::Usage("no command given; the only one is report".to_owned())),
    }
}

fn folder(option: &str, value: OsString) -> Result<PathBuf> {
    if value.is_empty() {
        return Err(Error::Usage(format!("{option} needs a folder, not an empty text")));
    }
    Ok(PathBuf::from(value))
}

fn number<N: std::str::FromStr>(option: &str, value: &OsString) -> Result<N> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Error::Usage(format!("{option} needs a whole number, not {value:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn report_has_defaults() {
        assert_eq!(parsed("report").unwrap(), Command::Report(ReportOptions::default()));
    }

    #[test]
    fn options_stand_anywhere_and_take_both_forms() {
        let expected = ReportOptions {
            store: PathBuf::from("s"),
            data: Some(PathBuf::from("d")),
            out: PathBuf::from("o"),
            sellers: 3,
            synthetic: Some(1_000_000),
        };
        let line = "--store s report --data=d --out o --sellers=3 --synthetic 1000000";
        assert_eq!(parsed(line).unwrap(), Command::Report(expected));
        assert_eq!(parsed("report --help").unwrap(), Command::Help);
        assert_eq!(parsed("--version").unwrap(), Command::Version);
    }

    #[test]
    fn what_has_no_sense_is_a_usage_error() {
        for line in [
            "",
            "serve",
            "report report",
            "report --stores x",
            "report --store",
            "report --store=",
            "report --sellers -1",
            "report --sellers many",
            "report --synthetic 1e6",
            "report --synthetic 99999999999999999999",
            "report -x",
        ] {
            let error = parsed(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(!error.to_string().is_empty());
        }
    }
}
