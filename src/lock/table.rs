//! What the lock layer must know of a table.

use std::sync::Arc;

use crate::codec::KeyBuf;

use super::head::Head;

/// The least id of an index. An index is a table of its own to the locks, but sorts after all that is in any table: its
/// entries are locked when a transaction commits, and holds its rows by then.
pub(crate) const FIRST_INDEX: u32 = 1 << 31;

/// A table, as its locks see it.
pub(crate) trait LockTable: Send + Sync {
    fn id(&self) -> u32;
    fn name(&self) -> &str;
    /// The lock of the whole table.
    fn head(&self) -> &Head;
    /// The segment that covers the key now. After a segment was retired, a new lookup must find what replaced it: so a
    /// split swaps the directory first and retires afterwards, both under X on the segment.
    fn locate(&self, key: &[u8]) -> Arc<SegmentLock>;
    /// A key as people write it, for dumps and errors. May be called under the latch of a slot, so it takes
    /// no lock, and no latch under which anything of locks happens.
    fn show_key(&self, key: &[u8]) -> String {
        format!("{:?}", KeyBuf::from(key))
    }
}

/// A segment, as a table's directory shows it: keys from `low` up to but not `high`, or to the end.
#[derive(Debug)]
pub(crate) struct SegmentLock {
    pub(crate) low: KeyBuf,
    pub(crate) high: Option<KeyBuf>,
    pub(crate) head: Head,
}
