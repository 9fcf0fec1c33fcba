//! Statistics of a real marketplace, read in parallel out of a Gangline store and drawn as charts.
//!
//! This is the example of the project: a small program as one would write it on top of the library. Reading order:
//!
//! 1. [`data`]: the tables, and how a data set gets into the store in batches that survive a kill;
//! 2. [`sales`]: one parallel fold that groups items by anything;
//! 3. [`service`]: the statistics service, made for each request, with its workers and the names they lock;
//! 4. [`charts`]: what the workers draw;
//! 5. [`aggregates`]: every kind of query, and what another database gives for it;
//! 6. [`report`]: the whole, from the options of the [command line](cli) to the page;
//! 7. `serve`, in builds with that feature: the same as live pages.
//!
//! The tables are public, so another program can open the store and add to it.

pub mod aggregates;
#[cfg(feature = "serve")]
mod catalogue;
pub mod charts;
pub mod cli;
pub mod data;
pub mod error;
pub mod executor;
pub mod numbers;
#[cfg(feature = "serve")]
mod portrait;
mod progress;
pub mod report;
pub mod sales;
#[cfg(feature = "serve")]
pub mod serve;
pub mod service;
pub mod store;
pub mod synthetic;
mod xml;
