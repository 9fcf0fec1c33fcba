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
        let found = store.read(TreeId(table), &stored.address.to_key(), &mut |bytes| {
            read = Some(PageBytes::decode(bytes));
        })?;
        return Ok(match read.filter(|_| found) {
            None => Found::Missing(0),
            Some(decoded) => decoded.into(),
        });
    }
    let PageAddress { segment, page } = stored.address;
    let identity = PageIdentity { table, segment, page, commit: 0 };
    let mut addresses = stored.addresses().zip(0..);
    let mut awaited = addresses.next();
    let mut whole = Vec::new();
    let mut fault = None;
    // The entries lie side by side, and walking over them costs a tenth of looking each one up.
    store.scan(TreeId(table), &stored.address.to_key(), &mut |key, value| {
        let Some((address, number)) = awaited else { return ControlFlow::Break(()) };
        if *key != address.to_key()[..] {
            return ControlFlow::Break(());
        }
        match chunk::open(&identity, number, stored.entries, value) {
            Ok(part) => whole.extend_from_slice(part),
            Err(found) => {
                fault = Some(found);
                return ControlFlow::Break(());
            }
        }
        awaited = addresses.next();
        if awaited.is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(match (fault, awaited) {
        (Some(fault), _) => Found::Damaged(fault),
        (None, Some((_, number))) => Found::Missing(number),
        (None, None) => PageBytes::decode(&whole).into(),
    })
}

impl From<std::result::Result<(PageIdentity, PageBytes), WireFault>> for Found {
    fn from(decoded: std::result::Result<(PageIdentity, PageBytes), WireFault>) -> Found {
        match decoded {
            Ok((identity, bytes)) => Found::Page(identity, bytes),
            Err(fault) => Found::Damaged(fault),
        }
    }
}
