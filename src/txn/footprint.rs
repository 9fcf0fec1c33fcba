//! What a transaction says beforehand that it will lock.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use super::engine::Engine;
use crate::codec::{Key, KeyBuf, encode_key, key_bounds};
use crate::error::Result;
use crate::lock::{LockTable, Mode, Plan};
use crate::table::table_core::TableCore;
use crate::table::{ProgramTypes, Row, Table};

use super::sizes::check_key_length;

/// The rows, ranges, tables and names that a transaction will need, for
/// [`TransactionOptions::declare`](super::TransactionOptions::declare) or
/// [`Transaction::declare`](super::Transaction::declare).
///
/// They are locked in the global order, whatever the order in which they are named here. A transaction that stays inside
/// what it declared waits for its locks only before its closure runs, and never starts over. What it wants besides is
/// locked as ever.
///
/// ```
/// use gangline::{Db, Footprint, Table, TransactionOptions};
///
/// const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(ACCOUNTS, 1, 100)?;
/// db.put(ACCOUNTS, 2, 0)?;
/// let both = Footprint::new().write_row(ACCOUNTS, 2).write_row(ACCOUNTS, 1);
/// db.transact_with(&TransactionOptions::new().declare(both), |tx| {
///     tx.modify(ACCOUNTS, 2, |balance| *balance += 30)?;
///     tx.modify(ACCOUNTS, 1, |balance| *balance -= 30)?;
///     Ok(())
/// })?;
/// # Ok(()) }
/// ```
///
/// A table that is not in the store yet is made when the footprint is used, as by the first read in a transaction.
#[derive(Clone, Default)]
#[must_use = "a footprint does nothing until a transaction declares it"]
pub struct Footprint {
    tables: Vec<Part>,
    names: Vec<(Arc<str>, Mode)>,
}

/// What is wanted of one table.
#[derive(Clone)]
struct Part {
    table: Arc<dyn AnyTable>,
    types: ProgramTypes,
    whole: Option<Mode>,
    ranges: Vec<(KeyBuf, Option<KeyBuf>, Mode)>,
    rows: Vec<(KeyBuf, Mode)>,
}

/// A table of the program whose types are not known any more.
trait AnyTable: Send + Sync {
    fn name(&self) -> &'static str;
    /// The table of the store; makes it when it is not there.
    fn open(&self, engine: &Engine) -> Result<Arc<TableCore>>;
}

impl<K: Key, V: Row> AnyTable for Table<K, V> {
    fn name(&self) -> &'static str {
        Table::name(self)
    }

    fn open(&self, engine: &Engine) -> Result<Arc<TableCore>> {
        engine.table(*self)
    }
}

impl fmt::Debug for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<&str> = self.tables.iter().map(|part| part.table.name()).collect();
        f.debug_struct("Footprint").field("tables", &tables).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Footprint {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads of the whole table: nobody else writes in it meanwhile.
    pub fn read<K: Key, V: Row>(self, table: Table<K, V>) -> Self {
        self.whole(table, Mode::S)
    }

    /// Writes all over the table: nobody else locks anything in it meanwhile.
    pub fn write<K: Key, V: Row>(self, table: Table<K, V>) -> Self {
        self.whole(table, Mode::X)
    }

    /// Reads of a row, whether it is there or not.
    pub fn read_row<K: Key, V: Row>(self, table: Table<K, V>, key: K::Ref<'_>) -> Self {
        self.row(table, key, Mode::S)
    }

    /// Reads and writes of a row, whether it is there or not.
    pub fn write_row<K: Key, V: Row>(self, table: Table<K, V>, key: K::Ref<'_>) -> Self {
        self.row(table, key, Mode::X)
    }

    /// Reads of a range of keys. The segments of the table that hold it are locked, so somewhat more than the range.
    pub fn read_range<'k, K: Key, V: Row>(self, table: Table<K, V>, range: impl RangeBounds<K::Ref<'k>>) -> Self {
        self.range(table, key_bounds::<K>(range), Mode::S)
    }

    /// Reads and writes all over a range of keys. The segments of the table that hold it are locked for this transaction
    /// alone, so somewhat more than the range.
    pub fn write_range<'k, K: Key, V: Row>(self, table: Table<K, V>, range: impl RangeBounds<K::Ref<'k>>) -> Self {
        self.range(table, key_bounds::<K>(range), Mode::X)
    }

    /// A name of the program's own, alone.
    pub fn name(mut self, name: &str) -> Self {
        self.names.push((name.into(), Mode::X));
        self
    }

    /// A name of the program's own, shared.
    pub fn name_shared(mut self, name: &str) -> Self {
        self.names.push((name.into(), Mode::S));
        self
    }

    fn whole<K: Key, V: Row>(mut self, table: Table<K, V>, mode: Mode) -> Self {
        let part = self.part(table);
        part.whole = Some(part.whole.map_or(mode, |whole| whole.supremum(mode)));
        self
    }

    fn row<K: Key, V: Row>(mut self, table: Table<K, V>, key: K::Ref<'_>, mode: Mode) -> Self {
        self.part(table).rows.push((encode_key::<K>(key), mode));
        self
    }

    fn range<K: Key, V: Row>(mut self, table: Table<K, V>, bounds: (KeyBuf, Option<KeyBuf>), mode: Mode) -> Self {
        let (low, high) = bounds;
        if low.is_empty() && high.is_none() {
            return self.whole(table, mode);
        }
        // An empty range locks nothing.
        if high.as_ref().is_none_or(|high| low < *high) {
            self.part(table).ranges.push((low, high, mode));
        }
        self
    }

    fn part<K: Key, V: Row>(&mut self, table: Table<K, V>) -> &mut Part {
        let (name, types) = (table.name(), table.types());
        let found = self.tables.iter().position(|part| part.table.name() == name && part.types == types);
        let at = found.unwrap_or_else(|| {
            let table = Arc::new(table);
            self.tables.push(Part { table, types, whole: None, ranges: Vec::new(), rows: Vec::new() });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    /// What is to be locked.
    ///
    /// # Errors
    /// `SchemaMismatch`, `KeyTooLarge`, and what making a table gives.
    pub(crate) fn plan(&self, engine: &Engine) -> Result<Plan> {
        let mut plan = Plan::default();
        for (name, mode) in &self.names {
            plan.want_name(name, *mode);
        }
        for part in &self.tables {
            let table: Arc<dyn LockTable> = part.table.open(engine)?;
            if let Some(mode) = part.whole {
                plan.want_table(&table, mode);
            }
            let inside = plan.table(&table);
            for (low, high, mode) in &part.ranges {
                inside.want_range(low, high.as_deref(), *mode);
            }
            for (key, mode) in &part.rows {
                check_key_length(part.table.name(), key)?;
                inside.want_row(key, *mode);
            }
        }
        Ok(plan)
    }
}
