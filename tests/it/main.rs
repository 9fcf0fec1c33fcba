//! The library as a program sees it: one binary, one module an area, only the public API.
//!
//! Threads meet at [`support::Meeting`]s and wait for states with a deadline; nothing sleeps so that something may happen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]
#![allow(clippy::disallowed_methods, reason = "the list is for the library")]

mod bad_input;
mod disk_full;
mod durability;
mod isolation;
mod keys;
mod laws;
mod names;
mod nested;
mod parallel;
mod pool;
mod query;
mod restarts;
mod snapshots;
mod support;
mod transactions;
