//! Who stands in whose way: the holders of what is waited for, what these wait for in turn, and so on.
//!
//! The chains end: each wait is for a granule above all that the waiter holds, so the granules along a chain ascend. A
//! dump is no single instant, though, and may show two that never were at once; so each holder is followed only once.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::dump::{LockDump, LockHolder};
use super::locked::LockedGranule;

/// Somebody who waits for a lock, and all in whose hands it is that the wait ends.
///
/// Its text is a line for the waiter and an indented one for each blocker.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WaitChain {
    /// Who waits, with the mode wanted and for how long it has waited.
    pub waiter: LockHolder,
    /// For what.
    pub granule: LockedGranule,
    /// How many stand before it in the queue.
    pub ahead: usize,
    /// Who stands in its way; see [`LockDump::blockers_of`].
    pub blockers: Vec<Blocker>,
}

/// Somebody who holds a lock that another one waits for.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Blocker {
    /// 0 for one that stands in the way of who was asked about; `n + 1` for one that stands in the way of the last one
    /// before it with `n`.
    pub depth: usize,
    /// Who, and in which mode it holds what the other wants.
    pub holder: LockHolder,
    /// What it waits for itself, if it waits.
    pub waits_for: Option<LockedGranule>,
}

/// A wait by its places in the dump.
#[derive(Clone, Copy)]
struct Wait {
    granule: usize,
    place: usize,
}

impl LockDump {
    /// Everybody who waits, each with who stands in its way.
    ///
    /// Costs up to the number of waiters times the number of those in each one's way.
    ///
    /// ```
    /// # fn main() -> gangline::Result<()> {
    /// let db = gangline::Db::in_memory()?;
    /// for chain in db.locks().dump().wait_chains() {
    ///     println!("{chain}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn wait_chains(&self) -> Vec<WaitChain> {
        let waits = self.waits();
        let mut chains = Vec::new();
        for (granule, locks) in self.granules.iter().enumerate() {
            for (place, waiter) in locks.waiting.iter().enumerate() {
                chains.push(WaitChain {
                    waiter: waiter.clone(),
                    granule: locks.granule.clone(),
                    ahead: place,
                    blockers: self.follow(waiter.id, self.in_the_way(Wait { granule, place }), &waits),
                });
            }
        }
        chains
    }

    /// Who stands in the way of the waiter with this id: holders whose mode does not go with the one wanted, or with one
    /// wanted by somebody before it in the queue; after each of them, one deeper, those it waits for itself. Each is
    /// followed at its first place only. Empty for an id that does not wait.
    pub fn blockers_of(&self, id: u64) -> Vec<Blocker> {
        let waits = self.waits();
        waits.get(&id).map_or_else(Vec::new, |wait| self.follow(id, self.in_the_way(*wait), &waits))
    }

    /// The holders of one granule, with what they wait for, for a waiter that has left the queue.
    pub(crate) fn holders_of(&self, granule: usize, waiter: u64) -> Vec<Blocker> {
        let holders = self.granules[granule].holders.iter().filter(|holder| holder.id != waiter);
        self.follow(waiter, holders.collect(), &self.waits())
    }

    fn waits(&self) -> HashMap<u64, Wait> {
        let all = self.granules.iter().enumerate().flat_map(|(granule, locks)| {
            locks.waiting.iter().enumerate().map(move |(place, waiter)| (waiter.id, Wait { granule, place }))
        });
        all.collect()
    }

    /// Who keeps a waiter, or anybody before it in the queue, from being served.
    fn in_the_way(&self, wait: Wait) -> Vec<&LockHolder> {
        let locks = &self.granules[wait.granule];
        let queue = &locks.waiting[..=wait.place];
        let blocks = |holder: &&LockHolder| {
            queue.iter().any(|waiter| holder.id != waiter.id && !holder.mode.compatible(waiter.mode))
        };
        let waiter = queue[wait.place].id;
        locks.holders.iter().filter(|holder| holder.id != waiter).filter(blocks).collect()
    }

    /// Goes through the blockers depth first, without recursion: a chain may be as long as there are threads and tasks.
    fn follow<'a>(&'a self, waiter: u64, first: Vec<&'a LockHolder>, waits: &HashMap<u64, Wait>) -> Vec<Blocker> {
        let mut known = HashSet::from([waiter]);
        let mut open: Vec<(usize, &LockHolder)> = first.into_iter().rev().map(|holder| (0, holder)).collect();
        let mut blockers = Vec::new();
        while let Some((depth, holder)) = open.pop() {
            let wait = waits.get(&holder.id);
            let waits_for = wait.map(|wait| self.granules[wait.granule].granule.clone());
            blockers.push(Blocker { depth, holder: holder.clone(), waits_for });
            if let Some(wait) = wait
                && known.insert(holder.id)
            {
                open.extend(self.in_the_way(*wait).into_iter().rev().map(|holder| (depth + 1, holder)));
            }
        }
        blockers
    }
}

impl fmt::Display for WaitChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WaitChain { waiter, granule, ahead, blockers } = self;
        write!(f, "{:4}wait {waiter}, for {granule}", waiter.mode)?;
        if *ahead > 0 {
            write!(f, ", behind {ahead} others")?;
        }
        for blocker in blockers {
            write!(f, "\n{:indent$}{blocker}", "", indent = 2 * (blocker.depth + 1))?;
        }
        Ok(())
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}held {}", self.holder.mode, self.holder)?;
        match &self.waits_for {
            Some(granule) => write!(f, ", which waits for {granule}"),
            None => Ok(()),
        }
    }
}
