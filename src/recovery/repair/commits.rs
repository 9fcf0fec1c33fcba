//! What the journal still has, before any of it is applied.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use crate::error::Result;
use crate::storage::journal;
use crate::table::table_core::Definition;
use crate::txn::{Record, read_record};

/// The commits whose records are whole.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// In order, without gaps in each.
    runs: Vec<RangeInclusive<u64>>,
    /// The newest definition of each table that a commit made.
    pub(super) definitions: BTreeMap<u32, Definition>,
    /// The segments that bulk acts made, by table and id, with the commit of each.
    made: BTreeMap<(u32, u64), u64>,
}

impl Commits {
    pub(super) fn read(folder: &Path) -> Result<Commits> {
        let mut commits = Commits::default();
        journal::salvage(folder, 0, &mut |commit, bytes| {
            commits.add(commit);
            match read_record(commit, bytes) {
                Ok(Record::Tables(definitions)) => {
                    commits.definitions.extend(definitions.into_iter().map(|definition| (definition.id, definition)));
                }
                Ok(Record::Bulk(bulk)) => commits.made.extend(
                    bulk.splices
                        .iter()
                        .flat_map(|splice| splice.made.iter().map(|made| ((splice.table, made.id), commit))),
                ),
                _ => {}
            }
            Ok(())
        })?;
        Ok(commits)
    }

    fn add(&mut self, commit: u64) {
        match self.runs.last_mut() {
            Some(run) if *run.end() + 1 == commit => *run = *run.start()..=commit,
            _ => self.runs.push(commit..=commit),
        }
    }

    /// The segments that acts after this commit made: what was written for them is not in the pages before.
    pub(super) fn made_after(&self, commit: u64) -> BTreeSet<(u32, u64)> {
        self.made.iter().filter(|(_, of)| **of > commit).map(|(segment, _)| *segment).collect()
    }

    /// Whether every commit after this one is there, at least up to `newest`.
    pub(super) fn go_on_from(&self, after: u64, newest: u64) -> bool {
        let whole = self.runs.last().is_some_and(|run| *run.start() <= after + 1 && *run.end() >= newest);
        whole || (newest <= after && self.runs.last().is_none_or(|run| *run.end() <= after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_on_from_where_it_has_all_that_follows() {
        let mut commits = Commits::default();
        [3, 4, 5, 8, 9].into_iter().for_each(|commit| commits.add(commit));
        assert_eq!(commits.runs, [3..=5, 8..=9]);
        assert!(commits.go_on_from(7, 9) && commits.go_on_from(8, 0) && commits.go_on_from(9, 9));
        assert!(!commits.go_on_from(6, 9), "7 is missing");
        assert!(!commits.go_on_from(2, 5), "6 and 7 are missing");
        assert!(!commits.go_on_from(7, 10), "10 was there");
        assert!(commits.go_on_from(12, 12), "all is before");
        let none = Commits::default();
        assert!(none.go_on_from(4, 4) && !none.go_on_from(4, 5));
    }
}
