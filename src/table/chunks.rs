//! Reads the entries of pages from the page store: one, or the chunks of a page that is too long for one.

use std::ops::ControlFlow;

use super::page::{PageAddress, StoredPage};
use crate::codec::wire::WireFault;
use crate::codec::{PageBytes, PageIdentity, chunk};
use crate::error::Result;
use crate::storage::{PageStore, TreeId};

/// A page as the store has it.
pub(crate) enum Found {
    Page(PageIdentity, PageBytes),
    /// Some or all of its entries are not there: this many are, before the first that is not.
    Missing(u32),
    Damaged(WireFault),
}

/// Reads a page. Memory is taken as its chunks are found, never for what a damaged count claims.
pub(crate) fn read(store: &dyn PageStore, table: u32, stored: StoredPage) -> Result<Found> {
    if stored.entries == 1 {
        let mut read = None;
        store.read(TreeId(table), &stored.address.to_key(), &mut |bytes| read = Some(PageBytes::decode(bytes)))?;
        return Ok(read.map_or(Found::Missing(0), Found::from));
    }
    let mut chunks = Chunks { table, stored, next: 0, whole: Vec::new(), fault: None };
    while let Some(address) = chunks.awaited() {
        let found = chunks.next;
        // The entries lie side by side, and walking over them costs a tenth of looking each one up.
        store.scan(TreeId(table), &address.to_key(), &mut |key, value| chunks.take(key, value))?;
        if chunks.fault.is_none() && chunks.next == found {
            // The walk may have missed what an engine moves about meanwhile; a look-up does not.
            let key = address.to_key();
            let there = store.read(TreeId(table), &key, &mut |value| _ = chunks.take(&key, value))?;
            if !there {
                return Ok(Found::Missing(found));
            }
        }
        if let Some(fault) = chunks.fault {
            return Ok(Found::Damaged(fault));
        }
    }
    Ok(PageBytes::decode(&chunks.whole).into())
}

/// The chunks of a page so far.
struct Chunks {
    table: u32,
    stored: StoredPage,
    /// Number of the next chunk.
    next: u32,
    whole: Vec<u8>,
    fault: Option<WireFault>,
}

impl Chunks {
    /// The address of the next chunk; none when all are there.
    fn awaited(&self) -> Option<PageAddress> {
        self.stored.entry(self.next)
    }

    /// Adds the next chunk, if this entry is it.
    fn take(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        if self.awaited().is_none_or(|address| *key != address.to_key()[..]) {
            return ControlFlow::Break(());
        }
        let PageAddress { segment, page } = self.stored.address;
        let identity = PageIdentity { table: self.table, segment, page, commit: 0 };
        match chunk::open(&identity, self.next, self.stored.entries, value) {
            Ok(part) => {
                self.whole.extend_from_slice(part);
                self.next += 1;
                ControlFlow::Continue(())
            }
            Err(fault) => {
                self.fault = Some(fault);
                ControlFlow::Break(())
            }
        }
    }
}

impl From<std::result::Result<(PageIdentity, PageBytes), WireFault>> for Found {
    fn from(decoded: std::result::Result<(PageIdentity, PageBytes), WireFault>) -> Found {
        match decoded {
            Ok((identity, bytes)) => Found::Page(identity, bytes),
            Err(fault) => Found::Damaged(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStore, StoreOp};

    /// A store whose walks end after some entries, however many there are.
    struct Tired(MemoryStore, usize);

    impl PageStore for Tired {
        fn read(&self, tree: TreeId, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
            self.0.read(tree, key, visit)
        }

        fn scan(
            &self,
            tree: TreeId,
            from: &[u8],
            visit: &mut (dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + '_),
        ) -> Result<()> {
            let mut left = self.1;
            self.0.scan(tree, from, &mut |key, value| match left.checked_sub(1) {
                Some(less) => {
                    left = less;
                    visit(key, value)
                }
                None => ControlFlow::Break(()),
            })
        }

        fn write(&self, batch: Vec<StoreOp>) -> Result<()> {
            self.0.write(batch)
        }

        fn sync(&self) -> Result<()> {
            self.0.sync()
        }

        fn trees(&self) -> Result<Vec<TreeId>> {
            self.0.trees()
        }

        fn drop_tree(&self, tree: TreeId) -> Result<()> {
            self.0.drop_tree(tree)
        }

        fn size_on_disk(&self) -> Result<u64> {
            self.0.size_on_disk()
        }

        fn live_bytes(&self) -> u64 {
            0
        }

        fn set_live_bytes(&self, _: u64) {}

        fn close(&self) -> Result<()> {
            self.0.close()
        }
    }

    fn stored(store: &dyn PageStore) -> StoredPage {
        let identity = PageIdentity { table: 7, segment: 3, page: 10, commit: 1 };
        let bytes = PageBytes::of_row(b"key", &[5; 60_000]);
        let mut frame = Vec::new();
        bytes.encode(&identity, &mut frame);
        let entries = chunk::entries_of(frame.len());
        let address = PageAddress { segment: 3, page: 10 };
        let stored = StoredPage { address, entries, rows: 1, checksum: 0 };
        for (address, value) in stored.addresses().zip(chunk::cut(&identity, frame)) {
            let key = address.to_key().to_vec();
            store.write(vec![StoreOp::Put { tree: TreeId(7), key, value }]).unwrap();
        }
        stored
    }

    #[test]
    fn a_page_is_read_however_far_a_walk_comes() {
        for steps in [0, 1, 2, 100] {
            let store = Tired(MemoryStore::new(), steps);
            let stored = stored(&store);
            assert_eq!(stored.entries, 9);
            let Found::Page(_, bytes) = read(&store, 7, stored).unwrap() else { panic!("{steps} steps") };
            assert_eq!(bytes.row(0), [5; 60_000]);
            let more = StoredPage { entries: 12, ..stored };
            assert!(
                matches!(read(&store, 7, more).unwrap(), Found::Damaged(_)),
                "a count that is not that of the chunks"
            );
            let key = stored.entry(4).unwrap().to_key().to_vec();
            store.write(vec![StoreOp::Remove { tree: TreeId(7), key }]).unwrap();
            assert!(matches!(read(&store, 7, stored).unwrap(), Found::Missing(4)));
        }
    }
}
