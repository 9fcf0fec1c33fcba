//! The commit of a bulk act: ranges of keys get other segments, tables and indexes go, all at once.
//!
//! Its record has the pages, or says where in the page store they are; these are synced before. So it is a commit like
//! any other: it has its place in the order, and after a crash it is there as a whole or not at all.

use std::panic::Location;
use std::sync::Arc;

use super::commit::{Committed, TableSegment};
use super::engine::Engine;
use super::record::bulk_record;
use crate::error::Result;
use crate::lock::{LockSet, Mode};
use crate::options::Durability;
use crate::table::bulk::{Splice, empty};
use crate::table::catalog::{Catalog, RESERVED_NAMES};
use crate::table::page::Garbage;
use crate::table::pager::Pager;
use crate::table::table_core::Definition;

/// See the module's text. In the order in which it is done.
#[derive(Debug, Default)]
pub(crate) struct BulkAct<'a> {
    /// Indexes, and then tables, that are no more.
    pub(crate) drops: Vec<u32>,
    /// Tables in another version, and indexes that are ready from now on. All of them are there.
    pub(crate) definitions: Vec<Definition>,
    pub(crate) splices: Vec<Splice<'a>>,
}

impl Engine {
    /// Does a bulk act. The caller has X on all tables and indexes of it, or is alone.
    ///
    /// # Errors
    /// What writing it down gives; nothing has happened then.
    pub(crate) fn apply_bulk(&self, act: BulkAct<'_>) -> Result<Committed> {
        if act.splices.iter().any(Splice::is_stored) {
            self.pager.store.sync()?;
        }
        let record = bulk_record(&act, self.pager.next_id());
        // Nobody holds or wants a segment of a table that somebody has X on, so none of them has to be retired.
        let mut made = Vec::new();
        let mut committed =
            self.commit_whole(record, |number| act.apply(&self.pager, &self.catalog, number, &mut made))?;
        made.retain(|(_, segment)| segment.is_small(self.options.segment_rows));
        committed.small = made.into();
        Ok(committed)
    }
}

impl Engine {
    /// As [`apply_bulk`](Self::apply_bulk), and all that comes after: gives the locks back and waits for the disk.
    ///
    /// # Errors
    /// As [`apply_bulk`](Self::apply_bulk), and `CommitUnknown`.
    pub(crate) fn commit_bulk(&self, act: BulkAct<'_>, locks: LockSet, durability: Durability) -> Result<()> {
        self.commit_bulk_with(act, locks, durability, || ())
    }

    /// The same, and looks at what came of it while the locks are still held.
    ///
    /// # Errors
    /// As [`commit_bulk`](Self::commit_bulk).
    pub(crate) fn commit_bulk_with<R>(
        &self,
        act: BulkAct<'_>,
        locks: LockSet,
        durability: Durability,
        look: impl FnOnce() -> R,
    ) -> Result<R> {
        self.check_alive()?;
        let committed = self.apply_bulk(act)?;
        let seen = look();
        drop(locks);
        self.reshape(&committed);
        self.finish(committed, durability)?;
        Ok(seen)
    }

    /// Drops a table with its indexes. False when there is none of this name.
    ///
    /// # Errors
    /// `LockTimeout`, and as [`commit_bulk`](Self::commit_bulk).
    pub(crate) fn drop_table(&self, name: &str, site: &'static Location<'static>) -> Result<bool> {
        if name.starts_with(RESERVED_NAMES) {
            return Ok(false);
        }
        let Some(core) = self.catalog.find(name) else { return Ok(false) };
        let mut locks = LockSet::begin(&self.locks, site, Some("drop table".into()));
        locks.lock_table(&core, Mode::X)?;
        if core.is_dropped() {
            return Ok(false);
        }
        let indexes = core.indexes();
        indexes.list.iter().try_for_each(|index| locks.lock_table(&index.core, Mode::X))?;
        let drops = indexes.list.iter().map(|index| index.core.id()).chain([core.id()]).collect();
        self.commit_bulk(BulkAct { drops, ..BulkAct::default() }, locks, Durability::Immediate)?;
        Ok(true)
    }
}

impl BulkAct<'_> {
    /// Under the commit latch, or in recovery.
    /// Gives the new segments to `made`.
    pub(crate) fn apply(self, pager: &Pager, catalog: &Catalog, commit: u64, made: &mut Vec<TableSegment>) -> Garbage {
        let mut garbage = Garbage::default();
        for id in self.drops {
            if let Some(core) = catalog.remove(id, commit) {
                empty(pager, &core, commit, &mut garbage);
            }
        }
        for definition in self.definitions {
            catalog.redefine(definition, commit);
        }
        for splice in self.splices {
            let table = Arc::clone(&splice.table);
            let new = splice.apply(pager, commit, &mut garbage);
            made.extend(new.into_iter().map(|segment| (Arc::clone(&table), segment)));
        }
        garbage
    }
}
