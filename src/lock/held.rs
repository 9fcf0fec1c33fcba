//! What one lock set holds.

use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::sync::Instant;

use super::granule::{Granule, Level, Target};
use super::manager::LockManager;
use super::mode::Mode;
use super::row_key::{KeyRoom, RowKey};
use super::rows::Rows;
use super::table::{LockTable, SegmentLock};
use super::waiter::{Waiter, Wakes};

/// Tables that stay noted for the next lock set of the slot. Counting references to a table costs as much as locking it,
/// and all threads count in the same place.
const KEPT_TABLES: usize = 2;

/// A lock to wait for.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) from: Option<Mode>,
    pub(crate) to: Mode,
}

/// A wait that goes on, for those who ask who waits.
pub(crate) struct Waiting {
    pub(crate) wanted: Wanted,
    pub(crate) waiter: Arc<Waiter>,
    pub(crate) since: Instant,
}

/// Whose locks these are.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    /// Counts the lock sets that used the slot, so that each has an id of its own.
    pub(crate) use_count: u32,
    pub(crate) caller: &'static Location<'static>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) since: Instant,
}

pub(crate) struct HeldTable {
    pub(crate) id: u32,
    /// `None` until it is locked: the table of a request is noted first, and that of an earlier lock set may be left.
    pub(crate) mode: Option<Mode>,
    pub(crate) table: Arc<dyn LockTable>,
    /// Rows of the table that are held.
    pub(crate) rows: usize,
    /// With this many rows the lock of the table is tried again, after it was refused.
    pub(crate) next_try: usize,
}

impl HeldTable {
    fn new(table: Arc<dyn LockTable>) -> Self {
        HeldTable { id: table.id(), mode: None, table, rows: 0, next_try: 0 }
    }
}

pub(crate) struct HeldSegment {
    pub(crate) table: u32,
    pub(crate) mode: Mode,
    pub(crate) lock: Arc<SegmentLock>,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) names_root: Option<Mode>,
    pub(crate) names: SmallVec<[(Arc<str>, Mode); 2]>,
    pub(crate) database: Option<Mode>,
    pub(crate) tables: SmallVec<[HeldTable; 2]>,
    /// Ascending by table and low key. Held segments are neither split nor merged, so they do not overlap.
    pub(crate) segments: SmallVec<[HeldSegment; 2]>,
    pub(crate) rows: Rows,
    pub(crate) waiting: Option<Box<Waiting>>,
    /// When a wait was last granted, so that what others wait for can be timed.
    pub(crate) waited_until: Option<Instant>,
    pub(crate) owner: Option<Owner>,
}

impl Held {
    /// Notes a new owner of the slot.
    #[inline]
    pub(crate) fn begin(&mut self, caller: &'static Location<'static>, label: Option<&Arc<str>>) {
        let use_count = self.owner.as_ref().map_or(0, |owner| owner.use_count.wrapping_add(1));
        self.owner = Some(Owner { use_count, caller, label: label.cloned(), since: Instant::now() });
    }

    /// The highest granule held (L3); `room` takes the key of a row. Asked for only where a lock was not free, so it is not kept up to date.
    pub(crate) fn top<'a>(&'a self, room: &'a mut KeyRoom) -> Option<Granule<'a>> {
        let row = self.rows.greatest().map(|row| Granule::within(row.table(), row.key(room), Level::Row));
        let segment = self.segments.last().map(|held| Granule::within(held.table, &held.lock.low, Level::Segment));
        let table = self.tables.iter().filter(|held| held.mode.is_some()).map(|held| Granule::table(held.id)).max();
        let name = || self.names.iter().map(|(name, _)| Granule::Name(name)).max();
        row.max(segment)
            .max(table)
            .or(self.database.map(|_| Granule::Database))
            .or_else(name)
            .or(self.names_root.map(|_| Granule::Names))
    }

    /// The place of a table in the list, if it is noted.
    #[inline]
    pub(crate) fn place_of(&self, id: u32) -> Option<usize> {
        self.tables.iter().position(|held| held.id == id)
    }

    pub(crate) fn table(&self, id: u32) -> Option<&HeldTable> {
        self.place_of(id).map(|at| &self.tables[at])
    }

