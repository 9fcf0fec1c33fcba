//! What one lock set holds, and the steps by which it comes to hold more.
//!
//! A step goes as far as it can without waiting. What stops it is returned: a wait that the order allows, a refusal,
//! or a limit. After a wait the step is simply made again; what it holds by then costs nothing.

use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::codec::KeyBuf;

use super::granule::{Granule, Level, Target, may_wait};
use super::head::Head;
use super::heads::RowKey;
use super::manager::LockManager;
use super::mode::{Mode, raise};
use super::rows::Rows;
use super::table::{LockTable, SegmentLock};
use super::waiter::{Waiter, Wakes};

/// Why a step went no further.
pub(crate) enum Blocked {
    /// Not granted at once, and the order allows to wait.
    Wait(Box<Wanted>),
    /// Not granted at once, and waiting could close a circle.
    Refused,
    /// One row lock more than a lock set may have.
    TooManyRows,
}

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
    /// `None` until it is locked: the table of a request is noted first.
    pub(crate) mode: Option<Mode>,
    pub(crate) table: Arc<dyn LockTable>,
}

pub(crate) struct HeldSegment {
    pub(crate) table: u32,
    pub(crate) mode: Mode,
    pub(crate) lock: SegmentLock,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) names_root: Option<Mode>,
    pub(crate) names: SmallVec<[(Arc<str>, Mode); 2]>,
    pub(crate) database: Option<Mode>,
    pub(crate) tables: SmallVec<[HeldTable; 2]>,
    /// Ascending by table and low key. Held segments cannot be split, so they do not overlap.
    pub(crate) segments: SmallVec<[HeldSegment; 2]>,
    pub(crate) rows: Rows,
    pub(crate) waiting: Option<Box<Waiting>>,
    pub(crate) owner: Option<Owner>,
}

impl Held {
    /// Notes a new owner of the slot.
    #[inline]
    pub(crate) fn begin(&mut self, caller: &'static Location<'static>, label: Option<&Arc<str>>) {
        let use_count = self.owner.as_ref().map_or(0, |owner| owner.use_count.wrapping_add(1));
        self.owner = Some(Owner { use_count, caller, label: label.cloned(), since: Instant::now() });
    }

