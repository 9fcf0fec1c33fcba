//! Removes pages that no page list of the root names: what a crash left behind.
//!
//! A checkpoint that was cut off has written pages under new ids, and one that was cut off late has not freed the old
//! ones. Neither does harm but for the space. The sweep reads every page list and walks every tree once, so it is done
//! only when a store was not closed. A table whose page lists are not all there is left as it is: what looks like an
//! orphan may be what a repair needs.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::storage::{PageStore, StoreOp, TreeId};
use crate::table::catalog::Catalog;
use crate::table::entry::open_page_list;
use crate::table::page::PageAddress;
use crate::table::pager::Pager;
use crate::table::table_core::TableCore;

/// Removes the orphans of all tables, and counts what is left. To be called before the journal is replayed. False when
/// a table was left as it is.
pub(crate) fn sweep(pager: &Pager, catalog: &Catalog) -> Result<bool> {
    let (mut swept, mut bytes) = (true, 0);
    for tree in pager.store.trees()? {
        if tree == TreeId::DIRECTORY {
            bytes += bytes_in(&*pager.store, tree)?;
            continue;
        }
        match catalog.by_id(tree.0) {
            Some(table) => swept &= sweep_table(pager, &table, &mut bytes)?,
            // A table of which no root ever knew.
            None => pager.store.drop_tree(tree)?,
        }
    }
    pager.store.set_live_bytes(bytes);
    Ok(swept)
}

fn sweep_table(pager: &Pager, table: &TableCore, bytes: &mut u64) -> Result<bool> {
    let live = live_keys(pager, table)?;
    let tree = TreeId(table.id());
    let mut orphans = Vec::new();
    pager.store.scan(tree, &[], &mut |key, value| {
        if live.as_ref().is_some_and(|live| !live.contains(key)) {
            orphans.push(StoreOp::Remove { tree, key: key.to_vec() });
        } else {
            *bytes += value.len() as u64;
        }
        ControlFlow::Continue(())
    })?;
    if !orphans.is_empty() {
        pager.store.write(orphans)?;
    }
    Ok(live.is_some())
}

/// Counts the bytes of all values anew.
pub(crate) fn count_live_bytes(store: &dyn PageStore) -> Result<()> {
    let bytes = store.trees()?.into_iter().map(|tree| bytes_in(store, tree)).sum::<Result<u64>>()?;
    store.set_live_bytes(bytes);
    Ok(())
}

fn bytes_in(store: &dyn PageStore, tree: TreeId) -> Result<u64> {
    let mut bytes = 0;
    store.scan(tree, &[], &mut |_, value| {
        bytes += value.len() as u64;
        ControlFlow::Continue(())
    })?;
    Ok(bytes)
}

/// Looks whether all is there that the directory names.
///
/// # Errors
/// `Corrupted` with the table of which something is missing.
pub(crate) fn check_whole(pager: &Pager, catalog: &Catalog) -> Result<()> {
    for table in catalog.tables() {
        let missing =
            || Error::corrupted(format!("pages of table {:?} are missing in the page store; run repair", table.name()));
        let live = live_keys(pager, &table)?.ok_or_else(missing)?;
        let mut found = 0;
        pager.store.scan(TreeId(table.id()), &[], &mut |key, _| {
            found += usize::from(live.contains(key));
            ControlFlow::Continue(())
        })?;
        if found != live.len() {
            return Err(missing());
        }
    }
    Ok(())
}

/// The keys of all pages and page lists that the directory names. None when a page list is missing.
fn live_keys(pager: &Pager, table: &TableCore) -> Result<Option<HashSet<Vec<u8>, ahash::RandomState>>> {
    let mut live = HashSet::default();
    for segment in table.directory(None).iter().flat_map(|directory| directory.segments()) {
        let mut pages = Vec::new();
        for id in segment.stored().iter().flat_map(|stored| &stored.lists) {
            let key = PageAddress { segment: segment.id, page: *id }.to_key();
            let mut read = Ok(());
            let found = pager.store.read(TreeId(table.id()), &key, &mut |bytes| {
                read = open_page_list(table.id(), segment.id, *id, bytes, &mut pages);
            })?;
            read?;
            if !found {
                return Ok(None);
            }
            live.insert(key.to_vec());
        }
        live.extend(pages.iter().flat_map(|page| page.stored.addresses()).map(|address| address.to_key().to_vec()));
    }
    Ok(Some(live))
}
