//! Joins pages that have become small with their neighbours, and takes out those that have become empty.
//!
//! The rows of both go into a new page, and the two old ones leave their list as they are: nobody changes them any
//! more. So a reader without a lock that has just found one of them reads what was there a moment ago, and if it misses
//! its key it looks again and finds the new page, which is in the list by then (invariant A9). A reader of a registered
//! number keeps the list of its number, and in it the old pages.
//!
//! Moving the rows over into one of the two would save its copy. But then that page would say something else under the
//! number under which it is changed, and a merge of segments has no number of its own: a reader of the last number that
//! holds the old list would see the rows twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::page::{Garbage, PageSlot, StoredPage};
use super::pager::Pager;
use super::rows::AnyRows;
use super::segment::{PageList, Segment};
use crate::codec::{KeyBuf, PageBytes};
use crate::options::{JOINED_PAGE_BYTES, SMALL_PAGE_BYTES};

/// Joins pages of one table, under the commit latch.
pub(crate) struct Joiner<'a> {
    pager: &'a Pager,
    table: u32,
    /// The commit that makes the new pages.
    commit: u64,
    garbage: &'a mut Garbage,
}

/// A page in its list, with its neighbours.
struct Neighbours {
    at: usize,
    before: Option<Arc<PageSlot>>,
    after: Option<Arc<PageSlot>>,
}

impl<'a> Joiner<'a> {
    pub(crate) fn new(pager: &'a Pager, table: u32, commit: u64, garbage: &'a mut Garbage) -> Self {
        Joiner { pager, table, commit, garbage }
    }

    /// Joins a page that removals left small with a neighbour that has room and is in memory; one without rows goes,
    /// unless it is the only one. Nothing is read for this: what stays small is joined by a later removal.
    pub(crate) fn tidy(&mut self, segment: &Arc<Segment>, slot: &Arc<PageSlot>) {
        let Some(Neighbours { at, before, after }) = neighbours(segment, slot) else { return };
        if before.is_none() && after.is_none() {
            return;
        }
        if slot.rows() == 0 {
            self.leave_empty(slot);
            self.take_out(segment, at);
            return;
        }
        if let Some(joined) = before.and_then(|before| self.join(&before, slot)) {
            self.replace_two(segment, at - 1, joined);
        } else if let Some(joined) = after.and_then(|after| self.join(slot, &after)) {
            self.replace_two(segment, at, joined);
        }
    }

    /// The pages of two lists that are merged, with small and empty ones joined.
    pub(crate) fn compact(&mut self, list: &PageList) -> PageList {
        let mut lows: Vec<KeyBuf> = Vec::with_capacity(list.slots.len());
        let mut slots: Vec<Arc<PageSlot>> = Vec::with_capacity(list.slots.len());
        for (low, slot) in list.lows.iter().zip(&list.slots) {
            match slots.last_mut() {
                Some(_) if slot.rows() == 0 => self.leave_empty(slot),
                // Its low key stays: the first page takes all keys from the segment's low key on.
                Some(last) if last.rows() == 0 => self.leave_empty(&std::mem::replace(last, Arc::clone(slot))),
                last => match last.and_then(|last| self.join(last, slot).map(|joined| *last = joined)) {
                    Some(()) => {}
                    None => {
                        lows.push(low.clone());
                        slots.push(Arc::clone(slot));
                    }
                },
            }
        }
        PageList { lows: lows.into_iter().collect(), slots }
    }

    /// A page with the rows of two neighbours, of which one is small, if they have room in one.
    fn join(&mut self, left: &Arc<PageSlot>, right: &Arc<PageSlot>) -> Option<Arc<PageSlot>> {
        let (first, second) = (left.resident()?, right.resident()?);
        let (first_len, second_len) = (first.encoded_len(), second.encoded_len());
        if first_len.min(second_len) >= SMALL_PAGE_BYTES || first_len + second_len > JOINED_PAGE_BYTES {
            return None;
        }
        let mut bytes = PageBytes::clone(&first);
        bytes.append(&second);
        let first = left.leave(first, &self.pager.cache);
        let second = right.leave(second, &self.pager.cache);
        let stored = first.stored.into_iter().chain(second.stored);
        self.pager.free(self.table, stored.flat_map(StoredPage::addresses));
        let decoded = self.join_decoded(first.decoded, second.decoded);
        let heap = if decoded.is_some() { first.heap + second.heap } else { 0 };
        let joined = PageSlot::fresh(self.commit, bytes, decoded, heap);
        joined.settle(&self.pager.cache);
        self.pager.pages_joined.fetch_add(1, Ordering::Relaxed);
        Some(joined)
    }

    /// The decoded rows of both, if both are decoded and nobody else looks at them.
    fn join_decoded(
        &mut self,
        left: Option<Arc<dyn AnyRows>>,
        right: Option<Arc<dyn AnyRows>>,
    ) -> Option<Arc<dyn AnyRows>> {
        let (mut left, mut right) = (left, right);
        let moved = match (left.as_mut().and_then(Arc::get_mut), right.as_mut().and_then(Arc::get_mut)) {
            (Some(left), Some(right)) => left.append(right),
            _ => false,
        };
        self.garbage.pages.extend(right);
        if moved {
            return left;
        }
        self.garbage.pages.extend(left);
        None
    }

    /// A page without rows need not be in memory to leave.
    fn leave_empty(&mut self, slot: &Arc<PageSlot>) {
        let left = slot.leave(Arc::default(), &self.pager.cache);
        self.pager.free(self.table, left.stored.into_iter().flat_map(StoredPage::addresses));
        self.garbage.pages.extend(left.decoded);
    }

    fn take_out(&self, segment: &Arc<Segment>, at: usize) {
        segment.edit_list(self.commit, &self.pager.registry, |list| {
            list.slots.remove(at);
            let low = list.lows.remove(at);
            // The first page of a segment takes all keys from the segment's low key on.
            if at == 0 {
                list.lows.set(0, low);
            }
        });
    }

    fn replace_two(&self, segment: &Arc<Segment>, at: usize, joined: Arc<PageSlot>) {
        segment.edit_list(self.commit, &self.pager.registry, |list| {
            list.slots.remove(at + 1);
            list.lows.remove(at + 1);
            list.slots[at] = joined;
        });
    }
}

/// None when the page is not in the segment's list any more.
fn neighbours(segment: &Segment, slot: &Arc<PageSlot>) -> Option<Neighbours> {
    segment.with_list(|list| {
        let at = list.slots.iter().position(|listed| Arc::ptr_eq(listed, slot))?;
        let before = at.checked_sub(1).map(|before| Arc::clone(&list.slots[before]));
        Some(Neighbours { at, before, after: list.slots.get(at + 1).cloned() })
    })?
}
