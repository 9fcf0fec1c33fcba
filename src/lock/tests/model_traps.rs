//! What would go wrong without each rule: the model with a hole in it must get stuck. So it is shown that the model can
//! see a deadlock, and why no rule may go.

use std::collections::HashSet;

use crate::lock::granule::may_wait;
use crate::lock::mode::Mode::{self, IS, IX, S, U, X};
use crate::lock::model::{Program, WaitRule, explore, guarded, guarded_pairs, pairs, two_granules};

/// Any conversion on the highest granule held may wait.
fn conversions_wait(top: Option<&usize>, wanted: &usize, from: Option<Mode>, to: Mode) -> bool {
    may_wait(top, wanted, from, to) || from.is_some() && top == Some(wanted)
}

/// Reads that become writes may wait on the highest granule held.
fn reads_wait_to_write(top: Option<&usize>, wanted: &usize, from: Option<Mode>, to: Mode) -> bool {
    may_wait(top, wanted, from, to) || (from, to) == (Some(S), X) && top == Some(wanted)
}

/// U to X may wait below the highest granule held.
fn updates_wait_below(top: Option<&usize>, wanted: &usize, from: Option<Mode>, to: Mode) -> bool {
    may_wait(top, wanted, from, to) || (from, to) == (Some(U), X)
}

/// New locks may be waited for in any order.
fn any_order_waits(top: Option<&usize>, wanted: &usize, from: Option<Mode>, to: Mode) -> bool {
    from.is_none() || may_wait(top, wanted, from, to)
}

#[track_caller]
fn stuck_only_with(hole: WaitRule, programs: &[Program]) {
    let programs: Vec<&Program> = programs.iter().collect();
    assert!(explore(&programs, hole).is_err(), "the hole is not seen in {programs:?}");
    assert!(explore(&programs, may_wait).is_ok(), "the rule does not mend {programs:?}");
}

#[test]
fn two_readers_that_wait_to_write() {
    let upgrade = vec![(0, S), (0, X)];
    stuck_only_with(reads_wait_to_write, &[upgrade.clone(), upgrade]);
}

#[test]
fn an_update_lock_that_waits_below_the_top() {
    stuck_only_with(updates_wait_below, &[vec![(0, U), (1, S), (0, X)], vec![(0, S), (1, X)]]);
}

#[test]
fn an_intent_that_waits_beside_an_update_lock() {
    stuck_only_with(conversions_wait, &[vec![(0, IS), (0, IX)], vec![(0, U), (0, X)]]);
}

#[test]
fn two_that_wait_in_opposite_orders() {
    stuck_only_with(any_order_waits, &[vec![(0, X), (1, X)], vec![(1, X), (0, X)]]);
}

#[test]
fn the_sweep_sees_each_hole() {
    let programs = two_granules();
    for (name, hole) in [
        ("conversions wait", conversions_wait as WaitRule),
        ("reads wait to write", reads_wait_to_write),
        ("any order waits", any_order_waits),
    ] {
        let (stuck, ..) = pairs(&programs, hole);
        assert!(stuck > 0, "{name}: not seen in {} programs", programs.len());
    }
}

#[test]
fn a_name_that_is_waited_for_with_a_row_in_hand() {
    let error = guarded_pairs(&guarded(), any_order_waits).unwrap_err();
    assert!(error.contains("stuck"), "{error}");
}

/// A range of points, and whether it is written.
type Range = (usize, usize, bool);

fn conflict(one: Range, other: Range) -> bool {
    one.0 < other.1 && other.0 < one.1 && (one.2 || other.2)
}

/// Whether two programs of range locks with one fair queue can get stuck: a range waits for holders that it meets and,
/// to be fair, for earlier waiters that it meets.
fn ranges_get_stuck(programs: [&[Range]; 2]) -> bool {
    // For each program how many ranges it holds (one more than it has: done), and who came first to wait.
    let mut seen = HashSet::new();
    let mut open = vec![([0_usize, 0], Vec::<usize>::new())];
    while let Some((held, queue)) = open.pop() {
        if !seen.insert((held, queue.clone())) {
            continue;
        }
        let mut moves = Vec::new();
        for me in 0..2 {
            let (other, program) = (1 - me, programs[me]);
            let mut after = held;
            after[me] += 1;
            let Some(wanted) = program.get(held[me]) else {
                if held[me] == program.len() {
                    moves.push((after, queue.clone()));
                }
                continue;
            };
            let Some(place) = queue.iter().position(|waiter| *waiter == me) else {
                moves.push((held, queue.iter().copied().chain([me]).collect()));
                continue;
            };
            let theirs = if held[other] > programs[other].len() { &[] } else { &programs[other][..held[other]] };
            let before = queue[..place].iter().map(|waiter| programs[*waiter][held[*waiter]]);
            if theirs.iter().copied().chain(before).all(|range| !conflict(*wanted, range)) {
                moves.push((after, queue.iter().copied().filter(|waiter| *waiter != me).collect()));
            }
        }
        if moves.is_empty() && (0..2).any(|me| held[me] <= programs[me].len()) {
            return true;
        }
        open.extend(moves);
    }
    false
}

#[test]
fn ranges_in_one_fair_queue_get_stuck_where_segments_do_not() {
    let writer: &[Range] = &[(0, 1, true), (1, 2, true)];
    assert!(ranges_get_stuck([&[(0, 2, false)], writer]), "a range against two of its parts");
    assert!(!ranges_get_stuck([&[(0, 1, false), (1, 2, false)], writer]), "segment by segment");
    let segments = [vec![(0, S), (1, S)], vec![(0, X), (1, X)]];
    assert!(explore(&segments.each_ref()[..], may_wait).is_ok());
}
