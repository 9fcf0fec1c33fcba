#![doc = include_str!("README.md")]

mod attempt;
mod blame;
mod counters;
mod dump;
mod granule;
mod guard;
mod head;
mod heads;
mod held;
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
mod plan;
mod queue;
mod restart;
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

#[cfg(feature = "mutants")]
#[doc(hidden)]
pub use model::check as check_model;

pub(crate) use head::Head;
pub(crate) use set::LockSet;
pub(crate) use table::{LockTable, SegmentLock};
