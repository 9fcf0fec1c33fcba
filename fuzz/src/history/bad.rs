//! Hand-made histories, bad and good: what the checker must find, and what it must not.

use super::anomaly::Name;
use super::check::check;
use super::record::{History, Kind, Read, Stamp, Txn, TxnId, Write};

/// A transaction beside all others; `at` gives it a time.
struct Made(Txn);

fn t(id: TxnId) -> Made {
    let (kind, thread) = (Kind::Transaction, id as u32);
    Made(Txn { id, kind, thread, begin: 1, end: 1_000, reads: Vec::new(), writes: Vec::new() })
}

fn snapshot(id: TxnId, number: u64) -> Made {
    let mut made = t(id);
    made.0.kind = Kind::Snapshot(number);
    made
}

impl Made {
    fn at(mut self, begin: u64, end: u64) -> Self {
        (self.0.begin, self.0.end) = (begin, end);
        self
    }

    fn read(mut self, key: u32, in_range: bool, seen: Option<Stamp>) -> Self {
        self.0.reads.push(Read { key, in_range, seen });
        self
    }

    /// Reads what another wrote.
    fn r(self, key: u32, txn: TxnId) -> Self {
        self.read(key, false, Some(Stamp { txn, write: 0 }))
    }

    /// Finds nothing.
    fn r_none(self, key: u32) -> Self {
        self.read(key, false, None)
    }

    /// Reads a range of one key.
    fn range(self, key: u32, txn: TxnId) -> Self {
        self.read(key, true, Some(Stamp { txn, write: 0 }))
    }

    fn range_none(self, key: u32) -> Self {
        self.read(key, true, None)
    }

    fn write(mut self, key: u32, version: u64, write: u32, removes: bool) -> Self {
        self.0.writes.push(Write { key, version, write, removes });
        self
    }

    fn w(self, key: u32, version: u64) -> Self {
        self.write(key, version, 0, false)
    }

    fn removes(self, key: u32, version: u64) -> Self {
        self.write(key, version, 0, true)
    }
}

/// Keys 1 and 2 are there from the start, as version 1; key 9 and others are not.
fn history(made: impl IntoIterator<Item = Made>) -> History {
    let first = t(0).at(0, 0).w(1, 1).w(2, 1);
    History { txns: std::iter::once(first).chain(made).map(|made| made.0).collect(), faults: Vec::new() }
}

/// Name and whether it needs time, of all that is found.
fn names(made: impl IntoIterator<Item = Made>) -> Vec<(Name, bool)> {
    check(&history(made)).into_iter().map(|anomaly| (anomaly.name, anomaly.realtime)).collect()
}

const CLEAN: [(Name, bool); 0] = [];

#[test]
fn a_serial_history_is_clean() {
    let made = [
        t(1).at(1, 2).r(1, 0).r(2, 0).w(1, 2).range_none(9),
        t(2).at(3, 4).r(1, 1).w(2, 2).w(9, 1),
        snapshot(3, 2).at(5, 6).r(1, 1).r(2, 2).range(9, 2),
        t(4).at(7, 8).r(9, 2).removes(9, 2).removes(1, 3),
        t(5).at(9, 10).r_none(1).range_none(9).w(1, 4),
        snapshot(6, 4).at(11, 12).r(1, 5).range_none(9),
    ];
    assert_eq!(names(made), CLEAN);
}

#[test]
fn concurrent_transactions_with_a_serial_order_are_clean() {
    // Serial as 3, 1, 2, whatever their times say, since all overlap.
    assert_eq!(names([t(1).r(1, 0).w(2, 3), t(2).r(2, 1).w(1, 2), t(3).w(2, 2)]), CLEAN);
    // The sum of both rows is read by one, and changed by another beside it.
    assert_eq!(names([t(1).r(1, 0).r(2, 0), t(2).r(1, 0).w(1, 2)]), CLEAN);
}

