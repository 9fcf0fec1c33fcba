//! Applies committed row images to pages, under the commit latch.
//!
//! Nothing here can fail: the pages are resident, the images encoded. No code of a row type runs; what a commit takes
//! out of a page goes into [`Garbage`], which the committing thread drops when it has given every latch back.

use std::sync::Arc;

use super::beside::{is_large, place_beside, side_of};
use super::join::Joiner;
use super::page::{Garbage, PageAddress, PageSlot, SlotState};
use super::pager::Pager;
use super::rows::AnyRow;
use super::segment::Segment;
use super::table_core::TableCore;
use crate::codec::{KeyBuf, PageBytes};
use crate::options::{PAGE_BYTES, SMALL_PAGE_BYTES};

/// A row as a commit brings it: bytes, and decoded when the writer is at hand (recovery is not).
pub(crate) struct Image<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) decoded: Option<Arc<dyn AnyRow>>,
    /// Estimated heap bytes of the decoded row.
    pub(crate) heap: usize,
}

/// Where a key belongs now.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    pub(crate) slot: Arc<PageSlot>,
}

/// The place of a key, if everything that a commit needs of it is in memory; it then stays there until the write is
/// applied or the place is [given back](Place::give_back).
pub(crate) fn pinned_place(table: &TableCore, key: &[u8]) -> Option<Place> {
    let place = place(table, key)?;
    place.slot.pin().then_some(place)
}

impl Place {
    /// The write will not be applied.
    pub(crate) fn give_back(&self) {
        self.slot.latch().unpin();
    }
}

fn place(table: &TableCore, key: &[u8]) -> Option<Place> {
    let segment = table.segment_of(key);
    let slot = segment.with_list(|list| Arc::clone(list.slot_of(key)))?;
    Some(Place { segment, slot })
}

