//! The steps by which a lock set comes to hold more.
//!
//! A step goes as far as it can without waiting. What stops it is returned: a wait that the order allows, a refusal,
//! or a limit. After a wait the step is simply made again; what it holds by then costs nothing.

use std::sync::Arc;

use super::granule::{Granule, Level, Target, may_wait};
use super::held::{Held, HeldSegment, HeldTable, Wanted};
use super::manager::LockManager;
use super::mode::{Mode, raise};
use super::mutant::{self, Mutant};
use super::row_key::{KeyRoom, RowKey};
use super::table::SegmentLock;

/// Why a step went no further.
pub(crate) enum Blocked {
    /// Not granted at once, and the order allows to wait.
    Wait(Box<Wanted>),
    /// Not granted at once, and waiting could close a circle.
    Refused(Box<Wanted>),
    /// One row lock more than a lock set may have.
    TooManyRows,
}

impl Held {
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
        let HeldTable { id, mode, ref table, .. } = self.tables[at];
        let target = || Target::Table(table.clone());
        self.slow(Granule::table(id), mode, to, |from| table.head().try_slow(from, to), target)?;
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
        let out_of_order = mutant::on(Mutant::DataBeforeNames) && granule < Granule::Database;
        if may_wait(self.top(&mut KeyRoom::default()).as_ref(), &granule, from, to) || out_of_order {
            Err(Blocked::Wait(Box::new(Wanted { target: target(), from, to })))
        } else if try_slow(from) {
            Ok(())
        } else {
            Err(Blocked::Refused(Box::new(Wanted { target: target(), from, to })))
        }
    }

    /// Whether a lock of this mode inside the table needs nothing more, because the table or the database has it all.
    #[inline]
    pub(crate) fn covered_above(&self, at: usize, mode: Mode) -> bool {
        let covers = |held: Option<Mode>| held.is_some_and(|held| held.covers_below(mode));
        covers(self.tables[at].mode) || covers(self.database)
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
                        Err(Blocked::Refused(_)) if lock.head.is_retired() => continue,
                        Err(blocked) => return Err(blocked),
                    }
                }
                self.add_segment(index, HeldSegment { table: id, mode: to, lock });
                return Ok(index);
            },
        }
    }

    #[cold]
    fn new_segment_slow(&self, table: u32, lock: &Arc<SegmentLock>, to: Mode) -> Result<(), Blocked> {
        let granule = Granule::within(table, &lock.low, Level::Segment);
        let target = || segment_target(table, lock);
        self.slow(granule, None, to, |from| lock.head.try_slow(from, to), target)
    }

    #[cold]
    fn raise_segment(&mut self, index: usize, to: Mode) -> Result<(), Blocked> {
        let HeldSegment { table, mode, ref lock } = self.segments[index];
        let granule = Granule::within(table, &lock.low, Level::Segment);
        let target = || segment_target(table, lock);
        self.slow(granule, Some(mode), to, |from| lock.head.try_slow(from, to), target)?;
        self.segments[index].mode = to;
        Ok(())
    }

    /// A row with the intents above it, or whatever covers it already. Returns whether its table has so many now that
    /// a lock on the whole of it is to be tried.
    #[inline]
    pub(crate) fn lock_row(
        &mut self,
        manager: &LockManager,
        at: usize,
        key: &[u8],
        mode: Mode,
    ) -> Result<bool, Blocked> {
        if self.covered_above(at, mode) {
            return Ok(false);
        }
        let intent = mode.intent();
        if !mutant::on(Mutant::NoParentIntents) {
            self.lock_table(manager, at, intent)?;
        }
        let inside = if mutant::on(Mutant::InsertWithoutSegmentIx) { Mode::IS } else { intent };
        let segment = self.lock_segment(at, key, |_| inside)?;
        if self.segments[segment].mode.covers_below(mode) {
            return Ok(false);
        }
        let row = RowKey::new(self.tables[at].id, key);
        let from = self.rows.get(&row);
        let Some(to) = raise(from, mode) else { return Ok(false) };
        if from.is_none() && self.rows.len() >= manager.max_row_locks() {
            return Err(Blocked::TooManyRows);
        }
        if !manager.rows.try_fast(row.clone(), from, to) {
            self.row_slow(manager, &row, key, from, to)?;
        }
        if from.is_some() {
            self.rows.change(&row, to);
            return Ok(false);
        }
        let rows = self.add_row(at, row, to);
        Ok(rows >= manager.escalate_rows() && rows >= self.tables[at].next_try)
    }

    #[cold]
    fn row_slow(
        &self,
        manager: &LockManager,
        row: &RowKey,
        key: &[u8],
        from: Option<Mode>,
        to: Mode,
    ) -> Result<(), Blocked> {
        let granule = Granule::within(row.table(), key, Level::Row);
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
}

fn segment_target(table: u32, lock: &Arc<SegmentLock>) -> Target {
    Target::Segment { table, lock: Arc::clone(lock) }
}
