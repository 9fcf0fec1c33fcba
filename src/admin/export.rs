//! A table as text, row for row, without the program's types.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use super::TextFormat;
use super::columns::{Columns, marked, plain_text};
use super::key::{encode_key_text, is_plain_key};
use super::schema::{End, Schema};
use crate::codec::{KeyBuf, StoredValue, read_key};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockTable;
use crate::table::bulk::PageRows;
use crate::table::catalog::RESERVED_NAMES;
use crate::table::table_core::{Definition, TableCore};
use crate::txn::{Engine, MARKS};

/// Rows between two calls of the closure that is told how far it is.
const ROWS_TOLD: u64 = 1_000;

/// How a table is written as text: see [`Db::export`](crate::Db::export).
///
/// ```
/// use gangline::{Db, Export, Table};
///
/// const STOCK: Table<u32, u64> = Table::new("stock");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.bulk_load(STOCK, (0..9).map(|n| (n, u64::from(n) * 10)))?;
/// let mut text = Vec::new();
/// db.export("stock", Export::csv().from("3").limit(2), &mut text)?;
/// assert_eq!(String::from_utf8_lossy(&text), "\"key\",\"row\"\n3,30\n4,40\n");
/// # Ok(()) }
/// ```
pub struct Export<'f> {
    format: TextFormat,
    rows_only: bool,
    from: Option<String>,
    to: Option<String>,
    limit: u64,
    progress: Option<Box<dyn FnMut(u64) + 'f>>,
}

impl std::fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'f> Export<'f> {
    fn new(format: TextFormat) -> Self {
        Export { format, rows_only: false, from: None, to: None, limit: u64::MAX, progress: None }
    }

    /// As JSON lines: first what the table is, then its rows, then their number.
    pub fn json() -> Self {
        Export::new(TextFormat::Json)
    }

    /// As CSV: first the names of the columns, then the rows. What the table is stands elsewhere
    /// ([`Db::schema`](crate::Db::schema)).
    pub fn csv() -> Self {
        Export::new(TextFormat::Csv)
    }

    /// Without the first and the last line of JSON lines.
    pub fn rows_only(mut self) -> Self {
        self.rows_only = true;
        self
    }

    /// From this key on, written as in a cell of CSV: as it is, or as JSON where it has parts.
    pub fn from(mut self, key: impl Into<String>) -> Self {
        self.from = Some(key.into());
        self
    }

    /// Up to, not including, this key.
    pub fn to(mut self, key: impl Into<String>) -> Self {
        self.to = Some(key.into());
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = rows;
        self
    }

    /// Tells how many rows are written, after each thousand.
    pub fn progress(mut self, progress: impl FnMut(u64) + 'f) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// A table of the program, or the one of the ids that were given out.
///
/// # Errors
/// `InvalidArgument` when there is none of this name.
pub(crate) fn find(engine: &Engine, name: &str) -> Result<Arc<TableCore>> {
    let seen = engine.catalog.find(name).filter(|_| !name.starts_with(RESERVED_NAMES) || name == MARKS);
    seen.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("there is no table {name:?}")))
}

/// The names of all that an export of a whole database has.
pub(crate) fn names(engine: &Engine) -> Vec<String> {
    let tables = engine.catalog.tables();
    let names = tables.iter().filter(|table| table.definition().index.is_none()).map(|table| table.name().to_owned());
    names.filter(|name| find(engine, name).is_ok()).collect()
}

/// What a table is, as the first line of its export.
pub(crate) fn schema(engine: &Engine, table: &str) -> Result<String> {
    Schema::of(&find(engine, table)?.definition()).to_line()
}

/// The encoded key of a text.
///
/// # Errors
/// `InvalidArgument` when it is no key of the table.
pub(crate) fn key_of_text(definition: &Definition, text: &str) -> Result<KeyBuf> {
    let mut key = Vec::new();
    encode_key_text(&definition.key_shape, text, &mut key).map_err(|mismatch| {
        let (name, shape) = (&definition.name, &definition.key_shape);
        Error::new(ErrorKind::InvalidArgument, format!("{text:?} is no key of table {name:?} ({shape}): {mismatch}"))
    })?;
    Ok(KeyBuf::from(&key[..]))
}

/// Writes a table. Gives the number of its rows.
pub(crate) fn export(engine: &Engine, table: &str, export: Export<'_>, out: &mut dyn Write) -> Result<u64> {
    let core = find(engine, table)?;
    let definition = core.definition();
    let bound = |key: &Option<String>| key.as_deref().map(|key| key_of_text(&definition, key)).transpose();
    let (low, high) = (bound(&export.from)?.unwrap_or_else(KeyBuf::empty), bound(&export.to)?);
    let registration = engine.capture();
    let rows = PageRows::within(&engine.pager, &core, registration.number(), (low, high));
    let rows = Rows { core: &core, definition: &definition, rows, left: export.limit };
    let count = match export.format {
        TextFormat::Json => write_json(rows, !export.rows_only, export.progress, out),
        TextFormat::Csv => write_csv(rows, export.progress, out),
    }?;
    out.flush().map_err(failed)?;
    Ok(count)
}

