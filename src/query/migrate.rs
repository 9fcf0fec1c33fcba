//! Makes the rows of a table into rows of another version of their type.
//!
//! It runs once, when the store is opened and nobody uses it yet: all rows are read, made anew in parallel, a few segments at a
//! time, and filled into pages and index entries aside. One commit then shows all tables that are migrated in their new
//! version, with their indexes. A crash before it leaves everything as it was.

use std::panic::Location;
use std::sync::Arc;

use rayon::prelude::*;

use super::driver::pool_of;
use crate::codec::{Key, KeyBuf, Shape, decode_row, encode_row};
use crate::context::{self, Activity};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Durability;
use crate::table::bulk::{Allowance, Builder, Sorting, Splice};
use crate::table::catalog::program_definition;
use crate::table::declared::declared;
use crate::table::index_core::IndexCore;
use crate::table::row_keys::keys_of;
use crate::table::segment::Segment;
use crate::table::table_core::{Definition, TableCore};
use crate::table::typed::{hex, read_keys};
use crate::table::{IndexDef, ReadAhead, Row, Table};
use crate::txn::{BulkAct, Engine, check_row_bytes, learn};

/// Segments that are made anew at a time.
const SEGMENTS: usize = 16;
/// Rows that are looked at to complete the shape of the new ones.
const LOOKS: usize = 64;
/// Sees the newest version of everything.
const NEWEST: u64 = u64::MAX;

/// How far the migration of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationProgress {
    /// The table's name.
    pub table: &'static str,
    /// Rows made anew.
    pub rows: u64,
    /// Rows of the table.
    pub of: u64,
}

/// Makes new rows of those of one version.
pub(crate) trait Convert<V>: Send + Sync {
    /// The shape of the old rows.
    fn shape(&self, table: &str) -> Result<Shape>;
    /// Gives what went wrong as an error of the program's, or as one of decoding.
    fn convert(&self, row: &[u8]) -> Result<V, Box<dyn std::error::Error + Send + Sync>>;
}

/// A closure over the old row type.
pub(crate) struct Closure<F, Old>(pub(crate) F, pub(crate) std::marker::PhantomData<fn(Old)>);

impl<V, Old: Row, E: Into<Box<dyn std::error::Error + Send + Sync>>, F: Fn(Old) -> Result<V, E> + Send + Sync>
    Convert<V> for Closure<F, Old>
{
    fn shape(&self, table: &str) -> Result<Shape> {
        Shape::of_type::<Old>().map_err(|fault| fault.into_error(table))
    }

    fn convert(&self, row: &[u8]) -> Result<V, Box<dyn std::error::Error + Send + Sync>> {
        (self.0)(decode_row(row)?).map_err(Into::into)
    }
}

/// A migration of one table, whatever its types.
pub(crate) trait Migrate: Send + Sync {
    /// Adds what it changes to the act, if the table is in an older version.
    fn add<'e>(
        &self,
        engine: &'e Engine,
        allowance: &Allowance,
        act: &mut BulkAct<'e>,
        site: &'static Location<'static>,
    ) -> Result<()>;
}

/// Migrates tables, all of them or none.
pub(crate) fn migrate(
    engine: &Engine,
    migrations: &[Arc<dyn Migrate>],
    site: &'static Location<'static>,
) -> Result<()> {
    let (allowance, mut act) = (Allowance::of(&engine.pager), BulkAct::default());
    for migration in migrations {
        // Where it fails, the indexes that were made for it are dropped by the next opening.
        migration.add(engine, &allowance, &mut act, site)?;
    }
    if act.definitions.is_empty() {
        return Ok(());
    }
    let committed = engine.apply_bulk(act)?;
    engine.finish(committed, Durability::Immediate)
}

/// An index in the making, and the function that gives its keys.
type NewIndex<V> = (Arc<IndexCore>, &'static dyn IndexDef<V>);

/// One table on its way from one version to another.
struct Move<'a, 's, K, V: 'static> {
    engine: &'a Engine,
    table: Table<K, V>,
    core: Arc<TableCore>,
    convert: &'s dyn Convert<V>,
    indexes: Vec<NewIndex<V>>,
    site: &'static Location<'static>,
}

