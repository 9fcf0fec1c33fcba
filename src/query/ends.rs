//! The first and the last row of a table.

use std::ops::ControlFlow;
use std::panic::Location;

use super::request::decode_stored_key;
use super::source::Source;
use crate::codec::{Key, KeyBuf};
use crate::error::Result;
use crate::table::{Row, Shared, Table};

/// Segments at an end that are looked at before the whole table is.
const TRIES: usize = 4;

/// The first row in key order.
///
/// Segment after segment is read from the low end, so that a transaction locks no more than it looked at.
pub(crate) fn first<K: Key, V: Row>(
    source: Source<'_>,
    table: Table<K, V>,
    site: &'static Location<'static>,
) -> Result<Option<(K, Shared<V>)>> {
    end(source, table, true, site)
}

/// The last row in key order.
pub(crate) fn last<K: Key, V: Row>(
    source: Source<'_>,
    table: Table<K, V>,
    site: &'static Location<'static>,
) -> Result<Option<(K, Shared<V>)>> {
    end(source, table, false, site)
}

fn end<K: Key, V: Row>(
    source: Source<'_>,
    table: Table<K, V>,
    first: bool,
    site: &'static Location<'static>,
) -> Result<Option<(K, Shared<V>)>> {
    for reach in 0..TRIES {
        let (low, high) = source.reach(table, first, 1 << reach)?;
        let whole = low.is_empty() && high.is_none();
        if let Some(found) = in_range(source.clone(), table, low, high, first, site)? {
            return Ok(Some(found));
        }
        if whole {
            return Ok(None);
        }
    }
    in_range(source, table, KeyBuf::empty(), None, first, site)
}

fn in_range<K: Key, V: Row>(
    source: Source<'_>,
    table: Table<K, V>,
    low: KeyBuf,
    high: Option<KeyBuf>,
    first: bool,
    site: &'static Location<'static>,
) -> Result<Option<(K, Shared<V>)>> {
    let Some(scan) = source.open(table, low, high, site, Vec::new())? else { return Ok(None) };
    let scan = scan.reversed(!first);
    for part in scan.segments()?.list {
        let mut found: Option<(KeyBuf, Shared<V>)> = None;
        let _ = scan.feed(&part, |at, _| {
            found = Some((KeyBuf::from(at.key()), at.shared()));
            ControlFlow::Break(())
        })?;
        if let Some((key, row)) = found {
            return Ok(Some((decode_stored_key::<K>(table.name(), &key)?, row)));
        }
    }
    Ok(None)
}
