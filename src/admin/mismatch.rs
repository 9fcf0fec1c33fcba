//! What of a line to import is not as the table wants it.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Where in a line, in which field, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// In bytes from the beginning of the line.
    pub(super) at: usize,
    /// The field, as a program would write it: `row.roles[2].since`. Empty: the line as a whole.
    field: String,
    what: String,
}

impl Mismatch {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Mismatch { at, field: String::new(), what: what.into() }
    }

    /// Something else was expected than what is there.
    pub(super) fn expected(at: usize, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Mismatch::new(at, format!("expected {expected}, found {found}"))
    }

    /// As seen from the beginning of what starts there.
    pub(super) fn moved(mut self, by: usize) -> Self {
        self.at += by;
        self
    }

    /// In this field, seen from outside.
    pub(super) fn within(mut self, outer: &str) -> Self {
        let separator = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{outer}{separator}{}", self.field);
        self
    }

    /// As the error of a line of cells, where the column in bytes says nothing.
    pub(super) fn into_cell_error(self, line: u64) -> Error {
        let field = if self.field.is_empty() { String::new() } else { format!(", field {}", self.field) };
        Error::new(ErrorKind::BadInput, format!("line {line}{field}: {}", self.what))
    }

    /// As the error of a line, counted from 1.
    pub(super) fn into_error(self, line: u64) -> Error {
        let field = if self.field.is_empty() { String::new() } else { format!(", field {}", self.field) };
        Error::new(ErrorKind::BadInput, format!("line {line}, column {}{field}: {}", self.at + 1, self.what))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_line_column_and_field() {
        let mismatch = Mismatch::expected(7, "u8", "300").within("since").within("[2]").within("roles").within("row");
        assert_eq!(
            mismatch.into_error(3).to_string(),
            "line 3, column 8, field row.roles[2].since: expected u8, found 300"
        );
        assert_eq!(Mismatch::new(0, "it is empty").into_error(1).to_string(), "line 1, column 1: it is empty");
    }
}