/// What a segment's rows have become.
struct Moved {
    bytes: Vec<u8>,
    /// The key of each row, and where its new form ends.
    rows: Vec<(KeyBuf, usize)>,
    /// For each index, its entries.
    entries: Vec<Vec<(KeyBuf, KeyBuf)>>,
}

/// Adds the migration of one table to an act.
pub(crate) fn add_migration<'e, K: Key, V: Row>(
    engine: &'e Engine,
    table: Table<K, V>,
    steps: &[(u32, Box<dyn Convert<V>>)],
    progress: Option<&(dyn Fn(MigrationProgress) + Send + Sync)>,
    (allowance, act): (&Allowance, &mut BulkAct<'e>),
    site: &'static Location<'static>,
) -> Result<()> {
    let Some(core) = engine.catalog.find(table.name()) else { return Ok(()) };
    let stored = core.definition();
    let mut program = program_definition(table, core.id())?;
    if stored.version == program.version {
        return Ok(());
    }
    let convert = step_of(steps, &stored, &program)?;
    let old: Vec<u32> = core.indexes().list.iter().map(|index| index.core.id()).collect();
    let (indexes, definitions) = make_indexes(engine, table, &core, &program)?;
    let moving = Move { engine, table, core, convert, indexes, site };
    moving.look(&mut program.row_shape)?;
    moving.all(progress, allowance, act)?;
    act.drops.extend(old);
    act.definitions.push(program);
    act.definitions.extend(definitions);
    Ok(())
}

/// The step that begins at what is stored.
fn step_of<'s, V>(
    steps: &'s [(u32, Box<dyn Convert<V>>)],
    stored: &Definition,
    program: &Definition,
) -> Result<&'s dyn Convert<V>> {
    let (name, version) = (&stored.name, stored.version);
    let refuse = |text: String| Err(Error::new(ErrorKind::SchemaMismatch, text));
    if stored.key_shape != program.key_shape {
        return refuse(format!(
            "the keys of table {name:?} are stored as {}, the program has {}; a migration changes rows only: load them \
             into another table",
            stored.key_shape, program.key_shape
        ));
    }
    let Some((_, convert)) = steps.iter().find(|(from, _)| *from == version) else {
        return refuse(format!(
            "table {name:?} is stored in version {version}, the program has version {} and no migration from {version}",
            program.version
        ));
    };
    match Shape::difference(&stored.row_shape, &convert.shape(name)?) {
        Some(difference) => refuse(format!(
            "the rows of table {name:?} in version {version} have another shape than those that the migration takes: \
             {difference}"
        )),
        None => Ok(&**convert),
    }
}

/// The indexes of the new version, which have no entries yet and are not ready, with what is said of them once they are.
fn make_indexes<K: Key, V: Row>(
    engine: &Engine,
    table: Table<K, V>,
    core: &Arc<TableCore>,
    program: &Definition,
) -> Result<(Vec<NewIndex<V>>, Vec<Definition>)> {
    let declared = declared(table)?;
    if declared.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut definitions: Vec<Definition> =
        declared.iter().map(|index| index.definition(program, engine.catalog.fresh_index_id(), false)).collect();
    engine.commit_tables(definitions.clone())?;
    let made = core.indexes();
    let find = |definition: &Definition| made.list.iter().find(|index| index.core.id() == definition.id).cloned();
    let indexes = definitions.iter().filter_map(find).zip(table.declared_indexes().iter().copied()).collect();
    definitions.iter_mut().filter_map(|definition| definition.index.as_mut()).for_each(|index| index.ready = true);
    Ok((indexes, definitions))
}

