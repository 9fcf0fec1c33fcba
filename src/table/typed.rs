//! Pages seen through the row type of the program.

use std::any::Any;
use std::sync::Arc;

use super::definition::Row;
use super::page::{Lookup, PageSlot, PageView};
use super::pager::{Keep, Pager};
use super::read_ahead::ReadAhead;
use super::rows::{AnyRows, Rows};
use super::shared::Shared;
use super::table_core::TableCore;
use crate::codec::{KeyBuf, PageBytes, decode_row, heap_bytes};
use crate::error::{Error, Result};

/// A page that a reader looks at: its bytes for the keys, and its rows.
pub(crate) struct TypedPage<V> {
    pub(crate) bytes: Arc<PageBytes>,
    pub(crate) rows: Arc<Rows<V>>,
}

/// Decodes one row.
pub(crate) fn decode_one<V: Row>(table: &TableCore, key: &[u8], row: &[u8]) -> Result<V> {
    decode_row(row).map_err(|fault| {
        Error::corrupted(format!("a row of table {:?} under key {} does not decode", table.name(), hex(key)))
            .with_source(fault)
    })
}

/// A key as text, for errors.
pub(crate) fn hex(key: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text = String::from("0x");
    for byte in key.iter().take(SHOWN) {
        text.push_str(&format!("{byte:02x}"));
    }
    if key.len() > SHOWN {
        text.push('…');
    }
    text
}

fn decode_page<V: Row>(table: &TableCore, bytes: &PageBytes) -> Result<Rows<V>> {
    let mut rows = Vec::with_capacity(bytes.len());
    for at in 0..bytes.len() {
        rows.push(decode_one(table, bytes.key(at), bytes.row(at))?);
    }
    Ok(Rows::new(rows))
}

fn downcast<V: Row>(rows: Arc<dyn AnyRows>) -> Option<Arc<Rows<V>>> {
    let rows: Arc<dyn Any + Send + Sync> = rows;
    rows.downcast().ok()
}

/// The rows of the first of `slots`, decoded if they are not yet. Where they have to be read, the next ones are read
/// with them.
#[inline]
pub(crate) fn read_page<V: Row>(
    pager: &Pager,
    table: &TableCore,
    slots: &[Arc<PageSlot>],
    number: u64,
    keep: Keep,
    ahead: &mut ReadAhead,
) -> Result<Option<TypedPage<V>>> {
    let Some(slot) = slots.first() else { return Ok(None) };
    let Some(mut view) = loaded_view(pager, table, slots, number, keep, ahead)? else { return Ok(None) };
    let bytes = view.content.bytes.take().expect("a view that was loaded has bytes");
    if let Some(rows) = view.decoded.take().and_then(downcast) {
        return Ok(Some(TypedPage { bytes, rows }));
    }
    let rows = decode_and_keep(pager, table, slot, &bytes, keep)?;
    Ok(Some(TypedPage { bytes, rows }))
}

/// The bytes of the first of `slots`, for a scan that wants its keys only: nothing is decoded.
pub(crate) fn read_keys(
    pager: &Pager,
    table: &TableCore,
    slots: &[Arc<PageSlot>],
    number: u64,
    ahead: &mut ReadAhead,
) -> Result<Option<Arc<PageBytes>>> {
    Ok(loaded_view(pager, table, slots, number, Keep::IfRoom, ahead)?.and_then(|mut view| view.content.bytes.take()))
}

#[inline]
fn loaded_view(
    pager: &Pager,
    table: &TableCore,
    slots: &[Arc<PageSlot>],
    number: u64,
    keep: Keep,
    ahead: &mut ReadAhead,
) -> Result<Option<PageView>> {
    match slots.first().and_then(|slot| slot.view(Some(number))) {
        Some(view) if view.content.bytes.is_none() => pager.load_with(table, slots, number, keep, view, ahead),
        view => Ok(view),
    }
}

fn decode_and_keep<V: Row>(
    pager: &Pager,
    table: &TableCore,
    slot: &Arc<PageSlot>,
    bytes: &Arc<PageBytes>,
    keep: Keep,
) -> Result<Arc<Rows<V>>> {
    let rows = Arc::new(decode_page::<V>(table, bytes)?);
    if keep == Keep::Always || pager.cache.has_room() {
        let heap = rows.as_slice().iter().map(heap_bytes).sum();
        let shared: Arc<dyn AnyRows> = Arc::clone(&rows) as Arc<dyn AnyRows>;
        drop(slot.install_decoded(bytes, shared, heap, &pager.cache));
        pager.cache.evict();
    }
    Ok(rows)
}

fn slot_of(pager: &Pager, table: &TableCore, number: Option<u64>, key: &[u8]) -> Result<Option<Arc<PageSlot>>> {
    if let Some(number) = number {
        let Some(directory) = table.directory(Some(number)) else { return Ok(None) };
        let list = pager.list(table, directory.segment_of(key), Some(number))?;
        return Ok(Some(Arc::clone(list.slot_of(key))));
    }
    let found =
        table.with_directory(|directory| directory.segment_of(key).with_list(|list| Arc::clone(list.slot_of(key))));
    match found {
        Some(slot) => Ok(Some(slot)),
        None => Ok(Some(Arc::clone(pager.list(table, &table.segment_of(key), None)?.slot_of(key)))),
    }
}

/// Looks a key up where it usually is: in the newest version of a page that is decoded and whose latch is free. Takes no
/// reference but that to the rows. None when it is not there; then it has to be looked for properly.
#[inline]
fn find_fast<V: Row>(table: &TableCore, key: &[u8], seen: &mut u64) -> Option<Shared<V>> {
    let found = table.with_directory(|directory| {
        directory.segment_of(key).with_list(|list| list.slot_of(key).lookup_decoded(key, seen))
    });
    let (rows, at) = found??;
    Some(Shared::in_page(downcast(rows)?, at))
}

