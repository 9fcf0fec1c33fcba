//! A clock for models: it goes on by a millisecond each time that it is read.
//!
//! So a wait with a deadline ends after so many looks at the clock, and which other steps come between them is the
//! scheduler's choice like everything else. A run that is repeated reads the same times.

use std::cell::Cell;
use std::ops::{Add, Sub};
use std::time::Duration;

thread_local! {
    /// Of the thread on which the checker runs all threads of a model.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// As [`std::time::Instant`], for the clock of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        NOW.with(|now| {
            now.set(now.get() + Duration::from_millis(1));
            Instant(now.get())
        })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }

    pub(crate) fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn checked_add(&self, time: Duration) -> Option<Instant> {
        // Far more than any model runs, and as std's clock: an end that never comes is none.
        self.0.checked_add(time).filter(|end| end.as_secs() < 1 << 40).map(Instant)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, time: Duration) -> Instant {
        Instant(self.0 + time)
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}
