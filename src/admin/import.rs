//! Text into tables, row for row, without the program's types.

use std::io::BufRead;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;

use super::TextFormat;
use super::export::find;
use super::mismatch::Mismatch;
use super::open_table::OpenTable;
use super::schema::Schema;
use crate::error::{Error, Result};
use crate::txn::Engine;

/// Rows between two calls of the closure that is told how far it is.
const ROWS_TOLD: u64 = 1_000;

/// Who is told of a line that is left out, and of how many rows are read.
type Told<'f> = Box<dyn FnMut(&Error) + 'f>;
type Progress<'f> = Box<dyn FnMut(u64) + 'f>;

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
    pub(super) table: Option<String>,
    schema: Option<String>,
    pub(super) replace: bool,
    pub(super) max_line_bytes: usize,
    skip_bad: Option<Told<'f>>,
    progress: Option<Progress<'f>>,
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
            Some(OpenTable::by_schema(engine, schema, table.as_deref().unwrap_or(&schema.table), replace, site)?)
        }
        (None, Some(name)) if engine.catalog.find(name).is_some() => {
            Some(OpenTable::new(engine, find(engine, name)?, false, replace, site)?)
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

pub(super) fn bad_line(line: u64, what: impl Into<String>) -> Error {
    Mismatch::new(0, what).into_error(line)
}

/// An import under way.
pub(super) struct Importing<'e, 'f> {
    pub(super) engine: &'e Arc<Engine>,
    pub(super) import: Import<'f>,
    pub(super) site: &'static Location<'static>,
    pub(super) report: ImportReport,
    rows_read: u64,
}

impl Importing<'_, '_> {
    /// A row was read, or what stands there is none.
    pub(super) fn read(
        &mut self,
        open: &mut OpenTable<'_>,
        row: std::result::Result<(&[u8], &[u8]), Error>,
    ) -> Result<()> {
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
}
