//! Reading CSV: names of columns, then rows.

use std::cell::Cell;
use std::io::{self, BufRead};
use std::rc::Rc;

use super::columns::{Columns, unmarked};
use super::import::{Importing, bad_line};
use super::key::encode_key_text;
use super::lines::{Fenced, too_long, unreadable};
use super::mismatch::Mismatch;
use super::open_table::OpenTable;
use crate::error::{Error, ErrorKind, Result};
use crate::table::table_core::Definition;

/// What a reader of CSV takes ahead.
const CSV_BUFFER: usize = 64 << 10;

impl Importing<'_, '_> {
    pub(super) fn csv(&mut self, input: impl BufRead, open: &mut Option<OpenTable<'_>>) -> Result<()> {
        let Some(open) = open else {
            let text = "there is no table to import into: name one that is there, or give the schema of its export";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        };
        let most = self.import.max_line_bytes;
        let fence = Rc::new(Cell::new((most + CSV_BUFFER) as u64));
        let mut csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(CSV_BUFFER)
            .from_reader(Fenced::new(input, &fence));
        let definition = open.definition.clone();
        let columns = Columns::of(&definition.row_shape);
        let mut record = csv::StringRecord::new();
        let mut places: Option<Vec<Option<usize>>> = None;
        let (mut key, mut row) = (Vec::new(), Vec::new());
        loop {
            fence.set(csv.position().byte() + (most + CSV_BUFFER) as u64);
            let line = csv.position().line();
            match csv.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    let Some(error) = not_utf8(error, line, most)? else { continue };
                    self.read(open, Err(error))?;
                    continue;
                }
            }
            let line = record.position().map_or(line, csv::Position::line);
            let Some(places) = &places else {
                places = Some(places_of(&columns, &record).map_err(|mismatch| mismatch.into_error(line))?);
                continue;
            };
            key.clear();
            row.clear();
            let encoded = encode_record(&definition, &columns, places, &record, (&mut key, &mut row));
            self.read(open, encoded.map(|()| (&key[..], &row[..])).map_err(|mismatch| mismatch.into_cell_error(line)))?;
        }
    }
}

/// The place of each column in the lines.
fn places_of(columns: &Columns<'_>, names: &csv::StringRecord) -> std::result::Result<Vec<Option<usize>>, Mismatch> {
    if names.get(0) != Some("key") {
        return Err(Mismatch::expected(
            0,
            "names of columns, the first of which is key",
            format!("{:?}", names.get(0)),
        ));
    }
    let names: Vec<&str> = names.iter().skip(1).map(unmarked).collect();
    for (at, name) in names.iter().enumerate() {
        if columns.fields.iter().all(|(field, _)| field != name) {
            return Err(Mismatch::new(0, format!("there is no field {name:?}")));
        }
        if names[..at].contains(name) {
            return Err(Mismatch::new(0, format!("the column {name:?} is there twice")));
        }
    }
    let place = |(field, _): &(&str, _)| names.iter().position(|name| name == field).map(|at| at + 1);
    Ok(columns.fields.iter().map(place).collect())
}

fn encode_record(
    definition: &Definition,
    columns: &Columns<'_>,
    places: &[Option<usize>],
    record: &csv::StringRecord,
    (key, row): (&mut Vec<u8>, &mut Vec<u8>),
) -> std::result::Result<(), Mismatch> {
    let cells = places.iter().flatten().count() + 1;
    if record.len() != cells {
        return Err(Mismatch::expected(0, format!("{cells} cells"), record.len()));
    }
    let text = record.get(0).unwrap_or_default();
    encode_key_text(&definition.key_shape, unmarked(text), key).map_err(|mismatch| mismatch.within("key"))?;
    for (at, place) in places.iter().enumerate() {
        let cell = place.and_then(|place| record.get(place));
        columns.encode(at, cell, row)?;
    }
    Ok(())
}

/// What reading a line of CSV gives: an error of this line, or one that ends the import.
fn not_utf8(error: csv::Error, line: u64, most: usize) -> Result<Option<Error>> {
    match error.into_kind() {
        csv::ErrorKind::Utf8 { pos, .. } => Ok(Some(bad_line(pos.map_or(line, |pos| pos.line()), "this is not UTF-8"))),
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(too_long(line, most)),
        csv::ErrorKind::Io(error) => Err(unreadable(error)),
        other => Ok(Some(bad_line(line, format!("this is no CSV: {other:?}")))),
    }
}
