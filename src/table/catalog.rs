//! The tables of a database by name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use super::definition::{Row, Table};
use super::table_core::{Definition, TableCore};
use crate::codec::{Key, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_NAME_BYTES;
use crate::sync::Mutex;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Catalog {
    by_name: RwLock<HashMap<String, Arc<TableCore>, ahash::RandomState>>,
    next_id: AtomicU32,
    /// Tables whose definition the next checkpoint has to write.
    dirty: Mutex<BTreeSet<u32>>,
    /// Held while a table is made.
    pub(crate) creating: Mutex<()>,
}

impl Catalog {
    /// Tables read from a store.
    pub(crate) fn new(tables: impl IntoIterator<Item = Arc<TableCore>>) -> Self {
        let by_name: HashMap<_, _, ahash::RandomState> =
            tables.into_iter().map(|table| (table.name().to_owned(), table)).collect();
        let next_id = by_name.values().map(|table| table.id()).max().unwrap_or(0) + 1;
        Catalog {
            by_name: RwLock::new(by_name),
            next_id: AtomicU32::new(next_id),
            dirty: Mutex::default(),
            creating: Mutex::new(()),
        }
    }

    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<Arc<TableCore>> {
        self.by_name.read().get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: u32) -> Option<Arc<TableCore>> {
        self.by_name.read().values().find(|table| table.id() == id).cloned()
    }

    /// All tables in the order of their ids.
    pub(crate) fn tables(&self) -> Vec<Arc<TableCore>> {
        let mut tables: Vec<_> = self.by_name.read().values().cloned().collect();
        tables.sort_by_key(|table| table.id());
        tables
    }

    pub(crate) fn fresh_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a table that a commit made. Under the commit latch.
    pub(crate) fn add(&self, table: Arc<TableCore>) {
        self.next_id.fetch_max(table.id() + 1, Ordering::Relaxed);
        self.mark_dirty(table.id());
        self.by_name.write().insert(table.name().to_owned(), table);
    }

    pub(crate) fn mark_dirty(&self, table: u32) {
        self.dirty.lock().insert(table);
    }

    pub(crate) fn take_dirty(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.dirty.lock())
    }
}

/// What the program says of a table, to be compared with what is stored.
pub(crate) fn program_definition<K: Key, V: Row>(table: Table<K, V>, id: u32) -> Result<Definition> {
    let name = table.name();
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the table name {name:?} has {} bytes; it must have 1 to {MAX_NAME_BYTES}", name.len()),
        ));
    }
    if let Some(index) = table.declared_indexes().first() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "table {name:?} declares the index {:?}; this version keeps no indexes, so take it off",
                index.name()
            ),
        ));
    }
    let mut key_shape = String::new();
    K::shape(&mut key_shape);
    let row_shape = Shape::of_type::<V>().map_err(|fault| fault.into_error(name))?;
    Ok(Definition { id, name: name.to_owned(), version: table.row_version(), key_shape, row_shape })
}

/// Compares the program's types with the stored ones.
///
/// # Errors
/// `SchemaMismatch` that names the first difference.
pub(crate) fn check_definition(stored: &Definition, program: &Definition) -> Result<()> {
    let name = &stored.name;
    let refuse = |text: String| Err(Error::new(ErrorKind::SchemaMismatch, text));
    if stored.version != program.version {
        return refuse(format!(
            "table {name:?} is stored in version {}, the program has version {}; migration is not built yet",
            stored.version, program.version
        ));
    }
    if stored.key_shape != program.key_shape && stored.key_shape != Definition::UNKNOWN_KEYS {
        return refuse(format!(
            "the keys of table {name:?} are stored as {}, the program has {}; use the stored type or another table",
            stored.key_shape, program.key_shape
        ));
    }
    match Shape::difference(&stored.row_shape, &program.row_shape) {
        Some(difference) => refuse(format!(
            "the rows of table {name:?} have another shape: {difference}; use the stored type or another table"
        )),
        None => Ok(()),
    }
}
