//! Random transactions whose every read and write is recorded, and a checker that looks for a serial order.

pub mod anomaly;
pub mod check;
pub mod graph;
pub mod record;

#[cfg(test)]
mod bad;
