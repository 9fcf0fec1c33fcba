//! Loading all rows in the order of their keys, durable at the end; and overwriting as many rows at random.

use crate::outcome::{Outcome, check_each};
use crate::peer::Peer;
use crate::random::Random;
use crate::row::{User, user};
use crate::workload::{Measured, Setup, ns_each, timed};

/// Loads an empty store. The rows are made before, and the store puts itself in order after: neither is timed.
pub(crate) fn run(setup: &Setup) -> Outcome<Measured> {
    let users: Vec<User> = (0..setup.rows()).map(user).collect();
    let peer = setup.open()?;
    let (time, ()) = timed(|| peer.load(users))?;
    let (settling, ()) = timed(|| peer.settle())?;
    check_each("balances after the load", &peer.balances()?, &vec![1_000; setup.rows() as usize])?;
    let (closing, ()) = timed(|| peer.close())?;
    let measured = Measured::new(ns_each(time, setup.rows())).digest(setup.rows());
    Ok(measured.note("settle_ms", settling.as_secs_f64() * 1e3).note("close_ms", closing.as_secs_f64() * 1e3))
}

/// Overwrites as many rows as there are, at random.
pub(crate) fn overwrite(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    let (time, ()) = timed(|| overwrite_all(setup, &*peer))?;
    peer.settle()?;
    peer.close()?;
    Ok(Measured::new(ns_each(time, setup.rows())))
}

/// As many random overwrites as there are rows, and a look at what came of them.
pub(crate) fn overwrite_all(setup: &Setup, peer: &dyn Peer) -> Outcome<()> {
    let mut right = vec![1_000; setup.rows() as usize];
    let mut random = Random(setup.seed);
    let mut users = (0..setup.rows()).map(|at| {
        let id = random.below(setup.rows());
        let balance = 1_000 + at as i64 % 1_000;
        right[id as usize] = balance;
        User { balance, ..user(id) }
    });
    peer.overwrite(&mut users)?;
    check_each("balances after the overwrites", &peer.balances()?, &right)
}
