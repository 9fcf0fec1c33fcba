//! Who holds what, and who waits for it: as data and as text.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::locked::{LockedGranule, as_text};
use super::mode::Mode;

/// All granules that are locked or wanted, in the order in which they may be waited for.
///
/// Its text has a line for each holder and each waiter, with where it was called from. It is also data, and can be
/// serialized with serde: modes, keys and call sites as text, ages in nanoseconds. Who stands in whose way say
/// [`wait_chains`](LockDump::wait_chains) and [`blockers_of`](LockDump::blockers_of).
///
/// ```
/// # use std::time::Duration;
/// use gangline::lock::LockManager;
///
/// # fn main() -> gangline::Result<()> {
/// let locks = LockManager::new(Duration::from_secs(10));
/// let _renderer = locks.lock("renderer")?;
/// let dump = locks.dump();
/// let renderer = &dump.granules[1]; // the first is the root of names, with an intent
/// assert_eq!(renderer.granule.to_string(), "name \"renderer\"");
/// assert_eq!(renderer.holders[0].mode.to_string(), "X");
/// assert!(renderer.waiting.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LockDump {
    /// The granules, in the global order.
    pub granules: Vec<GranuleLocks>,
}

/// One granule with its holders and waiters.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct GranuleLocks {
    /// What is locked.
    pub granule: LockedGranule,
    /// Who holds it.
    pub holders: Vec<LockHolder>,
    /// Who waits for it, the next to be served first.
    pub waiting: Vec<LockHolder>,
}

/// A transaction, statement or guard that holds a lock or waits for one.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LockHolder {
    /// Tells one from another. The text shows its halves: which slot, and how often that was used.
    pub id: u64,
    /// The label that the program gave it.
    #[serde(serialize_with = "as_label")]
    pub label: Option<Arc<str>>,
    /// The thread on which it began.
    #[serde(serialize_with = "as_text")]
    pub thread: Arc<str>,
    /// The mode held or wanted.
    #[serde(serialize_with = "as_text")]
    pub mode: Mode,
    /// How long ago it took its first lock, or how long it has waited.
    #[serde(rename = "age_ns", serialize_with = "as_nanoseconds")]
    pub age: Duration,
    /// Where it was called from.
    #[serde(serialize_with = "as_text")]
    pub caller: &'static Location<'static>,
}

fn as_label<S: Serializer>(label: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    match label {
        Some(label) => serializer.serialize_some(&**label),
        None => serializer.serialize_none(),
    }
}

fn as_nanoseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

impl fmt::Display for LockDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.granules.is_empty() {
            return f.write_str("no locks");
        }
        for (index, granule) in self.granules.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{granule}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GranuleLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.granule)?;
        for holder in &self.holders {
            write!(f, "\n  {:4}held {holder}", holder.mode)?;
        }
        for waiter in &self.waiting {
            write!(f, "\n  {:4}wait {waiter}", waiter.mode)?;
        }
        Ok(())
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms by {}.{}", self.age.as_millis(), self.id >> 32, self.id & 0xffff_ffff)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " on thread {:?}, from {}", self.thread, self.caller)
    }
}
