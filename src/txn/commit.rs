//! The commit: one latch, one order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use super::engine::Engine;
use super::record::rows_record;
use super::write_set::WriteSet;
use crate::error::{Error, ErrorKind, Result};
use crate::meters;
use crate::options::Durability;
use crate::storage::journal::{Payload, Position, Reservation};
use crate::sync::{Mutex, MutexGuard};
use crate::table::apply::{Applier, Place, pinned_place};
use crate::table::page::Garbage;
use crate::table::registry::Registration;
use crate::table::segment::Segment;
use crate::table::table_core::TableCore;

/// What the commit latch guards. Who holds it is alone with the journal's end and the newest versions of all pages.
#[derive(Debug)]
pub(crate) struct Last {
    /// The number of the last commit.
    pub(crate) number: u64,
    /// No commit may follow: the closing checkpoint is made.
    pub(crate) closed: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Commits {
    last: CachePadded<Mutex<Last>>,
    /// The number of the last commit that is applied as a whole.
    applied: CachePadded<AtomicU64>,
    /// Journal bytes appended since the last checkpoint began.
    journal_bytes: CachePadded<AtomicU64>,
}

impl Commits {
    pub(crate) fn new(last: u64) -> Self {
        Commits {
            last: CachePadded::new(Mutex::new(Last { number: last, closed: false })),
            applied: CachePadded::new(AtomicU64::new(last)),
            journal_bytes: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// The commit latch.
    pub(crate) fn latch(&self) -> MutexGuard<'_, Last> {
        self.last.lock()
    }

    /// Waits until a commit of which a point read has seen a part is applied as a whole: the next read must not miss the
    /// rest of it.
    #[inline]
    pub(crate) fn wait_applied(&self, commit: u64) {
        if commit > self.applied.load(Ordering::Acquire) {
            drop(self.latch());
        }
    }

    /// The commit is applied. Under the latch.
    fn end(&self, last: &mut Last, number: u64) {
        last.number = number;
        self.applied.store(number, Ordering::Release);
    }

    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal_bytes.load(Ordering::Relaxed)
    }

    /// A checkpoint begins: what is appended from now on is for the next.
    pub(crate) fn reset_journal_bytes(&self) {
        self.journal_bytes.store(0, Ordering::Relaxed);
    }
}

/// A segment with its table.
pub(crate) type TableSegment = (Arc<TableCore>, Arc<Segment>);

/// What is left to do when a commit was applied: everything that must not happen under a latch or a lock.
#[must_use]
pub(crate) struct Committed {
    position: Option<Position>,
    garbage: Garbage,
    /// Segments that have grown over their size.
    pub(super) grown: SmallVec<[TableSegment; 1]>,
    /// Segments that removals have left small.
    pub(super) small: SmallVec<[TableSegment; 1]>,
    /// A segment whose merge was put off before, of a table from which rows were removed.
    pub(super) put_off: Option<TableSegment>,
}

/// Room in the journal, and the record that will fill it.
struct Prepared {
    room: Option<(Reservation, Payload)>,
    bytes: u64,
}

impl Engine {
    /// The number of the last commit, registered as being read.
    pub(crate) fn capture(&self) -> Registration {
        let last = self.commits.latch();
        self.pager.registry.register(last.number)
    }

    /// As [`capture`](Self::capture), for a snapshot.
    pub(crate) fn capture_snapshot(&self) -> Registration {
        let over_at = Instant::now().checked_add(self.options.max_snapshot_age);
        let last = self.commits.latch();
        self.pager.registry.register_snapshot(last.number, over_at)
    }

    fn prepare(&self, record: impl FnOnce() -> Vec<u8>) -> Result<Prepared> {
        let Some(journal) = &self.journal else { return Ok(Prepared { room: None, bytes: 0 }) };
        let payload = Payload::new(record());
        let bytes = payload.len() as u64;
        Ok(Prepared { room: Some((journal.reserve(payload.len())?, payload)), bytes })
    }

    /// Appends the record of the next commit. The caller holds the latch.
    fn append(&self, commit: u64, prepared: Prepared) -> Option<Position> {
        let (room, payload) = prepared.room?;
        self.commits.journal_bytes.fetch_add(prepared.bytes + 64, Ordering::Relaxed);
        self.journal.as_ref().map(|journal| journal.append(room, commit, &payload))
    }

