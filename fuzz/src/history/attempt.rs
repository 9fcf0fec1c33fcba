//! What one run of a transaction did, as it does it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::numbers::Numbers;

use super::record::{Kind, Read, Stamp, Txn, TxnId, Write};

/// What the tables hold: each row says who wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Value {
    key: u32,
    txn: TxnId,
    write: u32,
    filler: Filler,
}

/// As long as the stamp says, so that a row of two halves is seen, and pages are of several sizes.
#[derive(Debug, Clone)]
struct Filler {
    text: String,
    /// Takes a number when the row is encoded for the first time.
    pen: Option<Arc<Pen>>,
}

/// Numbers the write of a single call, in which no code of ours runs but that which encodes the row: a row is encoded
/// when its key is locked already, and is committed afterwards.
#[derive(Debug)]
pub(super) struct Pen {
    numbers: Arc<Numbers>,
    key: u32,
    taken: OnceLock<u64>,
}

impl Pen {
    /// The number that was taken, if the row came to be encoded.
    pub(super) fn taken(&self) -> Option<u64> {
        self.taken.get().copied()
    }
}

impl Serialize for Filler {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(pen) = &self.pen {
            pen.taken.get_or_init(|| pen.numbers.next(pen.key));
        }
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Filler { text: String::deserialize(deserializer)?, pen: None })
    }
}

impl Value {
    pub(super) fn new(key: u32, stamp: Stamp) -> Value {
        let filler = Filler { text: "f".repeat(Self::length(stamp)), pen: None };
        Value { key, txn: stamp.txn, write: stamp.write, filler }
    }

    /// A value that is numbered when it is encoded.
    pub(super) fn with_pen(key: u32, stamp: Stamp, numbers: &Arc<Numbers>) -> (Value, Arc<Pen>) {
        let pen = Arc::new(Pen { numbers: Arc::clone(numbers), key, taken: OnceLock::new() });
        let mut value = Value::new(key, stamp);
        value.filler.pen = Some(Arc::clone(&pen));
        (value, pen)
    }

    fn length(stamp: Stamp) -> usize {
        (stamp.txn.wrapping_mul(31) + u64::from(stamp.write) * 17) as usize % 500
    }

    /// The parts that a scan copies out.
    pub(super) fn found(&self) -> Found {
        let stamp = Stamp { txn: self.txn, write: self.write };
        Found { key: self.key, stamp, whole: self.filler.text.len() == Self::length(stamp) }
    }

    pub(super) fn key(&self) -> u32 {
        self.key
    }

    /// One of four numbers, by who wrote it.
    pub(super) fn turn(&self) -> u32 {
        (self.txn % 4) as u32
    }
}

/// A row as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) key: u32,
    stamp: Stamp,
    whole: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Attempt {
    id: TxnId,
    reads: Vec<Read>,
    writes: Vec<Write>,
    stamps: u32,
    pub(super) faults: Vec<String>,
}

impl Found {
    /// A row that was stored in columns, and so has no halves.
    #[cfg(feature = "postgres")]
    pub(super) fn in_columns(key: u32, stamp: Stamp) -> Found {
        Found { key, stamp, whole: true }
    }
}

impl Attempt {
    pub(super) fn new(id: TxnId) -> Self {
        Attempt { id, reads: Vec::new(), writes: Vec::new(), stamps: 0, faults: Vec::new() }
    }

    /// The stamp of the next write.
    pub(super) fn stamp(&mut self) -> Stamp {
        self.stamps += 1;
        Stamp { txn: self.id, write: self.stamps - 1 }
    }

    /// Stamps for up to `most` writes that are made elsewhere.
    pub(super) fn stamps(&mut self, most: u32) -> (TxnId, Range<u32>) {
        self.stamps += most;
        (self.id, self.stamps - most..self.stamps)
    }

    pub(super) fn wrote(&mut self, key: u32, version: u64, write: u32, removes: bool) {
        let write = Write { key, version, write, removes };
        match self.writes.iter_mut().find(|own| own.key == key) {
            Some(own) => *own = write,
            None => self.writes.push(write),
        }
    }

    /// Whether it wrote the key, and so holds its lock.
    pub(super) fn has_written(&self, key: u32) -> bool {
        self.writes.iter().any(|own| own.key == key)
    }

    pub(super) fn fault(&mut self, text: String) {
        self.faults.push(format!("T{:x} {text}", self.id));
    }

    /// It looked for one key.
    pub(super) fn saw(&mut self, key: u32, found: Option<Found>) {
        self.look(key, false, found);
    }

    /// It looked at all keys of a range, and this is what was there.
    pub(super) fn saw_range(&mut self, keys: Range<u32>, found: &[Found]) {
        let mut rows = found.iter().copied().peekable();
        for key in keys.clone() {
            let row = rows.next_if(|row| row.key == key);
            self.look(key, true, row);
        }
        if let Some(row) = rows.next() {
            self.fault(format!("read the range {keys:?} and found key {} twice, out of order or outside", row.key));
        }
    }

    /// It looked at one key of a range.
    #[cfg(feature = "postgres")]
    pub(super) fn saw_in_range(&mut self, key: u32, found: Option<Found>) {
        self.look(key, true, found);
    }

    fn look(&mut self, key: u32, in_range: bool, found: Option<Found>) {
        if let Some(found) = found
            && (found.key != key || !found.whole)
        {
            self.fault(format!("read key {key} and found {found:?}"));
        }
        let seen = found.map(|found| found.stamp);
        match self.writes.iter().find(|own| own.key == key) {
            None => self.reads.push(Read { key, in_range, seen }),
            Some(own) => {
                let expected = (!own.removes).then_some(Stamp { txn: self.id, write: own.write });
                if seen != expected {
                    self.fault(format!("wrote key {key} and then read {seen:?}, not its own {expected:?}"));
                }
            }
        }
    }

    /// What is left of it when nothing is committed.
    pub(super) fn give_up(&mut self) {
        self.writes.clear();
    }

    pub(super) fn finish(self, kind: Kind, thread: u32, begin: u64, end: u64) -> Txn {
        Txn { id: self.id, kind, thread, begin, end, reads: self.reads, writes: self.writes }
    }
}
