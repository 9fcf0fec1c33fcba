//! Compares an index with its table.
//!
//! Where the program has used the table since it was opened, its functions say which entries there must be: each is looked
//! up, and their number must be that of all entries. Else the functions are not known, and each entry must at least lead
//! to a row.

use std::panic::Location;
use std::sync::Arc;

use crate::context::{self, Activity};
use crate::error::Result;
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
    let mut found = Vec::new();
    for (at, index) in indexes.list.iter().enumerate().filter(|(_, index)| index.is_ready_at(number)) {
        let mut errors = Errors { found: Vec::new(), more: 0 };
        let compared = match &indexes.keys {
            Some(keys) => compare_with_rows(engine, table, (index, at, keys), number, &mut errors),
            None => compare_with_keys(engine, table, index, number, &mut errors),
        };
        if let Err(error) = compared {
            errors.found.push(format!("the index cannot be compared with its table: {error}"));
        }
        if errors.more > 0 {
            errors.found.push(format!("{} more entries are wrong", errors.more));
        }
        found.extend(errors.found.into_iter().map(|error| (index.core.id(), error)));
    }
    found
}

struct Errors {
    found: Vec<String>,
    more: u64,
}

impl Errors {
    fn add(&mut self, error: impl FnOnce() -> String) {
        if (self.found.len() as u64) < TOLD { self.found.push(error()) } else { self.more += 1 }
    }
}

fn compare_with_rows(
    engine: &Engine,
    table: &TableCore,
    (index, at, keys): (&IndexCore, usize, &Arc<dyn RowKeys>),
    number: u64,
    errors: &mut Errors,
) -> Result<()> {
    let (mut wanted, mut there) = (0u64, 0u64);
    walk(engine, table, number, &mut |key, row| {
        let keys = {
            let _scope = context::enter(Activity::Closure, Location::caller());
            keys.of_bytes(table, key, row)?
        };
        for index_key in &keys[at] {
            let (entry, value) = index.entry(index_key, key)?;
            wanted += 1;
            match typed::value_at(&engine.pager, &index.core, number, &entry)? {
                Some(found) if found == value => {}
                Some(_) => errors.add(|| format!("the entry {} leads to another row than {}", hex(&entry), hex(key))),
                None => errors.add(|| format!("the row under {} has no entry {}", hex(key), hex(&entry))),
            }
        }
        Ok(())
    })?;
    walk(engine, &index.core, number, &mut |_, _| {
        there += 1;
        Ok(())
    })?;
    if there != wanted {
        errors.add(|| format!("there are {there} entries where the rows of the table give {wanted}"));
    }
    Ok(())
}

fn compare_with_keys(
    engine: &Engine,
    table: &TableCore,
    index: &IndexCore,
    number: u64,
    errors: &mut Errors,
) -> Result<()> {
    walk(engine, &index.core, number, &mut |entry, value| {
        let (_, key) = index.parts(entry, value)?;
        if typed::value_at(&engine.pager, table, number, key)?.is_none() {
            errors.add(|| format!("the entry {} leads to {}, where there is no row", hex(entry), hex(key)));
        }
        Ok(())
    })
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
