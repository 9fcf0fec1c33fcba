//! The library as a program sees it: one binary, one module an area, only the public API.
//!
//! Threads meet at [`support::Meeting`]s and wait for states with a deadline; nothing sleeps so that something may happen.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a test says why it is skipped")]

mod backup;
mod bad_input;
mod bulk;
mod bulk_inside;
mod cancel;
mod compact;
mod corners;
mod declare;
mod disk_full;
mod durability;
mod edges;
mod escalation;
mod expiry;
mod explain;
mod ids;
mod index_builds;
mod indexes;
mod isolation;
mod isolation_anomalies;
mod isolation_indexes;
mod isolation_outside;
mod isolation_phantoms;
mod isolation_queues;
mod isolation_schedules;
mod isolation_stage;
mod join;
mod keys;
mod large;
mod laws;
mod merges;
mod merges_under_way;
mod migration;
mod names;
mod nested;
mod operators;
mod owned;
mod parallel;
mod pool;
mod query;
mod repair;
mod repair_bulk;
mod restarts;
mod row_types;
mod snapshots;
mod stored_rows;
mod streams;
mod strict;
mod subscribe;
mod support;
mod swap;
mod task_twins;
mod tasks;
mod temporary;
mod transactions;
