//! Remembers that a store failed, so that every later call says so until it is reopened.

use std::path::PathBuf;

use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};

/// The first failure of a store, if there was one.
#[derive(Debug)]
pub(super) struct Poison {
    what: &'static str,
    path: PathBuf,
    failure: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    text: String,
    /// The store may hang: not even reads are safe.
    hung: bool,
}

impl Poison {
    pub(super) fn new(what: &'static str, path: PathBuf) -> Self {
        Poison { what, path, failure: Mutex::new(None) }
    }

    /// Notes a failure. The text of the first one stays.
    pub(super) fn set(&self, text: String, hung: bool) {
        let mut failure = self.failure.lock();
        match &mut *failure {
            Some(failure) => failure.hung |= hung,
            None => *failure = Some(Failure { text, hung }),
        }
    }

    /// Fails after any failure.
    pub(super) fn check_writable(&self) -> Result<()> {
        self.failure.lock().as_ref().map_or(Ok(()), |failure| Err(self.error(failure)))
    }

    /// Fails after one that reads may not survive either.
    pub(super) fn check_readable(&self) -> Result<()> {
        self.failure.lock().as_ref().filter(|failure| failure.hung).map_or(Ok(()), |failure| Err(self.error(failure)))
    }

    fn error(&self, failure: &Failure) -> Error {
        Error::new(
            ErrorKind::Poisoned,
            format!("the {} in {} {}; reopen the database", self.what, self.path.display(), failure.text),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_and_a_hang_stops_reads() {
        let poison = Poison::new("page store", PathBuf::from("/store"));
        assert!(poison.check_writable().is_ok() && poison.check_readable().is_ok());
        poison.set("could not write".to_owned(), false);
        poison.check_readable().unwrap();
        poison.set("did not sync in time".to_owned(), true);
        for outcome in [poison.check_writable(), poison.check_readable()] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Poisoned);
            assert_eq!(error.to_string(), "the page store in /store could not write; reopen the database");
        }
    }
}