    /// The place of a table in the list, where it is noted if it is new.
    #[inline]
    pub(crate) fn table_index<T: LockTable + 'static>(&mut self, table: &Arc<T>) -> usize {
        self.place_of(table.id()).unwrap_or_else(|| {
            self.tables.push(HeldTable::new(table.clone()));
            self.tables.len() - 1
        })
    }

    /// As [`table_index`](Self::table_index), for a table whose type is not known any more.
    pub(crate) fn plan_table_index(&mut self, table: &Arc<dyn LockTable>) -> usize {
        self.place_of(table.id()).unwrap_or_else(|| {
            self.tables.push(HeldTable::new(table.clone()));
            self.tables.len() - 1
        })
    }

    /// Notes a row that is held for the first time. Returns how many of its table are.
    #[inline]
    pub(crate) fn add_row(&mut self, at: usize, row: RowKey, mode: Mode) -> usize {
        self.rows.add(row, mode);
        self.tables[at].rows += 1;
        self.tables[at].rows
    }

    /// The place in the list of the held segment that covers the key, or else where one would stand.
    #[inline]
    pub(crate) fn find_segment(&self, table: u32, key: &[u8]) -> Result<usize, usize> {
        let place = |held: &HeldSegment| held.table < table || held.table == table && held.lock.low[..] <= *key;
        // From the end: transactions come back to where they were last.
        let end = match self.segments.len() {
            len if len <= 8 => len - self.segments.iter().rev().take_while(|held| !place(held)).count(),
            _ => self.segments.partition_point(place),
        };
        let covers =
            |held: &HeldSegment| held.table == table && held.lock.high.as_ref().is_none_or(|high| **high > *key);
        match end.checked_sub(1) {
            Some(last) if covers(&self.segments[last]) => Ok(last),
            _ => Err(end),
        }
    }

    /// Notes a segment at its place in the list, which is nearly always the end.
    #[inline]
    pub(crate) fn add_segment(&mut self, index: usize, segment: HeldSegment) {
        if index == self.segments.len() {
            self.segments.push(segment);
        } else {
            self.segments.insert(index, segment);
        }
    }

    /// Notes what a wait was granted.
    pub(crate) fn record(&mut self, wanted: Wanted) {
        let to = wanted.to;
        match wanted.target {
            Target::Names => self.names_root = Some(to),
            Target::Database => self.database = Some(to),
            Target::Name(name) => match self.names.iter_mut().find(|(held, _)| *held == name) {
                Some((_, held)) => *held = to,
                None => self.names.push((name, to)),
            },
            Target::Table(table) => {
                let at = self.plan_table_index(&table);
                self.tables[at].mode = Some(to);
            }
            Target::Segment { table, lock } => match self.find_segment(table, &lock.low) {
                Ok(index) => self.segments[index].mode = to,
                Err(index) => self.add_segment(index, HeldSegment { table, mode: to, lock }),
            },
            Target::Row(row) => match wanted.from {
                None => {
                    let at = self.place_of(row.table());
                    self.add_row(at.expect("a row is wanted under an intent on its table"), row, to);
                }
                Some(_) => self.rows.change(&row, to),
            },
        }
    }

    /// Gives everything back, from the rows up, and collects whom to wake.
    #[inline]
    pub(crate) fn release_all(&mut self, manager: &LockManager, wakes: &mut Wakes) {
        self.rows.drain(|row, mode| manager.rows.release(row, mode, wakes));
        for held in self.segments.iter().rev() {
            held.lock.head.release(held.mode, wakes);
        }
        self.segments.clear();
        for held in self.tables.iter_mut().rev() {
            // All fields by name: what is kept must be as if it were noted anew.
            let HeldTable { id: _, mode, table, rows, next_try } = held;
            (*rows, *next_try) = (0, 0);
            if let Some(mode) = mode.take() {
                table.head().release(mode, wakes);
            }
        }
        if self.tables.len() > KEPT_TABLES {
            self.tables.clear();
        }
        if let Some(mode) = self.database.take() {
            manager.database.release(mode, wakes);
        }
        while let Some((name, mode)) = self.names.pop() {
            manager.names.release(name, mode, wakes);
        }
        if let Some(mode) = self.names_root.take() {
            manager.names_root.release(mode, wakes);
        }
        if let Some(since) = self.waited_until.take() {
            manager.counters.hold_time.add(since.elapsed());
        }
    }
}
