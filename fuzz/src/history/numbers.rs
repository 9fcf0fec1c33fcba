//! The order of the versions of each key.
//!
//! A write takes the next number of its key while it holds the key's lock, so numbers grow in the order of the versions.
//! They grow by two: a removal in a single call, which runs no code of ours, takes the odd number behind the version
//! that it says it removed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::record::{History, Read, Txn, TxnId};

/// Stands for the number of a removal until [`settle`] is called.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Numbers(Vec<AtomicU64>);

impl Numbers {
    pub(super) fn new(keys: u32) -> Numbers {
        Numbers((0..keys).map(|_| AtomicU64::new(0)).collect())
    }

    /// The number of the next version of a key, whose lock the caller holds.
    pub(super) fn next(&self, key: u32) -> u64 {
        self.0[key as usize].fetch_add(2, Relaxed) + 2
    }
}

/// Gives removals in single calls their numbers. One that removed what nobody wrote is left without: what it read is
/// reported then.
pub(super) fn settle(history: &mut History) {
    let mut wanted: HashMap<(u32, TxnId), u64> = HashMap::new();
    for txn in &history.txns {
        let removals = txn.writes.iter().filter(|write| write.version == UNKNOWN);
        wanted.extend(removals.filter_map(|write| Some((removed(&txn.reads, write.key)?, 0))));
    }
    for txn in &history.txns {
        for write in &txn.writes {
            if let Some(number) = wanted.get_mut(&(write.key, txn.id)) {
                *number = write.version;
            }
        }
    }
    for Txn { reads, writes, .. } in &mut history.txns {
        for write in writes.iter_mut().filter(|write| write.version == UNKNOWN) {
            if let Some(version) = removed(reads, write.key) {
                write.version = wanted[&version] | 1;
            }
        }
    }
}

/// The version of a key that a removal found.
fn removed(reads: &[Read], key: u32) -> Option<(u32, TxnId)> {
    let read = reads.iter().find(|read| read.key == key)?;
    read.seen.map(|seen| (key, seen.txn))
}

#[cfg(test)]
mod tests {
    use super::super::check::check;
    use super::super::record::{Kind, Stamp, Write};
    use super::*;

    fn txn(id: TxnId, reads: Vec<Read>, writes: Vec<Write>) -> Txn {
        Txn { id, kind: Kind::Transaction, thread: 0, begin: id, end: id, reads, writes }
    }

    fn write(version: u64, removes: bool) -> Write {
        Write { key: 1, version, write: 0, removes }
    }

    fn read(seen: Option<TxnId>) -> Read {
        Read { key: 1, in_range: false, seen: seen.map(|txn| Stamp { txn, write: 0 }) }
    }

    #[test]
    fn a_removal_comes_right_behind_what_it_removed() {
        let numbers = Numbers::new(2);
        let (first, second) = (numbers.next(1), numbers.next(1));
        let txns = vec![
            txn(0, vec![], vec![write(first, false)]),
            txn(1, vec![read(Some(0))], vec![write(UNKNOWN, true)]),
            txn(2, vec![read(None)], vec![write(second, false)]),
        ];
        let mut history = History { txns, faults: Vec::new() };
        settle(&mut history);
        let versions: Vec<u64> = history.txns.iter().map(|txn| txn.writes[0].version).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        assert_eq!(check(&history), []);
    }

    #[test]
    fn two_removals_of_one_version_are_found() {
        let txns = vec![
            txn(0, vec![], vec![write(2, false)]),
            txn(1, vec![read(Some(0))], vec![write(UNKNOWN, true)]),
            txn(2, vec![read(Some(0))], vec![write(UNKNOWN, true)]),
        ];
        let mut history = History { txns, faults: Vec::new() };
        settle(&mut history);
        assert_ne!(check(&history), []);
    }

    #[test]
    fn a_removal_of_what_nobody_wrote_is_found() {
        let txns = vec![txn(0, vec![], vec![write(2, false)]), txn(1, vec![read(Some(7))], vec![write(UNKNOWN, true)])];
        let mut history = History { txns, faults: Vec::new() };
        settle(&mut history);
        assert_ne!(check(&history), []);
    }
}