    /// Commits a write set: afterwards it is visible, and will survive if its record does.
    ///
    /// # Errors
    /// `DiskFull` or `Corrupted` while the commit is prepared; nothing has happened then.
    pub(crate) fn apply(&self, writes: WriteSet) -> Result<Committed> {
        let old = self.old_images(&writes)?;
        let prepared = self.prepare(|| rows_record(&writes, &old))?;
        let mut places: SmallVec<[Place; 8]> = SmallVec::new();
        // Pages that have to be read first are read without the latch; what was read must then not be thrown out again
        // before the commit is applied.
        let mut held = None;
        let mut last = loop {
            let last = self.commits.latch();
            if last.closed {
                return Err(closed());
            }
            if let Some(table) = writes.tables().find(|table| table.core.is_dropped()) {
                return Err(dropped(table.core.name()));
            }
            let Some(missing) = find_places(&writes, &mut places) else { break last };
            drop(last);
            held.get_or_insert_with(|| self.pager.cache.hold());
            self.load_missing(&writes, missing)?;
        };
        let number = last.number + 1;
        let position = self.append(number, prepared);
        let whole = PoisonOnUnwind(self);
        let mut applier = Applier::new(&self.pager, number);
        let (mut grown, mut small) = (SmallVec::new(), SmallVec::new());
        let mut put_off = None;
        let mut places = places.into_iter();
        let limit = self.options.segment_rows;
        writes.drain(|table, key, image| {
            let place = places.next().expect("a place was found for each write");
            let removes = image.is_none();
            applier.apply(table, &place, key, image);
            let segment = place.segment;
            if segment.wants_split(limit) {
                note(&mut grown, table, segment);
            } else if removes {
                if put_off.is_none() {
                    put_off = table.put_off.take().map(|segment| (Arc::clone(table), segment));
                }
                if segment.is_small(limit) && !segment.is_merge_put_off() {
                    note(&mut small, table, segment);
                }
            }
        });
        let garbage = applier.finish();
        self.commits.end(&mut last, number);
        std::mem::forget(whole);
        drop(last);
        drop(held);
        self.count_commit();
        Ok(Committed { position, garbage, grown, small, put_off })
    }

    fn count_commit(&self) {
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        meters::commit();
    }

    /// Reads the pages of all writes from the `missing`th on, for a commit that found one not in memory.
    #[cold]
    fn load_missing(&self, writes: &WriteSet, missing: usize) -> Result<()> {
        let all = writes.tables().flat_map(|table| table.rows.keys().map(move |key| (&table.core, key)));
        for (table, key) in all.skip(missing) {
            self.pager.make_resident(table, key)?;
        }
        Ok(())
    }

    /// Ends a commit after its locks were given back: waits for the disk if asked to, and drops what the commit took
    /// out of the pages.
    ///
    /// # Errors
    /// `CommitUnknown` when the journal could not be written or synced.
    pub(crate) fn finish(&self, committed: Committed, durability: Durability) -> Result<()> {
        match (&self.journal, self.tidy_up(committed, durability)) {
            (Some(journal), Some(position)) => journal.wait_synced(position),
            _ => Ok(()),
        }
    }

    /// Ends a commit but for the wait for the disk. Gives the position to wait for, if it is to be waited for.
    pub(super) fn tidy_up(&self, committed: Committed, durability: Durability) -> Option<Position> {
        let Committed { position, garbage, .. } = committed;
        drop(garbage);
        self.pager.registry.end_old_snapshots(self.commits.applied.load(Ordering::Acquire));
        self.checkpoint_if_due();
        self.pager.cache.evict_patiently();
        position.filter(|_| durability == Durability::Immediate)
    }

    /// A commit of whole segments. The caller has made sure that nobody else uses what `apply` changes.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub(super) fn commit_whole(&self, record: Vec<u8>, apply: impl FnOnce(u64) -> Garbage) -> Result<Committed> {
        let prepared = self.prepare(|| record)?;
        let mut last = self.commits.latch();
        if last.closed {
            return Err(closed());
        }
        let number = last.number + 1;
        let position = self.append(number, prepared);
        let whole = PoisonOnUnwind(self);
        let garbage = apply(number);
        self.commits.end(&mut last, number);
        std::mem::forget(whole);
        drop(last);
        self.count_commit();
        Ok(Committed { position, garbage, grown: SmallVec::new(), small: SmallVec::new(), put_off: None })
    }

    /// Changes the catalog, in a commit of its own. The commit of the transaction that wanted it stands behind it in the
    /// journal, so nobody waits for it here.
    pub(crate) fn commit_catalog<R>(
        &self,
        record: impl FnOnce() -> Vec<u8>,
        apply: impl FnOnce(u64) -> R,
    ) -> Result<R> {
        let prepared = self.prepare(record)?;
        let mut last = self.commits.latch();
        if last.closed {
            return Err(closed());
        }
        let number = last.number + 1;
        self.append(number, prepared);
        let changed = apply(number);
        self.commits.end(&mut last, number);
        Ok(changed)
    }
}

/// A panic between the journal's append and the end of the edits would leave a commit half applied, and its number free to
/// be used again. None is known; this one would stop the database, not spoil it.
struct PoisonOnUnwind<'a>(&'a Engine);

impl Drop for PoisonOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.poison(&Error::new(ErrorKind::Poisoned, "a commit was cut off by a panic"));
    }
}

fn note(segments: &mut SmallVec<[TableSegment; 1]>, table: &Arc<TableCore>, segment: Arc<Segment>) {
    if !segments.iter().any(|(_, other)| Arc::ptr_eq(other, &segment)) {
        segments.push((Arc::clone(table), segment));
    }
}

/// Whoever looked the table up before it was dropped found it empty since, and cannot write it any more.
fn dropped(table: &str) -> Error {
    let text = format!("table {table:?} was dropped while the transaction waited for it; run it again");
    Error::new(ErrorKind::SchemaMismatch, text)
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the database was closed")
}

/// Finds and pins the places of all writes. Some: the first write whose page is not in memory.
fn find_places(writes: &WriteSet, places: &mut SmallVec<[Place; 8]>) -> Option<usize> {
    for table in writes.tables() {
        for key in table.rows.keys() {
            match pinned_place(&table.core, key) {
                Some(place) => places.push(place),
                None => {
                    let missing = places.len();
                    places.drain(..).for_each(|place| place.give_back());
                    return Some(missing);
                }
            }
        }
    }
    None
}
