//! The page store in memory: the reference for what a page store does, and the store of in-memory databases.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::page_store::{EntryVisitor, PageStore, StoreOp, TreeId, check_batch};
use crate::error::{Error, ErrorKind, Result};

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Trees in ordered maps. `None` once it is closed.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    trees: RwLock<Option<BTreeMap<TreeId, Tree>>>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        MemoryStore { trees: RwLock::new(Some(BTreeMap::new())) }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the page store in memory was closed: open the database again")
}

impl PageStore for MemoryStore {
    fn read(&self, tree: TreeId, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let trees = self.trees.read();
        let Some(value) = trees.as_ref().ok_or_else(closed)?.get(&tree).and_then(|tree| tree.get(key)) else {
            return Ok(false);
        };
        visit(value);
        Ok(true)
    }

    fn scan(&self, tree: TreeId, from: &[u8], visit: &mut EntryVisitor<'_>) -> Result<()> {
        let trees = self.trees.read();
        let Some(tree) = trees.as_ref().ok_or_else(closed)?.get(&tree) else { return Ok(()) };
        for (key, value) in tree.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: Vec<StoreOp>) -> Result<()> {
        check_batch(&batch)?;
        let mut trees = self.trees.write();
        let trees = trees.as_mut().ok_or_else(closed)?;
        for op in batch {
            match op {
                StoreOp::Put { tree, key, value } => {
                    trees.entry(tree).or_default().insert(key, value);
                }
                StoreOp::Remove { tree, key } => {
                    if let Some(tree) = trees.get_mut(&tree) {
                        tree.remove(&key);
                    }
                }
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.trees.read().as_ref().map(|_| ()).ok_or_else(closed)
    }

    fn trees(&self) -> Result<Vec<TreeId>> {
        self.trees.read().as_ref().map(|trees| trees.keys().copied().collect()).ok_or_else(closed)
    }

    fn drop_tree(&self, tree: TreeId) -> Result<()> {
        self.trees.write().as_mut().ok_or_else(closed)?.remove(&tree);
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64> {
        self.sync().map(|()| 0)
    }

    fn live_bytes(&self) -> u64 {
        let trees = self.trees.read();
        let values = trees.iter().flat_map(|trees| trees.values()).flat_map(|tree| tree.values());
        values.map(|value| value.len() as u64).sum()
    }

    fn set_live_bytes(&self, _bytes: u64) {}

    fn close(&self) -> Result<()> {
        *self.trees.write() = None;
        Ok(())
    }
}
