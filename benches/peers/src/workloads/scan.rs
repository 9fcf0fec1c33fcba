//! Reading all rows: select sellers and project their numbers, on all threads, result collected.
//!
//! *Hot*: after one scan, the median of several. *Cold*: the first scan of a new process that has just opened the store,
//! with owned decode for those that hold bytes. The page cache of the system keeps the files: it cannot be dropped for one
//! store alone, so cold means that all caches inside the process are empty, not that the disk is read.

use crate::outcome::{Outcome, check_each};
use crate::peer::Peer;
use crate::row::user;
use crate::workload::{Measured, Setup, median, ns_each, timed};
use crate::workloads::load::overwrite_all;

/// Scans of one process, of which the median counts.
const SCANS: usize = 7;

/// Sellers, warm.
pub(crate) fn hot(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    let measured = warm(setup, || peer.sellers(), &sellers(setup))?;
    peer.close()?;
    Ok(measured)
}

/// The liked half, warm.
pub(crate) fn half(setup: &Setup) -> Outcome<Measured> {
    let right: Vec<u64> = (0..setup.rows()).filter(|id| user(*id).is_liked()).collect();
    let peer = setup.open()?;
    let measured = warm(setup, || peer.liked(), &right)?;
    peer.close()?;
    Ok(measured)
}

/// Sellers, warm, after as many random overwrites as there are rows.
pub(crate) fn updated(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    // The rows are in memory before, so that updating them is what is seen, and not reading them.
    peer.sellers()?;
    let (time, ()) = timed(|| overwrite_all(setup, &*peer))?;
    let measured = warm(setup, || peer.sellers(), &sellers(setup))?;
    peer.settle()?;
    peer.close()?;
    Ok(measured.note("overwrite_ns_a_row", ns_each(time, setup.rows())))
}

/// Sellers, at the first scan of this process.
pub(crate) fn cold(setup: &Setup) -> Outcome<Measured> {
    let (opening, peer) = timed(|| setup.open())?;
    let (time, ids) = timed(|| peer.sellers_owned())?;
    check_each("sellers", &ids, &sellers(setup))?;
    peer.close()?;
    let measured = Measured::new(ns_each(time, setup.rows())).digest(digest(&ids));
    Ok(measured.note("open_ms", opening.as_secs_f64() * 1e3))
}

/// Reads once to warm up and then several times.
fn warm(setup: &Setup, read: impl Fn() -> Outcome<Vec<u64>>, right: &[u64]) -> Outcome<Measured> {
    let (first, _) = timed(&read)?;
    let scans = if setup.test { 2 } else { SCANS };
    let mut times = Vec::new();
    for _ in 0..scans {
        let (time, ids) = timed(&read)?;
        check_each("ids", &ids, right)?;
        times.push(ns_each(time, setup.rows()));
    }
    Ok(Measured::new(median(times)).digest(digest(right)).note("first_ns_a_row", ns_each(first, setup.rows())))
}

/// The right numbers of all sellers.
pub(crate) fn sellers(setup: &Setup) -> Vec<u64> {
    (0..setup.rows()).filter(|id| id % 10 == 3).collect()
}

/// A number that depends on each id and on their order.
fn digest(ids: &[u64]) -> u64 {
    ids.iter().fold(1, |digest: u64, id| digest.wrapping_mul(0x0100_0000_01B3).wrapping_add(*id + 1))
}

/// Scans back to back until it is told to stop; how many they were.
pub(crate) fn scan_until(peer: &dyn Peer, stop: impl Fn() -> bool) -> Outcome<u64> {
    let mut scans = 0;
    while !stop() {
        peer.sellers()?;
        scans += 1;
    }
    Ok(scans)
}
