//! What a commit writes into the journal.
//!
//! | first byte | then |
//! | --- | --- |
//! | 1, rows | count of tables; for each: id, count of rows; for each row in key order: key, and 0 or 1 + length and the row's bytes |
//! | 2, table | the definition of a table or an index that this commit makes, or of which it changes what can change: the row
//!   shape becomes complete, the index ready |
//! | 3, tables | count; for each: the same with its length before it |
//! | 4, drop | the id of an index that is no more |
//! | 5, bulk | the next id of a page; count and ids of indexes and tables that are no more; count and definitions, each with
//!   its length before it, of tables that have another version and indexes that are ready; count of ranges of keys whose
//!   segments change, and each of them ([`bulk`](crate::table::bulk)) |
//! | 6, rows with old ones | as 1; before the count of rows, whether they have old ones; if so, behind each row the row before, written like a row |
//!
//! Numbers are varints. A row of length "0" is a removal. Records hold bytes only: recovery needs no type of the program.

use crate::codec::wire::{Reader, WireFault, put_bytes, put_varint};
use crate::error::{Error, Result};
use crate::table::bulk::{Splice, StoredSplice, read_splice};
use crate::table::entry::{decode_definition, encode_definition};
use crate::table::table_core::Definition;

use super::bulk::BulkAct;
use super::old_rows::OldImages;
use super::write_set::WriteSet;

const ROWS: u8 = 1;
const TABLE: u8 = 2;
const TABLES: u8 = 3;
const DROP: u8 = 4;
const BULK: u8 = 5;
const ROWS_WITH_OLD: u8 = 6;

/// A write set as a record, with the rows before of some of its tables.
pub(super) fn rows_record(writes: &WriteSet, old: &OldImages) -> Vec<u8> {
    let old_bytes: usize = old.values().flatten().map(|row| row.as_ref().map_or(0, |row| row.len()) + 4).sum();
    let mut out = Vec::with_capacity(writes.bytes() + old_bytes + 64);
    out.push(if old.is_empty() { ROWS } else { ROWS_WITH_OLD });
    let tables = writes.tables().filter(|table| !table.rows.is_empty());
    put_varint(&mut out, tables.clone().count() as u64);
    for table in tables {
        put_varint(&mut out, u64::from(table.core.id()));
        let mut before = old.get(&table.core.id()).map(|rows| rows.iter());
        if !old.is_empty() {
            out.push(u8::from(before.is_some()));
        }
        put_varint(&mut out, table.rows.len() as u64);
        for (key, write) in &table.rows {
            put_bytes(&mut out, key);
            put_row(&mut out, write.image.as_ref().map(|image| writes.image_bytes(image)));
            if let Some(before) = &mut before {
                put_row(&mut out, before.next().and_then(|row| row.as_deref()));
            }
        }
    }
    out
}

fn put_row(out: &mut Vec<u8>, row: Option<&[u8]>) {
    put_varint(out, row.map_or(0, |row| row.len() as u64 + 1));
    out.extend_from_slice(row.unwrap_or_default());
}

/// Definitions as a record.
pub(crate) fn definitions_record(definitions: &[Definition]) -> Vec<u8> {
    if let [definition] = definitions {
        let mut out = vec![TABLE];
        out.extend_from_slice(&encode_definition(definition));
        return out;
    }
    let mut out = vec![TABLES];
    put_definitions(&mut out, definitions);
    out
}

fn put_definitions(out: &mut Vec<u8>, definitions: &[Definition]) {
    put_varint(out, definitions.len() as u64);
    definitions.iter().for_each(|definition| put_bytes(out, &encode_definition(definition)));
}

/// The end of an index as a record.
pub(crate) fn drop_record(index: u32) -> Vec<u8> {
    let mut out = vec![DROP];
    put_varint(&mut out, u64::from(index));
    out
}

/// A bulk act as a record.
pub(super) fn bulk_record(act: &BulkAct<'_>, next_id: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + act.splices.iter().map(Splice::record_bytes).sum::<usize>());
    out.push(BULK);
    put_varint(&mut out, next_id);
    put_varint(&mut out, act.drops.len() as u64);
    act.drops.iter().for_each(|id| put_varint(&mut out, u64::from(*id)));
    put_definitions(&mut out, &act.definitions);
    put_varint(&mut out, act.splices.len() as u64);
    act.splices.iter().for_each(|splice| splice.encode(&mut out));
    out
}

