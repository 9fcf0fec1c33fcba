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
use crate::table::entry::read_page_list;
use crate::table::page::PageAddress;

type Addresses = HashSet<PageAddress, ahash::RandomState>;

/// A page list: table, segment, and the ids of its entries.
pub(super) type NamedLists = (u32, u64, Vec<u64>);

/// The page lists of all tables, as the directory on disk names them. To be asked before the journal is replayed.
pub(super) fn named_lists(catalog: &Catalog) -> Vec<NamedLists> {
    let mut named = Vec::new();
    for table in catalog.tables() {
        for segment in table.directory(None).iter().flat_map(|directory| directory.segments()) {
            let lists = segment.stored().map(|stored| stored.lists).unwrap_or_default();
            named.push((table.id(), segment.id, lists));
        }
    }
    named
}

/// Removes the orphans of all tables, and counts what is left. `named` are the page lists that the root and the journal
/// name; nothing may have been written since the opening. False when a table was left as it is.
pub(super) fn sweep(store: &dyn PageStore, named: &[NamedLists]) -> Result<bool> {
    let (mut swept, mut bytes) = (true, 0);
    for tree in store.trees()? {
        if tree == TreeId::DIRECTORY {
            bytes += bytes_in(store, tree)?;
            continue;
        }
        let mut lists = named.iter().filter(|(table, ..)| *table == tree.0).peekable();
        // Else it is a table of which no root ever knew, or one that has no pages yet.
        match lists.peek() {
            Some(_) => swept &= sweep_tree(store, tree, lists, &mut bytes)?,
            None => store.drop_tree(tree)?,
        }
    }
    store.set_live_bytes(bytes);
    Ok(swept)
}

fn sweep_tree<'n>(
    store: &dyn PageStore,
    tree: TreeId,
    lists: impl Iterator<Item = &'n NamedLists>,
    bytes: &mut u64,
) -> Result<bool> {
    let live = live_addresses(store, tree, lists)?;
    let mut orphans = Vec::new();
    store.scan(tree, &[], &mut |key, value| {
        if live.as_ref().is_some_and(|live| !is_among(live, key)) {
            orphans.push(StoreOp::Remove { tree, key: key.to_vec() });
        } else {
            *bytes += value.len() as u64;
        }
        ControlFlow::Continue(())
    })?;
    if !orphans.is_empty() {
        store.write(orphans)?;
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
pub(crate) fn check_whole(store: &dyn PageStore, catalog: &Catalog) -> Result<()> {
    let named = named_lists(catalog);
    for table in catalog.tables() {
        let missing =
            || Error::corrupted(format!("pages of table {:?} are missing in the page store; run repair", table.name()));
        let named = named.iter().filter(|(id, ..)| *id == table.id());
        let live = live_addresses(store, TreeId(table.id()), named)?.ok_or_else(missing)?;
        let mut found = 0;
        store.scan(TreeId(table.id()), &[], &mut |key, _| {
            found += usize::from(is_among(&live, key));
            ControlFlow::Continue(())
        })?;
        if found != live.len() {
            return Err(missing());
        }
    }
    Ok(())
}

/// The addresses of the pages of these lists, and of the lists. None when a page list is missing.
fn live_addresses<'n>(
    store: &dyn PageStore,
    tree: TreeId,
    lists: impl Iterator<Item = &'n NamedLists>,
) -> Result<Option<Addresses>> {
    let mut live = Addresses::default();
    for (_, segment, ids) in lists {
        let Some(pages) = read_page_list(store, tree.0, *segment, ids)? else { return Ok(None) };
        live.extend(ids.iter().map(|id| PageAddress { segment: *segment, page: *id }));
        live.extend(pages.iter().flat_map(|page| page.stored.addresses()));
    }
    Ok(Some(live))
}

/// Whether an entry has one of these addresses for its key.
fn is_among(live: &Addresses, key: &[u8]) -> bool {
    key.try_into().is_ok_and(|key| live.contains(&PageAddress::from_key(key)))
}
