//! Time to open, memory and disk. Memory and written bytes are read from `/proc`; 0 where the system does not tell.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::outcome::{Outcome, check, check_each};
use crate::workload::{Measured, Setup, timed};
use crate::workloads::scan::sellers;

/// Milliseconds until a store is open and has given one row.
pub(crate) fn open(setup: &Setup) -> Outcome<Measured> {
    let (time, peer) = timed(|| {
        let peer = setup.open()?;
        peer.session()?.get(&[setup.rows() / 2])?;
        Ok(peer)
    })?;
    peer.close()?;
    Ok(Measured::new(time.as_secs_f64() * 1e3))
}

/// Resident memory after all rows have been read twice. Pages of mapped files count: they are in the notes.
pub(crate) fn memory(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    for _ in 0..2 {
        check("sellers", &peer.sellers()?.len(), &(0..setup.rows()).filter(|id| id % 10 == 3).count())?;
    }
    let (resident, anonymous) = resident_mib();
    // The right numbers take memory too, so that they come after.
    check_each("sellers", &peer.sellers()?, &sellers(setup))?;
    peer.close()?;
    Ok(Measured::new(resident).note("anonymous_mib", anonymous))
}

/// Blocks of the folder of a store that was loaded and closed.
pub(crate) fn disk(setup: &Setup) -> Outcome<Measured> {
    Ok(Measured::new(blocks_mib(setup.folder())?))
}

fn blocks_mib(folder: &Path) -> Outcome<f64> {
    let mut total = 0.0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        total += if meta.is_dir() { blocks_mib(&entry.path())? } else { meta.blocks() as f64 * 512.0 / MIB };
    }
    Ok(total)
}

const MIB: f64 = 1_048_576.0;

/// Memory of this process now: all that is resident, and of it what is no page of a file.
pub(crate) fn resident_mib() -> (f64, f64) {
    (number_of("/proc/self/status", "VmRSS:") / 1024.0, number_of("/proc/self/status", "RssAnon:") / 1024.0)
}

/// What this process has sent to the disk so far, as the kernel counts it.
pub(crate) fn written_mib() -> f64 {
    number_of("/proc/self/io", "write_bytes:") / MIB
}

fn number_of(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0)
}
