//! Puts segments that were made aside in the place of a range of keys.
//!
//! The pages that lie inside the range leave with their segments; those outside stay as they are, in segments that end
//! and begin at the range. A page that has keys on both sides of a bound is copied without those inside. So no page that
//! somebody may be looking at is changed (invariant A9): the new directory is the change.

use std::collections::HashSet;
use std::sync::Arc;

use super::builder::{Made, Run};
use super::rows::segment_of;
use crate::codec::{KeyBuf, PageBytes};
use crate::error::Result;
use crate::table::directory::Directory;
use crate::table::page::{Garbage, PageAddress, PageSlot};
use crate::table::pager::{Keep, Pager};
use crate::table::segment::{PageList, Segment};
use crate::table::table_core::TableCore;

/// What stays of a segment on one side of the range.
#[derive(Debug, Default)]
struct Edge {
    pages: Vec<(KeyBuf, EdgePage)>,
    rows: u64,
}

#[derive(Debug)]
enum EdgePage {
    Whole(Arc<PageSlot>),
    /// A copy without the rows inside the range.
    Part(PageBytes),
}

impl Edge {
    fn add_part(&mut self, low: KeyBuf, rows: PageBytes) {
        if !rows.is_empty() {
            self.rows += rows.len() as u64;
            self.pages.push((low, EdgePage::Part(rows)));
        }
    }

    fn add_whole(&mut self, list: &PageList, pages: std::ops::Range<usize>) {
        for at in pages {
            self.rows += list.slots[at].rows();
            self.pages.push((list.lows[at].clone(), EdgePage::Whole(Arc::clone(&list.slots[at]))));
        }
    }

    /// Its page list, if it has rows, and their number.
    fn list(self, pager: &Pager, commit: u64) -> Option<(PageList, u64)> {
        if self.rows == 0 {
            return None;
        }
        let mut list = PageList::default();
        let mut lows = Vec::with_capacity(self.pages.len());
        for (low, page) in self.pages {
            lows.push(low);
            list.slots.push(match page {
                EdgePage::Whole(slot) => slot,
                EdgePage::Part(bytes) => fresh(pager, commit, bytes),
            });
        }
        list.lows = lows.into_iter().collect();
        Some((list, self.rows))
    }
}

fn fresh(pager: &Pager, commit: u64, bytes: PageBytes) -> Arc<PageSlot> {
    let slot = PageSlot::fresh(commit, bytes, None, 0);
    slot.settle(&pager.cache);
    slot
}

/// A change of a range of a table's keys: what is in it goes, and a run made aside comes. See the module's text.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    pub(crate) table: Arc<TableCore>,
    pub(super) low: KeyBuf,
    pub(super) high: Option<KeyBuf>,
    pub(super) run: Run<'a>,
    /// The id of a segment that may have to be made of what stays above the range.
    pub(super) spare: u64,
    below: Edge,
    above: Edge,
}

/// A part of the keys that the old segments had.
enum Part {
    Below(PageList, u64),
    Made(Made),
    Above(PageList, u64),
    Nothing,
}

impl<'a> Splice<'a> {
    /// Brings what the change needs into memory. From now on until it is applied, nobody may change the range.
    ///
    /// # Errors
    /// `Corrupted` and what reading pages gives.
    pub(crate) fn prepare(
        pager: &'a Pager,
        table: &Arc<TableCore>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        run: Option<Run<'a>>,
    ) -> Result<Self> {
        let run = run.unwrap_or_else(|| Run::new(pager, table.id(), Vec::new()));
        Self::prepare_with(pager, table, (low, high), run, pager.fresh_id())
    }

    pub(super) fn prepare_with(
        pager: &'a Pager,
        table: &Arc<TableCore>,
        (low, high): (KeyBuf, Option<KeyBuf>),
        run: Run<'a>,
        spare: u64,
    ) -> Result<Self> {
        let (mut below, mut above) = (Edge::default(), Edge::default());
        let covered = covered(table, &low, high.as_deref());
        for (at, segment) in covered.iter().enumerate() {
            // Of all of them, since their pages are given up.
            let list = pager.list(table, segment, None)?;
            if at == 0 && low > *segment.low() {
                let cut = list.find(&low);
                below.add_whole(&list, 0..cut);
                let mut rows = page(pager, table, &list, cut)?;
                match rows.search(&low) {
                    Err(end) if end == rows.len() => below.add_whole(&list, cut..cut + 1),
                    Ok(end) | Err(end) => {
                        drop(rows.split_off(end));
                        below.add_part(list.lows[cut].clone(), rows);
                    }
                }
            }
            if at + 1 == covered.len()
                && let Some(high) = &high
                && segment.high().is_none_or(|end| high < end)
            {
                let cut = list.find(high);
                let mut rows = page(pager, table, &list, cut)?;
                match rows.search(high) {
                    Ok(0) | Err(0) => above.add_whole(&list, cut..cut + 1),
                    Ok(end) | Err(end) => above.add_part(high.clone(), rows.split_off(end)),
                }
                above.add_whole(&list, cut + 1..list.slots.len());
            }
        }
        Ok(Splice { table: Arc::clone(table), low, high, run, spare, below, above })
    }

    /// Whether what it brings lies in the page store, which must be synced before.
    pub(crate) fn is_stored(&self) -> bool {
        self.run.is_stored()
    }

