//! A fold over all rows: how many users and which mean rating each country has.

use crate::outcome::{Outcome, check};
use crate::row::{Countries, user};
use crate::workload::{Measured, Setup, median, ns_each, timed};

/// Folds of one process, of which the median counts.
const FOLDS: usize = 7;

pub(crate) fn run(setup: &Setup) -> Outcome<Measured> {
    let mut right = Countries::default();
    for id in 0..setup.rows() {
        let user = user(id);
        right.add(&user.country, 1, f64::from(user.rating));
    }
    let peer = setup.open()?;
    peer.countries()?;
    let mut times = Vec::new();
    for _ in 0..if setup.test { 1 } else { FOLDS } {
        let (time, countries) = timed(|| peer.countries())?;
        check("countries", &countries.means(), &right.means())?;
        times.push(ns_each(time, setup.rows()));
    }
    peer.close()?;
    let digest = right.means().iter().fold(1, |digest: u64, (count, mean)| digest.wrapping_mul(31) + count + mean);
    Ok(Measured::new(median(times)).digest(digest))
}
