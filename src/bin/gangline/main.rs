//! `gangline`: looks into stores, checks, copies and mends them, and moves tables in and out as text.
//!
//! Standard output has what was asked for, one JSON object a line, or CSV, and nothing else; messages and progress go to
//! standard error. A reader that goes away ends the command quietly.

#![expect(clippy::print_stderr, reason = "messages are what standard error is for")]

mod arguments;
mod copies;
mod damage;
mod dump;
mod export;
mod failure;
mod import;
mod live;
mod output;
mod progress;
mod store;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Outcome;

fn main() -> ExitCode {
    let Arguments { command, progress } = Arguments::parse();
    let show = progress::Shown::new(progress);
    let outcome = match command {
        Command::Status { store } => live::status(&store),
        Command::Tables { store } => live::tables(&store),
        Command::Locks { store, text } => live::locks(&store, text),
        Command::Get { store, table, key } => dump::get(&store, &table, &key),
        Command::Dump(command) => dump::dump(&command, show),
        Command::Verify { store } => damage::verify(&store, show),
        Command::Repair { store, into } => damage::repair(&store, &into, show),
        Command::Backup { store, into } => copies::backup(&store, &into, show),
        Command::Restore { backup, into } => copies::restore(&backup, &into, show),
        Command::Compact { store } => copies::compact(&store, show),
        Command::Export(command) => export::export(&command, show),
        Command::Import(command) => import::import(&command, show),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Not) => ExitCode::from(1),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gangline: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