/// Applies the writes of one commit.
pub(crate) struct Applier<'a> {
    pager: &'a Pager,
    commit: u64,
    garbage: Garbage,
    freed: Vec<PageAddress>,
    /// Whether pages were cut, so that places taken before may be wrong.
    moved: bool,
    /// Pages that removals left small or empty at some time, with their tables.
    shrunk: Vec<(u32, Place)>,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(pager: &'a Pager, commit: u64) -> Self {
        Applier { pager, commit, garbage: Garbage::default(), freed: Vec::new(), moved: false, shrunk: Vec::new() }
    }

    /// Puts the image of a row, or removes the row. Uses the pin of the place up.
    pub(crate) fn apply(&mut self, table: &Arc<TableCore>, found: &Place, key: &[u8], image: Option<Image<'_>>) {
        let moved;
        let found = if self.moved {
            // Only the page that was pinned or one that this commit made can be the place now: both are in memory.
            // Pinned before the old pin goes: it mostly is the same page, and nothing else may keep it from being evicted.
            moved = place(table, key).expect("the page list is loaded");
            moved.slot.pin();
            found.slot.latch().unpin();
            &moved
        } else {
            found
        };
        found.segment.mark_dirty();
        let beside;
        let (mut found, mut state) = (found, found.slot.latch());
        if let Some(side) = side_of(&state, key).filter(|_| image.is_some()) {
            drop(state);
            self.moved = true;
            beside = place_beside(self.pager, self.commit, found, key, side);
            found.slot.latch().unpin();
            (found, state) = (&beside, beside.slot.latch());
        }
        state.unpin();
        let slot = &found.slot;
        let was = state.content.newest().bytes.as_ref();
        let (before, was_large) = was.map_or((0, false), |bytes| (bytes.len(), is_large(bytes)));
        let at = self.edit(slot, &mut state, key, image);
        let bytes = state.content.newest().bytes.as_ref().expect("resident");
        let (rows, size) = (bytes.len(), bytes.encoded_len());
        if rows != before {
            table.count(rows > before);
            found.segment.count(rows > before);
        }
        if (rows < before || was_large) && size < SMALL_PAGE_BYTES {
            self.note_shrunk(table.id(), found);
        }
        if size > PAGE_BYTES && rows > 1 {
            let appended = rows > before && at + 1 == rows;
            self.split(found, &mut state, appended);
        }
        state.settle(slot, &self.pager.cache);
        drop(state);
        if !self.freed.is_empty() {
            let pager = self.pager;
            pager.free(table.id(), self.freed.drain(..));
        }
    }

    /// Edits bytes and decoded rows; gives the place of the key in the page.
    fn edit(&mut self, slot: &Arc<PageSlot>, state: &mut SlotState, key: &[u8], image: Option<Image<'_>>) -> usize {
        let found = state.content.newest().bytes.as_ref().expect("resident").search(key);
        if image.is_none() && found.is_err() {
            return 0;
        }
        let bytes = state.edit(slot, self.commit, &self.pager.registry, &mut self.freed);
        match (found, image) {
            (Ok(at), Some(image)) => {
                match own(bytes) {
                    Some(bytes) => bytes.replace(at, image.bytes),
                    None => *bytes = Arc::new(PageBytes::of_row(key, image.bytes)),
                }
                self.replace_decoded(state, at, image.decoded, image.heap);
                at
            }
            (Err(at), Some(image)) => {
                let bytes = Arc::make_mut(bytes);
                let first = bytes.is_empty();
                bytes.insert(at, key, image.bytes);
                self.insert_decoded(state, at, image.decoded, image.heap, first);
                at
            }
            (Ok(at), None) => {
                match own(bytes) {
                    Some(bytes) => bytes.remove(at),
                    None => *bytes = Arc::default(),
                }
                let rows = bytes.len();
                if let Some(decoded) = state.decoded_mut(&mut self.garbage) {
                    let row = decoded.remove(at);
                    self.garbage.rows.push(row);
                    *state.heap_mut() -= *state.heap_mut() / (rows + 1);
                }
                at
            }
            (Err(at), None) => at,
        }
    }

    fn replace_decoded(&mut self, state: &mut SlotState, at: usize, row: Option<Arc<dyn AnyRow>>, heap: usize) {
        let Some(decoded) = state.decoded_mut(&mut self.garbage) else {
            self.garbage.rows.extend(row);
            return;
        };
        let Some(mut row) = row else {
            state.give_up_decoded(&mut self.garbage);
            return;
        };
        let fits = decoded.replace(at, &mut row);
        self.garbage.rows.push(row);
        if !fits {
            state.give_up_decoded(&mut self.garbage);
            return;
        }
        // The old row's share is not known; the page's mean stands for it.
        let rows = state.content.newest().bytes.as_ref().map_or(1, |bytes| bytes.len().max(1));
        *state.heap_mut() += heap;
        *state.heap_mut() -= *state.heap_mut() / (rows + 1);
    }

    fn insert_decoded(
        &mut self,
        state: &mut SlotState,
        at: usize,
        row: Option<Arc<dyn AnyRow>>,
        heap: usize,
        first: bool,
    ) {
        let Some(row) = row else {
            state.give_up_decoded(&mut self.garbage);
            return;
        };
        if first {
            // The row itself says of what type the page's rows are.
            state.give_up_decoded(&mut self.garbage);
            state.set_decoded(row.into_page(), heap);
            return;
        }
        match state.decoded_mut(&mut self.garbage) {
            Some(decoded) => match decoded.insert(at, row) {
                None => *state.heap_mut() += heap,
                Some(other) => {
                    self.garbage.rows.push(other);
                    state.give_up_decoded(&mut self.garbage);
                }
            },
            None => self.garbage.rows.push(row),
        }
    }

    /// Cuts a page that has grown too large. Rows that come in ascending order leave full pages behind.
    fn split(&mut self, found: &Place, state: &mut SlotState, appended: bool) {
        self.moved = true;
        let registry = &self.pager.registry;
        let mut appended = appended;
        loop {
            let bytes = state.content.newest_mut().bytes.as_mut().map(Arc::make_mut).expect("resident");
            if bytes.encoded_len() <= PAGE_BYTES || bytes.len() < 2 {
                return;
            }
            let at = if std::mem::take(&mut appended) { bytes.len() - 1 } else { middle(bytes) };
            let whole = bytes.len();
            let right = bytes.split_off(at);
            let low = KeyBuf::from(right.low_key().expect("both halves have rows"));
            let decoded = state.decoded_mut(&mut self.garbage).map(|decoded| decoded.split_off(at));
            let heap = *state.heap_mut() * (whole - at) / whole;
            *state.heap_mut() -= heap;
            let slot = PageSlot::fresh(self.commit, right, decoded, heap);
            slot.settle(&self.pager.cache);
            // The list is right before the slot's latch is given back: a reader that misses a key here looks again.
            found.segment.edit_list(self.commit, registry, |list| {
                let place = list.lows.up_to(&low);
                list.lows.insert(place, low);
                list.slots.insert(place, Arc::clone(&slot));
            });
            self.split_fresh(found, &slot);
        }
    }

    /// The right half may still be too large, when rows differ much in size.
    fn split_fresh(&mut self, found: &Place, slot: &Arc<PageSlot>) {
        let mut state = slot.latch();
        let bytes = state.content.newest().bytes.as_ref().expect("resident");
        if bytes.encoded_len() > PAGE_BYTES && bytes.len() > 1 {
            let found = Place { segment: Arc::clone(&found.segment), slot: Arc::clone(slot) };
            self.split(&found, &mut state, false);
            state.settle(slot, &self.pager.cache);
        }
    }

    fn note_shrunk(&mut self, table: u32, found: &Place) {
        // Rows come in the order of their keys, so a page comes in one run.
        if !self.shrunk.last().is_some_and(|(_, last)| Arc::ptr_eq(&last.slot, &found.slot)) {
            self.shrunk.push((table, found.clone()));
        }
    }

    /// Ends the commit, still under the latch: pages that it left small are joined with their neighbours, and those
    /// without rows go. Nothing is pinned any more.
    pub(crate) fn finish(mut self) -> Garbage {
        for (table, place) in std::mem::take(&mut self.shrunk) {
            Joiner::new(self.pager, table, self.commit, &mut self.garbage).tidy(&place.segment, &place.slot);
        }
        self.garbage
    }
}

/// The bytes of a page, to be changed: a copy where somebody else holds them. None instead of a copy of a page with one
/// row, which is about to be replaced or removed, and may be large.
fn own(bytes: &mut Arc<PageBytes>) -> Option<&mut PageBytes> {
    if bytes.len() == 1 && Arc::get_mut(bytes).is_none() { None } else { Some(Arc::make_mut(bytes)) }
}

/// The row at which the two halves of a page have about the same size.
fn middle(bytes: &PageBytes) -> usize {
    let half = (0..bytes.len()).map(|at| bytes.key(at).len() + bytes.row(at).len()).sum::<usize>() / 2;
    let mut sum = 0;
    let mut at = 0;
    while at + 1 < bytes.len() && sum < half {
        sum += bytes.key(at).len() + bytes.row(at).len();
        at += 1;
    }
    at.clamp(1, bytes.len() - 1)
}

#[cfg(test)]
mod tests;
