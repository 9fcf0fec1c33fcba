//! Reading cells out of a CSV file, with errors that say where.
//!
//! Columns are found by the names in the header, in any order, and more of them than needed are no error. A quoted
//! cell may hold line breaks and quotes, so a row is named by the line of the file on which it starts.

use super::value::{Cents, Id, LocalTime};
use crate::error::{Error, Result};

/// Cells longer than this are cut in messages, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// What a cell can hold.
pub(crate) trait Cell: Sized {
    /// What a message says the cell should be.
    const EXPECTED: &'static str;

    /// `None` if the text is something else.
    fn parse(text: &str) -> Option<Self>;
}

impl Cell for Id {
    const EXPECTED: &'static str = "an id of 32 hexadecimal digits";

    fn parse(text: &str) -> Option<Self> {
        Id::parse(text)
    }
}

impl Cell for Cents {
    const EXPECTED: &'static str = "an amount like 58.90";

    fn parse(text: &str) -> Option<Self> {
        Cents::parse(text)
    }
}

impl Cell for LocalTime {
    const EXPECTED: &'static str = "a time like 2017-09-19 09:45:35";

    fn parse(text: &str) -> Option<Self> {
        LocalTime::parse(text)
    }
}

impl Cell for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Cell for String {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// An empty cell is a value that is not there.
impl<C: Cell> Cell for Option<C> {
    const EXPECTED: &'static str = C::EXPECTED;

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { C::parse(text).map(Some) }
    }
}

/// One row, for as long as it is being read.
pub(crate) struct Row<'a> {
    file: &'a str,
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The cell of a column that the header was checked for.
    pub(crate) fn cell<C: Cell>(&self, column: &str) -> Result<C> {
        let text = self.text(column);
        C::parse(text).ok_or_else(|| self.refuse(column, C::EXPECTED))
    }

    /// An error about a cell of this row.
    pub(crate) fn refuse(&self, column: &str, expected: &str) -> Error {
        let text = self.text(column);
        let found = match text.char_indices().nth(SHOWN_CHARACTERS) {
            _ if text.is_empty() => "nothing".to_owned(),
            Some((end, _)) => format!("{:?}...", &text[..end]),
            None => format!("{text:?}"),
        };
        Error::Cell {
            file: self.file.to_owned(),
            line: self.record.position().map_or(0, csv::Position::line),
            column: column.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }

    fn text(&self, column: &str) -> &str {
        let index = self.header.iter().position(|name| name == column);
        index.and_then(|index| self.record.get(index)).unwrap_or_default()
    }
}

/// Hands every row of a file to `each`, first checking that the header has all of `columns`. Returns the number of rows.
pub(crate) fn for_each_row(
    (file, text): (&str, &[u8]),
    columns: &[&str],
    mut each: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<u64> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text);
    let header = reader.headers().map_err(|error| misshapen(file, &csv::StringRecord::new(), &error))?.clone();
    for column in columns {
        if !header.iter().any(|name| name == *column) {
            return Err(Error::Cell {
                file: file.to_owned(),
                line: 1,
                column: (*column).to_owned(),
                expected: "a column of this name in the header".to_owned(),
                found: format!("{:?}", header.iter().collect::<Vec<_>>().join(",")),
            });
        }
    }
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record).map_err(|error| misshapen(file, &header, &error))? {
        each(&Row { file, header: &header, record: &record })?;
        rows += 1;
    }
    Ok(rows)
}

/// A row that is no row: it has too few or too many cells, or bytes that are no text.
fn misshapen(file: &str, header: &csv::StringRecord, error: &csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    let (column, expected, found) = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let column = header.get(*len as usize).map_or_else(|| format!("{}", expected_len + 1), str::to_owned);
            (column, format!("{expected_len} cells"), format!("{len}"))
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            let column = header.get(err.field()).unwrap_or_default().to_owned();
            (column, "text in UTF-8".to_owned(), "other bytes".to_owned())
        }
        _ => (String::new(), "a CSV file".to_owned(), error.to_string()),
    };
    Error::Cell { file: file.to_owned(), line, column, expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8], columns: &[&str]) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        for_each_row(("t.csv", text), columns, |row| {
            let cell = |column: &&str| Ok(row.cell::<Option<String>>(column)?.unwrap_or_default());
            rows.push(columns.iter().map(cell).collect::<Result<_>>()?);
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let rows = cells(b"\"b\",extra,a\n2,x,1\n\"4\",y,3\n", &["a", "b"]).unwrap();
        assert_eq!(rows, [["1", "2"], ["3", "4"]]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert_eq!(cells("\u{feff}a,b\n1,2\n".as_bytes(), &["a"]).unwrap(), [["1"]]);
    }

    #[test]
    fn quoted_cells_hold_line_breaks_and_quotes_and_lines_are_still_counted() {
        let text = b"a,b\nx,\"one\ntwo, \"\"three\"\"\r\n\"\ny,short\nz\n";
        let error = cells(text, &["a", "b"]).unwrap_err().to_string();
        assert_eq!(error, "t.csv, line 6, column b: expected 2 cells, found 1");
        let rows = cells(&text[..text.len() - 2], &["a", "b"]).unwrap();
        assert_eq!(rows, [["x", "one\ntwo, \"three\"\r\n"], ["y", "short"]]);
    }

    #[test]
    fn a_missing_column_is_named_with_what_is_there() {
        let error = cells(b"a,c\n1,2\n", &["a", "b"]).unwrap_err().to_string();
        assert_eq!(error, "t.csv, line 1, column b: expected a column of this name in the header, found \"a,c\"");
        let error = cells(b"", &["a"]).unwrap_err().to_string();
        assert!(error.starts_with("t.csv, line 1, column a:"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let error = cells(b"a,b\n1,2\n3,\xff\n", &["a", "b"]).unwrap_err().to_string();
        assert_eq!(error, "t.csv, line 3, column b: expected text in UTF-8, found other bytes");
    }

    #[test]
    fn a_cell_of_another_kind_is_named_and_cut() {
        let text = format!("price\n1.50\n{}\n\n", "9".repeat(100));
        let read = |text: &str| {
            let mut sum = Cents::default();
            for_each_row(("p.csv", text.as_bytes()), &["price"], |row| {
                sum += row.cell("price")?;
                Ok(())
            })
            .map(|rows| (rows, sum))
        };
        let error = read(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("p.csv, line 3, column price: expected an amount like 58.90, found \"999"),
            "{error}"
        );
        assert!(error.ends_with("9\"...") && error.len() < 140, "{error}");
        assert_eq!(read("price\n1.50\n2\n").unwrap(), (2, Cents::new(350)));
    }

    #[test]
    fn an_empty_cell_is_missing_only_where_it_may_be() {
        for_each_row(("t.csv", b"a,b\n,1\n"), &["a", "b"], |row| {
            assert_eq!(row.cell::<Option<u32>>("a")?, None);
            assert_eq!(
                row.cell::<u32>("a").unwrap_err().to_string(),
                "t.csv, line 2, column a: expected a whole number, found nothing"
            );
            Ok(())
        })
        .unwrap();
    }
}