/// Reads one row: the newest committed, or that of a commit number. Without a number, the caller has a lock on the row.
#[inline]
pub(crate) fn get<V: Row>(
    pager: &Pager,
    table: &TableCore,
    number: Option<u64>,
    key: &[u8],
) -> Result<Option<Shared<V>>> {
    find(pager, table, number, key, &mut 0)
}

/// Reads one row, the newest, without a lock. Also gives the greatest commit of which the read may have seen a part: it
/// may still be under way, and is to be waited for.
#[inline]
pub(crate) fn get_newest<V: Row>(pager: &Pager, table: &TableCore, key: &[u8]) -> Result<(Option<Shared<V>>, u64)> {
    let mut seen = 0;
    let row = find(pager, table, None, key, &mut seen)?;
    Ok((row, seen))
}

/// Takes no logical lock. While a page is split under the reader's feet, the key may have moved to a page that the
/// reader did not look at. The new page list is in place before the old page is cut, so a second look finds it.
#[inline]
fn find<V: Row>(
    pager: &Pager,
    table: &TableCore,
    number: Option<u64>,
    key: &[u8],
    seen: &mut u64,
) -> Result<Option<Shared<V>>> {
    if number.is_none()
        && let Some(row) = find_fast(table, key, seen)
    {
        return Ok(Some(row));
    }
    let Some(mut slot) = slot_of(pager, table, number, key)? else { return Ok(None) };
    loop {
        match slot.lookup(number, key, seen) {
            Lookup::Decoded(rows, at) => match downcast(rows) {
                Some(rows) => return Ok(Some(Shared::in_page(rows, at))),
                None => return row_of_other_type(pager, table, &slot, number, key, seen),
            },
            Lookup::Encoded(bytes, at, all) => {
                if all {
                    let rows = decode_and_keep(pager, table, &slot, &bytes, Keep::Always)?;
                    return Ok(Some(Shared::in_page(rows, at)));
                }
                return Ok(Some(decode_one::<V>(table, key, bytes.row(at))?.into()));
            }
            Lookup::Stored => {
                let Some(view) = pager.view(table, &slot, number, Keep::Always)? else { return Ok(None) };
                *seen = view.commit.max(*seen);
                match row_in_view(table, &view, key)? {
                    Some(row) => return Ok(Some(row)),
                    None if number.is_some() => return Ok(None),
                    None => {}
                }
            }
            Lookup::Absent if number.is_some() => return Ok(None),
            Lookup::Absent => {}
        }
        match slot_of(pager, table, number, key)? {
            Some(again) if !Arc::ptr_eq(&again, &slot) => slot = again,
            _ => return Ok(None),
        }
    }
}

fn row_in_view<V: Row>(table: &TableCore, view: &PageView, key: &[u8]) -> Result<Option<Shared<V>>> {
    let bytes = view.content.bytes.as_ref().expect("a view that was loaded has bytes");
    match bytes.search(key) {
        Ok(at) => decode_one::<V>(table, key, bytes.row(at)).map(|row| Some(row.into())),
        Err(_) => Ok(None),
    }
}

/// The program reads one table through two row types of the same shape; the page is decoded as the other.
#[cold]
fn row_of_other_type<V: Row>(
    pager: &Pager,
    table: &TableCore,
    slot: &Arc<PageSlot>,
    number: Option<u64>,
    key: &[u8],
    seen: &mut u64,
) -> Result<Option<Shared<V>>> {
    match pager.view(table, slot, number, Keep::Always)? {
        Some(view) => {
            *seen = view.commit.max(*seen);
            row_in_view(table, &view, key)
        }
        None => Ok(None),
    }
}

/// Whether a key is there now, without decoding anything. Also gives what [`get_newest`] gives beside the row; who has a
/// lock on the row need not look at it.
pub(crate) fn contains(pager: &Pager, table: &TableCore, key: &[u8]) -> Result<(bool, u64)> {
    let mut seen = 0;
    let found = find_bytes(pager, table, None, key, &mut seen, |_| ())?;
    Ok((found.is_some(), seen))
}

/// The bytes of the row under a key: the newest, on which the caller has a lock.
pub(crate) fn value(pager: &Pager, table: &TableCore, key: &[u8]) -> Result<Option<KeyBuf>> {
    find_bytes(pager, table, None, key, &mut 0, |row| KeyBuf::from(row))
}

/// The same as of a commit number.
pub(crate) fn value_at(pager: &Pager, table: &TableCore, number: u64, key: &[u8]) -> Result<Option<KeyBuf>> {
    find_bytes(pager, table, Some(number), key, &mut 0, |row| KeyBuf::from(row))
}

fn find_bytes<T>(
    pager: &Pager,
    table: &TableCore,
    number: Option<u64>,
    key: &[u8],
    seen: &mut u64,
    take: impl Fn(&[u8]) -> T,
) -> Result<Option<T>> {
    let Some(mut slot) = slot_of(pager, table, number, key)? else { return Ok(None) };
    loop {
        let Some(view) = pager.view(table, &slot, number, Keep::Always)? else { return Ok(None) };
        *seen = view.commit.max(*seen);
        let found = view.content.bytes.as_ref().and_then(|bytes| Some(take(bytes.row(bytes.search(key).ok()?))));
        if found.is_some() || number.is_some() {
            return Ok(found);
        }
        match slot_of(pager, table, number, key)? {
            Some(again) if !Arc::ptr_eq(&again, &slot) => slot = again,
            _ => return Ok(None),
        }
    }
}
