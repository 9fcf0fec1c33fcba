//! Rows found by an index: which entries, and what stands behind them.
//!
//! The entries of the range are scanned like the rows of a table, in parts, and each leads to its row by a point read at
//! the same commit number ([`behind`](super::behind)).

use std::panic::Location;
use std::sync::Arc;

use super::behind::{Behind, OwnEntry, is_in};
use super::request::decode_stored_key;
use super::scan::Scan;
use super::source::Source;
use crate::codec::{Key, KeyBuf, encode_key};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Limit, check_all};
use crate::table::index_core::IndexCore;
use crate::table::row_keys::keys_of;
use crate::table::table_core::TableCore;
use crate::table::typed;
use crate::table::{Expiry, Index, IndexDef, Row, Shared, Table, if_alive};
use crate::txn::{OwnRows, Transaction};

/// Which index, and which of its keys.
#[derive(Debug, Clone)]
pub(crate) struct IndexRange {
    name: &'static str,
    key_shape: String,
    low: KeyBuf,
    high: Option<KeyBuf>,
    /// It is the range of this one key.
    one: bool,
}

impl IndexRange {
    pub(crate) fn of<I: Key, V: Row>(index: &Index<I, V>, (low, high): (KeyBuf, Option<KeyBuf>), one: bool) -> Self {
        let index: &dyn IndexDef<V> = index;
        IndexRange { name: index.name(), key_shape: index.key_shape(), low, high, one }
    }
}

impl IndexRange {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is_all(&self) -> bool {
        self.low.is_empty() && self.high.is_none()
    }
}

type Resolved<V> = (Arc<IndexCore>, &'static dyn IndexDef<V>);

/// The index of a table and its function. To be asked when something keeps the index from being dropped: a lock on the
/// table, or a registered number.
fn resolve<K: Key, V: Row>(table: Table<K, V>, core: &TableCore, name: &str, key_shape: &str) -> Result<Resolved<V>> {
    let declared = table.declared_indexes().iter().find(|index| index.name() == name && index.key_shape() == key_shape);
    let indexes = core.indexes();
    match (declared, indexes.find(name)) {
        (Some(keys), Some(index)) => Ok((Arc::clone(index), *keys)),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("table {:?} does not declare an index {name:?} over {key_shape}: see Table::indexes", table.name()),
        )),
    }
}

/// An index that was not complete at a number cannot be read there.
fn check_ready(table: &TableCore, index: &IndexCore, number: u64) -> Result<()> {
    if index.is_ready_at(number) {
        return Ok(());
    }
    let (name, table) = (index.name(), table.name());
    let text = if index.is_ready() {
        format!("the index {name:?} of table {table:?} was built after this snapshot was taken; take another one")
    } else {
        format!("the index {name:?} of table {table:?} is still being built; wait for Db::build_indexes")
    };
    Err(Error::new(ErrorKind::SchemaMismatch, text))
}

/// As [`Source::open`], for the rows that an index has in a range; `bounds` narrow their keys.
pub(crate) fn open_by<'a, K: Key, V: Row>(
    source: Source<'a>,
    table: Table<K, V>,
    range: IndexRange,
    bounds: (KeyBuf, Option<KeyBuf>),
    site: &'static Location<'static>,
    limits: Vec<Limit>,
) -> Result<Option<Scan<V>>> {
    check_all(&limits, "before it began")?;
    if let Source::Transaction(tx) = source {
        return open_in_transaction(tx, table, range, bounds, site, limits).map(Some);
    }
    let Some((engine, core, number, registration)) = source.capture(table, site)? else { return Ok(None) };
    let (index, keys) = resolve(table, &core, range.name, &range.key_shape)?;
    check_ready(&core, &index, number)?;
    let entries = Arc::clone(&index.core);
    let behind = Behind::new(core, index, keys, range.one, bounds);
    let scan = Scan::new(&engine, entries, number, registration, (range.low, range.high), Vec::new(), site);
    Ok(Some(source.aged(scan.limited(limits).behind(behind)).expiring(source.expiry(table))))
}

/// A scan of the entries alone, for a look at its parts: nothing is locked.
pub(super) fn look_by<'a, K: Key, V: Row>(
    source: Source<'a>,
    table: Table<K, V>,
    range: &IndexRange,
    site: &'static Location<'static>,
) -> Result<Option<Scan<V>>> {
    let Some((engine, core, number, registration)) = source.capture(table, site)? else { return Ok(None) };
    let (index, _) = resolve(table, &core, range.name, &range.key_shape)?;
    let bounds = (range.low.clone(), range.high.clone());
    Ok(Some(Scan::new(&engine, Arc::clone(&index.core), number, registration, bounds, Vec::new(), site)))
}