#[test]
fn an_absence_that_could_be_several_is_given_the_benefit() {
    // Key 9 comes and goes twice beside the reader: each absence explains what it read.
    let comes_and_goes =
        || [t(1).at(1, 10).w(9, 1), t(2).at(2, 11).removes(9, 2), t(3).at(3, 12).w(9, 3), t(4).at(4, 13).removes(9, 4)];
    let reader = || t(5).at(1, 20).r_none(9);
    assert_eq!(names(comes_and_goes().into_iter().chain([reader()])), CLEAN);
    // It saw the second's other write and not the third's, so it was between them, whose absence was neither the first
    // nor the last.
    let [first, second, third, fourth] = comes_and_goes();
    let made = [first, second.w(1, 2), third.w(2, 2), fourth, reader().r(1, 2).r(2, 0)];
    assert_eq!(names(made), CLEAN);
    // Long before them all, it can only have read the first.
    assert_eq!(names(comes_and_goes().into_iter().chain([t(5).at(0, 1).r_none(9)])), CLEAN);
}

#[test]
fn g0_dirty_write() {
    assert_eq!(names([t(1).w(1, 2).w(2, 3), t(2).w(1, 3).w(2, 2)]), [(Name::G0, false)]);
}

#[test]
fn g1a_aborted_read() {
    // Transaction 7 is not in the history: it never committed.
    assert_eq!(names([t(1).r(1, 7)]), [(Name::G1a, false)]);
}

#[test]
fn g1a_a_row_that_was_never_absent_is_not_found() {
    let first = t(0).at(0, 0).w(1, 1);
    let clean = check(&History { txns: vec![first.0, t(1).at(1, 2).r(1, 0).0], faults: Vec::new() });
    assert_eq!(clean, []);
    assert_eq!(names([t(1).at(5, 6).r_none(1)]), [(Name::GSingle, true)]);
}

#[test]
fn g1b_intermediate_read() {
    // The writer's last write of the key was its second.
    assert_eq!(names([t(1).write(1, 2, 1, false), t(2).r(1, 1)]), [(Name::G1b, false)]);
    // It took the row away in the end.
    assert_eq!(names([t(1).write(1, 2, 1, true), t(2).r(1, 1)]), [(Name::G1b, false)]);
}

#[test]
fn g1c_circular_information_flow() {
    assert_eq!(names([t(1).w(1, 2).r(2, 2), t(2).w(2, 2).r(1, 1)]), [(Name::G1c, false)]);
}

#[test]
fn g1c_observed_transaction_vanishes() {
    // OTV: the reader sees the second writer on key 1 and the first on key 2, which the second has overwritten.
    let made = [t(1).w(1, 2).w(2, 2), t(2).w(1, 3).w(2, 3), t(3).r(1, 2).r(2, 1)];
    assert_eq!(names(made), [(Name::GSingle, false)]);
}

#[test]
fn g_single_read_skew() {
    assert_eq!(names([t(1).r(1, 0).r(2, 2), t(2).w(1, 2).w(2, 2)]), [(Name::GSingle, false)]);
}

#[test]
fn g_single_lost_update() {
    // P4: both read the first version and write from it.
    assert_eq!(names([t(1).r(1, 0).w(1, 2), t(2).r(1, 0).w(1, 3)]), [(Name::GSingle, false)]);
}

#[test]
fn g_single_predicate_many_preceders() {
    // PMP: a range is read without the row of a transaction whose other write is read.
    assert_eq!(names([t(1).range_none(9).r(1, 2), t(2).w(9, 1).w(1, 2)]), [(Name::GSingle, false)]);
}

#[test]
fn g_single_unrepeatable_read() {
    assert_eq!(names([t(1).r(1, 0).r(1, 2), t(2).w(1, 2)]), [(Name::GSingle, false)]);
}

#[test]
fn g2_item_write_skew() {
    assert_eq!(names([t(1).r(1, 0).r(2, 0).w(1, 2), t(2).r(1, 0).r(2, 0).w(2, 2)]), [(Name::G2Item, false)]);
}

#[test]
fn g2_item_on_rows_that_are_absent() {
    assert_eq!(names([t(1).r_none(8).w(9, 1), t(2).r_none(9).w(8, 1)]), [(Name::G2Item, false)]);
}

#[test]
fn g2_phantoms_of_inserts() {
    assert_eq!(names([t(1).range_none(8).w(9, 1), t(2).range_none(9).w(8, 1)]), [(Name::G2, false)]);
}

#[test]
fn g2_phantoms_of_removals_and_updates() {
    assert_eq!(names([t(1).range(1, 0).removes(2, 2), t(2).range(2, 0).removes(1, 2)]), [(Name::G2, false)]);
    assert_eq!(names([t(1).range(1, 0).w(2, 2), t(2).range(2, 0).w(1, 2)]), [(Name::G2, false)]);
}

