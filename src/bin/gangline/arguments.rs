//! The command line, and the text of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const AFTER: &str = "\
Exit codes:
  0  fine
  1  damaged (verify, repair, or met on the way), not found (get), or rows left out (import --skip-bad)
  2  the command line is wrong
  3  anything else: no store there, in use by another process, bad input, full disk, ...

Opening a store is what the library does: it takes the store for this process, replays the journal if its last process
was killed, and closes it again. A store that a program has open is refused, but for what the program itself tells by
its status socket (Db::serve_status): status, tables and locks.

Keys are written as they are (7, ann, 550e8400-e29b-41d4-a716-446655440000, bytes in hexadecimal), and as JSON where they
have parts ('[\"ann\", 7]').

Examples:
  gangline tables shop.db
  gangline dump shop.db users --from 100 --limit 10 | jq .row.name
  gangline verify shop.db && gangline backup shop.db monday.db
  gangline export shop.db | gangline import copy.db
  gangline export shop.db users --csv --schema users.json --out users.csv
  gangline import new.db users --csv --schema users.json --file users.csv";

#[derive(Parser)]
#[command(name = "gangline", version, about = "Looks into Gangline stores, checks, copies and mends them", after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show progress of what takes long even where standard error is no terminal
    #[arg(long, global = true)]
    pub(crate) progress: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Counters and sizes, of the running program where it serves them
    Status { store: PathBuf },
    /// The tables: names, rows, key shapes, versions; one a line
    Tables { store: PathBuf },
    /// One row by its key; exit code 1 when it is not there
    Get {
        store: PathBuf,
        table: String,
        /// As it is, or as JSON where it has parts
        #[arg(allow_negative_numbers = true)]
        key: String,
    },
    /// The rows of a table in key order: {"key":...,"row":...}
    Dump(Dump),
    /// Reads everything and compares it; exit code 1 when it is damaged
    Verify { store: PathBuf },
    /// Makes a new store of what is left of a damaged one, which is only read; exit code 1 when something is lost
    Repair { store: PathBuf, into: PathBuf },
    /// Copies a store into a new folder, and verifies the copy
    Backup { store: PathBuf, into: PathBuf },
    /// Makes a store of a backup, and verifies it
    Restore { backup: PathBuf, into: PathBuf },
    /// Gives the space of removed rows back to the disk
    Compact { store: PathBuf },
    /// Writes tables as text, from which import makes the same rows again, bit for bit
    Export(Export),
    /// Reads tables from text; a store or table that is not there is made
    Import(Import),
    /// Who holds and waits for which lock in the program that has the store open, and serves it
    Locks {
        store: PathBuf,
        /// For eyes, not as JSON
        #[arg(long)]
        text: bool,
    },
}

#[derive(Args)]
pub(crate) struct Dump {
    pub(crate) store: PathBuf,
    pub(crate) table: String,
    /// JSON lines (the default)
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// CSV, with a column for each field
    #[arg(long)]
    pub(crate) csv: bool,
    /// The first key
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// The first key behind the last
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Export {
    pub(crate) store: PathBuf,
    /// All where none is named
    pub(crate) tables: Vec<String>,
    /// JSON lines (the default): for each table what it is, its rows, and their number
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// CSV, of one table, with a column for each field. Cells that a spreadsheet would run get an apostrophe in front
    #[arg(long)]
    pub(crate) csv: bool,
    /// Write what the table is into this file, which makes the table when CSV is imported
    #[arg(long, value_name = "FILE", requires = "csv")]
    pub(crate) schema: Option<PathBuf>,
    /// Not to standard output but into this file, packed where its name ends in .gz
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Import {
    pub(crate) store: PathBuf,
    /// Into this table; else into those that the text names
    pub(crate) table: Option<String>,
    /// JSON lines (the default)
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// CSV, into a table that is there or has a schema
    #[arg(long)]
    pub(crate) csv: bool,
    /// What the table is, as export wrote it
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// Not from standard input but from this file. What is packed by gzip is unpacked
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Put rows over those that are there, batch by batch; else rows are only added, all of a table or none
    #[arg(long)]
    pub(crate) replace: bool,
    /// Leave out lines that are no rows, name them on standard error, and end with exit code 1 if there are some
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Longest line
    #[arg(long, value_name = "BYTES", default_value_t = 128 << 20)]
    pub(crate) max_line_bytes: usize,
    /// Most bytes that packed input may become
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 30)]
    pub(crate) max_unpacked_bytes: u64,
}
