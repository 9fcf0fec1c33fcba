//! The anomalies of Hermitage's list, a test each: the scripts try to bring them about, and show what happens instead.

use crate::isolation_stage::holds;

#[test]
fn g0_dirty_writes() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 11: ok
        T2 put 1 12: waits
        T1 put 2 21: ok
        T1 commit: ok
          T2 put 1 12: ok
        db all: 1=11 2=21
        T2 put 2 22: ok
        T2 commit: ok
        db all: 1=12 2=22
        ",
    );
}

#[test]
fn g0_dirty_writes_in_opposite_orders() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 11: ok
        T2 put 2 22: ok
        T2 put 1 12: starts over, waits
        T1 put 2 21: ok
        T1 commit: ok
          T2 put 2 22: ok
          T2 put 1 12: ok
        T2 commit: ok
        db all: 1=12 2=22
        ",
    );
}

#[test]
fn g1a_aborted_reads() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 101: ok
        T2 get 1: waits
        db get 1: 10
        db all: 1=10 2=20
        S1 snapshot: ok
        S1 all: 1=10 2=20
        T1 abort: ok
          T2 get 1: 10
        T2 all: 1=10 2=20
        T2 commit: ok
        ",
    );
}

#[test]
fn g1a_aborted_reads_by_a_range() {
    holds(
        "
        rows 1=10 2=20
        T1 insert 3 30: ok
        T2 range 1..9: waits
        T1 abort: ok
          T2 range 1..9: 1=10 2=20
        T2 commit: ok
        ",
    );
}

#[test]
fn g1b_intermediate_reads() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 101: ok
        T2 get 1: waits
        db get 1: 10
        T1 put 1 11: ok
        T1 commit: ok
          T2 get 1: 11
        T2 commit: ok
        db get 1: 11
        ",
    );
}

#[test]
fn g1c_circular_information_flow() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 11: ok
        T2 put 2 22: ok
        T2 get 1: starts over, waits
        T1 get 2: 20
        T1 commit: ok
          T2 put 2 22: ok
          T2 get 1: 11
        T2 commit: ok
        db all: 1=11 2=22
        ",
    );
}

#[test]
fn otv_observed_transaction_vanishes() {
    holds(
        "
        rows 1=10 2=20
        T1 put 1 11: ok
        T1 put 2 19: ok
        T2 put 1 12: waits
        T1 commit: ok
          T2 put 1 12: ok
        T3 get 1: waits
        T2 put 2 18: ok
        S1 snapshot: ok
        S1 all: 1=11 2=19
        T2 commit: ok
          T3 get 1: 12
        T3 get 2: 18
        T3 get 1: 12
        T3 commit: ok
        S1 all: 1=11 2=19
        db all: 1=12 2=18
        ",
    );
}

#[test]
fn pmp_predicate_many_preceders() {
    holds(
        "
        rows 1=10 2=20
        T1 range 3..9: none
        T2 insert 3 30: waits
        T1 range 3..9: none
        T1 commit: ok
          T2 insert 3 30: ok
        T2 commit: ok
        db all: 1=10 2=20 3=30
        ",
    );
}

#[test]
fn pmp_predicate_many_preceders_on_writes() {
    holds(
        "
        rows 1=10 2=20
        T1 addall 10: 2
        T2 all: waits
        T1 commit: ok
          T2 all: 1=20 2=30
        T2 remove 2: 30
        T2 commit: ok
        db all: 1=20
        ",
    );
}

#[test]
fn p4_lost_update() {
    holds(
        "
        rows 1=10 2=20
        T1 get 1: 10
        T2 get 1: 10
        T1 plus 1 1: starts over, waits
        T2 plus 1 2: starts over, waits
          T1 get 1: 10
          T1 plus 1 1: 11
        T1 commit: ok
          T2 get 1: 11
          T2 plus 1 2: 13
        T2 commit: ok
        db get 1: 13
        ",
    );
}

#[test]
fn p4_lost_update_with_reads_for_update() {
    holds(
        "
        rows 1=10 2=20
        T1 getu 1: 10
        T2 getu 1: waits
        T1 plus 1 1: 11
        T1 commit: ok
          T2 getu 1: 11
        T2 plus 1 2: 13
        T2 commit: ok
        db get 1: 13
        ",
    );
}

