#![doc = include_str!("README.md")]

mod attempt;
mod awaited;
#[cfg(any(test, feature = "torture"))]
mod bare_table;
mod blame;
mod cancel;
mod chain;
mod collect;
mod counters;
mod declare;
mod dump;
mod escalate;
mod granule;
mod guard;
mod head;
mod heads;
mod held;
mod histogram;
mod limit;
mod locked;
mod manager;
mod map;
mod mode;
#[cfg(any(test, feature = "mutants"))]
mod model;
#[cfg(not(feature = "mutants"))]
pub(crate) mod mutant;
#[cfg(feature = "mutants")]
#[doc(hidden)]
pub mod mutant;
mod names;
mod owned;
mod plan;
#[doc(hidden)]
pub mod probe;
mod put_off;
mod queue;
mod refusal;
mod restart;
mod restarting;
mod row_key;
mod rows;
mod set;
mod slot;
mod step;
mod table;
#[cfg(not(any(loom, shuttle)))]
mod timer;
#[cfg(any(loom, shuttle))]
#[path = "timer_modelled.rs"]
mod timer;
mod wait;
mod waiter;
mod word;

#[cfg(test)]
mod tests;

pub use cancel::CancelToken;
pub use chain::{Blocker, WaitChain};
pub use counters::{LevelTimes, LockCounters};
pub use dump::{GranuleLocks, LockDump, LockHolder};
pub use guard::LockGuard;
pub use histogram::Histogram;
pub use locked::{LockedGranule, LockedKey};
pub use manager::LockManager;
pub use mode::Mode;
pub use owned::OwnedLockGuard;
pub use restarting::{RestartStage, RestartingCall};

#[cfg(feature = "mutants")]
#[doc(hidden)]
pub use model::check as check_model;

#[cfg(feature = "torture")]
pub(crate) use bare_table::BareTable;
pub(crate) use head::Head;
pub(crate) use limit::{Limit, check_all};
pub(crate) use plan::Plan;
pub(crate) use set::{LockSet, LockTime};
pub(crate) use table::{FIRST_INDEX, LockTable, SegmentLock};
