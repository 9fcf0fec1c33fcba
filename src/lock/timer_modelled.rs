//! In a model nobody wakes a task at its deadline: time goes on as the clock is read, and models poll until it is over.

use std::sync::Arc;

use crate::error::Result;
use crate::sync::Instant;

use super::waiter::Waiter;

/// Has a waiter woken at its time, until it is dropped.
pub(super) struct Alarm;

impl Alarm {
    pub(super) fn set(_: Instant, _: &Arc<Waiter>) -> Result<Alarm> {
        Ok(Alarm)
    }
}
