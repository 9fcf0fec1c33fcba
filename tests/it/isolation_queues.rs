//! Who stands where in the queue of a lock, who may go past it, and what becomes of those behind whoever leaves it: a
//! script for each rule.
//!
//! One rule has no script, since a script cannot bring it about: that a segment which is split or merged sends its waiters
//! to what is there now (`isolation_phantoms` and `merges_under_way` try until it happens).

use crate::isolation_stage::holds;

#[test]
fn those_at_the_front_go_together_and_those_behind_the_next_writer_stay() {
    holds(
        "
        rows 1=10
        T1 put 1 11: ok
        T2 get 1: waits
        T3 getu 1: waits
        T4 put 1 14: waits
        T5 get 1: waits
        T1 commit: ok
          T2 get 1: 11
          T3 getu 1: 11
        T2 commit: ok
        T3 commit: ok
          T4 put 1 14: ok
        T4 commit: ok
          T5 get 1: 14
        T5 commit: ok
        ",
    );
}

#[test]
fn who_may_wait_does_not_pass_a_waiter_that_it_would_not_delay() {
    holds(
        "
        rows 1=10
        T1 getu 1: 10
        T2 getu 1: waits
        T3 get 1: waits
        T1 commit: ok
          T2 getu 1: 10
          T3 get 1: 10
        T2 commit: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn who_may_not_wait_passes_a_waiter_that_it_does_not_delay() {
    holds(
        "
        rows 1=10 5=50
        T1 getu 1: 10
        T2 getu 1: waits
        T3 put 5 53: ok
        T3 get 1: 10
        T1 commit: ok
          T2 getu 1: 10
        T2 commit: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn who_may_not_wait_does_not_pass_a_waiter_that_it_would_delay() {
    holds(
        "
        rows 1=10 5=50
        T1 get 1: 10
        T2 put 1 12: waits
        T3 put 5 53: ok
        T3 get 1: starts over, waits
        T1 commit: ok
          T2 put 1 12: ok
        T2 commit: ok
          T3 put 5 53: ok
          T3 get 1: 12
        T3 commit: ok
        ",
    );
}

#[test]
fn a_reader_that_writes_what_a_writer_waits_for_starts_over_behind_it() {
    holds(
        "
        rows 1=10
        T1 get 1: 10
        T2 put 1 12: waits
        T1 put 1 11: starts over, waits
          T2 put 1 12: ok
        T2 commit: ok
          T1 get 1: 12
          T1 put 1 11: ok
        T1 commit: ok
        ",
    );
}

#[test]
fn what_is_held_is_had_again_whoever_waits() {
    holds(
        "
        rows 1=10
        T1 put 1 11: ok
        T3 get 1: waits
        T2 all: waits
        T1 get 1: 11
        T1 put 1 12: ok
        T1 add 1 1: 13
        T1 commit: ok
          T2 all: 1=13
          T3 get 1: 13
        T2 commit: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn a_read_for_update_below_what_is_held_is_not_raised_by_waiting() {
    holds(
        "
        rows 1=10 5=50
        T1 get 1: 10
        T2 getu 1: 10
        T2 put 5 52: ok
        T2 put 1 12: starts over, waits
        T1 commit: ok
          T2 getu 1: 10
          T2 put 5 52: ok
          T2 put 1 12: ok
        T2 commit: ok
        ",
    );
}

#[test]
fn when_the_front_runs_out_of_time_those_behind_go_on() {
    holds(
        "
        rows 1=10
        timeout 3000
        T1 get 1: 10
        T2 put 1 12: waits
        await T2 1500: ok
        T3 get 1: waits
        await T2: ok
          T2 put 1 12: LockTimeout
          T3 get 1: 10
        T2 abort: ok
        T1 commit: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn who_raises_a_lock_and_runs_out_of_time_keeps_what_it_had() {
    holds(
        "
        rows 1=10
        timeout 3000
        T1 get 1: 10
        T2 getu 1: 10
        T2 put 1 12: waits
        await T2: ok
          T2 put 1 12: LockTimeout
        T2 get 1: 10
        T3 getu 1: waits
        T2 commit: ok
          T3 getu 1: 10
        T1 commit: ok
        T3 commit: ok
        ",
    );
}

#[test]
fn a_guard_counts_as_held_by_what_its_thread_begins() {
    holds(
        "
        rows 1=10
        T1 guard lead: ok
        T1 lock brush: OutOfOrder
        T1 lock lead: OutOfOrder
        T1 lock sledge: ok
        T1 put 1 11: ok
        T2 guard sledge: waits
        T3 guard lead: waits
        T1 commit: ok
          T2 guard sledge: ok
        T1 unguard: ok
          T3 guard lead: ok
        T2 unguard: ok
        T3 unguard: ok
        ",
    );
}

#[test]
fn after_three_restarts_the_whole_table_is_taken() {
    holds(
        "
        rows 1=10 2=20 3=30 4=40
        T3 put 3 33: ok
        T4 put 2 24: ok
        T5 put 1 15: ok
        T2 put 4 42: ok
        T2 put 3 32: starts over, waits
        T3 commit: ok
          T2 put 4 42: ok
          T2 put 3 32: ok
        T2 put 2 22: starts over, waits
        T6 get 9: none
        T4 commit: ok
          T2 put 4 42: ok
          T2 put 3 32: ok
          T2 put 2 22: ok
        T6 commit: ok
        T2 put 1 12: starts over, waits
        T5 commit: ok
          T2 put 4 42: ok
          T2 put 3 32: ok
          T2 put 2 22: ok
          T2 put 1 12: ok
        T6 get 9: waits
        T2 commit: ok
          T6 get 9: none
        T6 commit: ok
        ",
    );
}

#[test]
fn names_are_wanted_alone_in_the_end_and_who_holds_a_guard_goes_past_that() {
    // T2 is refused five times for names that others hold. Then it wants all names, of which T1 has one.
    holds(
        "
        rows 1=10
        T1 guard lead: ok
        T3 lock a6: ok
        T4 lock a5: ok
        T5 lock a4: ok
        T6 lock a3: ok
        T7 lock a2: ok
        T2 put 1 12: ok
        T2 lock a6: starts over, waits
        T3 commit: ok
          T2 put 1 12: ok
          T2 lock a6: ok
        T2 lock a5: starts over, waits
        T4 commit: ok
          T2 put 1 12: ok
          T2 lock a6: ok
          T2 lock a5: ok
        T2 lock a4: starts over, waits
        T5 commit: ok
          T2 put 1 12: ok
          T2 lock a6: ok
          T2 lock a5: ok
          T2 lock a4: ok
        T2 lock a3: starts over, waits
        T6 commit: ok
          T2 put 1 12: ok
          T2 lock a6: ok
          T2 lock a5: ok
          T2 lock a4: ok
          T2 lock a3: ok
        T2 lock a2: starts over, waits
        T7 commit: ok
        T9 lock x: waits
        T1 lock sledge: ok
        T1 put 1 11: ok
        T1 commit: ok
        T1 unguard: ok
          T2 put 1 12: ok
          T2 lock a6: ok
          T2 lock a5: ok
          T2 lock a4: ok
          T2 lock a3: ok
          T2 lock a2: ok
        T2 commit: ok
          T9 lock x: ok
        T9 commit: ok
        db get 1: 12
        ",
    );
}

#[test]
fn an_update_of_many_rows_raises_its_lock_before_those_who_come_later() {
    // T2 has SIX on the table, which lets point readers in, and finds three hits: it waits for X, and nobody passes it.
    holds(
        "
        rows 1=10 2=20 3=30
        escalate 2
        T1 get 1: 10
        T2 addall 1: waits
        T3 get 2: waits
        T4 put 9 9: waits
        T1 commit: ok
          T2 addall 1: 3
        T2 commit: ok
          T3 get 2: 21
          T4 put 9 9: ok
        T3 commit: ok
        T4 commit: ok
        db all: 1=11 2=21 3=31 9=9
        ",
    );
}