/// A bulk act as read back. Whoever copies or follows the journal has to read pages of the page store for it.
#[derive(Debug)]
pub(crate) struct BulkRecord {
    /// Ids below this one are taken.
    pub(crate) next_id: u64,
    pub(crate) drops: Vec<u32>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) splices: Vec<StoredSplice>,
}

/// One row of a record; no bytes: removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordRow<'a> {
    pub(crate) table: u32,
    pub(crate) key: &'a [u8],
    pub(crate) row: Option<&'a [u8]>,
    /// The row before, if it was written down, and if there was one.
    pub(crate) old: Option<Option<&'a [u8]>>,
}

/// A record as read back.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Rows(Vec<RecordRow<'a>>),
    Tables(Vec<Definition>),
    Drop(u32),
    Bulk(BulkRecord),
}

/// Reads a record.
///
/// # Errors
/// `Corrupted` when the bytes are no record. Their checksum was right, so a newer version may have written them.
pub(crate) fn read_record(commit: u64, bytes: &[u8]) -> Result<Record<'_>> {
    let damaged = |fault: WireFault| {
        Error::corrupted(format!("the journal record of commit {commit} cannot be read")).with_source(fault)
    };
    match bytes.split_first() {
        Some((&ROWS, rest)) => read_rows(rest, false).map(Record::Rows).map_err(damaged),
        Some((&ROWS_WITH_OLD, rest)) => read_rows(rest, true).map(Record::Rows).map_err(damaged),
        Some((&TABLE, rest)) => decode_definition(rest).map(|definition| Record::Tables(vec![definition])),
        Some((&TABLES, rest)) => {
            let mut reader = Reader::new(rest);
            let bodies = read_definitions(&mut reader).and_then(|bodies| reader.finish().map(|()| bodies));
            let bodies = bodies.map_err(damaged)?;
            bodies.into_iter().map(decode_definition).collect::<Result<_>>().map(Record::Tables)
        }
        Some((&BULK, rest)) => read_bulk(rest, damaged),
        Some((&DROP, rest)) => read_drop(rest).map(Record::Drop).map_err(damaged),
        _ => Err(damaged(WireFault::new(0, "an unknown kind of record"))),
    }
}

fn read_definitions<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, WireFault> {
    (0..reader.count(1)?).map(|_| reader.bytes()).collect()
}

fn read_bulk(bytes: &[u8], damaged: impl Fn(WireFault) -> Error) -> Result<Record<'_>> {
    let mut reader = Reader::new(bytes);
    let mut heads = || -> Result<_, WireFault> {
        let next_id = reader.varint()?;
        let drops = (0..reader.count(1)?).map(|_| reader.varint_u32()).collect::<Result<_, _>>()?;
        let definitions = read_definitions(&mut reader)?;
        let splices = (0..reader.count(5)?).map(|_| read_splice(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok((next_id, drops, definitions, splices))
    };
    let (next_id, drops, definitions, splices) = heads().map_err(&damaged)?;
    let definitions = definitions.into_iter().map(decode_definition).collect::<Result<_>>()?;
    Ok(Record::Bulk(BulkRecord { next_id, drops, definitions, splices }))
}

fn read_drop(bytes: &[u8]) -> Result<u32, WireFault> {
    let mut reader = Reader::new(bytes);
    let id = reader.varint_u32()?;
    reader.finish()?;
    Ok(id)
}

fn read_rows(bytes: &[u8], some_have_old: bool) -> Result<Vec<RecordRow<'_>>, WireFault> {
    let mut reader = Reader::new(bytes);
    let mut rows = Vec::new();
    for _ in 0..reader.count(2)? {
        let table = reader.varint_u32()?;
        let has_old = some_have_old && reader.u8()? != 0;
        for _ in 0..reader.count(2)? {
            let key = reader.bytes()?;
            let row = read_row(&mut reader)?;
            let old = if has_old { Some(read_row(&mut reader)?) } else { None };
            rows.push(RecordRow { table, key, row, old });
        }
    }
    reader.finish()?;
    Ok(rows)
}

fn read_row<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, WireFault> {
    let length = reader.varint()?;
    length.checked_sub(1).map(|length| reader.take(usize::try_from(length).unwrap_or(usize::MAX))).transpose()
}