    /// The highest granule held (L3). Asked for only where a lock was not free, so it is not kept up to date.
    pub(crate) fn top(&self) -> Option<Granule<'_>> {
        let row = self.rows.greatest().map(|row| Granule::Within(row.table, &row.key, Level::Row));
        let segment = self.segments.last().map(|held| Granule::Within(held.table, &held.lock.low, Level::Segment));
        let table = self.tables.iter().filter(|held| held.mode.is_some()).map(|held| Granule::Table(held.id)).max();
        let name = || self.names.iter().map(|(name, _)| Granule::Name(name)).max();
        row.max(segment)
            .or(table)
            .or(self.database.map(|_| Granule::Database))
            .or_else(name)
            .or(self.names_root.map(|_| Granule::Names))
    }

    /// The place of a table in the list, where it is noted if it is new.
    #[inline]
    pub(crate) fn table_index<T: LockTable + 'static>(&mut self, table: &Arc<T>) -> usize {
        let id = table.id();
        self.tables.iter().position(|held| held.id == id).unwrap_or_else(|| {
            self.tables.push(HeldTable { id, mode: None, table: table.clone() });
            self.tables.len() - 1
        })
    }

    /// As [`table_index`](Self::table_index), for a table whose type is not known any more.
    pub(crate) fn plan_table_index(&mut self, table: &Arc<dyn LockTable>) -> usize {
        let id = table.id();
        self.tables.iter().position(|held| held.id == id).unwrap_or_else(|| {
            self.tables.push(HeldTable { id, mode: None, table: table.clone() });
            self.tables.len() - 1
        })
    }

    /// Database and table with these intents or modes.
    #[inline]
    pub(crate) fn lock_table(&mut self, manager: &LockManager, at: usize, mode: Mode) -> Result<(), Blocked> {
        if let Some(to) = raise(self.database, mode.intent()) {
            self.raise_database(manager, to)?;
        }
        if self.database.is_some_and(|held| held.covers_below(mode)) {
            return Ok(());
        }
        let held = &mut self.tables[at];
        if let Some(to) = raise(held.mode, mode) {
            if held.table.head().try_fast(held.mode, to) {
                held.mode = Some(to);
            } else {
                self.raise_table(at, to)?;
            }
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn raise_database(&mut self, manager: &LockManager, to: Mode) -> Result<(), Blocked> {
        let head = &manager.database;
        if !head.try_fast(self.database, to) {
            self.slow(Granule::Database, self.database, to, |from| head.try_slow(from, to), || Target::Database)?;
        }
        self.database = Some(to);
        Ok(())
    }

    #[cold]
    fn raise_table(&mut self, at: usize, to: Mode) -> Result<(), Blocked> {
        let HeldTable { id, mode, ref table } = self.tables[at];
        let target = || Target::Table(table.clone());
        self.slow(Granule::Table(id), mode, to, |from| table.head().try_slow(from, to), target)?;
        self.tables[at].mode = Some(to);
        Ok(())
    }

    /// What to do about a lock that is not free: wait where the order allows it, else try once more past the queue.
    #[cold]
    fn slow(
        &self,
        granule: Granule<'_>,
        from: Option<Mode>,
        to: Mode,
        try_slow: impl FnOnce(Option<Mode>) -> bool,
        target: impl FnOnce() -> Target,
    ) -> Result<(), Blocked> {
        if may_wait(self.top().as_ref(), &granule, from, to) {
            Err(Blocked::Wait(Box::new(Wanted { target: target(), from, to })))
        } else if try_slow(from) {
            Ok(())
        } else {
            Err(Blocked::Refused)
        }
    }

    /// Whether a lock of this mode inside the table needs nothing more, because the table or the database has it all.
    #[inline]
    pub(crate) fn covered_above(&self, at: usize, mode: Mode) -> bool {
        let covers = |held: Option<Mode>| held.is_some_and(|held| held.covers_below(mode));
        covers(self.tables[at].mode) || covers(self.database)
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

    /// The segment that covers `key`, in the mode that `mode` gives for its bounds. Returns its place in the list.
    ///
    /// A segment that is granted is not retired, and is not split while it is held: so it covers the key (L8).
    #[inline]
    pub(crate) fn lock_segment(
        &mut self,
        at: usize,
        key: &[u8],
        mode: impl Fn(&SegmentLock) -> Mode,
    ) -> Result<usize, Blocked> {
        let id = self.tables[at].id;
        match self.find_segment(id, key) {
            Ok(index) => {
                let held = &mut self.segments[index];
                if let Some(to) = raise(Some(held.mode), mode(&held.lock)) {
                    if held.lock.head.try_fast(Some(held.mode), to) {
                        held.mode = to;
                    } else {
                        self.raise_segment(index, to)?;
                    }
                }
                Ok(index)
            }
            Err(index) => loop {
                let lock = self.tables[at].table.locate(key);
                let to = mode(&lock);
                if !lock.head.try_fast(None, to) {
                    match self.new_segment_slow(id, &lock, to) {
                        Ok(()) => {}
                        Err(Blocked::Refused) if lock.head.is_retired() => continue,
                        Err(blocked) => return Err(blocked),
                    }
                }
                self.segments.insert(index, HeldSegment { table: id, mode: to, lock });
                return Ok(index);
            },
        }
    }

    #[cold]
    fn new_segment_slow(&self, table: u32, lock: &SegmentLock, to: Mode) -> Result<(), Blocked> {
        let granule = Granule::Within(table, &lock.low, Level::Segment);
        let target = || segment_target(table, lock);
        self.slow(granule, None, to, |from| lock.head.try_slow(from, to), target)
    }

    #[cold]
    fn raise_segment(&mut self, index: usize, to: Mode) -> Result<(), Blocked> {
        let HeldSegment { table, mode, ref lock } = self.segments[index];
        let granule = Granule::Within(table, &lock.low, Level::Segment);
        let target = || segment_target(table, lock);
        self.slow(granule, Some(mode), to, |from| lock.head.try_slow(from, to), target)?;
        self.segments[index].mode = to;
        Ok(())
    }

    /// A row with the intents above it, or whatever covers it already.
    #[inline]
    pub(crate) fn lock_row(&mut self, manager: &LockManager, at: usize, key: &[u8], mode: Mode) -> Result<(), Blocked> {
        if self.covered_above(at, mode) {
            return Ok(());
        }
        let intent = mode.intent();
        self.lock_table(manager, at, intent)?;
        let segment = self.lock_segment(at, key, |_| intent)?;
        if self.segments[segment].mode.covers_below(mode) {
            return Ok(());
        }
        let row = RowKey { table: self.tables[at].id, key: KeyBuf::from(key) };
        let from = self.rows.get(&row);
        let Some(to) = raise(from, mode) else { return Ok(()) };
        if from.is_none() && self.rows.len() >= manager.max_row_locks() {
            return Err(Blocked::TooManyRows);
        }
        if !manager.rows.try_fast(row.clone(), from, to) {
            self.row_slow(manager, &row, from, to)?;
        }
        match from {
            None => self.rows.add(row, to),
            Some(_) => self.rows.change(&row, to),
        }
        Ok(())
    }

    #[cold]
    fn row_slow(&self, manager: &LockManager, row: &RowKey, from: Option<Mode>, to: Mode) -> Result<(), Blocked> {
        let granule = Granule::Within(row.table, &row.key, Level::Row);
        let try_slow = |from| manager.rows.try_slow(row.clone(), from, to);
        self.slow(granule, from, to, try_slow, || Target::Row(row.clone()))
    }

    /// A name with the intent on the root. `guarded` says whether the thread holds names as guards of its own.
    pub(crate) fn lock_name(
        &mut self,
        manager: &LockManager,
        name: &str,
        mode: Mode,
        guarded: bool,
    ) -> Result<(), Blocked> {
        if let Some(to) = raise(self.names_root, mode.intent()) {
            self.raise_names_root(manager, to, guarded)?;
        }
        if self.names_root.is_some_and(|root| root.covers_below(mode)) {
            return Ok(());
        }
        let index = self.names.iter().position(|(held, _)| **held == *name);
        let from = index.map(|index| self.names[index].1);
        let Some(to) = raise(from, mode) else { return Ok(()) };
        let key: Arc<str> = index.map_or_else(|| Arc::from(name), |index| self.names[index].0.clone());
        if !manager.names.try_fast(key.clone(), from, to) {
            let try_slow = |from| manager.names.try_slow(key.clone(), from, to);
            self.slow(Granule::Name(name), from, to, try_slow, || Target::Name(key.clone()))?;
        }
        match index {
            None => self.names.push((key, to)),
            Some(index) => self.names[index].1 = to,
        }
        Ok(())
    }

    /// The root of names itself, for a plan.
    pub(crate) fn lock_names_root(&mut self, manager: &LockManager, mode: Mode, guarded: bool) -> Result<(), Blocked> {
        raise(self.names_root, mode).map_or(Ok(()), |to| self.raise_names_root(manager, to, guarded))
    }

    /// The database itself, for a plan.
    pub(crate) fn lock_database(&mut self, manager: &LockManager, mode: Mode) -> Result<(), Blocked> {
        raise(self.database, mode).map_or(Ok(()), |to| self.raise_database(manager, to))
    }

    fn raise_names_root(&mut self, manager: &LockManager, to: Mode, guarded: bool) -> Result<(), Blocked> {
        let (head, from) = (&manager.names_root, self.names_root);
        // Who holds a guard holds an intent on the root by it, so those who wait for X on the root wait for this thread
        // anyway, and hold nothing themselves: going past them delays nobody and closes no circle (L7).
        let passing = guarded && from.is_none() && head.try_passing(to);
        if !passing && !head.try_fast(from, to) {
            self.slow(Granule::Names, from, to, |from| head.try_slow(from, to), || Target::Names)?;
        }
        self.names_root = Some(to);
        Ok(())
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
            Target::Segment { table, low, high, head } => match self.find_segment(table, &low) {
                Ok(index) => self.segments[index].mode = to,
                Err(index) => {
                    let lock = SegmentLock { low, high, head };
                    self.segments.insert(index, HeldSegment { table, mode: to, lock });
                }
            },
            Target::Row(row) => match wanted.from {
                None => self.rows.add(row, to),
                Some(_) => self.rows.change(&row, to),
            },
        }
    }

    /// Gives everything back, from the rows up, and collects whom to wake.
    #[inline]
    pub(crate) fn release_all(&mut self, manager: &LockManager, wakes: &mut Wakes) {
        self.rows.drain(|row, mode| manager.rows.release(row, mode, wakes));
        while let Some(held) = self.segments.pop() {
            held.lock.head.release(held.mode, wakes);
        }
        while let Some(held) = self.tables.pop() {
            if let Some(mode) = held.mode {
                held.table.head().release(mode, wakes);
            }
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
    }
}

fn segment_target(table: u32, lock: &SegmentLock) -> Target {
    let SegmentLock { low, high, head } = lock.clone();
    let head: Arc<Head> = head;
    Target::Segment { table, low, high, head }
}