/// What stands under a key.
enum Stored<'p> {
    Read(StoredValue),
    /// What is stored of the rows' shape does not say how it is read.
    Unread(&'p [u8]),
}

struct Rows<'a> {
    core: &'a Arc<TableCore>,
    definition: &'a Definition,
    rows: PageRows<'a>,
    left: u64,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<(StoredValue, Stored<'_>)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let Some((key, row)) = self.rows.step()? else { return Ok(None) };
        let shape = &self.definition.row_shape;
        let stored = match shape.read_value(row) {
            Ok(value) => Stored::Read(value),
            Err(_) if !shape.is_complete() => Stored::Unread(row),
            Err(fault) => {
                let (name, key) = (self.core.name(), self.core.show_key(key));
                let text = format!("table {name:?}: the row under {key} does not have the stored shape: {fault}");
                return Err(Error::corrupted(text));
            }
        };
        let key = read_key(&self.definition.key_shape, key).unwrap_or_else(|| StoredValue::Bytes(key.to_vec()));
        Ok(Some((key, stored)))
    }
}

fn write_json(
    mut rows: Rows<'_>,
    framed: bool,
    mut progress: Option<Box<dyn FnMut(u64) + '_>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let definition = rows.definition;
    if framed {
        writeln!(out, "{}", Schema::of(definition).to_line()?).map_err(failed)?;
    }
    let (mut line, mut count) = (String::new(), 0);
    while let Some((key, row)) = rows.next()? {
        line.clear();
        write_json_row(&mut line, &key, &row);
        out.write_all(line.as_bytes()).map_err(failed)?;
        count += 1;
        tell(&mut progress, count);
    }
    if framed {
        let end = End { end: definition.name.clone(), rows: count };
        let end = serde_json::to_string(&end).map_err(|error| failed(error.into()))?;
        writeln!(out, "{end}").map_err(failed)?;
    }
    Ok(count)
}

fn write_json_row(line: &mut String, key: &StoredValue, row: &Stored<'_>) {
    let written = match row {
        Stored::Read(row) => writeln!(line, "{{\"key\":{key},\"row\":{row}}}"),
        Stored::Unread(bytes) => {
            writeln!(line, "{{\"key\":{key},\"bytes\":{}}}", StoredValue::Bytes(bytes.to_vec()))
        }
    };
    written.expect("a string takes all");
}

fn write_csv(mut rows: Rows<'_>, mut progress: Option<Box<dyn FnMut(u64) + '_>>, out: &mut dyn Write) -> Result<u64> {
    let definition = rows.definition;
    let columns = Columns::of(&definition.row_shape);
    let plain_key = is_plain_key(&definition.key_shape);
    // Quotes around all texts: where a program takes another mark than the comma for the end of a cell, the rest of one
    // would be a cell of its own.
    let mut csv = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::NonNumeric).from_writer(out);
    let names = columns.fields.iter().map(|(name, _)| marked((*name).to_owned(), false));
    let mut cells: Vec<String> = ["key".to_owned()].into_iter().chain(names).collect();
    csv.write_record(&cells).map_err(csv_failed)?;
    let mut count = 0;
    while let Some((key, row)) = rows.next()? {
        let Stored::Read(row) = row else {
            let text = format!(
                "table {:?}: the row under {key} cannot be read by what is stored of its shape; export JSON lines, which \
                 have its bytes",
                definition.name
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        cells.clear();
        let is_number = matches!(key, StoredValue::Unsigned(_) | StoredValue::Signed(_) | StoredValue::F64(_));
        cells.push(if plain_key { marked(plain_text(&key), is_number) } else { key.to_string() });
        columns.cells(&row, &mut cells);
        csv.write_record(&cells).map_err(csv_failed)?;
        count += 1;
        tell(&mut progress, count);
    }
    csv.flush().map_err(failed)?;
    Ok(count)
}

fn tell(progress: &mut Option<Box<dyn FnMut(u64) + '_>>, count: u64) {
    if let Some(progress) = progress
        && count.is_multiple_of(ROWS_TOLD)
    {
        progress(count);
    }
}

fn failed(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    };
    Error::new(kind, "cannot write the export").with_source(error)
}

fn csv_failed(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => failed(error),
        other => failed(io::Error::other(format!("{other:?}"))),
    }
}
