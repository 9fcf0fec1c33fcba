//! An update of all rows that fit, recorded from inside its closures, which run in parallel.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;

use super::attempt::{Attempt, Found, Value};
use super::ops::UPDATED;
use super::record::{Stamp, TxnId, Write};
use super::world::World;

/// See the module's text.
pub(super) struct Sweep<'a> {
    world: &'a World,
    table: u32,
    remainder: u32,
    txn: TxnId,
    next: AtomicU32,
    looked: Mutex<Vec<Found>>,
    changed: Mutex<Vec<Write>>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(world: &'a World, attempt: &mut Attempt, table: u32, remainder: u32) -> Self {
        let (txn, stamps) = attempt.stamps(world.keys.each);
        let (looked, changed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        Sweep { world, table, remainder, txn, next: AtomicU32::new(stamps.start), looked, changed }
    }

    pub(super) fn select(&self, value: &Value) -> bool {
        self.looked.lock().push(value.found());
        value.key() % UPDATED == self.remainder
    }

    pub(super) fn change(&self, value: &mut Value) {
        let (key, stamp) = (value.key(), Stamp { txn: self.txn, write: self.next.fetch_add(1, Relaxed) });
        let (_, version) = self.world.change(value, key, stamp);
        self.changed.lock().push(Write { key, version, write: stamp.write, removes: false });
    }

    pub(super) fn finish(self, attempt: &mut Attempt, hits: u64) {
        let mut looked = self.looked.into_inner();
        looked.sort_unstable_by_key(|found| found.key);
        attempt.saw_range(self.world.keys.table(self.table), &looked);
        let changed = self.changed.into_inner();
        if changed.len() as u64 != hits {
            attempt.fault(format!("an update changed {} rows and says {hits}", changed.len()));
        }
        changed.iter().for_each(|write| attempt.wrote(write.key, write.version, write.write, false));
    }
}
