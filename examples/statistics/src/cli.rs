//! The command line: `report`, `serve` and their options.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::error::{Error, Result};

/// What `--help` prints.
pub const HELP: &str = "\
Statistics of a marketplace: loads a data set into a Gangline store, and draws a report of it or serves it as pages.

usage: gangline-statistics report [options]    writes DIR/index.html and a chart for each seller and product
       gangline-statistics serve [options]     serves pages on this machine until it is interrupted
                                               (in builds with --features serve)

options:
  --store DIR       where the store is, made if it is not there   (default ./olist.gangline)
  --data DIR        folder of Olist's CSV files, plain or .gz     (default: the sample that is built in)
  --help            prints this
  --version         prints the version

options of report:
  --out DIR         where the report goes                         (default ./report)
  --sellers N       how many of the best sellers are shown        (default 12)
  --synthetic ROWS  adds a table of so many made-up users, and measures reading it

options of serve:
  --port P          port on 127.0.0.1; 0 takes any that is free   (default 7070)

examples:
  gangline-statistics report --sellers 20
  gangline-statistics serve --port 8080           then open http://127.0.0.1:8080/
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
    /// Serve pages.
    #[cfg(feature = "serve")]
    Serve(ServeOptions),
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
            store: PathBuf::from(STORE),
            data: None,
            out: PathBuf::from("./report"),
            sellers: 12,
            synthetic: None,
        }
    }
}

/// Options of `serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Folder of the store.
    pub store: PathBuf,
    /// Folder of the data; the built-in sample without one.
    pub data: Option<PathBuf>,
    /// Port on the loopback interface; 0 for any that is free.
    pub port: u16,
}

#[cfg(feature = "serve")]
impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions { store: PathBuf::from(STORE), data: None, port: 7070 }
    }
}

const STORE: &str = "./olist.gangline";

/// What the arguments say, whatever the command.
#[derive(Default)]
struct Given {
    store: Option<PathBuf>,
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    sellers: Option<usize>,
    synthetic: Option<u64>,
    port: Option<u16>,
}

/// Reads the arguments, without the name of the program.
///
/// # Errors
///
/// [`Error::Usage`] for anything that [`HELP`] does not have.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let mut given = Given::default();
    let mut command = None;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) if command.is_none() && (word == "report" || word == "serve") => command = Some(word),
            Long("store") => given.store = Some(folder("--store", parser.value().map_err(usage)?)?),
            Long("data") => given.data = Some(folder("--data", parser.value().map_err(usage)?)?),
            Long("out") => given.out = Some(folder("--out", parser.value().map_err(usage)?)?),
            Long("sellers") => given.sellers = Some(number("--sellers", &parser.value().map_err(usage)?)?),
            Long("synthetic") => given.synthetic = Some(number("--synthetic", &parser.value().map_err(usage)?)?),
            Long("port") => given.port = Some(number("--port", &parser.value().map_err(usage)?)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    match command {
        Some(word) if word == "report" => given.report(),
        Some(_) => given.serve(),
        None => Err(Error::Usage("no command given; the commands are report and serve".to_owned())),
    }
}

impl Given {
    fn report(self) -> Result<Command> {
        if self.port.is_some() {
            return Err(Error::Usage("--port is an option of serve, not of report".to_owned()));
        }
        let default = ReportOptions::default();
        Ok(Command::Report(ReportOptions {
            store: self.store.unwrap_or(default.store),
            data: self.data,
            out: self.out.unwrap_or(default.out),
            sellers: self.sellers.unwrap_or(default.sellers),
            synthetic: self.synthetic,
        }))
    }

    #[cfg(feature = "serve")]
    fn serve(self) -> Result<Command> {
        let foreign = [
            ("--out", self.out.is_some()),
            ("--sellers", self.sellers.is_some()),
            ("--synthetic", self.synthetic.is_some()),
        ];
        if let Some((option, _)) = foreign.into_iter().find(|(_, given)| *given) {
            return Err(Error::Usage(format!("{option} is an option of report, not of serve")));
        }
        let default = ServeOptions::default();
        Ok(Command::Serve(ServeOptions {
            store: self.store.unwrap_or(default.store),
            data: self.data,
            port: self.port.unwrap_or(default.port),
        }))
    }

    #[cfg(not(feature = "serve"))]
    fn serve(self) -> Result<Command> {
        Err(Error::Usage(
            "this build cannot serve; run it as: cargo run --release -p gangline-statistics --features serve -- serve"
                .to_owned(),
        ))
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

    #[cfg(feature = "serve")]
    #[test]
    fn serve_has_options_of_its_own() {
        assert_eq!(parsed("serve").unwrap(), Command::Serve(ServeOptions::default()));
        let expected = ServeOptions { store: PathBuf::from("s"), data: Some(PathBuf::from("d")), port: 0 };
        assert_eq!(parsed("--port=0 serve --store s --data d").unwrap(), Command::Serve(expected));
    }

    #[cfg(not(feature = "serve"))]
    #[test]
    fn a_build_without_pages_says_how_to_get_them() {
        assert!(parsed("serve").unwrap_err().to_string().contains("--features serve"));
    }

    #[test]
    fn what_has_no_sense_is_a_usage_error() {
        for line in [
            "",
            "report report",
            "report serve",
            "report --port 80",
            "serve --out x",
            "serve --sellers 2",
            "serve --port 65536",
            "serve --port here",
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
