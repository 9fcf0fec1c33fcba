//! What ends a transaction or a query before its time: a deadline, a token, or both.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Instant;

use super::cancel::CancelToken;

/// The limits of one transaction or query, with what an error says of it. The clock runs from the making.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    /// What is limited, as users call it.
    what: &'static str,
    label: Option<Arc<str>>,
    site: &'static Location<'static>,
    allowed: Option<Duration>,
    /// `None` also for a time beyond the clock.
    deadline: Option<Instant>,
    cancel: Option<CancelToken>,
}

impl Limit {
    /// `None` when there is nothing that could end it.
    pub(crate) fn new(
        what: &'static str,
        label: Option<Arc<str>>,
        site: &'static Location<'static>,
        allowed: Option<Duration>,
        cancel: Option<CancelToken>,
    ) -> Option<Limit> {
        let deadline = allowed.and_then(|allowed| Instant::now().checked_add(allowed));
        (deadline.is_some() || cancel.is_some()).then_some(Limit { what, label, site, allowed, deadline, cancel })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn token(&self) -> Option<&CancelToken> {
        self.cancel.as_ref()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    fn is_over(&self) -> bool {
        self.is_cancelled() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Costs a load, and a look at the clock where there is a deadline. `doing` says what was being done.
    ///
    /// # Errors
    ///
    /// `Cancelled` when the token is cancelled or the deadline has passed.
    #[inline]
    pub(crate) fn check(&self, doing: impl fmt::Display) -> Result<()> {
        if self.is_over() { Err(self.error(doing)) } else { Ok(()) }
    }

    /// What to say once it is over.
    #[cold]
    pub(super) fn error(&self, doing: impl fmt::Display) -> Error {
        let Limit { what, site, .. } = self;
        let label = self.label.as_ref().map_or_else(String::new, |label| format!(" {label:?}"));
        let text = match self.allowed {
            Some(allowed) if !self.is_cancelled() => format!(
                "{what}{label} of {site} has passed its deadline of {} ms {doing}; nothing of it was done, so run it \
                 again with more time",
                allowed.as_millis()
            ),
            _ => format!("{what}{label} of {site} was cancelled {doing}; nothing of it was done"),
        };
        Error::new(ErrorKind::Cancelled, text)
    }
}

/// The first limit that is over, as an error.
///
/// # Errors
///
/// As [`Limit::check`].
#[inline]
pub(crate) fn check_all(limits: &[Limit], doing: impl fmt::Display) -> Result<()> {
    limits.iter().try_for_each(|limit| limit.check(&doing))
}
