//! The indexes that a program declares meet those that are stored.
//!
//! Both must be the same, so that no row is ever put without its entries. While an index is built it may be declared or
//! not: whoever puts a row then keeps it up, by the functions that the build was called with.

use std::sync::Arc;

use super::definition::{IndexDef, Row, Table};
use super::index_core::{IndexCore, IndexOf, Indexes};
use super::row_keys::TypedKeys;
use super::table_core::{Definition, TableCore};
use crate::codec::{Key, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::options::MAX_NAME_BYTES;

/// An index as a program declares it.
#[derive(Debug)]
pub(crate) struct Declared {
    name: &'static str,
    version: u32,
    unique: bool,
    key_shape: String,
}

impl Declared {
    fn of<V>(index: &dyn IndexDef<V>) -> Self {
        Declared {
            name: index.name(),
            version: index.key_version(),
            unique: index.is_unique(),
            key_shape: index.key_shape(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What the catalog is to say of it.
    pub(crate) fn definition(&self, table: &Definition, id: u32, ready: bool) -> Definition {
        let index = IndexOf { table: table.id, unique: self.unique, ready, key_shape: self.key_shape.clone() };
        let key_shape =
            if self.unique { self.key_shape.clone() } else { format!("({},{})", self.key_shape, table.key_shape) };
        let name = format!("{}.{}", table.name, self.name);
        Definition { id, name, version: self.version, key_shape, row_shape: Shape::Unknown, index: Some(index) }
    }

    /// How a stored index differs from it.
    pub(crate) fn difference(&self, stored: &IndexCore) -> Option<String> {
        let (version, unique, shape) = (stored.core.version(), stored.unique, stored.key_shape());
        if shape != self.key_shape {
            Some(format!("its keys are stored as {shape}, the program has {}", self.key_shape))
        } else if version != self.version {
            Some(format!("it is stored in version {version}, the program has version {}", self.version))
        } else if unique != self.unique {
            let word = |unique| if unique { "unique" } else { "not unique" };
            Some(format!("it is stored as {}, in the program it is {}", word(unique), word(self.unique)))
        } else {
            None
        }
    }
}

/// The indexes that a program declares on a table.
///
/// # Errors
/// `InvalidArgument` for a name that cannot be one, or stands there twice.
pub(crate) fn declared<K: Key, V: Row>(table: Table<K, V>) -> Result<Vec<Declared>> {
    let all: Vec<Declared> = table.declared_indexes().iter().map(|index| Declared::of(*index)).collect();
    for (at, index) in all.iter().enumerate() {
        let name = index.name;
        let refuse = |what: String| {
            let text = format!("the index name {name:?} of table {:?} {what}", table.name());
            Err(Error::new(ErrorKind::InvalidArgument, text))
        };
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return refuse(format!("has {} bytes; it must have 1 to {MAX_NAME_BYTES}", name.len()));
        }
        if all[..at].iter().any(|other| other.name == name) {
            return refuse("is declared twice; give each index a name of its own".into());
        }
    }
    Ok(all)
}

/// Compares the declared indexes of a table with the stored ones.
///
/// # Errors
/// `SchemaMismatch` that names the first difference.
fn check_indexes(table: &str, stored: &Indexes, declared: &[Declared]) -> Result<()> {
    let refuse = |text: String| Err(Error::new(ErrorKind::SchemaMismatch, text));
    for index in declared {
        let Some(found) = stored.find(index.name) else {
            return refuse(format!(
                "table {table:?} declares the index {:?}, which is not stored; build it with Db::build_indexes",
                index.name
            ));
        };
        if let Some(difference) = index.difference(found) {
            return refuse(format!(
                "the index {:?} of table {table:?} is another one: {difference}; build it anew with Db::build_indexes",
                index.name
            ));
        }
    }
    undeclared(table, stored, declared)
}

/// Refuses stored indexes that are not declared.
///
/// # Errors
/// `SchemaMismatch` that names the first.
pub(crate) fn undeclared(table: &str, stored: &Indexes, declared: &[Declared]) -> Result<()> {
    let refuse = |text: String| Err(Error::new(ErrorKind::SchemaMismatch, text));
    let ready = |index: &&Arc<IndexCore>| index.is_ready();
    match stored.list.iter().filter(ready).find(|stored| declared.iter().all(|index| index.name != stored.name())) {
        Some(index) => refuse(format!(
            "table {table:?} has the index {:?}, which the program does not declare; declare it, or drop it with \
             Db::drop_index",
            index.name()
        )),
        None => Ok(()),
    }
}

/// The functions that a definition of a table has for stored indexes, in the order of these. None: it does not declare
/// them all.
pub(crate) fn functions_of<K: Key, V: Row>(
    table: Table<K, V>,
    stored: &[Arc<IndexCore>],
) -> Option<Vec<&'static dyn IndexDef<V>>> {
    let find = |index: &Arc<IndexCore>| {
        table.declared_indexes().iter().find(|declared| declared.name() == index.name()).copied()
    };
    stored.iter().map(find).collect()
}

/// Has the stored indexes of a table use the functions of a definition, if it declares them all.
pub(crate) fn use_functions<K: Key, V: Row>(table: Table<K, V>, indexes: &mut Indexes) {
    if let Some(functions) = functions_of(table, &indexes.list) {
        indexes.keys = Some(Arc::new(TypedKeys(functions)));
    }
}

/// Compares the declared indexes of a table with the stored ones, and has these use the program's functions.
///
/// # Errors
/// `SchemaMismatch`, and `InvalidArgument` for names that cannot be.
pub(crate) fn fit_indexes<K: Key, V: Row>(table: Table<K, V>, core: &TableCore) -> Result<()> {
    let declared = declared(table)?;
    core.fit_indexes(table.types(), |indexes| {
        check_indexes(table.name(), indexes, &declared)?;
        if indexes.keys.is_none() {
            use_functions(table, indexes);
        }
        Ok(())
    })
}
