//! Compares an index with its table.
//!
//! Where the program has used the table since it was opened, its functions say which entries there must be: each is looked
//! up, and their number must be that of all entries. Else the functions are not known, and each entry must at least lead
//! to a row.

use std::panic::Location;
use std::sync::Arc;

use crate::context::{self, Activity};
use crate::error::{Error, Result};
use crate::table::index_core::IndexCore;
use crate::table::pager::Keep;
use crate::table::row_keys::RowKeys;
use crate::table::table_core::TableCore;
use crate::table::typed::{self, hex};
use crate::txn::Engine;

/// Differences that are told one by one.
const TOLD: u64 = 20;

/// What is wrong in the indexes of a table as of a commit number: the id of the index, and a sentence.
pub(super) fn verify_indexes(engine: &Engine, table: &TableCore, number: u64) -> Vec<(u32, String)> {
    let indexes = table.indexes();
    let ready = indexes.list.iter().enumerate().filter(|(_, index)| index.is_ready_at(number));
    let mut all: Vec<Compared<'_>> = ready.map(|(at, index)| Compared::new(index, at)).collect();
    match &indexes.keys {
        Some(_) if all.is_empty() => {}
        Some(keys) => compare_with_rows(engine, table, keys, number, &mut all),
        None => all.iter_mut().for_each(|compared| {
            let outcome = compared.compare_with_keys(engine, table, number);
            compared.end(outcome);
        }),
    }
    all.into_iter().flat_map(Compared::told).collect()
}

/// An index, and what is found wrong in it.
struct Compared<'i> {
    index: &'i IndexCore,
    /// Its place among the indexes of the table.
    at: usize,
    /// Entries that the rows give.
    wanted: u64,
    found: Vec<String>,
    more: u64,
    /// Why it cannot be compared to the end.
    failed: Option<String>,
}

impl<'i> Compared<'i> {
    fn new(index: &'i IndexCore, at: usize) -> Self {
        Compared { index, at, wanted: 0, found: Vec::new(), more: 0, failed: None }
    }

    fn add(&mut self, error: impl FnOnce() -> String) {
        if (self.found.len() as u64) < TOLD { self.found.push(error()) } else { self.more += 1 }
    }

    fn end(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &Error) {
        self.failed = Some(format!("the index cannot be compared with its table: {error}"));
    }

    fn told(self) -> impl Iterator<Item = (u32, String)> {
        let id = self.index.core.id();
        let more = (self.more > 0).then(|| format!("{} more entries are wrong", self.more));
        self.found.into_iter().chain(self.failed).chain(more).map(move |error| (id, error))
    }

    /// Looks up the entries that a row must have.
    fn compare_row(&mut self, engine: &Engine, number: u64, key: &[u8], index_keys: &[Vec<u8>]) -> Result<()> {
        for index_key in index_keys {
            let (entry, value) = self.index.entry(index_key, key)?;
            self.wanted += 1;
            match typed::value_at(&engine.pager, &self.index.core, number, &entry)? {
                Some(found) if found == value => {}
                Some(_) => self.add(|| format!("the entry {} leads to another row than {}", hex(&entry), hex(key))),
                None => self.add(|| format!("the row under {} has no entry {}", hex(key), hex(&entry))),
            }
        }
        Ok(())
    }

    /// Compares the number of entries with that of those that the rows give.
    fn compare_count(&mut self, engine: &Engine, number: u64) -> Result<()> {
        let mut there = 0u64;
        walk(engine, &self.index.core, number, &mut |_, _| {
            there += 1;
            Ok(())
        })?;
        let wanted = self.wanted;
        if there != wanted {
            self.add(|| format!("there are {there} entries where the rows of the table give {wanted}"));
        }
        Ok(())
    }

    fn compare_with_keys(&mut self, engine: &Engine, table: &TableCore, number: u64) -> Result<()> {
        let index = self.index;
        walk(engine, &index.core, number, &mut |entry, value| {
            let (_, key) = index.parts(entry, value)?;
            if typed::value_at(&engine.pager, table, number, key)?.is_none() {
                self.add(|| format!("the entry {} leads to {}, where there is no row", hex(entry), hex(key)));
            }
            Ok(())
        })
    }
}

/// Reads the rows once for all indexes: the functions give the keys of a row in each of them together.
fn compare_with_rows(
    engine: &Engine,
    table: &TableCore,
    keys: &Arc<dyn RowKeys>,
    number: u64,
    all: &mut [Compared<'_>],
) {
    let read = walk(engine, table, number, &mut |key, row| {
        let keys = {
            let _scope = context::enter(Activity::Closure, Location::caller());
            keys.of_bytes(table, key, row)?
        };
        for compared in all.iter_mut().filter(|compared| compared.failed.is_none()) {
            let outcome = compared.compare_row(engine, number, key, &keys[compared.at]);
            compared.end(outcome);
        }
        Ok(())
    });
    for compared in all.iter_mut().filter(|compared| compared.failed.is_none()) {
        match &read {
            Ok(()) => {
                let outcome = compared.compare_count(engine, number);
                compared.end(outcome);
            }
            Err(error) => compared.give_up(error),
        }
    }
}

/// What key and row of each row are shown to.
type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'v;

/// Shows all rows of a table as of a commit number.
fn walk(engine: &Engine, table: &TableCore, number: u64, visit: &mut Visit<'_>) -> Result<()> {
    let Some(directory) = table.directory(Some(number)) else { return Ok(()) };
    for segment in directory.segments() {
        let list = engine.pager.list(table, segment, Some(number))?;
        for slot in &list.slots {
            let Some(view) = engine.pager.view(table, slot, Some(number), Keep::IfRoom)? else { continue };
            let Some(bytes) = view.content.bytes else { continue };
            bytes.iter().try_for_each(|(key, row)| visit(key, row))?;
        }
    }
    Ok(())
}
