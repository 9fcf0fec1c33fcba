//! A writer beside readers: how much slower is the slowest hundredth of commits while full scans run back to back?
//!
//! The number is p99 with scans over p99 without, on the same store. Both are in the notes, in microseconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, check};
use crate::peer::Peer;
use crate::random::Random;
use crate::row::{User, user};
use crate::workload::{Measured, Setup};
use crate::workloads::scan::scan_until;
use crate::workloads::threads::{self, joined};

pub(crate) fn run(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    peer.sellers()?;
    let alone = commits(setup, &*peer, 1)?;
    let over = AtomicBool::new(false);
    let (beside, scans) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| scan_until(&*peer, || over.load(Ordering::Relaxed)));
        let beside = commits(setup, &*peer, 2);
        over.store(true, Ordering::Relaxed);
        let scans = joined(reader.join());
        beside.and_then(|beside| Ok((beside, scans?)))
    })?;
    check("rows", &peer.balances()?.len(), &(setup.rows() as usize))?;
    peer.close()?;
    let (alone_us, beside_us) = (percentile_us(&alone, 99), percentile_us(&beside, 99));
    let measured = Measured::new(beside_us / alone_us).note("scans", scans as f64);
    let measured = measured.note("p99_alone_us", alone_us).note("p99_beside_us", beside_us);
    let measured =
        measured.note("p50_alone_us", percentile_us(&alone, 50)).note("p50_beside_us", percentile_us(&beside, 50));
    Ok(measured.note("commits_alone", alone.len() as f64).note("commits_beside", beside.len() as f64))
}

/// Times of commits of one random row each, by one thread, sorted.
fn commits(setup: &Setup, peer: &dyn Peer, seed: u64) -> Outcome<Vec<Duration>> {
    let time = setup.time(Duration::from_secs(4));
    let work = threads::run(setup, peer, 1, time, 0, |_, session, end| {
        let mut random = Random(setup.seed.wrapping_add(seed));
        let mut times = Vec::new();
        loop {
            let user = User { balance: 4_000 + times.len() as i64 % 1_000, ..user(random.below(setup.rows())) };
            let start = Instant::now();
            if start >= end && !times.is_empty() {
                return Ok(times);
            }
            session.put(&user)?;
            times.push(start.elapsed());
        }
    })?;
    let mut times = work.results.concat();
    times.sort();
    Ok(times)
}

fn percentile_us(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
