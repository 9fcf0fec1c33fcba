//! A child process: one workload with one peer, its result as a line of JSON. A process of its own, so that nobody
//! inherits another's caches or heap.

use std::fs;
use std::path::PathBuf;

use crate::cli::Options;
use crate::outcome::Outcome;
use crate::peer::{Settings, kind};
use crate::workload::{Measured, Setup, workload};

/// Measures.
pub(crate) fn run(workload_name: &str, peer: &str, folder: PathBuf, options: &Options) -> Outcome<Measured> {
    let (workload, kind) = (workload(workload_name)?, kind(peer)?);
    // All that scans in parallel outside Gangline does it on rayon's global pool.
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    fs::create_dir_all(&folder)?;
    let settings = Settings {
        folder,
        rows: options.rows,
        threads: options.threads,
        budget: options.budget,
        durability: workload.durability,
    };
    (workload.run)(&Setup { kind, settings, seed: options.seed, test: options.test })
}
