//! Programs that try to break Gangline, as ordinary functions.
//!
//! - [`model`]: random operations on a store and on a `BTreeMap`, which must agree, also after reopening and after kills;
//! - [`transfer`]: threads that move money in opposite orders, where the sum must hold;
//! - [`history`]: random transactions, whose history must have a serial order;
//! - `mutants`: rules of the library left out on purpose, which the others must see (with the feature of that name);
//! - [`instants`]: reads of a table beyond memory beside writers and checkpoints, each of which is of one instant;
//! - [`starve`]: threads that want the same few rows, none of which may wait for long;
//! - [`crash`]: writers in a child process that is killed, where nothing that was acknowledged may be lost;
//! - [`follow`]: a subscriber beside them, which must miss and repeat nothing;
//! - [`power`]: the same for what a disk may hold when the power is cut;
//! - [`flip`]: one damage to one file, which must be noticed;
//! - [`eio`]: a disk that refuses a call;
//! - [`full`]: a disk that runs full;
//! - [`soak`]: a long run, whose memory and disk must not grow;
//! - [`targets`]: what takes any bytes: keys, stored entries, journals and schedules of locks.
//!
//! The command line in `main.rs`, the cargo-fuzz targets and the tests all call these functions, so that whatever one
//! of them finds, the others can repeat.

pub mod args;
pub mod crash;
pub mod eio;
mod fill;
pub mod flip;
pub mod follow;
pub mod full;
pub mod history;
pub mod instants;
pub mod model;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod power;
pub mod random;
pub mod shim;
pub mod soak;
pub mod starve;
pub mod targets;
pub mod transfer;
pub mod trial;

/// Why a run stopped: what was found, and how to see it again.
#[derive(Debug)]
pub struct Failure(pub String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<gangline::Error> for Failure {
    fn from(error: gangline::Error) -> Self {
        Failure(describe(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(describe(&error))
    }
}

/// An error with all its sources on one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text.replace('\n', " ")
}
