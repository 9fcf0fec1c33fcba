//! The program: reads the command line, makes the report, and turns an error into one line and an exit code.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use gangline_statistics::cli::{Command, HELP, parse};
use gangline_statistics::error::{Error, Result, in_one_line};
use gangline_statistics::report;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let hint = if matches!(error, Error::Usage(_)) { "\ntry: gangline-statistics --help" } else { "" };
            // Where this cannot be written either, the exit code is all that is left.
            _ = writeln!(io::stderr(), "error: {}{hint}", in_one_line(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<()> {
    let mut out = io::stdout();
    let text = match parse(env::args_os().skip(1))? {
        Command::Report(options) => return report::run(&options, &mut out),
        #[cfg(feature = "serve")]
        Command::Serve(options) => return gangline_statistics::serve::run(&options, &mut out),
        Command::Help => HELP.to_owned(),
        Command::Version => format!("gangline-statistics {}\n", env!("CARGO_PKG_VERSION")),
    };
    out.write_all(text.as_bytes()).map_err(Error::standard_output)
}
