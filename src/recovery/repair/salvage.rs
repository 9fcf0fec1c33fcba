//! Salvage: the rows of a damaged store, as they were at its last checkpoint and then as its journal goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::carve::Carved;
use super::report::{DamagedRange, FileDamage};
use super::search::{Range, Versions, listed_page};
use super::structure::{Holds, Part, TablePlan};
use crate::codec::{PageBytes, Shape};
use crate::error::Result;
use crate::lock::FIRST_INDEX;
use crate::storage::journal;
use crate::table::page::StoredPage;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Engine, RawWriter, Record, read_record};

/// Writes what is saved into a new database.
pub(super) struct Salvage<'a> {
    pub(super) engine: &'a Engine,
    pub(super) writer: RawWriter<'a>,
    pub(super) carved: &'a Carved,
    /// The tables of the new database by their numbers in the old one, with what is wrong with them.
    pub(super) tables: BTreeMap<u32, Saved>,
    /// The names of the old store's indexes. They are not saved: their entries follow from the rows, and those that are
    /// left need not fit the rows that are left.
    pub(super) indexes: BTreeMap<u32, String>,
}

/// A table of the new database.
pub(super) struct Saved {
    pub(super) core: Arc<TableCore>,
    pub(super) is_named: bool,
    pub(super) ranges: Vec<DamagedRange>,
}

/// What is wrong with the journal.
pub(super) struct InJournal {
    pub(super) damages: Vec<FileDamage>,
    /// Commits whose records are lost.
    pub(super) lost: Vec<RangeInclusive<u64>>,
    pub(super) end_is_lost: bool,
}

/// What a search for the rows of a range came to.
#[derive(Default, PartialEq, Eq)]
struct Found {
    rows: u64,
    checksum: u64,
}

impl<'a> Salvage<'a> {
    pub(super) fn new(engine: &'a Engine, carved: &'a Carved) -> Self {
        let (tables, indexes) = (BTreeMap::new(), BTreeMap::new());
        Salvage { engine, writer: RawWriter::new(engine), carved, tables, indexes }
    }

    /// Writes the rows of a table as of the last checkpoint. `later` has the segments, by table and id, of acts since:
    /// what was written for those is not looked at.
    pub(super) fn table(&mut self, plan: TablePlan, later: &BTreeSet<(u32, u64)>) -> Result<()> {
        if is_index(plan.id) {
            self.leave_out(plan.id, plan.definition);
            return Ok(());
        }
        let core = self.make_table(plan.id, plan.definition)?;
        let is_of_then = |segment| !later.contains(&(plan.id, segment));
        let mut versions = None;
        let mut ranges = Vec::new();
        for part in &plan.parts {
            if let Some(page) = self.listed(plan.id, &part.holds) {
                self.page(&core, &page)?;
                if matches!(part.holds, Holds::LastPage(_)) {
                    let range = (&*part.low, part.high.as_deref());
                    let versions = versions.get_or_insert_with(|| Versions::new(self.carved, plan.id));
                    ranges.extend(self.behind(&core, plan.id, &page, range, versions, &is_of_then)?);
                }
                continue;
            }
            let versions = versions.get_or_insert_with(|| Versions::new(self.carved, plan.id));
            ranges.extend(self.search_part(&core, plan.id, versions, part, &is_of_then)?);
        }
        if let Some(saved) = self.tables.get_mut(&plan.id) {
            saved.ranges = ranges;
        }
        self.writer.finish()
    }

    /// The page of a part, if it is known and left.
    pub(super) fn listed(&self, table: u32, holds: &Holds) -> Option<PageBytes> {
        match holds {
            Holds::Page(stored) | Holds::LastPage(stored) => {
                listed_page(self.carved, table, stored.address, (stored.rows, stored.checksum))
            }
            Holds::Unknown(..) => None,
        }
    }

    fn page(&mut self, core: &Arc<TableCore>, page: &PageBytes) -> Result<()> {
        page.iter().try_for_each(|(key, row)| self.writer.write(core, key, Some(row)))
    }

    /// Behind the last page of a segment there may have been another segment, whose entry is lost. Of the pages there,
    /// those count that were written for a segment of which no entry is left.
    fn behind(
        &mut self,
        core: &Arc<TableCore>,
        table: u32,
        page: &PageBytes,
        (low, high): Range<'_>,
        versions: &Versions,
        is_of_then: &dyn Fn(u64) -> bool,
    ) -> Result<Option<DamagedRange>> {
        // The least key behind the last one.
        let low = page.len().checked_sub(1).map_or(low.to_vec(), |last| [page.key(last), &[0]].concat());
        let carved = self.carved;
        let is_unknown = |segment| {
            let id = (table, segment);
            !carved.entries.contains_key(&id) && !carved.gone.contains_key(&id) && is_of_then(segment)
        };
        let found = self.search(core, versions, (&low, high), &is_unknown)?;
        let cause = || "no directory entry names these pages".to_owned();
        Ok((found.rows > 0).then(|| damaged_range(core, (&low, high), None, found.rows, cause())))
    }

    /// Writes what is found of a part whose page is not left. What is wrong with it, unless all of it was found.
    pub(super) fn search_part(
        &mut self,
        core: &Arc<TableCore>,
        table: u32,
        versions: &Versions,
        part: &Part,
        of_segment: &dyn Fn(u64) -> bool,
    ) -> Result<Option<DamagedRange>> {
        let (range, counts) = ((&*part.low, part.high.as_deref()), part.holds.counts());
        let found = self.search(core, versions, range, of_segment)?;
        let is_all = counts == Some((found.rows, found.checksum));
        let damaged = || damaged_range(core, range, counts.map(|(rows, _)| rows), found.rows, self.cause(table, part));
        Ok((!is_all).then(damaged))
    }

