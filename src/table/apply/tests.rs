//! Commits beside a thread that evicts whatever it may.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::codec::Shape;
use crate::storage::MemoryStore;
use crate::table::page::StoredPage;
use crate::table::table_core::Definition;

const KEY: &[u8] = b"m";

fn table_of_one_row(pager: &Pager, row: &[u8]) -> Arc<TableCore> {
    let row_shape = Shape::of_type::<u64>().expect("a shape");
    let definition =
        Definition { id: 7, name: "t".into(), version: 1, key_shape: "u64".into(), row_shape, index: None };
    let table = TableCore::empty(definition, 1, 1);
    let place = pinned_place(&table, KEY).expect("an empty page is in memory");
    let mut applier = Applier::new(pager, 1);
    applier.apply(&table, &place, KEY, Some(image(row)));
    applier.finish();
    table
}

fn image(bytes: &[u8]) -> Image<'_> {
    Image { bytes, decoded: None, heap: 0 }
}

/// The place of the key, pinned, again and again. Its page is as if a checkpoint had written it just now, so that it can
/// be evicted.
fn clean_places<'a>(pager: &'a Pager, table: &TableCore) -> impl Fn() -> Place + use<'a> {
    let place = place(table, KEY).expect("the page list is loaded");
    let bytes = place.slot.resident().expect("what was not written cannot be evicted");
    let address = PageAddress { segment: 1, page: 1 };
    let stored = StoredPage { address, entries: 1, rows: bytes.len() as u32, checksum: bytes.checksum() };
    assert!(place.slot.mark_stored(1, stored, &pager.cache));
    move || {
        while !place.slot.pin() {
            place.slot.install_bytes(stored, &bytes, &pager.cache);
        }
        place.clone()
    }
}

/// Runs commits while another thread evicts without a pause. With a budget of nothing, all that may go does.
fn beside_eviction(commits: impl FnOnce(&Pager)) {
    let pager = Pager::new(Arc::new(MemoryStore::new()), 0, 1 << 32);
    let (pager, stop) = (&pager, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                pager.cache.evict();
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| commits(pager)));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_page_stays_in_memory_while_its_place_is_looked_up_again() {
    beside_eviction(|pager| {
        let table = table_of_one_row(pager, b"row");
        let clean_place = clean_places(pager, &table);
        let mut applier = Applier::new(pager, 2);
        // As if a page had been cut before.
        applier.moved = true;
        for _ in 0..200_000 {
            // Removing what is not there leaves the page as it is: clean.
            applier.apply(&table, &clean_place(), b"n", None);
        }
        applier.finish();
    });
}

#[test]
fn the_page_of_a_large_row_stays_in_memory_while_room_is_made_beside_it() {
    let row = vec![7; PAGE_BYTES + 1];
    beside_eviction(|pager| {
        for _ in 0..10_000 {
            let table = table_of_one_row(pager, &row);
            let found = clean_places(pager, &table)();
            let mut applier = Applier::new(pager, 2);
            applier.apply(&table, &found, b"a", Some(image(b"row")));
            applier.finish();
            assert_eq!(table.segment_of(KEY).with_list(|list| list.slots.len()), Some(2));
        }
    });
}
