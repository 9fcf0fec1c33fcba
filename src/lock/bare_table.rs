//! A table that is nothing but a directory: what tests and fuzz targets lock.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::codec::KeyBuf;

use super::head::Head;
use super::table::{LockTable, SegmentLock};

/// A table without rows: segments of single-byte low keys.
#[derive(Debug)]
pub(crate) struct BareTable {
    id: u32,
    pub(super) head: Head,
    pub(super) segments: RwLock<Vec<Arc<SegmentLock>>>,
}

impl LockTable for BareTable {
    fn id(&self) -> u32 {
        self.id
    }

    fn name(&self) -> &str {
        "test"
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn locate(&self, key: &[u8]) -> Arc<SegmentLock> {
        let segments = self.segments.read();
        segments[segments.partition_point(|segment| *segment.low <= *key) - 1].clone()
    }
}

impl BareTable {
    /// Segments that begin at the start and at each of these keys.
    pub(crate) fn new(id: u32, lows: &[&[u8]]) -> Arc<Self> {
        let table = BareTable { id, head: Head::new(), segments: RwLock::new(Vec::new()) };
        table.set_lows(lows);
        Arc::new(table)
    }

    pub(crate) fn set_lows(&self, lows: &[&[u8]]) {
        let lows: Vec<KeyBuf> = std::iter::once(&b""[..]).chain(lows.iter().copied()).map(KeyBuf::from).collect();
        let highs = lows.iter().skip(1).cloned().map(Some).chain([None]);
        let segment = |(low, high): (&KeyBuf, _)| Arc::new(SegmentLock { low: low.clone(), high, head: Head::new() });
        *self.segments.write() = lows.iter().zip(highs).map(segment).collect();
    }

    /// Cuts the segment that covers the key in two, as a system transaction does.
    pub(crate) fn split(&self, key: &[u8]) {
        let mut segments = self.segments.write();
        let index = segments.partition_point(|segment| *segment.low <= *key) - 1;
        let old = segments[index].clone();
        let new = |low: KeyBuf, high| Arc::new(SegmentLock { low, high, head: Head::new() });
        segments[index] = new(old.low.clone(), Some(KeyBuf::from(key)));
        segments.insert(index + 1, new(KeyBuf::from(key), old.high.clone()));
        drop(segments);
        old.head.retire().wake();
    }

    /// Puts one segment in place of the one that covers the key and the next, as a system transaction does.
    pub(crate) fn merge(&self, key: &[u8]) {
        let mut segments = self.segments.write();
        let index = segments.partition_point(|segment| *segment.low <= *key) - 1;
        let right = segments.remove(index + 1);
        let (low, high) = (segments[index].low.clone(), right.high.clone());
        let merged = Arc::new(SegmentLock { low, high, head: Head::new() });
        let left = std::mem::replace(&mut segments[index], merged);
        drop(segments);
        left.head.retire().wake();
        right.head.retire().wake();
    }
}
