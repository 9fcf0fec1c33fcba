//! What can be locked, in the one order in which it may be waited for.
//!
//! `root of names < names < database < tables by id < (table, low key of a segment or key of a row) < indexes by id <
//! (index, low key of a segment or key of an entry)`; a segment sorts before a row of the same bytes. Parents come before
//! their children, and an ascending walk over the rows of a table never leaves the order, though the walk takes segments
//! and rows by turns.

use std::sync::Arc;

use super::mode::Mode;
use super::mutant::{self, Mutant};
use super::row_key::{KeyRoom, RowKey};
use super::table::{FIRST_INDEX, LockTable, SegmentLock};

/// The place of a granule in the total order. The order of the variants and of their fields is the order (L1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Granule<'a> {
    Names,
    Name(&'a str),
    Database,
    Table(u32),
    Within(u32, &'a [u8], Level),
    Index(u32),
    WithinIndex(u32, &'a [u8], Level),
}

impl<'a> Granule<'a> {
    /// A table or an index, by its id.
    pub(crate) fn table(id: u32) -> Self {
        if id < FIRST_INDEX { Granule::Table(id) } else { Granule::Index(id) }
    }

    /// What stands at a key of a table or an index.
    pub(crate) fn within(id: u32, key: &'a [u8], level: Level) -> Self {
        if id < FIRST_INDEX { Granule::Within(id, key, level) } else { Granule::WithinIndex(id, key, level) }
    }
}

/// What stands at a key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Segment,
    Row,
}

/// The rule that makes deadlock impossible (L3): one may wait for a granule above all that one holds, and for X in
/// place of U or SIX on the highest granule that one holds. Every other request is granted at once or not at all.
///
/// `top` is the highest granule held, `from` the mode held on the wanted one.
pub(crate) fn may_wait<G: Ord>(top: Option<&G>, wanted: &G, from: Option<Mode>, to: Mode) -> bool {
    match from {
        None => top.is_none_or(|top| wanted > top) || mutant::on(Mutant::WaitDownwards),
        Some(from) => {
            let alone = matches!(from, Mode::U | Mode::SIX) && to == Mode::X;
            (alone || mutant::on(Mutant::WaitingConversions)) && top == Some(wanted)
        }
    }
}

/// A granule with what is needed to wait for it, without a latch on who holds what.
#[derive(Clone)]
pub(crate) enum Target {
    Names,
    Name(Arc<str>),
    Database,
    Table(Arc<dyn LockTable>),
    Segment { table: u32, lock: Arc<SegmentLock> },
    Row(RowKey),
}

impl Target {
    /// Its place in the order; `room` takes the key of a row.
    pub(crate) fn granule<'a>(&'a self, room: &'a mut KeyRoom) -> Granule<'a> {
        match self {
            Target::Names => Granule::Names,
            Target::Name(name) => Granule::Name(name),
            Target::Database => Granule::Database,
            Target::Table(table) => Granule::table(table.id()),
            Target::Segment { table, lock } => Granule::within(*table, &lock.low, Level::Segment),
            Target::Row(row) => Granule::within(row.table(), row.key(room), Level::Row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_one_of_the_design() {
        let ascending = [
            Granule::Names,
            Granule::Name(""),
            Granule::Name("a"),
            Granule::Name("a\u{e4}"),
            Granule::Name("b"),
            Granule::Database,
            Granule::Table(1),
            Granule::Table(2),
            Granule::Within(1, b"", Level::Segment),
            Granule::Within(1, b"", Level::Row),
            Granule::Within(1, b"a", Level::Row),
            Granule::Within(1, b"b", Level::Segment),
            Granule::Within(1, b"b", Level::Row),
            Granule::Within(1, b"ba", Level::Row),
            Granule::Within(2, b"", Level::Segment),
            Granule::within(FIRST_INDEX - 1, b"z", Level::Row),
            Granule::table(FIRST_INDEX),
            Granule::table(u32::MAX),
            Granule::within(FIRST_INDEX, b"", Level::Segment),
            Granule::within(FIRST_INDEX, b"", Level::Row),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn waiting_is_only_upwards_or_for_x_on_top() {
        let (low, high) = (Granule::Table(1), Granule::Table(2));
        assert!(may_wait(None, &low, None, Mode::X));
        assert!(may_wait(Some(&low), &high, None, Mode::X));
        assert!(!may_wait(Some(&high), &low, None, Mode::IS));
        assert!(!may_wait(Some(&high), &high, None, Mode::IS));
        for from in [Mode::U, Mode::SIX] {
            assert!(may_wait(Some(&high), &high, Some(from), Mode::X));
            assert!(!may_wait(Some(&high), &low, Some(from), Mode::X));
        }
        for (from, to) in [(Mode::S, Mode::X), (Mode::IX, Mode::X), (Mode::IS, Mode::IX), (Mode::U, Mode::SIX)] {
            assert!(!may_wait(Some(&high), &high, Some(from), to));
        }
    }
}
