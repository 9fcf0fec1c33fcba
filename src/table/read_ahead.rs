//! Reads the next pages of a scan in one walk of their tree.
//!
//! Pages of a segment lie side by side in the page store, and walking over them costs a tenth of looking each one up.
//! A page's address is never used for another content, so what was read ahead stays right however long it waits; what
//! was freed meanwhile is just not found, and is then looked for as any other page.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::page::{PageAddress, PageSlot};
use super::pager::Pager;
use super::table_core::TableCore;
use crate::codec::PageBytes;
use crate::error::Result;
use crate::storage::TreeId;

/// Pages read at once: some 256 KiB.
const PAGES_AHEAD: usize = 64;
/// Entries that may be walked over without a hit for each page that is wanted.
const MISSES_A_PAGE: usize = 3;

/// Pages read and not used yet, the last one first.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    pages: Vec<(PageAddress, PageBytes)>,
}

impl ReadAhead {
    /// The page at an address, if it was read.
    pub(crate) fn take(&mut self, address: PageAddress) -> Option<PageBytes> {
        let at = self.pages.iter().rposition(|(read, _)| *read == address)?;
        Some(self.pages.swap_remove(at).1)
    }

    /// Reads those of the next pages that are not in memory. Damaged ones are left for the look-up to report.
    pub(crate) fn fill(
        &mut self,
        pager: &Pager,
        table: &TableCore,
        slots: &[Arc<PageSlot>],
        number: u64,
    ) -> Result<()> {
        let ahead = slots.iter().take(PAGES_AHEAD);
        let mut wanted: Vec<PageAddress> = ahead.filter_map(|slot| slot.stored_only(number)).collect();
        self.pages.clear();
        wanted.sort_unstable();
        for run in wanted.chunk_by(|a, b| a.segment == b.segment) {
            self.walk(pager, table, run)?;
        }
        Ok(())
    }

    fn walk(&mut self, pager: &Pager, table: &TableCore, wanted: &[PageAddress]) -> Result<()> {
        let [first, .., last] = wanted else { return Ok(()) };
        let (last, mut misses) = (last.to_key(), MISSES_A_PAGE * wanted.len());
        let mut wanted = wanted.iter().peekable();
        pager.store.scan(TreeId(table.id()), &first.to_key(), &mut |key, value| {
            if *key > last[..] {
                return ControlFlow::Break(());
            }
            while wanted.next_if(|address| address.to_key()[..] < *key).is_some() {}
            match wanted.next_if(|address| address.to_key()[..] == *key) {
                Some(address) => {
                    if let Ok((identity, bytes)) = PageBytes::decode(value)
                        && identity.is_of(table.id(), address.segment, address.page)
                    {
                        self.pages.push((*address, bytes));
                    }
                }
                None => match misses.checked_sub(1) {
                    Some(left) => misses = left,
                    None => return ControlFlow::Break(()),
                },
            }
            if wanted.peek().is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStore, PageStore, StoreOp};
    use crate::table::page::StoredPage;
    use crate::table::table_core::{Definition, TableCore};

    fn table() -> Arc<TableCore> {
        let row_shape = crate::codec::Shape::of_type::<u64>().unwrap();
        let definition =
            Definition { id: 7, name: "t".into(), version: 1, key_shape: "u64".into(), row_shape, index: None };
        TableCore::empty(definition, 1, 1)
    }

    #[test]
    fn pages_are_read_in_one_walk_and_what_is_damaged_or_gone_is_left_out() {
        let (store, table) = (MemoryStore::new(), table());
        let address = |page| PageAddress { segment: 3, page };
        for page in 0..20u64 {
            let mut bytes = PageBytes::new();
            bytes.insert(0, &page.to_be_bytes(), b"row");
            let mut value = Vec::new();
            let identity = crate::codec::PageIdentity { table: 7, segment: 3, page, commit: 1 };
            bytes.encode(&identity, &mut value);
            if page == 6 {
                value[50] ^= 1;
            }
            store.write(vec![StoreOp::Put { tree: TreeId(7), key: address(page).to_key().to_vec(), value }]).unwrap();
        }
        store.write(vec![StoreOp::Remove { tree: TreeId(7), key: address(8).to_key().to_vec() }]).unwrap();
        let pager = Pager::new(Arc::new(store), 1 << 20, 100);
        let slots: Vec<_> = [4, 2, 6, 8, 10]
            .map(|page| {
                PageSlot::from_store(0, StoredPage { address: address(page), entries: 1, rows: 1, checksum: 0 })
            })
            .into();
        let mut ahead = ReadAhead::default();
        ahead.fill(&pager, &table, &slots, 1).unwrap();
        for page in [2u64, 4, 10] {
            let read = ahead.take(address(page)).unwrap();
            assert_eq!(read.key(0), page.to_be_bytes());
        }
        assert!(
            ahead.take(address(6)).is_none() && ahead.take(address(8)).is_none() && ahead.take(address(2)).is_none()
        );
    }
}
