//! Removes pages that no page list of the root names: what a crash left behind.
//!
//! A checkpoint that was cut off has written pages under new ids, and one that was cut off late has not freed the old
//! ones. Neither does harm but for the space. The sweep reads every page list and walks every tree once, so it is done
//! only when a store was not closed.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::storage::{StoreOp, TreeId};
use crate::table::catalog::Catalog;
use crate::table::entry::open_page_list;
use crate::table::page::PageAddress;
use crate::table::pager::Pager;
use crate::table::table_core::TableCore;

/// Removes the orphans of all tables. To be called before the journal is replayed.
pub(crate) fn sweep(pager: &Pager, catalog: &Catalog) -> Result<u64> {
    let mut removed = 0;
    for tree in pager.store.trees()? {
        if tree == TreeId::DIRECTORY {
            continue;
        }
        match catalog.by_id(tree.0) {
            Some(table) => removed += sweep_table(pager, &table)?,
            // A table of which no root ever knew.
            None => pager.store.drop_tree(tree)?,
        }
    }
    Ok(removed)
}

fn sweep_table(pager: &Pager, table: &TableCore) -> Result<u64> {
    let live = live_keys(pager, table)?;
    let tree = TreeId(table.id());
    let mut orphans = Vec::new();
    pager.store.scan(tree, &[], &mut |key, _| {
        if !live.contains(key) {
            orphans.push(StoreOp::Remove { tree, key: key.to_vec() });
        }
        ControlFlow::Continue(())
    })?;
    let count = orphans.len() as u64;
    if count > 0 {
        pager.store.write(orphans)?;
    }
    Ok(count)
}

/// The keys of all pages and page lists that the directory names.
fn live_keys(pager: &Pager, table: &TableCore) -> Result<HashSet<Vec<u8>, ahash::RandomState>> {
    let mut live = HashSet::default();
    for segment in table.directory(None).iter().flat_map(|directory| directory.segments()) {
        let mut pages = Vec::new();
        for id in segment.stored().iter().flat_map(|stored| &stored.lists) {
            let key = PageAddress { segment: segment.id, page: *id }.to_key();
            let mut read = Ok(());
            pager.store.read(TreeId(table.id()), &key, &mut |bytes| {
                read = open_page_list(table.id(), segment.id, *id, bytes, &mut pages);
            })?;
            read?;
            live.insert(key.to_vec());
        }
        live.extend(pages.iter().map(|page| page.stored.address.to_key().to_vec()));
    }
    Ok(live)
}