impl<'a, K: Key, V: Row> Move<'a, '_, K, V> {
    /// Completes the shape of the new rows by the first of them.
    fn look(&self, shape: &mut Shape) -> Result<()> {
        let _scope = context::enter(Activity::Closure, self.site);
        let mut left = LOOKS;
        for segment in self.segments() {
            self.each_row(&segment, |key, row| {
                if left > 0 {
                    left -= 1;
                    learn(self.table, &self.new_row(key, row)?, shape)?;
                }
                Ok(left > 0)
            })?;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    fn segments(&self) -> Vec<Arc<Segment>> {
        self.core.with_directory(|directory| directory.segments().to_vec())
    }

    /// Hands the rows of a segment on, until told to stop.
    fn each_row(&self, segment: &Segment, mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        let pager = &self.engine.pager;
        let (list, mut ahead) = (pager.list(&self.core, segment, None)?, ReadAhead::default());
        for at in 0..list.slots.len() {
            let page = read_keys(pager, &self.core, &list.slots[at..], NEWEST, &mut ahead)?;
            for (key, row) in page.iter().flat_map(|page| page.iter()) {
                if !each(key, row)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn new_row(&self, key: &[u8], row: &[u8]) -> Result<V> {
        self.convert.convert(row).map_err(|source| {
            let text = format!("the row of table {:?} under key {} cannot be migrated", self.core.name(), hex(key));
            Error::new(ErrorKind::SchemaMismatch, format!("{text}: {source}")).with_source(source)
        })
    }

    fn segment(&self, segment: &Segment) -> Result<Moved> {
        let _scope = context::enter(Activity::Closure, self.site);
        let mut moved = Moved { bytes: Vec::new(), rows: Vec::new(), entries: vec![Vec::new(); self.indexes.len()] };
        let most = self.engine.options.max_row_bytes;
        self.each_row(segment, |key, row| {
            let row = self.new_row(key, row)?;
            let start = moved.bytes.len();
            encode_row(&row, &mut moved.bytes).map_err(|fault| fault.into_error(self.core.name()))?;
            check_row_bytes(&self.core, key, moved.bytes.len() - start, most)?;
            moved.rows.push((KeyBuf::from(key), moved.bytes.len()));
            for ((index, function), entries) in self.indexes.iter().zip(&mut moved.entries) {
                for index_key in keys_of(*function, &row) {
                    entries.push(index.entry(&index_key, key)?);
                }
            }
            Ok(true)
        })?;
        Ok(moved)
    }

    /// Makes all rows anew.
    fn all(
        &self,
        progress: Option<&(dyn Fn(MigrationProgress) + Send + Sync)>,
        allowance: &Allowance,
        act: &mut BulkAct<'a>,
    ) -> Result<()> {
        let (engine, whole) = (self.engine, (KeyBuf::empty(), None));
        let (pager, number, segment_rows) = (&engine.pager, engine.capture().number(), engine.options.segment_rows);
        let mut builder = Builder::new(pager, self.core.id(), number, segment_rows);
        let sorting = |index: &Arc<IndexCore>| Sorting::new(pager, &index.core, number, segment_rows);
        let mut sortings: Vec<Sorting<'_>> = self.indexes.iter().map(|(index, _)| sorting(index)).collect();
        let mut state = MigrationProgress { table: self.table.name(), rows: 0, of: self.core.rows() };
        let pool = pool_of(engine);
        for segments in self.segments().chunks(SEGMENTS) {
            let all: Vec<Moved> = match pool {
                Some(pool) => {
                    pool.install(|| segments.par_iter().map(|segment| self.segment(segment)).collect::<Result<_>>())?
                }
                None => segments.iter().map(|segment| self.segment(segment)).collect::<Result<_>>()?,
            };
            for Moved { bytes, rows, entries } in all {
                let mut start = 0;
                state.rows += rows.len() as u64;
                for (key, end) in rows {
                    builder.push(&key, &bytes[start..end], allowance)?;
                    start = end;
                }
                for (((index, _), sorting), entries) in self.indexes.iter().zip(&mut sortings).zip(entries) {
                    for (entry, value) in entries {
                        sorting.push(&entry, &value, allowance, &|key, row| index.taken(key, row, &self.core))?;
                    }
                }
            }
            if let Some(progress) = progress {
                let _scope = context::enter(Activity::Closure, self.site);
                progress(state);
            }
        }
        act.splices.push(Splice::prepare(pager, &self.core, whole, Some(builder.finish(allowance)?))?);
        for ((index, _), sorting) in self.indexes.iter().zip(sortings) {
            act.splices.extend(sorting.finish(allowance, &|key, row| index.taken(key, row, &self.core))?);
        }
        Ok(())
    }
}
