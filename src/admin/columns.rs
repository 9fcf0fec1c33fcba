//! A row as the cells of a line of CSV, and back.
//!
//! A row with named fields has a column for each, any other one the column `row`. What has no parts stands in its cell as
//! it is, everything else as JSON. An option of the former is empty for `None`.
//!
//! A spreadsheet runs what begins with `=`, `+`, `-` or `@`. Such a cell gets an apostrophe in front, by which
//! spreadsheets know a text, and so does one that begins with an apostrophe: so the first one is never part of the value.
//! It also stands alone for a text that is there and empty, where an empty cell is `None`. Numbers keep their sign.

use super::encode::encode_inside;
use super::json::Json;
use super::mismatch::Mismatch;
use super::plain::{encode_plain, is_number, is_plain};
use crate::codec::{Fields, Shape, StoredValue};

/// What a cell may not begin with, also in the width of the far east, and white space that some programs cut off.
const RUN: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
const MARK: char = '\'';

/// The columns of the rows of a shape.
pub(super) struct Columns<'s> {
    /// The structs around the columns, innermost last.
    enclosing: Vec<&'s Shape>,
    pub(super) fields: Vec<(&'s str, &'s Shape)>,
    /// Whether they are the fields of the row.
    named: bool,
}

impl<'s> Columns<'s> {
    pub(super) fn of(row: &'s Shape) -> Self {
        let (mut shape, mut enclosing) = (row, Vec::new());
        while let Shape::Struct { fields, .. } = shape {
            enclosing.push(shape);
            match fields {
                Fields::Newtype(inner) => shape = inner,
                Fields::Named(fields) if !fields.is_empty() => {
                    let fields = fields.iter().map(|(name, shape)| (name.as_str(), shape)).collect();
                    return Columns { enclosing, fields, named: true };
                }
                _ => break,
            }
        }
        Columns { enclosing: Vec::new(), fields: vec![("row", row)], named: false }
    }

    /// Adds the cells of a row.
    pub(super) fn cells(&self, row: &StoredValue, out: &mut Vec<String>) {
        match row {
            StoredValue::Struct(values) if self.named => {
                out.extend(values.iter().zip(&self.fields).map(|((_, value), (_, shape))| cell(value, shape)));
            }
            row => out.extend(self.fields.iter().map(|(_, shape)| cell(row, shape))),
        }
    }

    /// Appends what a cell of this column says; none: the column is not there.
    pub(super) fn encode(&self, at: usize, cell: Option<&str>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let (name, shape) = self.fields[at];
        encode_cell(&self.enclosing, shape, cell, out).map_err(|mismatch| mismatch.within(name))
    }
}

fn encode_cell(enclosing: &[&Shape], shape: &Shape, cell: Option<&str>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let plain = match (shape, cell) {
        (Shape::Option(inner), None) if is_plain(inner) => {
            out.push(0);
            return Ok(());
        }
        (Shape::Option(_), None) => "null",
        (_, None) => return Err(Mismatch::new(0, "the column is missing")),
        (_, Some(cell)) => cell,
    };
    match shape {
        Shape::Option(inner) if is_plain(inner) => {
            out.push(u8::from(!plain.is_empty()));
            if plain.is_empty() {
                return Ok(());
            }
            encode_plain(inner, unmarked(plain), out).expect("it is plain")
        }
        _ => match encode_plain(shape, unmarked(plain), out) {
            Some(done) => done,
            None => encode_inside(enclosing, shape, Json::parse(plain)?, out),
        },
    }
}

fn cell(value: &StoredValue, shape: &Shape) -> String {
    match (shape, value) {
        (Shape::Option(inner), StoredValue::Option(inside)) if is_plain(inner) => match inside {
            None => String::new(),
            Some(value) => {
                let cell = marked(plain_text(value), is_number(inner));
                if cell.is_empty() { MARK.to_string() } else { cell }
            }
        },
        _ if is_plain(shape) => marked(plain_text(value), is_number(shape)),
        _ => value.to_string(),
    }
}

/// A value without parts as it is.
pub(super) fn plain_text(value: &StoredValue) -> String {
    match value {
        StoredValue::Text(text) => text.clone(),
        StoredValue::Char(char) => char.to_string(),
        StoredValue::Variant(name, _) => name.clone(),
        // Numbers that JSON does not have, and bytes, stand in quotes there.
        other => other.to_string().trim_matches('"').to_owned(),
    }
}

/// Makes a cell harmless.
pub(super) fn marked(cell: String, is_number: bool) -> String {
    let is_run = cell.trim_start().starts_with(RUN) || cell.starts_with(['\t', '\r', '\n', MARK]);
    let counts = is_number && cell.ends_with(|end: char| end.is_ascii_digit());
    if is_run && !counts { format!("{MARK}{cell}") } else { cell }
}

/// The value of a cell that may have been made harmless.
pub(super) fn unmarked(cell: &str) -> &str {
    cell.strip_prefix(MARK).unwrap_or(cell)
}
