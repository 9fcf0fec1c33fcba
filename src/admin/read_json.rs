//! Reading JSON lines: what tables are, their rows, and where they end.

use std::io::BufRead;

use super::encode::encode_json;
use super::import::{Importing, bad_line};
use super::json::{Json, Kind};
use super::key::encode_key_json;
use super::lines::Lines;
use super::mismatch::Mismatch;
use super::open_table::OpenTable;
use super::plain::hex;
use super::schema::{End, Schema};
use crate::error::Result;
use crate::table::table_core::Definition;

impl<'e> Importing<'e, '_> {
    pub(super) fn json(&mut self, input: impl BufRead, open: &mut Option<OpenTable<'e>>) -> Result<()> {
        let mut lines = Lines::new(input, self.import.max_line_bytes);
        let (mut key, mut row) = (Vec::new(), Vec::new());
        let mut last = 0;
        while let Some((number, line)) = lines.next()? {
            last = number;
            let line =
                std::str::from_utf8(line).map_err(|error| Mismatch::new(error.valid_up_to(), "this is not UTF-8"));
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
            key.clear();
            row.clear();
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
    fn begin(&mut self, line: &str, number: u64, open: &mut Option<OpenTable<'e>>) -> Result<()> {
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
        let mut made = OpenTable::by_schema(self.engine, &schema, &name, self.import.replace, self.site)?;
        made.framed = true;
        *open = Some(made);
        Ok(())
    }

    /// A line that ends a table.
    fn end(&mut self, line: &str, number: u64, open: &mut Option<OpenTable<'e>>) -> Result<()> {
        let end: End =
            serde_json::from_str(line).map_err(|error| bad_line(number, format!("this ends no table: {error}")))?;
        match open.take_if(|open| open.framed && open.lines == end.rows) {
            Some(open) => open.finish(&mut self.report),
            None => {
                let lines = open.as_ref().map_or(0, |open| open.lines);
                Err(bad_line(
                    number,
                    format!("the table ends after {lines} rows, and had {}: lines are lost", end.rows),
                ))
            }
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
