//! The page store: named trees of byte keys and byte values, the one thing that the layers above know of a storage
//! engine.
//!
//! The trait is small on purpose. Nothing here is atomic and nothing is durable before [`PageStore::sync`] returned:
//! atomic commits are the journal's work, a consistent state on disk is the checkpoint's. An engine only has to keep
//! what was synced and to give back exactly the bytes it was given, or an error.

use std::ops::ControlFlow;

use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_STORED_BYTES;

/// Names a tree of a page store: 0 is the directory, the others are tables. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TreeId(pub(crate) u32);

impl TreeId {
    /// The tree of the directory entries.
    pub(crate) const DIRECTORY: TreeId = TreeId(0);
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreOp {
    /// Stores the value under the key, over an older one. Makes the tree if it does not exist.
    Put { tree: TreeId, key: Vec<u8>, value: Vec<u8> },
    /// Removes the key; it is no error if it does not exist.
    Remove { tree: TreeId, key: Vec<u8> },
}

/// What a scan shows entries to: key and value.
pub(crate) type EntryVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Trees of bytes on disk or in memory.
///
/// A store may be called by many threads. Writes of one batch are applied in their order; a batch is not atomic.
/// After an error of a write or a sync the store may refuse everything with [`ErrorKind::Poisoned`] until it is
/// reopened.
pub(crate) trait PageStore: Send + Sync {
    /// Shows the value of a key to `visit`; returns false, without calling it, if the key does not exist.
    fn read(&self, tree: TreeId, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows entries from the key `from` (included) on, ascending, until `visit` breaks or the tree ends. Entries
    /// written during the scan may be seen or not.
    fn scan(&self, tree: TreeId, from: &[u8], visit: &mut EntryVisitor<'_>) -> Result<()>;

    /// Applies the batch in its order. Refuses a value longer than [`MAX_STORED_BYTES`] before anything is written.
    fn write(&self, batch: Vec<StoreOp>) -> Result<()>;

    /// Returns once everything written before the call is on disk.
    fn sync(&self) -> Result<()>;

    /// The trees that exist, ascending.
    fn trees(&self) -> Result<Vec<TreeId>>;

    /// Removes a tree and all its entries; it is no error if it does not exist.
    fn drop_tree(&self, tree: TreeId) -> Result<()>;

    /// Bytes that the store takes on disk; 0 for a store in memory.
    fn size_on_disk(&self) -> Result<u64>;

    /// Bytes of all values in the store.
    fn live_bytes(&self) -> u64;

    /// Says how many these are, after opening: the store itself counts only what it is told from then on.
    fn set_live_bytes(&self, bytes: u64);

    /// Syncs and lets go of the files. Every later call fails with [`ErrorKind::Closed`]; a second `close` does
    /// nothing.
    fn close(&self) -> Result<()>;

    /// Lets go of the files of a store that is going to be removed: closes it without any care for what is in it.
    fn discard(&self) -> Result<()> {
        self.close()
    }
}

/// Refuses a batch with a value that the engine could not hold safely.
pub(crate) fn check_batch(batch: &[StoreOp]) -> Result<()> {
    for op in batch {
        if let StoreOp::Put { tree, value, .. } = op
            && value.len() > MAX_STORED_BYTES
        {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "a value of {} bytes for tree {} is over the {MAX_STORED_BYTES} bytes of a stored value: cut it in chunks",
                    value.len(),
                    tree.0
                ),
            ));
        }
    }
    Ok(())
}
