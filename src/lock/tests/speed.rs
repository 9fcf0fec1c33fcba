//! What a lock costs when nobody is in the way. The bounds are wide, since tests share their machine; the measured
//! times are printed (`cargo test --release -p gangline --lib lock::tests::speed -- --nocapture`).

use std::hint::black_box;

use super::*;
use crate::lock::mode::Mode::X;
use crate::lock::waiter::Wakes;

/// The best of some rounds, in nanoseconds.
fn best(rounds: u32, runs: u32, mut body: impl FnMut(u32)) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..runs).for_each(&mut body);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}

#[test]
#[expect(clippy::print_stderr, reason = "the times are what the test is run for")]
fn lock_pairs() {
    // Many short rounds: the best is one that nobody interrupted.
    let (rounds, runs) = if cfg!(debug_assertions) { (5, 200) } else { (400, 2_000) };
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let head = Head::new();
    let granule = best(rounds, runs, |_| {
        assert!(black_box(&head).try_fast(None, X));
        head.release(X, &mut Wakes::new());
    });
    let mut reused = LockSet::begin(&manager, Location::caller(), None);
    let pair = best(rounds, runs, |number| {
        reused.lock_row(black_box(&table), &number.to_be_bytes(), X).unwrap();
        reused.release_all();
    });
    drop(reused);
    let row = best(rounds, runs, |number| {
        let mut set = LockSet::begin(&manager, Location::caller(), None);
        set.lock_row(black_box(&table), &number.to_be_bytes(), X).unwrap();
    });
    let transfer = best(rounds, runs, |number| {
        let mut set = LockSet::begin(&manager, Location::caller(), None);
        set.lock_row(black_box(&table), &number.to_be_bytes(), X).unwrap();
        set.lock_row(black_box(&table), &number.reverse_bits().to_be_bytes(), X).unwrap();
    });
    let read = best(rounds, runs, |_| {
        assert!(
            LockSet::begin(&manager, Location::caller(), None).try_lock_table(black_box(&table), crate::lock::Mode::S)
        );
    });
    let text = format!(
        "ns: granule {granule:.1}, row {pair:.1}, lock set with a row {row:.1}, with two {transfer:.1}, table read {read:.1}"
    );
    eprintln!("{text}");
    if !cfg!(debug_assertions) {
        assert!(granule < 200.0 && pair < 1_500.0, "{text}");
    }
    assert_all_free(&manager, &[&table]);
}
