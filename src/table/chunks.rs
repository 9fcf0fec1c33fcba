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
