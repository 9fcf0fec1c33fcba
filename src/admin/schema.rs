//! The first and the last line of an exported table: what it is, and that nothing is missing.

use serde::{Deserialize, Serialize};

use crate::codec::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::table::catalog::check_name;
use crate::table::table_core::Definition;

/// All that makes a table but its rows: `{"table":"users","version":1,"key":"u64","row":{...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schema {
    pub(super) table: String,
    pub(super) version: u32,
    pub(super) key: String,
    pub(super) row: Shape,
}

/// That a table ends here, and had so many rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) end: String,
    pub(super) rows: u64,
}

impl Schema {
    pub(super) fn of(definition: &Definition) -> Self {
        let Definition { name, version, key_shape, row_shape, .. } = definition;
        Schema { table: name.clone(), version: *version, key: key_shape.clone(), row: row_shape.clone() }
    }

    /// As a line of an export.
    ///
    /// # Errors
    /// `Unsupported` for a row type that nests deeper than a line may.
    pub(super) fn to_line(&self) -> Result<String> {
        let line = serde_json::to_string(self).map_err(|error| self.too_deep(&error))?;
        match serde_json::from_str::<Schema>(&line) {
            Ok(_) => Ok(line),
            Err(error) => Err(self.too_deep(&error)),
        }
    }

    fn too_deep(&self, error: &serde_json::Error) -> Error {
        let text = format!("the row type of table {:?} nests too deep for a line of JSON: {error}", self.table);
        Error::new(ErrorKind::Unsupported, text)
    }

    /// Reads such a line, which may come from anywhere.
    pub(super) fn parse(line: &str) -> std::result::Result<Self, String> {
        let schema: Schema = serde_json::from_str(line).map_err(|error| format!("this describes no table: {error}"))?;
        let mut bytes = Vec::new();
        schema.row.encode(&mut bytes);
        Shape::decode(&bytes).map_err(|fault| format!("this describes no rows: {fault}"))?;
        Ok(schema)
    }

    /// What the catalog is to say of a new table of this name.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that no table can have.
    pub(super) fn definition(&self, id: u32, name: &str) -> Result<Definition> {
        check_name(name)?;
        let (version, key_shape, row_shape) = (self.version, self.key.clone(), self.row.clone());
        Ok(Definition { id, name: name.to_owned(), version, key_shape, row_shape, index: None })
    }

    /// Compares what was exported with the table that is there.
    ///
    /// # Errors
    /// `SchemaMismatch` with the first difference.
    pub(super) fn check(&self, stored: &Definition) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::SchemaMismatch, text));
        let name = &stored.name;
        if self.key != stored.key_shape {
            return refuse(format!(
                "the keys of table {name:?} are {}, those to import {}",
                stored.key_shape, self.key
            ));
        }
        if self.version != stored.version {
            let (now, new) = (stored.version, self.version);
            return refuse(format!("table {name:?} is in version {now}, the rows to import are of version {new}"));
        }
        match Shape::difference(&stored.row_shape, &self.row) {
            Some(difference) => {
                refuse(format!("the rows to import into table {name:?} have another shape: {difference}"))
            }
            None => Ok(()),
        }
    }
}
