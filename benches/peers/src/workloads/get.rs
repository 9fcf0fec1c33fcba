//! Random reads by key, on one thread: single rows and short ranges.
//!
//! Stores with read transactions open one for each thousand reads: a program that reads often would do so.

use crate::outcome::{Outcome, check};
use crate::peer::Peer;
use crate::random::Random;
use crate::row::right_sum;
use crate::workload::{Measured, Setup, ns_each, timed};

const READS: u64 = 1_000_000;
const COLD_READS: u64 = 100_000;
const RANGES: u64 = 20_000;
const RANGE_ROWS: u64 = 100;
/// Reads of one read transaction.
const BATCH: usize = 1_000;

/// All rows have been read before.
pub(crate) fn hot(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    peer.sellers()?;
    let measured = get(setup, &*peer, if setup.test { 2_000 } else { READS })?;
    peer.close()?;
    Ok(measured)
}

/// Nothing has been read before, and the budget is a small part of the data. The page cache of the system has no such limit.
pub(crate) fn cold(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    let measured = get(setup, &*peer, if setup.test { 2_000 } else { COLD_READS })?;
    peer.close()?;
    let (resident, anonymous) = super::size::resident_mib();
    Ok(measured.note("resident_mib", resident).note("anonymous_mib", anonymous))
}

fn get(setup: &Setup, peer: &dyn Peer, reads: u64) -> Outcome<Measured> {
    let mut random = Random(setup.seed);
    let ids: Vec<u64> = (0..reads).map(|_| random.below(setup.rows())).collect();
    let mut session = peer.session()?;
    let (time, total) = timed(|| ids.chunks(BATCH).try_fold(0u64, |total, ids| Ok(total + session.get(ids)?)))?;
    let right: u64 = ids.iter().map(|id| right_sum(*id)).sum();
    check("the sum of the rows read", &total, &right)?;
    Ok(Measured::new(ns_each(time, reads)).digest(total))
}

/// A hundred rows in the order of their keys, from a random one on.
pub(crate) fn range(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    peer.sellers()?;
    let ranges = if setup.test { 100 } else { RANGES };
    let mut random = Random(setup.seed);
    let last = setup.rows().saturating_sub(RANGE_ROWS);
    let starts: Vec<u64> = (0..ranges).map(|_| random.below(last + 1)).collect();
    let mut session = peer.session()?;
    let (time, total) = timed(|| starts.iter().try_fold(0u64, |sum, id| Ok(sum + session.range(*id, RANGE_ROWS)?)))?;
    let right: u64 = starts.iter().flat_map(|start| *start..start + RANGE_ROWS).map(right_sum).sum();
    check("the sum of the ranges read", &total, &right)?;
    drop(session);
    peer.close()?;
    Ok(Measured::new(ns_each(time, ranges)).digest(total))
}
