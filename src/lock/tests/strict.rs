//! Lock sets that fail in place of starting over, and the list of those that start over.

use super::*;
use crate::ErrorKind;
use crate::lock::mode::Mode::{S, X};
use crate::lock::{Plan, RestartStage};

fn site() -> (&'static Location<'static>, u32) {
    (Location::caller(), line!())
}

#[track_caller]
fn strict(manager: &Arc<LockManager>) -> LockSet {
    let mut set = set(manager);
    set.set_strict(true);
    set
}

#[test]
fn a_strict_set_names_what_it_wanted_and_what_it_holds() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let mut other = set(&manager);
    other.lock_row(&table, b"a", X).unwrap();
    let mut set = strict(&manager);
    let (first, second) = (Location::caller(), site().0);
    set.asked_at(first);
    set.lock_row(&table, b"z", X).unwrap();
    set.asked_at(second);
    // A row that is free, below the highest, does not become the highest.
    set.lock_row(&table, b"y", X).unwrap();
    let error = set.lock_row(&table, b"a", S).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfOrder);
    let text = error.to_string();
    let (wanted, held) =
        (format!("row 0x61 in mode S at {second}"), format!("row 0x7a is held in mode X since {first}"));
    assert!(text.contains(&wanted) && text.contains(&held), "{text}");
    // It does nothing more, and is not to start over.
    let again = set.lock_row(&table, b"zz", S).unwrap_err();
    assert_eq!((again.kind(), again.to_string()), (ErrorKind::OutOfOrder, text));
    assert!(!set.restart_wanted());
    assert_eq!(set.strict_failure().map(|error| error.kind()), Some(ErrorKind::OutOfOrder));
    drop((set, other));
    assert_eq!(manager.counters().restarts, 0);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_strict_set_names_segments_by_their_bounds_and_raised_modes() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"c", b"m"]));
    let mut other = set(&manager);
    other.lock_range(&table, b"d", Some(b"e"), S).unwrap();
    let mut set = strict(&manager);
    set.lock_range(&table, b"n", None, S).unwrap();
    let error = set.lock_row(&table, b"d", X).unwrap_err().to_string();
    for part in ["segment from 0x63 up to 0x6d in mode IX", "segment from 0x6d is held in mode S"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    drop(set);
    let mut raised = strict(&manager);
    raised.lock_row(&table, b"n", S).unwrap();
    other.lock_row(&table, b"n", S).unwrap();
    let error = raised.lock_row(&table, b"n", X).unwrap_err().to_string();
    assert!(error.contains("row 0x6e cannot be raised from S to X"), "{error}");
}

#[test]
fn a_strict_set_fails_at_the_limit_of_rows() {
    let manager = LockManager::with_limits(LONG, 3, usize::MAX);
    let table = TestTable::new(1, &[]);
    let mut other = set(&manager);
    other.lock_row(&table, b"z", X).unwrap();
    let mut set = strict(&manager);
    let refused = (0..9_u8).find_map(|number| set.lock_row(&table, &[number], X).err()).unwrap();
    assert_eq!(refused.kind(), ErrorKind::OutOfOrder);
    let text = refused.to_string();
    assert!(text.contains("table \"test\" in mode X") && text.contains("3 row locks"), "{text}");
}

#[test]
fn a_declared_plan_is_taken_in_order_and_kept() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let any: Arc<dyn LockTable> = table.clone();
    let plan = || {
        let mut plan = Plan::default();
        plan.want_name("n", X);
        plan.table(&any).want_row(b"z", X);
        plan.table(&any).want_row(b"a", X);
        plan
    };
    let mut other = set(&manager);
    other.lock_row(&table, b"a", X).unwrap();
    let mut set = set(&manager);
    std::thread::scope(|scope| {
        let declares = scope.spawn(|| set.declare(plan()));
        until_waiting(&manager, 1);
        // It waits for the first row, and does not hold the second yet.
        super::set(&manager).lock_row(&table, b"z", X).unwrap();
        other.release_all();
        declares.join().unwrap().unwrap();
    });
    for key in [b"z", b"a"] {
        set.lock_row(&table, key, X).unwrap();
    }
    set.lock_name("n", X).unwrap();
    assert_eq!((manager.rows.len(), manager.counters().restarts), (2, 0));
    // What is refused later is learned on top of it.
    other.lock_row(&table, b"b", X).unwrap();
    assert_eq!(set.lock_row(&table, b"b", X).unwrap_err().kind(), ErrorKind::Restart);
    other.release_all();
    set.restart().unwrap();
    assert_eq!((manager.rows.len(), manager.names.len()), (3, 1));
    drop((set, other));
    assert_all_free(&manager, &[&table]);
}

