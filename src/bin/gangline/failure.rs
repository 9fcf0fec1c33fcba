//! How a command ends.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use gangline::ErrorKind;

/// How a command ended that has done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fine,
    /// The answer is no: damaged, not there, not all.
    Not,
}

impl Outcome {
    pub(crate) fn of(fine: bool) -> Self {
        if fine { Outcome::Fine } else { Outcome::Not }
    }
}

pub(crate) type Result<T = Outcome> = std::result::Result<T, Failure>;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Store(gangline::Error),
    Io(String, io::Error),
    Usage(String),
    Other(String),
}

impl Failure {
    pub(crate) fn io(action: &str, path: &Path, error: io::Error) -> Self {
        Failure::Io(format!("cannot {action} {}", path.display()), error)
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Store(error) if error.kind() == ErrorKind::Corrupted => 1,
            Failure::Usage(_) => 2,
            _ => 3,
        }
    }

    /// Whoever was to read standard output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let is_broken = |error: &(dyn Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        match self {
            Failure::Store(error) => error.source().is_some_and(is_broken),
            Failure::Io(_, error) => is_broken(error),
            Failure::Usage(_) | Failure::Other(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Other(text) => f.write_str(text),
            Failure::Io(text, error) => write!(f, "{text}: {error}"),
            Failure::Store(error) => {
                write!(f, "{error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
        }
    }
}

impl From<gangline::Error> for Failure {
    fn from(error: gangline::Error) -> Self {
        Failure::Store(error)
    }
}
