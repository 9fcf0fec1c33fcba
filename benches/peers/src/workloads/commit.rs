//! Commits of one row each, by one thread or by many on rows of their own.

use std::time::{Duration, Instant};

use crate::outcome::{Outcome, check_each};
use crate::row::{User, user};
use crate::workload::{Measured, Setup};
use crate::workloads::threads;

/// Commits for a while; a second.
pub(crate) fn run(setup: &Setup, count: u64) -> Outcome<Measured> {
    let peer = setup.open()?;
    let mut right = peer.balances()?;
    let rows = right.len() as u64;
    let time = setup.time(Duration::from_secs(2));
    let work = threads::run(setup, &*peer, count, time, 0, |thread, session, end| {
        let mut done = 0;
        while Instant::now() < end {
            session.put(&changed(thread, count, done, rows))?;
            done += 1;
        }
        Ok(done)
    })?;
    for (thread, done) in work.results.iter().enumerate() {
        for at in 0..*done {
            let user = changed(thread as u64, count, at, rows);
            right[user.id as usize] = user.balance;
        }
    }
    check_each("balances after the commits", &peer.balances()?, &right)?;
    peer.close()?;
    let done: u64 = work.results.iter().sum();
    Ok(Measured::new(done as f64 / work.time.as_secs_f64()).note("commits", done as f64))
}

/// The row that a thread writes at its n-th commit: rows of its own, spread over the table.
fn changed(thread: u64, threads: u64, at: u64, rows: u64) -> User {
    let own = (rows / threads).max(1);
    let id = (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) % own) * threads + thread;
    User { balance: 2_000 + at as i64 % 1_000, ..user(id % rows) }
}
