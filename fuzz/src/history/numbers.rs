//! The order of the versions of each key.
//!
//! A write takes the next number of its key while it holds the key's lock, so numbers grow in the order of the versions.
//! They grow by two: a removal in a single call, which runs no code of ours, takes the odd number behind the version
//! that it says it removed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::record::{History, TxnId};

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
    let removed = |txn: &super::record::Txn| match (&txn.reads[..], &txn.writes[..]) {
        ([read], [write]) if write.version == UNKNOWN => read.seen.map(|seen| (write.key, seen.txn)),
        _ => None,
    };
    wanted.extend(history.txns.iter().filter_map(removed).map(|version| (version, 0)));
    for txn in &history.txns {
        for write in &txn.writes {
            if let Some(number) = wanted.get_mut(&(write.key, txn.id)) {
                *number = write.version;
            }
        }
    }
    for txn in &mut history.txns {
        if let Some(version) = removed(txn) {
            txn.writes[0].version = wanted[&version] | 1;
        }
    }
}
