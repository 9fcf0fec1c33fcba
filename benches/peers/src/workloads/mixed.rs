//! Gets and puts by Zipf's law on all threads, in a given proportion, each put a commit of its own.

use std::time::{Duration, Instant};

use crate::outcome::{Outcome, check};
use crate::random::{Draw, Random};
use crate::row::{User, right_sum, user};
use crate::workload::{Measured, Setup};
use crate::workloads::threads;

/// So many puts among a hundred operations.
pub(crate) fn run(setup: &Setup, puts: u64) -> Outcome<Measured> {
    let peer = setup.open()?;
    // Brings all rows into memory.
    let rows = peer.balances()?.len() as u64;
    check("rows", &rows, &setup.rows())?;
    let draw = Draw::zipf(rows);
    let time = setup.time(Duration::from_secs(4));
    let count = setup.settings.threads as u64;
    let work = threads::run(setup, &*peer, count, time, 0, |thread, session, end| {
        let mut random = Random(setup.seed.wrapping_mul(1_000).wrapping_add(thread));
        let mut done = 0;
        while Instant::now() < end {
            let id = draw.id(&mut random);
            if random.below(100) < puts {
                session.put(&User { balance: 3_000 + done as i64 % 1_000, ..user(id) })?;
            } else {
                let sum = session.get(&[id])?;
                if sum != right_sum(id) {
                    return Err(format!("row {id} adds up to {sum}").into());
                }
            }
            done += 1;
        }
        Ok(done)
    })?;
    check("rows after the puts", &(peer.balances()?.len() as u64), &rows)?;
    peer.close()?;
    let done: u64 = work.results.iter().sum();
    Ok(Measured::new(done as f64 / work.time.as_secs_f64()).note("operations", done as f64))
}
