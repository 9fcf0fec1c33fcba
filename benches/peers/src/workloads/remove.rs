//! Bulk removal: the half of the rows that a predicate picks, in as few transactions as the store takes, durable at the end.

use crate::outcome::{Outcome, check, check_each};
use crate::row::user;
use crate::workload::{Measured, Setup, ns_each, timed};

pub(crate) fn run(setup: &Setup) -> Outcome<Measured> {
    let peer = setup.open()?;
    peer.sellers()?;
    let (time, removed) = timed(|| peer.remove_liked())?;
    let liked = (0..setup.rows()).filter(|id| user(*id).is_liked()).count() as u64;
    check("removed rows", &removed, &liked)?;
    check("rows left", &(peer.balances()?.len() as u64), &(setup.rows() - liked))?;
    check_each("liked rows left", &peer.liked()?, &[])?;
    peer.close()?;
    Ok(Measured::new(ns_each(time, removed)).digest(removed))
}
