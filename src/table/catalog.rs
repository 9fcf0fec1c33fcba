//! The tables of a database by name, and their indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use super::definition::{Row, Table};
use super::index_core::{IndexCore, Indexes};
use super::table_core::{Definition, TableCore};
use crate::codec::{Key, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::FIRST_INDEX;
use crate::options::MAX_NAME_BYTES;
use crate::sync::Mutex;

/// Names of tables that begin so are the library's own.
pub(crate) const RESERVED_NAMES: &str = "gangline.";

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Catalog {
    by_name: RwLock<HashMap<String, Arc<TableCore>, ahash::RandomState>>,
    /// The entries of indexes, by their ids.
    indexes: RwLock<BTreeMap<u32, Arc<TableCore>>>,
    next_id: AtomicU32,
    next_index_id: AtomicU32,
    /// Tables whose definition the next checkpoint has to write.
    dirty: Mutex<BTreeSet<u32>>,
    /// Indexes that were dropped since the last checkpoint began, and the commits that did it.
    dropped: Mutex<Vec<(u32, u64)>>,
    /// Tables that were dropped, and the commits that did it, for readers of earlier numbers.
    past: RwLock<Vec<(u64, Arc<TableCore>)>>,
    /// Held while a table is made.
    pub(crate) creating: Mutex<()>,
    /// Held by the one who builds or drops indexes.
    pub(crate) building: parking_lot::Mutex<()>,
}

impl Catalog {
    /// Tables and indexes read from a store, in the order of their ids.
    ///
    /// # Errors
    /// `Corrupted` for an index of no table.
    pub(crate) fn new(tables: impl IntoIterator<Item = Arc<TableCore>>) -> Result<Self> {
        let catalog = Catalog {
            by_name: RwLock::default(),
            indexes: RwLock::default(),
            next_id: AtomicU32::new(1),
            next_index_id: AtomicU32::new(FIRST_INDEX),
            dirty: Mutex::default(),
            dropped: Mutex::default(),
            past: RwLock::default(),
            creating: Mutex::new(()),
            building: parking_lot::Mutex::new(()),
        };
        tables.into_iter().try_for_each(|table| catalog.add(table, 0))?;
        catalog.take_dirty();
        Ok(catalog)
    }

    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<Arc<TableCore>> {
        self.by_name.read().get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: u32) -> Option<Arc<TableCore>> {
        if id >= FIRST_INDEX {
            return self.indexes.read().get(&id).cloned();
        }
        self.by_name.read().values().find(|table| table.id() == id).cloned()
    }

    /// All tables in the order of their ids, the library's own included, then all indexes.
    pub(crate) fn tables(&self) -> Vec<Arc<TableCore>> {
        let mut tables: Vec<_> = self.by_name.read().values().cloned().collect();
        tables.sort_by_key(|table| table.id());
        tables.extend(self.indexes.read().values().cloned());
        tables
    }

    pub(crate) fn fresh_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn fresh_index_id(&self) -> u32 {
        self.next_index_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a table or an index that a commit made. Under the commit latch.
    ///
    /// # Errors
    /// `Corrupted` for an index of no table.
    pub(crate) fn add(&self, core: Arc<TableCore>, commit: u64) -> Result<()> {
        let Some(of) = core.definition().index else {
            self.next_id.fetch_max(core.id() + 1, Ordering::Relaxed);
            self.mark_dirty(core.id());
            self.by_name.write().insert(core.name().to_owned(), core);
            return Ok(());
        };
        let table = self.by_id(of.table).ok_or_else(|| {
            Error::corrupted(format!("the index {:?} belongs to table {}, which is not there", core.name(), of.table))
        })?;
        self.next_index_id.fetch_max(core.id() + 1, Ordering::Relaxed);
        self.mark_dirty(core.id());
        self.indexes.write().insert(core.id(), Arc::clone(&core));
        let index = Arc::new(IndexCore::new(core, &table, &of, commit));
        table.change_indexes(|indexes| {
            indexes.list.push(index);
            indexes.keys = None;
        });
        Ok(())
    }

    /// The index has all rows from this commit on. Under the commit latch.
    pub(crate) fn set_index_ready(&self, core: &TableCore, commit: u64) {
        core.set_index_ready();
        self.mark_dirty(core.id());
        self.change_indexes_with(core, |indexes| {
            indexes.list.iter().filter(|index| index.core.id() == core.id()).for_each(|index| index.set_ready(commit));
        });
    }

    /// Takes a table or an index that a commit dropped out. Under the commit latch. Gives it, if it is there.
    pub(crate) fn remove(&self, id: u32, commit: u64) -> Option<Arc<TableCore>> {
        let core = self.by_id(id)?;
        if id >= FIRST_INDEX {
            self.remove_index(id, commit);
        } else {
            self.by_name.write().remove(core.name());
            self.dirty.lock().remove(&id);
            self.dropped.lock().push((id, commit));
            self.past.write().push((commit, Arc::clone(&core)));
        }
        core.set_dropped();
        Some(core)
    }

    /// The table of this name that a reader of this number sees, if it was dropped since.
    pub(crate) fn dropped_since(&self, name: &str, number: u64) -> Option<Arc<TableCore>> {
        let past = self.past.read();
        let seen = |(commit, core): &&(u64, Arc<TableCore>)| {
            *commit > number && core.name() == name && core.directory(Some(number)).is_some()
        };
        past.iter().find(seen).map(|(_, core)| Arc::clone(core))
    }

    /// Forgets the tables whose dropping no reader is before any more. Under the commit latch.
    pub(crate) fn forget_dropped(&self, is_read: impl Fn(u64) -> bool) {
        self.past.write().retain(|(commit, _)| is_read(*commit));
    }

    /// Says of a table or an index that is there what a commit makes of it. Under the commit latch.
    pub(crate) fn redefine(&self, definition: Definition, commit: u64) {
        let Some(core) = self.by_id(definition.id) else { return };
        if definition.index.as_ref().is_some_and(|index| index.ready) {
            self.set_index_ready(&core, commit);
        }
        core.redefine(definition);
        self.mark_dirty(core.id());
    }

    /// Takes an index that a commit dropped out. Under the commit latch.
    pub(crate) fn remove_index(&self, id: u32, commit: u64) {
        let Some(core) = self.indexes.write().remove(&id) else { return };
        self.dirty.lock().remove(&id);
        self.dropped.lock().push((id, commit));
        self.change_indexes_with(&core, |indexes| {
            if let Some(at) = indexes.list.iter().position(|index| index.core.id() == id) {
                indexes.list.remove(at);
                indexes.keys = indexes.keys.take().map(|keys| keys.without(at));
            }
        });
    }

    fn change_indexes_with(&self, index: &TableCore, change: impl FnOnce(&mut Indexes)) {
        if let Some(table) = index.definition().index.and_then(|of| self.by_id(of.table)) {
            table.change_indexes(change);
        }
    }

    pub(crate) fn take_dropped(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.dropped.lock())
    }

    pub(crate) fn mark_dirty(&self, table: u32) {
        self.dirty.lock().insert(table);
    }

    pub(crate) fn take_dirty(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.dirty.lock())
    }
}

/// Refuses a name that no table of a program can have.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the table name {name:?} has {} bytes; it must have 1 to {MAX_NAME_BYTES}", name.len()),
        ));
    }
    if name.starts_with(RESERVED_NAMES) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the table name {name:?} begins with {RESERVED_NAMES:?}, as the library's own do; choose another"),
        ));
    }
    Ok(())
}

/// What the program says of a table, to be compared with what is stored.
pub(crate) fn program_definition<K: Key, V: Row>(table: Table<K, V>, id: u32) -> Result<Definition> {
    let name = table.name();
    check_name(name)?;
    let mut key_shape = String::new();
    K::shape(&mut key_shape);
    let row_shape = Shape::of_type::<V>().map_err(|fault| fault.into_error(name))?;
    Ok(Definition { id, name: name.to_owned(), version: table.row_version(), key_shape, row_shape, index: None })
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
            "table {name:?} is stored in version {}, the program has version {}; open the store with \
             Options::migrate",
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
            "the rows of table {name:?} have another shape: {difference}; use the stored type or another table, or give \
             this one another Table::version and open the store with Options::migrate"
        )),
        None => Ok(()),
    }
}
