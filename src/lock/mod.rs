#![doc = include_str!("README.md")]

mod attempt;
mod blame;
mod counters;
mod declare;
mod dump;
mod escalate;
mod granule;
mod guard;
mod head;
mod heads;
mod held;
mod manager;
mod map;
mod mode;
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
mod wait;
mod waiter;
mod word;

#[cfg(test)]
mod tests;

pub use counters::LockCounters;
pub use dump::{GranuleLocks, LockDump, LockHolder};
pub use guard::LockGuard;
pub use manager::LockManager;
pub use mode::Mode;
pub use restarting::{RestartStage, RestartingCall};

pub(crate) use head::Head;
pub(crate) use plan::Plan;
pub(crate) use set::LockSet;
pub(crate) use table::{LockTable, SegmentLock};
