//! What a store must be able to do to be measured.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::outcome::Outcome;
use crate::peers;
use crate::row::{Countries, User};

/// When a commit is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When it returns.
    Immediate,
    /// Within 100 ms: by the store itself, or by a thread beside that calls [`Peer::sync`].
    Eventual,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The store's own folder, which is there.
    pub(crate) folder: PathBuf,
    /// Rows that are in it or will be.
    pub(crate) rows: u64,
    /// Threads of a parallel scan.
    pub(crate) threads: usize,
    /// Most bytes of memory for caches, where the store has a setting.
    pub(crate) budget: u64,
    pub(crate) durability: Durability,
}

/// An open store. Rows have the keys `0..rows` in order.
pub(crate) trait Peer: Sync {
    /// Stores all rows, which come in the order of their keys; durable when it returns.
    fn load(&self, users: Vec<User>) -> Outcome<()>;

    /// Overwrites one row after the other in the store's best form for many.
    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()>;

    /// Numbers of all sellers in order, found by reading all rows on all threads.
    fn sellers(&self) -> Outcome<Vec<u64>>;

    /// The same, but each row is decoded into strings of its own, as a program needs that keeps rows.
    fn sellers_owned(&self) -> Outcome<Vec<u64>> {
        self.sellers()
    }

    /// Numbers of the liked half in order.
    fn liked(&self) -> Outcome<Vec<u64>>;

    /// Users and ratings by country.
    fn countries(&self) -> Outcome<Countries>;

    /// The balance of each row, in order of the keys that are there.
    fn balances(&self) -> Outcome<Vec<i64>>;

    /// Removes the liked half in as few transactions as the store takes; how many they were.
    fn remove_liked(&self) -> Outcome<u64>;

    /// What one thread works with.
    fn session(&self) -> Outcome<Box<dyn Session + '_>>;

    /// Brings to disk what was committed before.
    fn sync(&self) -> Outcome<()>;

    /// Whether eventual commits need a thread that calls [`sync`](Peer::sync).
    fn needs_ticker(&self) -> bool {
        true
    }

    /// Lets the store put itself in order: checkpoint, compaction.
    fn settle(&self) -> Outcome<()> {
        Ok(())
    }

    /// What the store counts, for the notes.
    fn counters(&self) -> Outcome<Vec<(&'static str, f64)>> {
        Ok(Vec::new())
    }

    fn close(self: Box<Self>) -> Outcome<()>;
}

/// What one thread does with a store.
pub(crate) trait Session {
    /// Reads rows by key, as of one moment where the store has that; their [sums](User::sum) added.
    fn get(&mut self, ids: &[u64]) -> Outcome<u64>;

    /// Reads so many rows from a key on; their sums added.
    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64>;

    /// Stores one row in a commit of its own.
    fn put(&mut self, user: &User) -> Outcome<()>;

    /// Moves 1 of the balance from one row to another in a transaction; how often it had to be tried again.
    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64>;
}

/// A store that can be named on the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Whether rows outlive the process. Those that do not are made anew at each opening.
    pub(crate) on_disk: bool,
    /// Whether it has transactions over two rows.
    pub(crate) transactions: bool,
    /// Only in the workloads named `transfer_`: the same store with another setting.
    pub(crate) variant: bool,
    pub(crate) open: fn(&Settings) -> Outcome<Box<dyn Peer>>,
}

const fn on_disk(name: &'static str, open: fn(&Settings) -> Outcome<Box<dyn Peer>>) -> Kind {
    Kind { name, on_disk: true, transactions: true, variant: false, open }
}

const fn in_memory(name: &'static str, open: fn(&Settings) -> Outcome<Box<dyn Peer>>) -> Kind {
    Kind { name, on_disk: false, transactions: false, variant: false, open }
}

/// All that were compiled in. Ours comes first.
pub(crate) const KINDS: &[Kind] = &[
    on_disk(OURS, peers::gangline::open),
    in_memory("vec", peers::vec::open),
    in_memory("btreemap", peers::btreemap::open),
    on_disk("lmdb", peers::lmdb::open),
    on_disk("redb", peers::redb::open),
    on_disk("fjall", peers::fjall::open),
    on_disk("sqlite", peers::sqlite::open),
    on_disk("sled", peers::sled::open),
    #[cfg(feature = "rocksdb")]
    on_disk("rocksdb", peers::rocksdb::open),
    #[cfg(feature = "rocksdb")]
    Kind { variant: true, ..on_disk("rocksdb_detect", peers::rocksdb::open_detecting) },
];

/// The name of the one that all others are compared with.
pub(crate) const OURS: &str = "gangline";

pub(crate) fn kind(name: &str) -> Outcome<&'static Kind> {
    let known = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| format!("no peer {name:?} in this build: there are {}", known()).into())
}

/// Folds runs of keys in parallel and gives the results in the order of the keys. More runs than threads, so that one
/// slow run does not hold up the rest.
pub(crate) fn in_parts<T: Send>(
    rows: u64,
    threads: usize,
    part: impl Fn(u64, u64) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let parts = (threads as u64 * 16).min(rows.max(1));
    let bound = |at: u64| rows * at / parts;
    (0..parts).into_par_iter().map(|at| part(bound(at), bound(at + 1))).collect()
}
