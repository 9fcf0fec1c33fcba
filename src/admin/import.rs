//! Text into tables, row for row, without the program's types.

use std::cell::Cell;
use std::io::BufRead;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::TextFormat;
use super::columns::{Columns, unmarked};
use super::encode::{encode_json, hex};
use super::json::{Json, Kind};
use super::key::{encode_key_json, encode_key_text};
use super::lines::{Fenced, Lines, too_long, unreadable};
use super::mismatch::Mismatch;
use super::schema::{End, Schema};
use super::sink::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Engine, MARKS};

/// Rows between two calls of the closure that is told how far it is.
const ROWS_TOLD: u64 = 1_000;
/// What a reader of CSV takes ahead.
const CSV_BUFFER: usize = 64 << 10;

/// How text is read into tables: see [`Db::import`](crate::Db::import).
///
/// ```
/// use gangline::{Db, Import, Table};
///
/// const STOCK: Table<u32, u64> = Table::new("stock");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(STOCK, 1, 10)?;
/// let mut bad = Vec::new();
/// let import = Import::json().table("stock").replace(true).skip_bad(|error| bad.push(error.to_string()));
/// let report = db.import(import, &b"{\"key\":1,\"row\":11}\n{\"key\":2,\"row\":-1}\n"[..])?;
/// assert_eq!((report.rows(), report.bad_rows), (1, 1));
/// assert_eq!(bad, ["line 2, column 16, field row: expected a whole number from 0 to 18446744073709551615, found \"-1\""]);
/// assert_eq!(db.get(STOCK, 1)?.as_deref(), Some(&11));
/// # Ok(()) }
/// ```
pub struct Import<'f> {
    format: TextFormat,
    table: Option<String>,
    schema: Option<String>,
    replace: bool,
    max_line_bytes: usize,
    skip_bad: Option<Box<dyn FnMut(&Error) + 'f>>,
    progress: Option<Box<dyn FnMut(u64) + 'f>>,
}

impl std::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("format", &self.format).field("table", &self.table).finish_non_exhaustive()
    }
}

impl<'f> Import<'f> {
    fn new(format: TextFormat) -> Self {
        let (table, schema, skip_bad, progress) = (None, None, None, None);
        Import { format, table, schema, replace: false, max_line_bytes: 128 << 20, skip_bad, progress }
    }

    /// From JSON lines: those of an export, of one table or several, or rows only.
    pub fn json() -> Self {
        Import::new(TextFormat::Json)
    }

    /// From CSV, into a [`table`](Self::table) that is there or has a [`schema`](Self::schema).
    pub fn csv() -> Self {
        Import::new(TextFormat::Csv)
    }

    /// Into this table. Without it into the one that the text names.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// What the table is, as [`Db::schema`](crate::Db::schema) gave it: makes one that is not there.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Puts rows over those that are there, in batches of some thousand: an import that fails leaves what it has done so
    /// far. Else (the default) rows are only added, all of a table or none.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Longest line, in bytes (default 128 MiB, which is enough for every row that the default options allow).
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = bytes;
        self
    }

    /// Leaves out lines that are no rows of the table, and tells the error of each. Else the first ends the import.
    pub fn skip_bad(mut self, told: impl FnMut(&Error) + 'f) -> Self {
        self.skip_bad = Some(Box::new(told));
        self
    }

    /// Tells how many rows were read, after each thousand.
    pub fn progress(mut self, progress: impl FnMut(u64) + 'f) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// One entry a table, in the order of the text.
    pub tables: Vec<ImportedTable>,
    /// Lines that were left out.
    pub bad_rows: u64,
}

/// What was imported into one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportedTable {
    /// Its name.
    pub name: String,
    /// Rows that were written.
    pub rows: u64,
    /// Whether it was not there before.
    pub created: bool,
}

