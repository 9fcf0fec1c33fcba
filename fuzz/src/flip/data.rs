//! The store whose files are damaged, and what must be in it.
//!
//! Its rows are known from their keys. Some commits follow, each of which changes one row and counts itself in a row of
//! another table: so what is in the store is known from that count.

use std::path::Path;

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::fill::fill;

/// Rows: enough that the sixteen pages which share a leaf of sled's are less than a hundredth of them.
pub(super) const ROWS: u64 = 24_000;
/// Commits after the load.
pub(super) const LATER: u64 = 400;
pub(super) const ITEMS: Table<u64, Item> = Table::new("items");
/// The number of the last commit, in its only row.
pub(super) const COUNT: Table<u8, u64> = Table::new("count");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    commit: u64,
    text: String,
}

impl Item {
    /// Whether it was under this key at some time.
    pub(super) fn is_known(&self, key: u64) -> bool {
        *self == Item::of(key, self.commit)
    }

    fn of(key: u64, commit: u64) -> Item {
        let fill = char::from(b'a' + ((key + commit) % 26) as u8);
        Item { commit, text: std::iter::repeat_n(fill, 40 + (key * 31 + commit) as usize % 40).collect() }
    }
}

/// The row that a later commit changes; never the same one twice.
fn key_of(commit: u64) -> u64 {
    (commit * 7_919) % ROWS
}

/// All rows after so many later commits, in order.
pub(super) fn expected(commits: u64) -> Vec<Item> {
    let mut rows: Vec<Item> = (0..ROWS).map(|key| Item::of(key, 0)).collect();
    for commit in 1..=commits {
        let key = key_of(commit);
        rows[key as usize] = Item::of(key, commit);
    }
    rows
}

/// Pages of few rows, and of few bytes, since the whole store is copied for each damage.
fn options() -> Options {
    Options::new().segment_rows(12)
}

/// How the store is opened, to be damaged and to be looked at.
pub(super) fn open(store: &Path) -> gangline::Result<Db> {
    options().create(false).open(store)
}

/// Makes the store, and closes it or ends the process.
pub fn make(store: &Path, close: bool) -> Result<(), Failure> {
    let open = || options().durability(Durability::Eventual).open(store);
    // The rows are written twice, and the journal begins anew between: so it does not reach back to the first commit,
    // and a repair needs the pages.
    let db = open()?;
    fill(&db, ITEMS, ROWS, |key| Item::of(key, 1 << 32))?;
    db.close()?;
    let db = open()?;
    fill(&db, ITEMS, ROWS, |key| Item::of(key, 0))?;
    db.checkpoint()?;
    let journal = store.join("journal/0000000001.journal");
    if journal.exists() {
        return Err(Failure(format!("{} still has the first commits", journal.display())));
    }
    for commit in 1..=LATER {
        // The closed store has a second checkpoint with changes of its own; the killed one has them in its journal.
        db.transact(|tx| {
            tx.durability(Durability::Immediate)?;
            tx.put(COUNT, 0, commit)?;
            tx.put(ITEMS, key_of(commit), Item::of(key_of(commit), commit))
        })?;
    }
    match close {
        true => Ok(db.close()?),
        false => std::process::exit(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_commits_change_different_rows() {
        let keys: std::collections::HashSet<u64> = (1..=LATER).map(key_of).collect();
        assert_eq!(keys.len() as u64, LATER);
        let changed = expected(3).iter().zip(expected(2)).filter(|(one, other)| **one != *other).count();
        assert_eq!(changed, 1);
    }
}
