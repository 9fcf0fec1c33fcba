//! Phantoms and anomalies of reads by an index, and of the keys that unique indexes give away.

use crate::isolation_stage::holds;

#[test]
fn a_row_that_comes_under_a_key_read() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 by 10: 1=10
        T2 once put 7 10: waits
        T1 by 10: 1=10
        T1 commit: ok
          T2 once put 7 10: ok
        db by 10: 1=10 7=10
        ",
    );
}

#[test]
fn a_row_that_comes_under_a_key_that_no_row_has() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 by 20..30: none
        T2 once put 7 25: waits
        T1 by 20..30: none
        T1 commit: ok
          T2 once put 7 25: ok
        ",
    );
}

#[test]
fn a_row_that_leaves_a_range_read() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 by 40..60: 5=50
        T2 once remove 5: waits
        T1 by 40..60: 5=50
        T1 commit: ok
          T2 once remove 5: 50
        ",
    );
}

#[test]
fn a_row_that_moves_within_a_range_read() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 by 40..60: 5=50
        T2 put 5 55: waits
        T1 by 40..60: 5=50
        T1 commit: ok
          T2 put 5 55: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn a_key_of_a_unique_index_that_no_row_has() {
    holds(
        "
        indexed
        rows 1=10
        T1 large 2000: none
        T2 once put 7 2000: waits
        T3 once put 8 3000: ok
        T1 large 2000: none
        T1 commit: ok
          T2 once put 7 2000: ok
        db large 2000: 7=2000
        ",
    );
}

#[test]
fn a_unique_key_that_two_transactions_take() {
    holds(
        "
        indexed
        rows 1=10
        T1 put 1 2000: ok
        T2 put 5 2000: ok
        T1 commit: ok
        T2 commit: Exists
        db all: 1=2000
        ",
    );
}

#[test]
fn two_unique_keys_that_change_hands() {
    holds(
        "
        indexed
        rows 1=2000 2=3000
        T1 put 1 3000: ok
        T1 put 2 2000: ok
        T1 large 2000: 2=2000
        T1 commit: ok
        db large 2000: 2=2000
        db large 3000: 1=3000
        T1 remove 1: 3000
        T2 put 5 3000: ok
        T2 commit: Exists
        T1 commit: ok
        T2 once put 5 3000: ok
        db large 3000: 5=3000
        ",
    );
}

#[test]
fn a_reader_that_meets_a_writer_of_a_row_found() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 add 1 1: 11
        T2 by 10: starts over, waits
        T1 commit: ok
          T2 by 10: none
        T2 commit: ok
        ",
    );
}

#[test]
fn a_write_skew_over_a_range_of_an_index() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 by 10..20: 1=10
        T2 by 10..20: 1=10
        T1 put 7 12: ok
        T2 put 8 13: ok
        T1 commit: waits
        T2 commit: by 10..20: 1=10 7=12
          T2 put 8 13: ok
          T2 commit: ok
          T1 by 10..20: 1=10
          T1 put 7 12: ok
          T1 commit: ok
        db by 10..20: 1=10 7=12 8=13
        ",
    );
}

#[test]
fn own_writes_are_found_and_an_abort_leaves_none() {
    holds(
        "
        indexed
        rows 1=10 5=50
        T1 put 3 10: ok
        T1 by 10: 1=10 3=10
        T1 remove 1: 10
        T1 add 5 -40: 10
        T1 by 10: 3=10 5=10
        T1 by 0..99: 3=10 5=10
        T1 abort: ok
        db by 10: 1=10
        db by 50: 5=50
        ",
    );
}

#[test]
fn a_snapshot_finds_what_it_sees() {
    holds(
        "
        indexed
        rows 1=10 2=5000
        S1 snapshot: ok
        T1 once put 1 20: ok
        T1 once put 9 10: ok
        T1 once remove 2: 5000
        T1 once put 3 5000: ok
        S1 by 10: 1=10
        S1 by 20: none
        S1 large 5000: 2=5000
        db by 10: 9=10
        db by 20: 1=20
        db large 5000: 3=5000
        ",
    );
}
