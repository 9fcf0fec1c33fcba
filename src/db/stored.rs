//! Rows without the types of the program that wrote them.

use std::panic::Location;

use super::Db;
use crate::context;
use crate::error::Result;
use crate::query::StoredRows;

impl Db {
    /// All rows of a table in key order, read by what is stored of their types: for tools that look into a store that another
    /// program wrote. See [`StoredRows`]; [`tables`](Self::tables) gives the names.
    ///
    /// It sees the state after the last commit now, and nobody waits for it.
    ///
    /// ```
    /// use gangline::{Db, Table};
    ///
    /// const TEAMS: Table<(String, u16), Vec<Option<f32>>> = Table::new("teams");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::in_memory()?;
    /// db.put(TEAMS, ("Togo", 1925), vec![Some(5.5), None])?;
    /// for entry in db.stored_rows("teams")? {
    ///     let (key, row) = entry?;
    ///     assert_eq!(format!("{key}: {row}"), r#"["Togo",1925]: [5.5,null]"#);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such table; [`Nested`](crate::ErrorKind::Nested).
    #[track_caller]
    pub fn stored_rows(&self, table: &str) -> Result<StoredRows<'_>> {
        context::check_free("Db::stored_rows", Location::caller())?;
        let engine = self.engine();
        engine.check_alive()?;
        let registration = engine.capture();
        let number = registration.number();
        StoredRows::new(engine, table, number, Some(registration), None)
    }
}
