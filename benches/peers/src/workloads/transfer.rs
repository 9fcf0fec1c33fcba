//! Transfers: read-modify-write of two random rows in random order, in a transaction, by one or many threads.
//!
//! What each thread did is written down, and in the end every row must hold exactly the sum of it: a lost update is found
//! by its row, and not only by the total.

use std::time::{Duration, Instant};

use crate::outcome::{Outcome, check_each};
use crate::random::{Draw, Random};
use crate::workload::{Measured, Setup};
use crate::workloads::{size, threads};

/// Every row as often as any other.
pub(crate) fn uniform(setup: &Setup, count: u64) -> Outcome<Measured> {
    run(setup, count, Draw::uniform(setup.rows()), Duration::from_secs(4), 1)
}

/// A few rows in nearly every transfer.
pub(crate) fn zipf(setup: &Setup, count: u64) -> Outcome<Measured> {
    run(setup, count, Draw::zipf(setup.rows()), Duration::from_secs(4), 1)
}

/// A minute with 16 threads and three checkpoints.
pub(crate) fn long_uniform(setup: &Setup) -> Outcome<Measured> {
    run(setup, 16, Draw::uniform(setup.rows()), Duration::from_secs(60), 3)
}

/// The same with a few rows in nearly every transfer.
pub(crate) fn long_zipf(setup: &Setup) -> Outcome<Measured> {
    run(setup, 16, Draw::zipf(setup.rows()), Duration::from_secs(60), 3)
}

/// What a thread did: the rows of each transfer, and how often one had to be tried again.
struct Done {
    rows: Vec<(u32, u32)>,
    again: u64,
}

fn run(setup: &Setup, count: u64, draw: Draw, time: Duration, checkpoints: u32) -> Outcome<Measured> {
    let peer = setup.open()?;
    // Reading all rows also brings them into memory.
    let mut right = peer.balances()?;
    let before = peer.counters()?;
    let written = size::written_mib();
    let time = setup.time(time);
    let work = threads::run(setup, &*peer, count, time, checkpoints, |thread, session, end| {
        let mut random = Random(setup.seed.wrapping_mul(1_000).wrapping_add(thread));
        let mut done = Done { rows: Vec::with_capacity(1 << 20), again: 0 };
        while Instant::now() < end {
            let (from, to) = (draw.id(&mut random), draw.id(&mut random));
            if from != to {
                done.again += session.transfer(from, to)?;
                done.rows.push((from as u32, to as u32));
            }
        }
        Ok(done)
    })?;
    peer.sync()?;
    let written = size::written_mib() - written;
    for (from, to) in work.results.iter().flat_map(|done| &done.rows) {
        right[*from as usize] -= 1;
        right[*to as usize] += 1;
    }
    check_each("balances after the transfers", &peer.balances()?, &right)?;
    let counters = peer.counters()?;
    peer.close()?;
    let done: usize = work.results.iter().map(|done| done.rows.len()).sum();
    let again: u64 = work.results.iter().map(|done| done.again).sum();
    let mut measured = Measured::new(done as f64 / work.time.as_secs_f64()).note("transfers", done as f64);
    measured = measured.note("tried_again", again as f64).note("written_mib", written);
    measured = measured.note("syncs_beside", work.syncs as f64);
    for ((name, after), (_, before)) in counters.into_iter().zip(before) {
        measured = measured.note(name, after - before);
    }
    Ok(measured)
}
