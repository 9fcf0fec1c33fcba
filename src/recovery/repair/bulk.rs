//! Bulk acts of the journal, done again in the new database.
//!
//! The record of one says what goes, and in which pages the rows are that come: in itself, or in the page store, where
//! they were synced before the record was written. They are read like those that the directory names, and put in the
//! place of the same range of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::salvage::{Salvage, Saved, is_index};
use super::search::Versions;
use super::structure::{Part, stored_parts};
use crate::codec::PageBytes;
use crate::error::Result;
use crate::options::Durability;
use crate::table::bulk::{Allowance, Builder, MadePages, Splice, StoredSplice};
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{BulkAct, BulkRecord};

/// Keys of a segment whose page is not left, or not named any more.
struct Lost {
    /// The table and its number in the old store.
    core: Arc<TableCore>,
    table: u32,
    segment: u64,
    part: Part,
}

impl<'a> Salvage<'a> {
    /// Does a bulk act again, as far as its pages are left. What is lost goes to the ranges of the tables. An act that
    /// `must_be_whole` and is not is left out, and false given.
    pub(super) fn bulk(&mut self, bulk: &BulkRecord, must_be_whole: bool) -> Result<bool> {
        self.writer.finish()?;
        let (allowance, mut act, mut lost) = (Allowance::of(&self.engine.pager), BulkAct::default(), Vec::new());
        for splice in bulk.splices.iter().filter(|splice| !is_index(splice.table)) {
            act.splices.push(self.splice(splice, &allowance, &mut lost)?);
        }
        if must_be_whole && !lost.is_empty() {
            return Ok(false);
        }
        for id in &bulk.drops {
            self.indexes.remove(id);
            act.drops.extend(self.tables.remove(id).map(|saved| saved.core.id()));
        }
        for definition in &bulk.definitions {
            match self.tables.get(&definition.id) {
                _ if is_index(definition.id) => self.leave_out(definition.id, Some(definition.clone())),
                Some(Saved { core, is_named: true, .. }) => {
                    let (id, name) = (core.id(), core.name().to_owned());
                    act.definitions.push(Definition { id, name, ..definition.clone() });
                }
                _ => {}
            }
        }
        self.engine.admit(&[])?;
        let committed = self.engine.apply_bulk(act)?;
        self.engine.reshape(&committed);
        self.engine.finish(committed, Durability::Eventual)?;
        self.search_lost(lost)?;
        Ok(true)
    }

    /// What an act would have changed, for who is told that it was left out.
    pub(super) fn describe(&self, bulk: &BulkRecord) -> String {
        let name = |id: u32| match self.tables.get(&id) {
            Some(saved) => format!("{:?}", saved.core.name()),
            None => format!("number {id}"),
        };
        let splices = bulk.splices.iter().filter(|splice| !is_index(splice.table)).map(|splice| {
            let rows: u64 = splice.made.iter().map(|made| made.rows).sum();
            format!("{rows} rows in place of a range of table {}", name(splice.table))
        });
        let drops = bulk.drops.iter().filter(|id| !is_index(**id)).map(|id| format!("the end of table {}", name(*id)));
        splices.chain(drops).collect::<Vec<_>>().join(", ")
    }

    fn splice(&mut self, splice: &StoredSplice, allowance: &Allowance, lost: &mut Vec<Lost>) -> Result<Splice<'a>> {
        let (core, table) = (self.table_of(splice.table)?, splice.table);
        let (engine, pager) = (self.engine, &self.engine.pager);
        let mut builder = Builder::new(pager, core.id(), engine.capture().number(), engine.options.segment_rows);
        let mut push = |page: &PageBytes| page.iter().try_for_each(|(key, row)| builder.push(key, row, allowance));
        let highs = splice.made.iter().skip(1).map(|made| Some(&made.low)).chain([splice.high.as_ref()]);
        for (made, high) in splice.made.iter().zip(highs) {
            let stored = match &made.pages {
                MadePages::Memory(pages) => {
                    pages.iter().try_for_each(&mut push)?;
                    continue;
                }
                MadePages::Stored(stored) => stored,
            };
            for part in stored_parts(self.carved, (table, made.id), stored, made.low.clone(), high.cloned()) {
                match self.listed(table, &part.holds) {
                    Some(page) => push(&page)?,
                    None => lost.push(Lost { core: Arc::clone(&core), table, segment: made.id, part }),
                }
            }
        }
        let range = (splice.low.clone(), splice.high.clone());
        Splice::prepare(pager, &core, range, Some(builder.finish(allowance)?))
    }

    /// Looks for what was written for the same segments, by this act or later.
    fn search_lost(&mut self, lost: Vec<Lost>) -> Result<()> {
        let carved = self.carved;
        let mut versions = BTreeMap::new();
        for Lost { core, table, segment, part } in lost {
            let versions = versions.entry(table).or_insert_with(|| Versions::new(carved, table));
            let damaged = self.search_part(&core, table, versions, &part, &|of| of == segment)?;
            if let Some(saved) = self.tables.get_mut(&table) {
                saved.ranges.extend(damaged);
            }
        }
        self.writer.finish()
    }
}