#[test]
fn p4_lost_update_across_a_single_call() {
    holds(
        "
        rows 1=10 2=20
        T1 get 1: 10
        T2 once put 1 50: waits
        T1 plus 1 1: starts over
          T1 get 1: 50
          T1 plus 1 1: 51
          T2 once put 1 50: ok
        T1 commit: ok
        db get 1: 51
        ",
    );
}

#[test]
fn g_single_read_skew() {
    holds(
        "
        rows 1=10 2=20
        T1 get 1: 10
        T2 get 1: 10
        T2 get 2: 20
        T2 put 1 12: starts over, waits
        T1 get 2: 20
        T1 commit: ok
          T2 get 1: 10
          T2 get 2: 20
          T2 put 1 12: ok
        T2 put 2 18: ok
        T2 commit: ok
        db all: 1=12 2=18
        ",
    );
}

#[test]
fn g_single_read_skew_in_a_snapshot() {
    holds(
        "
        rows 1=10 2=20
        S1 snapshot: ok
        S1 get 1: 10
        T2 put 1 12: ok
        T2 put 2 18: ok
        T2 commit: ok
        S1 get 2: 20
        S1 all: 1=10 2=20
        db all: 1=12 2=18
        ",
    );
}

#[test]
fn g_single_read_skew_by_a_range() {
    holds(
        "
        rows 1=10 2=20
        T1 range 0..2: 1=10
        T2 put 1 12: waits
        T1 range 2..9: 2=20
        T1 commit: ok
          T2 put 1 12: ok
        T2 put 2 18: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn g_single_read_skew_with_a_write_of_what_was_skewed() {
    holds(
        "
        rows 1=10 2=20
        T1 get 1: 10
        T2 put 2 18: ok
        T2 put 1 12: starts over, waits
        T1 remove 2: 20
        T1 commit: ok
          T2 put 2 18: ok
          T2 put 1 12: ok
        T2 commit: ok
        db all: 1=12 2=18
        ",
    );
}

#[test]
fn g2_item_write_skew() {
    holds(
        "
        rows 1=10 2=20
        T1 get 1: 10
        T1 get 2: 20
        T2 get 1: 10
        T2 get 2: 20
        T1 put 1 11: starts over, waits
        T2 put 2 21: ok
        T2 commit: ok
          T1 get 1: 10
          T1 get 2: 21
          T1 put 1 11: ok
        T1 commit: ok
        db all: 1=11 2=21
        ",
    );
}

#[test]
fn g2_item_write_skew_on_absent_rows() {
    holds(
        "
        rows 1=10
        T1 get 8: none
        T2 get 9: none
        T1 insert 9 90: waits
        T2 insert 8 80: starts over, waits
          T1 insert 9 90: ok
        T1 commit: ok
          T2 get 9: 90
          T2 insert 8 80: ok
        T2 commit: ok
        db all: 1=10 8=80 9=90
        ",
    );
}

#[test]
fn g2_anti_dependency_cycles_by_ranges() {
    holds(
        "
        rows 1=10 2=20
        T1 range 3..9: none
        T2 range 3..9: none
        T1 insert 3 30: starts over, waits
        T2 insert 4 42: starts over, waits
          T1 range 3..9: none
          T1 insert 3 30: ok
        T1 commit: ok
          T2 range 3..9: 3=30
          T2 insert 4 42: ok
        T2 commit: ok
        db all: 1=10 2=20 3=30 4=42
        ",
    );
}

#[test]
fn g2_of_two_transactions_and_a_reader() {
    holds(
        "
        rows 1=10 2=20
        T1 all: 1=10 2=20
        T2 get 2: 20
        T2 put 2 25: starts over, waits
        S3 snapshot: ok
        S3 all: 1=10 2=20
        db all: 1=10 2=20
        T1 put 1 0: starts over, waits
          T2 get 2: 20
          T2 put 2 25: ok
        T2 commit: ok
          T1 all: 1=10 2=25
          T1 put 1 0: ok
        T1 commit: ok
        S3 all: 1=10 2=20
        db all: 1=0 2=25
        ",
    );
}