impl ImportReport {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// Reads text into tables.
pub(crate) fn import(
    engine: &Arc<Engine>,
    import: Import<'_>,
    input: impl BufRead,
    site: &'static Location<'static>,
) -> Result<ImportReport> {
    let (table, replace) = (import.table.clone(), import.replace);
    let mut importing = Importing { engine, import, site, report: ImportReport::default(), rows_read: 0 };
    // A schema that is given makes the table, or must be that of the one that is there.
    let schema = importing.import.schema.take().map(|line| Schema::parse(&line).map_err(|what| bad_line(0, what)));
    let schema = schema.transpose()?;
    let mut open = match (&schema, &table) {
        (Some(schema), _) => {
            Some(Open::by_schema(engine, schema, table.as_deref().unwrap_or(&schema.table), replace, site)?)
        }
        (None, Some(name)) if engine.catalog.find(name).is_some() => {
            Some(Open::new(engine, super::export::find(engine, name)?, false, replace, site)?)
        }
        _ => None,
    };
    let done = match importing.import.format {
        TextFormat::Json => importing.json(input, &mut open),
        TextFormat::Csv => importing.csv(input, &mut open),
    };
    let done = done.and_then(|()| open.take().map_or(Ok(()), |open| open.finish(&mut importing.report)));
    if done.is_err()
        && let Some(open) = open
    {
        open.give_up(engine, site);
    }
    done.map(|()| importing.report)
}

fn bad_line(line: u64, what: impl Into<String>) -> Error {
    Mismatch::new(0, what).into_error(line)
}

/// A table that rows are read into.
struct Open<'e> {
    core: Arc<TableCore>,
    definition: Definition,
    sink: Sink<'e>,
    created: bool,
    /// Lines with a row of it, bad ones included, and rows that were added.
    lines: u64,
    rows: u64,
    /// It began with what the table is, and has to end with the number of its rows.
    framed: bool,
}

impl<'e> Open<'e> {
    fn new(
        engine: &'e Arc<Engine>,
        core: Arc<TableCore>,
        created: bool,
        replace: bool,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        let sink = Sink::new(engine, &core, replace, site)?;
        Ok(Open { definition: core.definition(), core, sink, created, lines: 0, rows: 0, framed: false })
    }

    fn by_schema(
        engine: &'e Arc<Engine>,
        schema: &Schema,
        name: &str,
        replace: bool,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        let (core, created) = if name == MARKS {
            (engine.table_of_marks()?, false)
        } else {
            engine.table_by(name, || schema.definition(engine.catalog.fresh_id(), name))?
        };
        schema.check(&core.definition())?;
        Open::new(engine, core, created, replace, site)
    }

    fn add(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.sink.add(key, row)?;
        self.rows += 1;
        Ok(())
    }

    fn finish(self, report: &mut ImportReport) -> Result<()> {
        self.sink.finish()?;
        let name = self.core.name().to_owned();
        report.tables.push(ImportedTable { name, rows: self.rows, created: self.created });
        Ok(())
    }

    /// An import that fails leaves no table behind that it has made, unless rows are in it.
    fn give_up(self, engine: &Arc<Engine>, site: &'static Location<'static>) {
        let Open { core, sink, created, .. } = self;
        drop(sink);
        if created && core.rows() == 0 {
            // What failed first is what counts.
            let _ = engine.drop_table(core.name(), site);
        }
    }
}

struct Importing<'e, 'f> {
    engine: &'e Arc<Engine>,
    import: Import<'f>,
    site: &'static Location<'static>,
    report: ImportReport,
    rows_read: u64,
}