#[test]
fn what_is_declared_below_a_lock_that_covers_it_takes_nothing_more() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let any: Arc<dyn LockTable> = table.clone();
    let plan = |mode| {
        let mut plan = Plan::default();
        plan.table(&any).want_row(b"a", mode);
        plan.table(&any).want_range(b"n", None, S);
        plan
    };
    let mut set = set(&manager);
    set.lock_table(&table, X).unwrap();
    set.declare(plan(X)).unwrap();
    assert_eq!(manager.dump().granules.len(), 2, "{}", manager.dump());
    set.release_all();
    set.lock_table(&table, S).unwrap();
    set.declare(plan(S)).unwrap();
    assert_eq!(manager.dump().granules.len(), 2, "{}", manager.dump());
    set.declare(plan(X)).unwrap();
    assert_eq!(manager.rows.len(), 1, "S on the table does not cover the write");
}

#[test]
fn a_plan_that_is_refused_halfway_is_wanted_as_a_whole() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let any: Arc<dyn LockTable> = table.clone();
    let mut other = set(&manager);
    other.lock_row(&table, b"a", X).unwrap();
    let mut set = set(&manager);
    set.lock_row(&table, b"x", X).unwrap();
    let mut plan = Plan::default();
    plan.table(&any).want_row(b"a", X);
    plan.table(&any).want_row(b"z", X);
    assert_eq!(set.declare(plan).unwrap_err().kind(), ErrorKind::Restart);
    other.release_all();
    set.restart().unwrap();
    assert_eq!(manager.rows.len(), 3, "{}", manager.dump());
}

#[test]
fn calls_that_start_over_are_counted_by_where_they_are() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let (often, seldom) = (Location::caller(), site().0);
    let start_over = |caller, times: u32| {
        let mut set = LockSet::begin(&manager, caller, Some("report".into()));
        for time in 0..times {
            let mut other = super::set(&manager);
            let (held, wanted) = ([0xf0], [time as u8]);
            other.lock_row(&table, &wanted, X).unwrap();
            set.lock_row(&table, &held, X).unwrap();
            set.lock_row(&table, &wanted, X).unwrap_err();
            other.release_all();
            set.restart().unwrap();
        }
    };
    start_over(seldom, 1);
    start_over(often, 2);
    start_over(often, 2);
    let calls = manager.restarting();
    let numbers: Vec<_> = calls.iter().map(|call| (call.caller, call.transactions, call.restarts)).collect();
    assert_eq!(numbers, [(often, 2, 4), (seldom, 1, 1)]);
    let call = &calls[0];
    assert_eq!((call.stage, call.warnings, call.label.as_deref()), (RestartStage::Planned, 0, Some("report")));
    assert_eq!((call.wanted.as_str(), call.wanted_mode), ("table \"test\" row 0x01", X));
    assert_eq!(call.held.as_deref(), Some("table \"test\" row 0xf0"));
    assert!(call.to_string().contains("4 restarts of 2 transactions"), "{call}");
    // The third restart takes the table, and that is warned of: now, and when the restarts have doubled.
    start_over(often, 3);
    assert_eq!(warnings(&manager), (7, RestartStage::Tables, 1));
    start_over(often, 2);
    start_over(often, 2);
    start_over(often, 2);
    assert_eq!(warnings(&manager), (13, RestartStage::Tables, 1));
    start_over(often, 1);
    assert_eq!((warnings(&manager), manager.counters().restart_warnings), ((14, RestartStage::Tables, 2), 2));
}

fn warnings(manager: &LockManager) -> (u64, RestartStage, u32) {
    let calls = manager.restarting();
    (calls[0].restarts, calls[0].stage, calls[0].warnings)
}