    fn search(
        &mut self,
        core: &Arc<TableCore>,
        versions: &Versions,
        range: Range<'_>,
        of_segment: &dyn Fn(u64) -> bool,
    ) -> Result<Found> {
        let mut found = Found::default();
        versions.rows(self.carved, range, of_segment, &mut |key, row| {
            found.rows += 1;
            found.checksum = found.checksum.wrapping_add(PageBytes::of_row(key, row).checksum());
            self.writer.write(core, key, Some(row))
        })?;
        Ok(found)
    }

    fn cause(&self, table: u32, part: &Part) -> String {
        let (Holds::Page(StoredPage { address, .. }) | Holds::LastPage(StoredPage { address, .. })) = part.holds else {
            let Holds::Unknown(why, _) = &part.holds else { return String::new() };
            return why.clone();
        };
        let page = format!("page {} of segment {}", address.page, address.segment);
        match self.carved.damage_of((table, address)) {
            Some((file, offset)) => format!("{page} is damaged, {} offset {offset}", file.display()),
            None => format!("{page} is missing"),
        }
    }

    /// Writes what the journal has of commits above `after`.
    pub(super) fn journal(&mut self, folder: &Path, after: Option<u64>) -> Result<InJournal> {
        let mut last = after;
        let mut lost = Vec::new();
        let mut damages = Vec::new();
        let found = journal::salvage(folder, after.unwrap_or(0), &mut |commit, bytes| {
            if let Some(last) = last
                && commit > last + 1
            {
                lost.push(last + 1..=commit - 1);
            }
            last = Some(commit);
            match read_record(commit, bytes) {
                Ok(Record::Tables(definitions)) => {
                    definitions.into_iter().try_for_each(|definition| self.definition(definition))
                }
                Ok(Record::Drop(index)) => {
                    self.indexes.remove(&index);
                    Ok(())
                }
                Ok(Record::Rows(rows)) => rows.iter().filter(|row| !is_index(row.table)).try_for_each(|row| {
                    let core = self.table_of(row.table)?;
                    self.writer.write(&core, row.key, row.row)
                }),
                Ok(Record::Bulk(bulk)) => {
                    // Without a root it may be older than the pages that were found, and its own be gone.
                    if !self.bulk(&bulk, after.is_none())? {
                        let what = format!(
                            "pages of commit {commit}, a bulk act, are lost; it is left out: {}",
                            self.describe(&bulk)
                        );
                        damages.push(FileDamage { file: folder.to_owned(), offset: 0, what });
                        lost.push(commit..=commit);
                    }
                    Ok(())
                }
                // Its checksums are right, so it is none of ours.
                Err(error) => {
                    let what = error.to_string();
                    damages.push(FileDamage { file: folder.to_owned(), offset: 0, what });
                    lost.push(commit..=commit);
                    Ok(())
                }
            }
        })?;
        self.writer.finish()?;
        for journal::Damage { file, offset, what, last_commit } in found.places {
            damages.push(FileDamage { file, offset, what });
            // Behind the last record that is whole.
            if let Some(commit) = last_commit
                && last.is_none_or(|last| commit > last)
            {
                lost.push(last.map_or(commit, |last| last + 1)..=commit);
                last = Some(commit);
            }
        }
        Ok(InJournal { damages, lost, end_is_lost: found.end_is_lost })
    }

    pub(super) fn leave_out(&mut self, index: u32, definition: Option<Definition>) {
        let name = definition.map_or_else(|| format!("index-{}", index - FIRST_INDEX), |definition| definition.name);
        self.indexes.insert(index, name);
    }

    fn definition(&mut self, definition: Definition) -> Result<()> {
        if is_index(definition.id) {
            self.leave_out(definition.id, Some(definition));
            return Ok(());
        }
        let saved = self.tables.get(&definition.id).map(|saved| (Arc::clone(&saved.core), saved.is_named));
        match saved {
            None => self.make_table(definition.id, Some(definition)).map(drop),
            Some((core, true)) => self.engine.replace_shape(&core, definition.row_shape),
            Some((_, false)) => Ok(()),
        }
    }

    pub(super) fn table_of(&mut self, id: u32) -> Result<Arc<TableCore>> {
        match self.tables.get(&id) {
            Some(saved) => Ok(Arc::clone(&saved.core)),
            None => self.make_table(id, None),
        }
    }

    fn make_table(&mut self, id: u32, definition: Option<Definition>) -> Result<Arc<TableCore>> {
        let is_named = definition.is_some();
        let mut definition = definition.unwrap_or_else(|| Definition {
            id,
            name: format!("table-{id}"),
            version: 1,
            key_shape: Definition::UNKNOWN_KEYS.to_owned(),
            row_shape: Shape::Unknown,
            index: None,
        });
        // Only a name that was made up here can be in use.
        while self.engine.catalog.find(&definition.name).is_some() {
            definition.name.push('+');
        }
        definition.id = self.engine.catalog.fresh_id();
        let core = self.engine.commit_tables(vec![definition])?;
        self.tables.insert(id, Saved { core: Arc::clone(&core), is_named, ranges: Vec::new() });
        Ok(core)
    }
}

pub(super) fn is_index(table: u32) -> bool {
    table >= FIRST_INDEX
}

fn damaged_range(
    core: &TableCore,
    (low, high): Range<'_>,
    rows: Option<u64>,
    found: u64,
    cause: String,
) -> DamagedRange {
    let keys = core.show_keys(low, high);
    DamagedRange { low: low.to_vec(), high: high.map(<[u8]>::to_vec), keys, rows, found, cause }
}