impl<'e> Importing<'e, '_> {
    /// A row was read, or what stands there is none.
    fn read(&mut self, open: &mut Open<'_>, row: std::result::Result<(&[u8], &[u8]), Error>) -> Result<()> {
        open.lines += 1;
        self.rows_read += 1;
        if self.rows_read.is_multiple_of(ROWS_TOLD)
            && let Some(progress) = &mut self.import.progress
        {
            progress(self.rows_read);
        }
        match (row, &mut self.import.skip_bad) {
            (Ok((key, row)), _) => open.add(key, row),
            (Err(error), Some(told)) => {
                told(&error);
                self.report.bad_rows += 1;
                Ok(())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn json(&mut self, input: impl BufRead, open: &mut Option<Open<'e>>) -> Result<()> {
        let mut lines = Lines::new(input, self.import.max_line_bytes);
        let (mut key, mut row) = (Vec::new(), Vec::new());
        let mut last = 0;
        while let Some((number, line)) = lines.next()? {
            last = number;
            let line = std::str::from_utf8(line).map_err(|error| Mismatch::new(error.valid_up_to(), "this is not UTF-8"));
            let members = line.and_then(|line| Ok((line, members_of(line)?)));
            if let Ok((line, members)) = &members {
                match members.first().map(|(name, _)| name.as_str()) {
                    Some("table") => {
                        self.begin(line, number, open)?;
                        continue;
                    }
                    Some("end") => {
                        self.end(line, number, open)?;
                        continue;
                    }
                    _ => {}
                }
            }
            let Some(open) = open else {
                let text = "there is no table to import into: name one that is there, or begin with the first line of an export";
                return Err(bad_line(number, text));
            };
            (key.clear(), row.clear());
            let encoded = members
                .and_then(|(_, members)| encode_members(&open.definition, &members, &mut key, &mut row))
                .map_err(|mismatch| mismatch.into_error(number));
            self.read(open, encoded.map(|()| (&key[..], &row[..])))?;
        }
        match open {
            Some(open) if open.framed => Err(bad_line(last, cut_off(&open.definition.name))),
            _ => Ok(()),
        }
    }

    /// A line that says what the following table is.
    fn begin(&mut self, line: &str, number: u64, open: &mut Option<Open<'e>>) -> Result<()> {
        let schema = Schema::parse(line).map_err(|what| bad_line(number, what))?;
        if let Some(before) = open.take_if(|open| open.framed || open.lines > 0) {
            let name = before.definition.name.clone();
            before.give_up(self.engine, self.site);
            return Err(bad_line(number, cut_off(&name)));
        }
        let name = self.import.table.clone();
        if name.is_some() && !self.report.tables.is_empty() {
            return Err(bad_line(number, "this is a second table, and all rows were to go into one"));
        }
        let name = name.unwrap_or_else(|| schema.table.clone());
        let made = Open::by_schema(self.engine, &schema, &name, self.import.replace, self.site)?;
        *open = Some(Open { framed: true, ..made });
        Ok(())
    }

    /// A line that ends a table.
    fn end(&mut self, line: &str, number: u64, open: &mut Option<Open<'e>>) -> Result<()> {
        let end: End = serde_json::from_str(line).map_err(|error| bad_line(number, format!("this ends no table: {error}")))?;
        match open.take_if(|open| open.framed && open.lines == end.rows) {
            Some(open) => open.finish(&mut self.report),
            None => {
                let lines = open.as_ref().map_or(0, |open| open.lines);
                Err(bad_line(number, format!("the table ends after {lines} rows, and had {}: lines are lost", end.rows)))
            }
        }
    }

    fn csv(&mut self, input: impl BufRead, open: &mut Option<Open<'e>>) -> Result<()> {
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
            (key.clear(), row.clear());
            let encoded = encode_record(&definition, &columns, places, &record, (&mut key, &mut row));
            self.read(open, encoded.map(|()| (&key[..], &row[..])).map_err(|mismatch| mismatch.into_cell_error(line)))?;
        }
    }
}

fn cut_off(table: &str) -> String {
    format!("the rows of table {table:?} end without their last line: the export was cut off")
}

fn members_of(line: &str) -> std::result::Result<Vec<(String, Json<'_>)>, Mismatch> {
    let json = Json::parse(line)?;
    match json.kind() {
        Kind::Object => json.object(),
        _ => Err(Mismatch::expected(json.at, "{\"key\":...,\"row\":...}", json.shown())),
    }
}

/// Reads `{"key":...,"row":...}`, or `"bytes"` in the place of the row.
fn encode_members(
    definition: &Definition,
    members: &[(String, Json<'_>)],
    key: &mut Vec<u8>,
    row: &mut Vec<u8>,
) -> std::result::Result<(), Mismatch> {
    let [(key_name, key_json), (row_name, row_json)] = members else {
        return Err(Mismatch::expected(0, "{\"key\":...,\"row\":...}", format!("{} members", members.len())));
    };
    if key_name != "key" || !["row", "bytes"].contains(&row_name.as_str()) {
        return Err(Mismatch::expected(0, "{\"key\":...,\"row\":...}", format!("{key_name:?} and {row_name:?}")));
    }
    encode_key_json(&definition.key_shape, *key_json, key).map_err(|mismatch| mismatch.within("key"))?;
    if row_name == "row" {
        return encode_json(&definition.row_shape, *row_json, row).map_err(|mismatch| mismatch.within("row"));
    }
    row.extend(hex(&row_json.text()?, row_json.at)?);
    let shape = &definition.row_shape;
    match shape.read_value(row) {
        Err(fault) if shape.is_complete() => {
            Err(Mismatch::new(row_json.at, format!("the bytes are no row of the table: {fault}")))
        }
        _ => Ok(()),
    }
}

/// The place of each column in the lines.
fn places_of(
    columns: &Columns<'_>,
    names: &csv::StringRecord,
) -> std::result::Result<Vec<Option<usize>>, Mismatch> {
    if names.get(0) != Some("key") {
        return Err(Mismatch::expected(0, "names of columns, the first of which is key", format!("{:?}", names.get(0))));
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
        csv::ErrorKind::Utf8 { pos, .. } => {
            Ok(Some(bad_line(pos.map_or(line, |pos| pos.line()), "this is not UTF-8")))
        }
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(too_long(line, most)),
        csv::ErrorKind::Io(error) => Err(unreadable(error)),
        other => Ok(Some(bad_line(line, format!("this is no CSV: {other:?}")))),
    }
}