    /// Makes the change, under the commit latch. What goes with it goes to the garbage. Gives the new
    /// segments.
    pub(crate) fn apply(self, pager: &Pager, commit: u64, garbage: &mut Garbage) -> Vec<Arc<Segment>> {
        let Splice { table, low, high, run, spare, below, above } = self;
        let old = covered(&table, &low, high.as_deref());
        let (first, last) = (&old[0], &old[old.len() - 1]);
        let mut parts = Vec::new();
        if let Some((list, rows)) = below.list(pager, commit) {
            parts.push((first.low().clone(), Part::Below(list, rows)));
        }
        let mut from = low;
        for made in run.show() {
            let start = std::mem::replace(&mut from, KeyBuf::empty());
            parts.push((if start.is_empty() { made.low.clone() } else { start }, Part::Made(made)));
        }
        if let Some((list, rows)) = above.list(pager, commit) {
            parts.push((high.unwrap_or_else(KeyBuf::empty), Part::Above(list, rows)));
        }
        if parts.is_empty() {
            parts.push((KeyBuf::empty(), Part::Nothing));
        }
        parts[0].0 = first.low().clone();
        let highs: Vec<Option<KeyBuf>> =
            parts.iter().skip(1).map(|(low, _)| Some(low.clone())).chain([last.high().cloned()]).collect();
        let mut continued = None;
        let mut new = Vec::with_capacity(parts.len());
        for ((low, part), high) in parts.into_iter().zip(highs) {
            new.push(match part {
                // It keeps the id, and with it what the directory on disk says of it.
                Part::Below(list, rows) => {
                    continued = Some(first.id);
                    first.continued(high, commit, list, rows)
                }
                Part::Made(made) => segment_of(made, low, high, commit),
                Part::Above(mut list, rows) => {
                    list.lows.set(0, low.clone());
                    Segment::new(spare, low, high, commit, list, rows)
                }
                Part::Nothing => {
                    let list = empty_list(low.clone(), commit);
                    Segment::new(spare, low, high, commit, list, 0)
                }
            });
        }
        let addresses = give_up(pager, &old, &new, garbage);
        pager.free_when_unread(commit, table.id(), addresses);
        old.iter()
            .filter(|segment| continued != Some(segment.id))
            .for_each(|segment| pager.segment_gone(segment.gone(table.id())));
        for list in new.iter().filter_map(|segment| segment.list(None)) {
            list.slots.iter().for_each(|slot| slot.settle(&pager.cache));
        }
        let references: Vec<&Arc<Segment>> = old.iter().collect();
        let directory = table.with_directory(|directory| directory.with_replaced(&references, new.iter().cloned()));
        put_in_place(pager, &table, commit, directory.expect("nobody else changes a directory under the commit latch"));
        garbage.segments.extend(old);
        new
    }
}

fn put_in_place(pager: &Pager, table: &Arc<TableCore>, commit: u64, directory: Directory) {
    let rows = directory.segments().iter().map(|segment| segment.rows()).sum();
    table.replace_directory(commit, directory, &pager.registry);
    table.set_rows(rows);
}

/// The segments that hold keys of `low..high`.
pub(super) fn covered(table: &TableCore, low: &[u8], high: Option<&[u8]>) -> Vec<Arc<Segment>> {
    table.with_directory(|directory| directory.segments()[directory.covering(low, high)].to_vec())
}

/// A copy of a page.
fn page(pager: &Pager, table: &TableCore, list: &PageList, at: usize) -> Result<PageBytes> {
    let view = pager.view(table, &list.slots[at], None, Keep::IfRoom)?;
    Ok(view.and_then(|view| view.content.bytes).map_or_else(PageBytes::new, |bytes| PageBytes::clone(&bytes)))
}

fn empty_list(low: KeyBuf, commit: u64) -> PageList {
    let slots = vec![PageSlot::fresh(commit, PageBytes::new(), None, 0)];
    PageList { lows: [low].into_iter().collect(), slots }
}

/// Takes the pages that stay in none of the new segments off the books. Readers of earlier numbers go on with them. Gives
/// where they lie.
fn give_up(pager: &Pager, old: &[Arc<Segment>], new: &[Arc<Segment>], garbage: &mut Garbage) -> Vec<PageAddress> {
    let mut kept = HashSet::new();
    // Only the first and the last of the new ones can have old pages.
    for list in new.iter().take(1).chain(new.last()).filter_map(|segment| segment.list(None)) {
        kept.extend(list.slots.iter().map(Arc::as_ptr));
    }
    let mut addresses = Vec::new();
    for list in old.iter().filter_map(|segment| segment.list(None)) {
        for slot in list.slots.iter().filter(|slot| !kept.contains(&Arc::as_ptr(slot))) {
            let mut state = slot.latch();
            state.give_up_decoded(garbage);
            state.detach(&pager.cache);
            addresses.extend(state.content.newest().stored.iter().flat_map(|stored| stored.addresses()));
        }
    }
    addresses
}

/// Takes all rows of a table that is dropped, under the commit latch. Who has looked it up before finds it empty; readers of
/// earlier numbers go on. Its pages go with its tree.
pub(crate) fn empty(pager: &Pager, table: &Arc<TableCore>, commit: u64, garbage: &mut Garbage) {
    let old = covered(table, &[], None);
    give_up(pager, &old, &[], garbage);
    let nothing = Segment::new(pager.fresh_id(), KeyBuf::empty(), None, commit, empty_list(KeyBuf::empty(), commit), 0);
    put_in_place(pager, table, commit, Directory::new(vec![nothing]));
    garbage.segments.extend(old);
}