/// Locks the entries and then the rows that they lead to. Rows sort below entries, so they are tried; where one is not
/// free the transaction starts over, and takes it before the entries.
fn open_in_transaction<K: Key, V: Row>(
    tx: &Transaction,
    table: Table<K, V>,
    range: IndexRange,
    bounds: (KeyBuf, Option<KeyBuf>),
    site: &'static Location<'static>,
    mut limits: Vec<Limit>,
) -> Result<Scan<V>> {
    let engine = &tx.engine;
    let core = engine.table(table)?;
    tx.lock_for_index(&core, site, &limits)?;
    let (index, keys) = resolve(table, &core, range.name, &range.key_shape)?;
    let point = range.one && index.unique;
    let rows: OwnRows<V> =
        tx.lock_entries_for_scan((&core, &index.core), (&range.low, range.high.as_deref()), point, site, &limits)?;
    limits.extend(tx.limits());
    let mut behind = Behind::new(core, index, keys, range.one, bounds);
    behind.own = own_entries(&behind, &range, &rows)?;
    behind.written = rows.into_iter().map(|(key, _)| key).collect();
    let entries = Arc::clone(&behind.index.core);
    let scan = |behind| {
        let registration = engine.capture();
        let number = registration.number();
        let entry_bounds = (range.low.clone(), range.high.clone());
        let scan = Scan::new(engine, Arc::clone(&entries), number, Some(registration), entry_bounds, Vec::new(), site);
        scan.limited(limits.clone()).behind(behind).expiring(Expiry::of(table, || tx.now))
    };
    // The entries are locked, so any number from now on tells which rows there are.
    let first = scan(behind);
    let (behind, found) = first.into_keys()?;
    check_ready(&behind.table, &behind.index, engine.capture().number())?;
    tx.lock_rows_for_scan(&behind.table, &found, site, &limits)?;
    // The rows themselves may have changed until they were locked.
    Ok(scan(behind))
}

/// Where the rows that a transaction wrote stand in a range of an index, each once.
fn own_entries<V: Row>(behind: &Behind<V>, range: &IndexRange, rows: &OwnRows<V>) -> Result<Vec<OwnEntry<V>>> {
    let mut own = Vec::new();
    for (key, row) in rows.iter().filter_map(|(key, row)| Some((key, row.as_ref()?))) {
        let keys = keys_of(behind.keys, &**row);
        let first = keys.iter().find(|key| is_in(key, &range.low, range.high.as_ref()));
        if let Some(index_key) = first.filter(|_| behind.wants(key)) {
            let (entry, _) = behind.index.entry(index_key, key)?;
            own.push(OwnEntry { entry, key: key.clone(), row: Arc::clone(row) });
        }
    }
    own.sort_by(|a, b| (&a.entry, &a.key).cmp(&(&b.entry, &b.key)));
    Ok(own)
}

/// The row under a key of a unique index, with its own key.
pub(crate) fn get_by<K: Key, V: Row, I: Key>(
    source: Source<'_>,
    table: Table<K, V>,
    index: &Index<I, V>,
    key: I::Ref<'_>,
    site: &'static Location<'static>,
) -> Result<Option<(K, Shared<V>)>> {
    let wanted = encode_key::<I>(key);
    let definition: &dyn IndexDef<V> = index;
    if !definition.is_unique() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "the index {:?} of table {:?} is not unique, so a key may stand for many rows: use query(..).by(..)",
                definition.name(),
                table.name()
            ),
        ));
    }
    if let Source::Transaction(_) = source {
        let query = super::Query::new(source, table, site).by(index);
        return Ok(query.equal(key).limit(1).sequential().entries()?.into_iter().next());
    }
    let Some((engine, core, number, _registration)) = source.capture(table, site)? else { return Ok(None) };
    let (found, keys) = resolve(table, &core, definition.name(), &definition.key_shape())?;
    check_ready(&core, &found, number)?;
    let row_key = source.kept(typed::value_at(&engine.pager, &found.core, number, &wanted))?;
    let Some(row_key) = row_key else { return Ok(None) };
    let behind = Behind::new(core, found, keys, true, (KeyBuf::empty(), None));
    let row = source.kept(behind.row(&engine, number, &wanted, &row_key))?;
    let row = if_alive(source.expiry(table), Some(row));
    row.map(|row| Ok((decode_stored_key::<K>(table.name(), &row_key)?, row))).transpose()
}
