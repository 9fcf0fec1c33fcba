//! What can end the program, and with which exit code.
//!
//! Each failure is one clear sentence on standard error: what was being done to which file, table or option, and what
//! to do about it. Nothing here is retried; a run that failed can simply be started again.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What every fallible function of the program returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the program ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Arguments without sense. The only failure with exit code 2.
    Usage(String),
    /// A cell of a CSV file is not what its column holds.
    Cell {
        /// Name of the file.
        file: String,
        /// Line of the file on which the row starts, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What the column should hold.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// There is no data: the folder is not there, or holds no table.
    NoData(String),
    /// The data folder as a whole cannot be used.
    Data(String),
    /// The store holds other data than was asked for.
    OtherData(String),
    /// The operating system refused a file operation.
    File {
        /// What was being done, as in "cannot ACTION PATH".
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store refused.
    Store(gangline::Error),
    /// A chart could not be drawn.
    Chart(String),
    /// The page cannot be served.
    Serve {
        /// What was being done, as in "cannot ACTION".
        action: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// 2 for arguments without sense, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            _ => 1,
        }
    }

    /// Standard output that takes no more, for `map_err`.
    pub fn standard_output(error: io::Error) -> Error {
        Error::file("write to", Path::new("standard output"))(error)
    }

    /// A refused file operation, for `map_err`.
    pub(crate) fn file<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> Error + 'p {
        move |source| Error::File { action, path: path.to_owned(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text)
            | Error::NoData(text)
            | Error::Data(text)
            | Error::OtherData(text)
            | Error::Chart(text) => f.write_str(text),
            Error::Cell { file, line, column, expected, found } => {
                write!(f, "{file}, line {line}, column {column}: expected {expected}, found {found}")
            }
            Error::File { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Error::Serve { action, .. } => write!(f, "cannot {action}"),
            Error::Store(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::File { source, .. } | Error::Serve { source, .. } => Some(source),
            // The text of a store error is shown as this error's own, so its source comes next.
            Error::Store(error) => error.source(),
            _ => None,
        }
    }
}

impl From<gangline::Error> for Error {
    fn from(error: gangline::Error) -> Self {
        Error::Store(error)
    }
}

/// An error and its sources in one line.
pub fn in_one_line(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_the_file_and_the_reason() {
        let reason = io::Error::new(io::ErrorKind::StorageFull, "no space left");
        let error = Error::file("write", Path::new("report/index.html"))(reason);
        assert_eq!(in_one_line(&error), "cannot write report/index.html: no space left");
        assert_eq!((error.exit_code(), Error::Usage(String::new()).exit_code()), (1, 2));
    }
}
