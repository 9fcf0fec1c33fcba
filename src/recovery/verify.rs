//! Reads a database through and compares everything with everything.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::keeper::Keeper;
use super::verify_index::verify_indexes;
use crate::codec::{KeyBuf, Shape};
use crate::error::Result;
use crate::lock::LockTable;
use crate::table::pager::Keep;
use crate::table::registry::Registration;
use crate::table::segment::Segment;
use crate::table::table_core::TableCore;
use crate::txn::Engine;

/// What a verification found in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The table's name.
    pub name: String,
    /// Rows read.
    pub rows: u64,
    /// The sum of the hashes of all keys and rows. Two tables with the same rows have the same sum, in whatever order
    /// and however they were written.
    #[serde(serialize_with = "as_hex")]
    pub checksum: u64,
    /// Segments read.
    pub segments: u64,
    /// Pages read.
    pub pages: u64,
    /// What is wrong, one sentence each, with the key range.
    pub errors: Vec<String>,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// One entry a table, in the order in which they were made, and then one an index, called `table.index`.
    pub tables: Vec<TableReport>,
    /// The folder of the pages. None in memory.
    pub page_store: Option<PathBuf>,
}

/// A checksum is no number to reckon with, and many readers of JSON would round it.
pub(crate) fn as_hex<S: Serializer>(checksum: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{checksum:016x}"))
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.errors.is_empty())
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(
                f,
                "{}: {} rows in {} segments and {} pages, checksum {:016x}",
                table.name, table.rows, table.segments, table.pages, table.checksum
            )?;
            table.errors.iter().try_for_each(|error| writeln!(f, "{}: {error}", table.name))?;
        }
        match &self.page_store {
            _ if self.is_clean() => f.write_str("clean"),
            None => f.write_str("damaged"),
            Some(folder) => write!(f, "damaged: {}", folder.display()),
        }
    }
}

/// Verifies all tables as of one commit, beside readers and writers.
pub(crate) fn verify(engine: &Engine, keeper: Option<&Keeper>) -> VerifyReport {
    let registration = engine.capture();
    let tables = engine.catalog.tables();
    let mut reports: Vec<TableReport> = tables.iter().map(|table| verify_table(engine, table, &registration)).collect();
    for table in tables.iter().filter(|table| table.is_indexed()) {
        for (index, error) in verify_indexes(engine, table, registration.number()) {
            if let Some(at) = tables.iter().position(|table| table.id() == index) {
                reports[at].errors.push(error);
            }
        }
    }
    VerifyReport { tables: reports, page_store: keeper.map(Keeper::page_store) }
}

fn keys(table: &TableCore, low: &[u8], high: Option<&KeyBuf>) -> String {
    table.show_keys(low, high.map(|high| &**high))
}

fn verify_table(engine: &Engine, table: &TableCore, registration: &Registration) -> TableReport {
    let mut report =
        TableReport { name: table.name().to_owned(), rows: 0, checksum: 0, segments: 0, pages: 0, errors: Vec::new() };
    let Some(directory) = table.directory(Some(registration.number())) else { return report };
    let definition = table.definition();
    let shape = Some(&definition.row_shape).filter(|shape| shape.is_complete());
    let mut last: Option<Vec<u8>> = None;
    for segment in directory.segments() {
        report.segments += 1;
        if let Err(error) =
            verify_segment(engine, (table, shape), segment, registration.number(), &mut report, &mut last)
        {
            report.errors.push(format!("{error} ({})", keys(table, segment.low(), segment.high())));
        }
    }
    report
}

fn verify_segment(
    engine: &Engine,
    (table, shape): (&TableCore, Option<&Shape>),
    segment: &Segment,
    number: u64,
    report: &mut TableReport,
    last: &mut Option<Vec<u8>>,
) -> Result<()> {
    let list = engine.pager.list(table, segment, Some(number))?;
    for (at, slot) in list.slots.iter().enumerate() {
        report.pages += 1;
        let low = if at == 0 { segment.low() } else { &list.lows[at] };
        let high = list.lows.get(at + 1).or(segment.high());
        let view = match engine.pager.view(table, slot, Some(number), Keep::IfRoom) {
            Ok(Some(view)) => view,
            Ok(None) => continue,
            Err(error) => {
                // The error names the keys.
                report.errors.push(error.to_string());
                continue;
            }
        };
        let Some(bytes) = view.content.bytes else { continue };
        let checksum = bytes.checksum();
        if view.content.stored.is_some_and(|stored| (stored.rows as usize, stored.checksum) != (bytes.len(), checksum))
        {
            let keys = keys(table, low, high);
            report.errors.push(format!("a page does not have the rows that its list counts ({keys})"));
        }
        for (key, row) in bytes.iter() {
            if let Some(Err(fault)) = shape.map(|shape| shape.read_value(row)) {
                report
                    .errors
                    .push(format!("the row under {} does not have the stored shape: {fault}", table.show_key(key)));
            }
            let inside = key >= &**low && high.is_none_or(|high| key < &**high);
            if !inside || last.as_deref().is_some_and(|last| last >= key) {
                report.errors.push(format!("the key {} stands in the wrong place", table.show_key(key)));
            }
            *last = Some(key.to_vec());
        }
        report.rows += bytes.len() as u64;
        report.checksum = report.checksum.wrapping_add(checksum);
    }
    Ok(())
}