#[test]
fn g2_one_of_two_ways_by_a_range() {
    assert_eq!(names([t(1).r(1, 0).w(9, 1), t(2).range_none(9).w(1, 2)]), [(Name::G2, false)]);
}

#[test]
fn g2_of_three_with_a_reader() {
    // The read-only anomaly: without the reader, the two writers have an order.
    let writers = || [t(1).r(1, 0).r(2, 0).w(1, 2), t(2).r(2, 0).w(2, 2)];
    assert_eq!(names(writers()), CLEAN);
    assert_eq!(names(writers().into_iter().chain([t(3).r(1, 0).r(2, 2)])), [(Name::G2Item, false)]);
}

#[test]
fn a_stale_read_needs_the_clock_to_be_found() {
    let stale = |begin| [t(1).at(10, 20).w(1, 2), t(2).at(begin, 40).r(1, 0)];
    assert_eq!(names(stale(15)), CLEAN);
    assert_eq!(names(stale(30)), [(Name::GSingle, true)]);
}

#[test]
fn a_read_of_the_future_needs_the_clock_to_be_found() {
    assert_eq!(names([t(1).at(30, 40).w(1, 2), t(2).at(10, 20).r(1, 1)]), [(Name::G1c, true)]);
}

#[test]
fn writes_against_the_clock_are_found() {
    assert_eq!(names([t(1).at(10, 20).w(1, 3), t(2).at(30, 40).w(1, 2)]), [(Name::G0, true)]);
}

#[test]
fn a_removed_row_that_is_not_found_again_and_comes_back_is_found() {
    // It was inserted before the reader began, and nobody took it away.
    assert_eq!(names([t(1).at(10, 20).w(9, 1), t(2).at(30, 40).range_none(9)]), [(Name::GSingle, true)]);
}

#[test]
fn snapshots_against_their_commit_numbers_are_found() {
    let both = |first, second| [t(1).w(1, 2), snapshot(2, first).r(1, 0), snapshot(3, second).r(1, 1)];
    assert_eq!(names(both(5, 6)), CLEAN);
    assert_eq!(names(both(6, 5)), [(Name::GSingle, true)]);
    // Snapshots of one number may have been taken in any order, but see the same.
    assert_eq!(names([snapshot(1, 5).r(1, 0), snapshot(2, 5).r(1, 0)]), CLEAN);
}

#[test]
fn what_the_recorder_found_is_handed_on() {
    let mut history = history([t(1)]);
    history.faults.push("T1 does not see its own write".to_owned());
    assert_eq!(check(&history).iter().map(|anomaly| anomaly.name).collect::<Vec<_>>(), [Name::Internal]);
}

#[test]
fn the_worst_of_a_knot_is_named_and_the_cycle_is_shown() {
    // A dirty write among transactions that are also skewed.
    let made = [t(1).r(2, 0).w(1, 2).w(2, 3), t(2).r(1, 0).w(1, 3).w(2, 2)];
    let found = check(&history(made));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "G0 T1 (thread 1, 1..1000 ns) -[wrote key 1 before]-> T2 (thread 2, 1..1000 ns) -[wrote key 2 before]-> \
         T1 (thread 1, 1..1000 ns)"
    );
}

#[test]
fn several_knots_are_several_anomalies() {
    let made = [t(1).w(1, 2).w(2, 3), t(2).w(1, 3).w(2, 2), t(3).r_none(8).w(9, 1), t(4).r_none(9).w(8, 1)];
    assert_eq!(names(made), [(Name::G0, false), (Name::G2Item, false)]);
}

#[test]
fn a_long_clean_history_and_one_flaw_in_it() {
    let count = 20_000u64;
    let serial = |flaw: Option<u64>| {
        (1..=count).map(move |id| {
            // Every transaction takes a number of ticks that overlaps those of its neighbours.
            let seen = if flaw == Some(id) { id - 2 } else { id - 1 };
            t(id).at(10 * id, 10 * id + 15).r(1, seen).w(1, id + 1).range_none(9)
        })
    };
    assert_eq!(names(serial(None)), CLEAN);
    assert_eq!(names(serial(Some(count / 2))), [(Name::GSingle, false)]);
}
