//! No interleaving of small lock programs is stuck: the model of `lock::model` with production's own rules.

use crate::lock::granule::may_wait;
use crate::lock::model::{guarded, guarded_pairs, in_order, nasty, pairs, three_granules, triples, two_granules};

#[test]
fn no_pair_over_two_granules_is_stuck() {
    let programs = two_granules();
    assert_eq!(programs.len(), 102);
    assert_eq!(pairs(&programs, may_wait), (0, 1, None));
}

#[test]
fn no_pair_over_three_granules_is_stuck() {
    let programs = three_granules();
    assert_eq!(programs.len(), 100);
    let (stuck, worst, example) = pairs(&programs, may_wait);
    assert_eq!((stuck, example), (0, None));
    assert!(worst <= 2, "{worst} restarts");
}

#[test]
fn in_order_in_all_modes_nothing_is_stuck_or_starts_over() {
    let programs = in_order();
    assert_eq!(programs.len(), 216);
    assert_eq!(pairs(&programs, may_wait), (0, 0, None));
}

#[test]
fn no_triple_of_nasty_programs_is_stuck() {
    assert_eq!(nasty().len(), 9);
    let worst = triples(&nasty(), may_wait).unwrap();
    assert!(worst <= 2, "{worst} restarts");
}

#[test]
fn no_pair_of_statements_under_guards_is_stuck() {
    let programs = guarded();
    assert_eq!(programs.len(), 2 * (48 + 2 * 8 + 2 * 2 + 2 * 2));
    let worst = guarded_pairs(&programs, may_wait).unwrap();
    assert!(worst <= 2, "{worst} restarts");
}
