//! Keeps rows that are larger than a page alone in theirs.
//!
//! A page with a row of megabytes is copied as a whole when somebody else holds it, and written as a whole by the next
//! checkpoint. So a commit that inserts a key which falls to such a page does not touch it: the new row goes into the
//! neighbour on its side, whose low key moves, or into a new page. No row moves, so a reader without a lock that looks
//! into the page of the large row misses the new key and looks again, as after a cut (invariant A9).

use std::sync::Arc;

use super::apply::Place;
use super::page::{PageSlot, SlotState};
use super::pager::Pager;
use crate::codec::{KeyBuf, PageBytes};
use crate::options::PAGE_BYTES;

/// On which side of a large row a new key falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// Whether a page holds one row that is too large to share it.
pub(super) fn is_large(bytes: &PageBytes) -> bool {
    bytes.encoded_len() > PAGE_BYTES
}

/// The side on which a key falls that is not in the page of a large row; none if it is, or if the page is not such.
pub(super) fn side_of(state: &SlotState, key: &[u8]) -> Option<Side> {
    let bytes = state.content.newest().bytes.as_ref()?;
    if bytes.len() != 1 || !is_large(bytes) {
        return None;
    }
    match bytes.search(key) {
        Ok(_) => None,
        Err(0) => Some(Side::Before),
        Err(_) => Some(Side::After),
    }
}

/// Makes room for a key beside the page of a large row, under the commit latch: gives the page that it belongs to from
/// now on, pinned.
pub(super) fn place_beside(pager: &Pager, commit: u64, large: &Place, key: &[u8], side: Side) -> Place {
    let segment = &large.segment;
    let found = segment.with_list(|list| {
        let at = list.find(key);
        let neighbour = match side {
            Side::Before => at.checked_sub(1),
            Side::After => Some(at + 1),
        };
        (at, neighbour.and_then(|at| list.slots.get(at)).cloned())
    });
    let (at, neighbour) = found.expect("the page list is loaded");
    // The key from which on the page that comes second takes all.
    let border = match side {
        Side::Before => large.slot.resident().and_then(|bytes| bytes.low_key().map(KeyBuf::from)),
        Side::After => Some(KeyBuf::from(key)),
    };
    let border = border.expect("the page of a large row is resident and has it");
    if let Some(slot) = neighbour.filter(has_room) {
        let second = if side == Side::Before { at } else { at + 1 };
        segment.edit_list(commit, &pager.registry, |list| list.lows.set(second, border));
        return Place { segment: Arc::clone(segment), slot };
    }
    let slot = PageSlot::fresh(commit, PageBytes::new(), None, 0);
    slot.pin();
    segment.edit_list(commit, &pager.registry, |list| {
        list.lows.insert(at + 1, border);
        list.slots.insert(if side == Side::Before { at } else { at + 1 }, Arc::clone(&slot));
    });
    Place { segment: Arc::clone(segment), slot }
}

/// Whether a page can take another row; it is pinned then.
fn has_room(slot: &Arc<PageSlot>) -> bool {
    if !slot.pin() {
        return false;
    }
    let fits = slot.resident().is_some_and(|bytes| !is_large(&bytes));
    if !fits {
        slot.latch().unpin();
    }
    fits
}
