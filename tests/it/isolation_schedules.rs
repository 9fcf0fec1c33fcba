//! Who waits, who passes and who starts over: a script for each rule by which locks are given out.

use crate::isolation_stage::holds;

#[test]
fn first_come_first_served_and_readers_do_not_pass_a_waiting_writer() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T2 put 1 11: waits
        T3 get 1: waits
        T4 get 1: waits
        T1 commit: ok
          T2 put 1 11: ok
        T2 commit: ok
          T3 get 1: 11
          T4 get 1: 11
        T3 commit: ok
        T4 commit: ok
        ",
    );
}

#[test]
fn a_reader_of_the_table_is_not_passed_by_writers_of_its_rows() {
    holds(
        "
        rows 1=10 5=50
        T1 put 1 11: ok
        T2 all: waits
        T3 put 5 51: waits
        db all: 1=10 5=50
        T1 commit: ok
          T2 all: 1=11 5=50
        T2 commit: ok
          T3 put 5 51: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn a_lock_below_what_is_held_is_taken_if_it_is_free() {
    holds(
        "
        rows 1=10 5=50
        T1 put 5 51: ok
        T1 put 1 11: ok
        T1 lock lead: ok
        T1 lock brush: ok
        T1 commit: ok
        ",
    );
}

#[test]
fn a_lock_below_what_is_held_is_never_waited_for() {
    holds(
        "
        rows 1=10 5=50 9=90
        T1 put 1 11: ok
        T2 put 5 51: ok
        T2 put 1 12: starts over, waits
        T3 put 5 52: ok
        T1 commit: ok
        T3 commit: ok
          T2 put 5 51: ok
          T2 put 1 12: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn a_lock_above_what_is_held_is_waited_for() {
    holds(
        "
        rows 1=10 5=50 9=90
        T1 put 9 91: ok
        T2 put 1 11: ok
        T2 put 9 92: waits
        T1 abort: ok
          T2 put 9 92: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn after_a_restart_the_locks_are_taken_before_the_closure_runs() {
    holds(
        "
        rows 1=10 5=50
        T1 put 1 11: ok
        T2 put 5 52: ok
        T2 put 1 12: starts over, waits
        T1 commit: ok
          T2 put 5 52: ok
          T2 put 1 12: ok
        T3 put 5 53: waits
        T2 commit: ok
          T3 put 5 53: ok
        T3 commit: ok
        db all: 1=12 5=53
        ",
    );
}

#[test]
fn a_reader_that_writes_what_it_alone_read_goes_on() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T1 put 1 11: ok
        T1 commit: ok
        ",
    );
}

#[test]
fn a_reader_that_writes_what_others_read_starts_over() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T2 get 1: 10
        T1 put 1 11: starts over, waits
        T2 commit: ok
          T1 get 1: 10
          T1 put 1 11: ok
        T1 commit: ok
        ",
    );
}

#[test]
fn a_read_for_update_lets_readers_in_and_then_waits_for_them() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T2 getu 1: 10
        T3 getu 1: waits
        T2 put 1 12: waits
        T1 commit: ok
          T2 put 1 12: ok
        T2 commit: ok
          T3 getu 1: 12
        T3 commit: ok
        ",
    );
}

#[test]
fn who_raises_a_read_for_update_stands_before_those_who_wait() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T2 getu 1: 10
        T3 put 1 13: waits
        T2 put 1 12: waits
        T1 commit: ok
          T2 put 1 12: ok
        T2 commit: ok
          T3 put 1 13: ok
        T3 commit: ok
        db get 1: 13
        ",
    );
}

#[test]
fn a_name_is_held_until_the_end() {
    holds(
        "
        rows 1=10
        T1 lock lead: ok
        T2 share lead: waits
        T3 share lead: waits
        T1 commit: ok
          T2 share lead: ok
          T3 share lead: ok
        T4 lock lead: waits
        T2 commit: ok
        T3 commit: ok
          T4 lock lead: ok
        T4 commit: ok
        ",
    );
}

#[test]
fn a_name_that_is_wanted_after_a_row_is_not_waited_for() {
    holds(
        "
        rows 1=10
        T1 lock lead: ok
        T2 put 1 12: ok
        T2 lock lead: starts over, waits
        T1 put 1 11: ok
        T1 commit: ok
          T2 put 1 12: ok
          T2 lock lead: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn an_update_of_all_waits_for_writers_and_lets_no_other_in() {
    holds(
        "
        rows 1=10 5=50
        T1 put 1 11: ok
        T2 addall 100: waits
        T3 put 5 53: waits
        T1 commit: ok
          T2 addall 100: 2
        T2 commit: ok
          T3 put 5 53: ok
        T3 commit: ok
        db all: 1=111 5=53
        ",
    );
}

#[test]
fn giving_up_lets_all_go_on() {
    holds(
        "
        rows 1=10 5=50 9=90
        T1 addall 1: 3
        T2 put 1 12: waits
        T3 put 5 53: waits
        T4 get 9: waits
        T1 abort: ok
          T2 put 1 12: ok
          T3 put 5 53: ok
          T4 get 9: 90
        T2 commit: ok
        T3 commit: ok
        T4 commit: ok
        ",
    );
}

#[test]
fn reads_outside_of_transactions_wait_for_nobody() {
    holds(
        "
        rows 1=10 5=50
        T1 addall 1: 2
        T2 once all: 1=10 5=50
        T3 once get 1: 10
        T4 once range 1..9: 1=10 5=50
        T5 once put 1 0: waits
        T2 once all: 1=10 5=50
        T1 commit: ok
          T5 once put 1 0: ok
        ",
    );
}
