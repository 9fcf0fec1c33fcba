//! Tables as text: for other programs, for other stores, and for eyes.

use std::io::{BufRead, Write};
use std::panic::Location;

use super::Db;
use crate::admin::{self, Export, Import, ImportReport};
use crate::codec::{StoredValue, read_key};
use crate::context;
use crate::error::Result;
use crate::table::typed;

impl Db {
    /// Writes a table as JSON lines or CSV, as of one commit, row by row, and gives the number of its rows. The program's
    /// types are not needed. [`import`](Self::import) makes the same rows of it again, bit for bit.
    ///
    /// JSON is as `serde_json` writes the row type, but for what JSON cannot tell apart: infinities, NaN, bytes and options within
    /// options. Rows that have [expired](crate::Table::expires) and are not removed yet are among them. Indexes are not
    /// written: [`build_indexes`](Self::build_indexes) makes them of the rows.
    ///
    /// ```
    /// use gangline::{Db, Export, Import, Table};
    ///
    /// const STOCK: Table<String, (u32, f64)> = Table::new("stock");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(STOCK, "harness", (7, 49.5))?;
    /// let mut text = Vec::new();
    /// assert_eq!(db.export("stock", Export::json(), &mut text)?, 1);
    /// assert!(String::from_utf8_lossy(&text).contains(r#"{"key":"harness","row":[7,49.5]}"#));
    ///
    /// let other = Db::in_memory()?;
    /// other.import(Import::json(), &text[..])?;
    /// assert_eq!(other.get(STOCK, "harness")?.as_deref(), Some(&(7, 49.5)));
    /// assert_eq!(db.verify()?.tables[0].checksum, other.verify()?.tables[0].checksum);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such table, or a bound is no key of it;
    /// [`Corrupted`](crate::ErrorKind::Corrupted); [`Io`](crate::ErrorKind::Io) with what `out` says as its source.
    #[track_caller]
    pub fn export(&self, table: &str, export: Export<'_>, mut out: impl Write) -> Result<u64> {
        context::check_free("Db::export", Location::caller())?;
        self.engine().check_alive()?;
        admin::export(self.engine(), table, export, &mut out)
    }

    /// The names of the tables of which a whole export is made: those of [`tables`](Self::tables), and the one in which the
    /// library notes the ids that [`next_id`](Self::next_id) has given out, where there is one.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed), [`Poisoned`](crate::ErrorKind::Poisoned).
    pub fn exported_tables(&self) -> Result<Vec<String>> {
        self.engine().check_alive()?;
        Ok(admin::names(self.engine()))
    }

    /// What a table is, as a line of JSON: name, version, key shape and row shape. It is the first line of an export as JSON
    /// lines, and makes the table for an import of CSV ([`Import::schema`]).
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such table.
    pub fn schema(&self, table: &str) -> Result<String> {
        self.engine().check_alive()?;
        admin::schema(self.engine(), table)
    }

    /// Reads rows from text: what [`export`](Self::export) wrote, or what was written by hand after its rules.
    ///
    /// A table that is not there is made, if the text says what it is. Its indexes are not: where the program declares some,
    /// [`build_indexes`](Self::build_indexes) makes them. Each table gets all rows of the text or none, by a load
    /// ([`bulk_load`](Self::bulk_load)); with [`Import::replace`] rows are put over others in batches. A table that has
    /// indexes gets their entries as well, if the program has used it since the database was opened.
    ///
    /// # Errors
    /// [`BadInput`](crate::ErrorKind::BadInput) with line, column and field for what is no row, is too long, or ends too early;
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) where the table is another one than the text's, or the functions of
    /// its indexes are not known; [`Exists`](crate::ErrorKind::Exists) with the key;
    /// [`Io`](crate::ErrorKind::Io); and as [`bulk_load`](Self::bulk_load).
    #[track_caller]
    pub fn import(&self, import: Import<'_>, text: impl BufRead) -> Result<ImportReport> {
        let site = Location::caller();
        context::check_free("Db::import", site)?;
        self.engine().check_alive()?;
        admin::import(self.engine(), import, text, site)
    }

    /// A row by the text of its key, written as in a cell of CSV: as it is, or as JSON where it has parts. Neither type needs to
    /// be known.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const PLACES: Table<(u8, String), Option<char>> = Table::new("places");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(PLACES, (1, "Nome"), Some('x'))?;
    /// let found = db.stored_row("places", r#"[1, "Nome"]"#)?;
    /// assert_eq!(found.map(|(_, row)| row.to_string()), Some(r#""x""#.to_owned()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such table, or the text is no key of it;
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) where what is stored of the row's shape does not suffice to read it.
    #[track_caller]
    pub fn stored_row(&self, table: &str, key: &str) -> Result<Option<(StoredValue, StoredValue)>> {
        context::check_free("Db::stored_row", Location::caller())?;
        let engine = self.engine();
        engine.check_alive()?;
        let core = admin::find(engine, table)?;
        let definition = core.definition();
        let key = admin::key_of_text(&definition, key)?;
        let Some(row) = typed::value(&engine.pager, &core, &key)? else { return Ok(None) };
        let row = definition.row_shape.read_value(&row).map_err(|fault| {
            crate::Error::new(
                crate::ErrorKind::SchemaMismatch,
                format!("table {table:?}: the row cannot be read by the stored shape: {fault}"),
            )
        })?;
        Ok(Some((read_key(&definition.key_shape, &key).unwrap_or_else(|| StoredValue::Bytes(key.to_vec())), row)))
    }
}
