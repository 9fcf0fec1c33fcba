#![doc = include_str!("README.md")]

mod attempt;
mod awaited;
mod blame;
mod cancel;
mod counters;
mod declare;
mod dump;
mod escalate;
mod granule;
mod guard;
mod head;
mod heads;
mod held;
mod limit;
mod manager;
mod map;
mod mode;
mod names;
mod owned;
mod plan;
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
pub use counters::LockCounters;
pub use dump::{GranuleLocks, LockDump, LockHolder};
pub use guard::LockGuard;
pub use manager::LockManager;
pub use mode::Mode;
pub use owned::OwnedLockGuard;
pub use restarting::{RestartStage, RestartingCall};

pub(crate) use head::Head;
pub(crate) use limit::{Limit, check_all};
pub(crate) use plan::Plan;
pub(crate) use set::{LockSet, LockTime};
pub(crate) use table::{LockTable, SegmentLock};
