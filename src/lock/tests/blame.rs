//! Who stands in whose way, followed through several waits, as data, as text, and in the error of a time-out.

use super::*;
use crate::error::ErrorKind;
use crate::lock::blame;
use crate::lock::granule::Target;
use crate::lock::held::Wanted;
use crate::lock::mode::Mode::{S, U, X};
use crate::lock::row_key::RowKey;
use crate::lock::{Blocker, LockDump, LockedGranule};

/// A lock set with a label, so that the chains can be told by it.
#[track_caller]
fn named(manager: &Arc<LockManager>, label: &str) -> LockSet {
    LockSet::begin(manager, Location::caller(), Some(label.into()))
}

/// What is seen while these lock sets wait, each on a thread of its own, and `last` holds what they wait for in the end.
fn while_waiting(
    manager: &Arc<LockManager>,
    last: LockSet,
    waits: Vec<Box<dyn FnOnce() + Send + '_>>,
    look: impl FnOnce(&LockDump),
) {
    thread::scope(|scope| {
        for (number, wait) in waits.into_iter().enumerate() {
            scope.spawn(wait);
            until_waiting(manager, number + 1);
        }
        look(&manager.dump());
        drop(last);
    });
}

fn labels(blockers: &[Blocker]) -> Vec<(usize, String)> {
    let label = |blocker: &Blocker| (blocker.depth, blocker.holder.label.as_deref().unwrap_or("-").to_owned());
    blockers.iter().map(label).collect()
}

#[test]
fn a_chain_is_followed_to_the_one_that_does_not_wait() {
    let (manager, table) = (manager(), TestTable::new(1, &[b"m"]));
    let (mut last, mut middle) = (named(&manager, "last"), named(&manager, "middle"));
    last.lock_row(&table, b"x", X).unwrap();
    middle.lock_row(&table, b"b", U).unwrap();
    let (shared, first) = (&table, &manager);
    let waits: Vec<Box<dyn FnOnce() + Send + '_>> = vec![
        Box::new(move || middle.lock_row(shared, b"x", S).unwrap()),
        Box::new(|| named(first, "first").lock_row(shared, b"b", X).unwrap()),
        Box::new(|| named(first, "reader").lock_row(shared, b"b", S).unwrap()),
    ];
    while_waiting(&manager, last, waits, |dump| {
        let chains = dump.wait_chains();
        let chain = |label: &str| chains.iter().find(|chain| chain.waiter.label.as_deref() == Some(label)).unwrap();
        assert_eq!(labels(&chain("first").blockers), [(0, "middle".to_owned()), (1, "last".to_owned())]);
        assert_eq!(labels(&chain("middle").blockers), [(0, "last".to_owned())]);
        // U goes with S, but not with the X that stands before it in the queue.
        assert_eq!(labels(&chain("reader").blockers), [(0, "middle".to_owned()), (1, "last".to_owned())]);
        assert_eq!((chain("first").ahead, chain("reader").ahead), (0, 1));
        let first = chain("first");
        assert_eq!((first.granule.to_string(), first.waiter.mode), ("table \"test\" row 0x62".to_owned(), X));
        let [middle, last] = &first.blockers[..] else { panic!("{first}") };
        assert!(matches!(&middle.waits_for, Some(LockedGranule::Row { key, .. }) if key.as_bytes() == b"x"));
        assert_eq!((middle.holder.mode, last.holder.mode, &last.waits_for), (U, X, &None));
        assert_eq!(labels(&dump.blockers_of(first.waiter.id)), labels(&first.blockers));
        assert!(dump.blockers_of(last.holder.id).is_empty(), "it does not wait");
        let text = first.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("X   wait") && lines[0].ends_with("for table \"test\" row 0x62"), "{text}");
        assert!(lines[1].starts_with("  U   held") && lines[1].ends_with("which waits for table \"test\" row 0x78"));
        assert!(lines[2].starts_with("    X   held") && lines[2].contains("\"last\" on thread"), "{text}");
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_holder_in_two_ways_is_followed_once() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut last = named(&manager, "last");
    last.lock_row(&table, b"z", X).unwrap();
    let (shared, locks) = (&table, &manager);
    let wait = |label: &'static str, held: &'static [&'static [u8]], wanted: &'static [u8], mode| {
        let mut set = named(locks, label);
        held.iter().for_each(|key| set.lock_row(shared, key, S).unwrap());
        Box::new(move || set.lock_row(shared, wanted, mode).unwrap()) as Box<dyn FnOnce() + Send + '_>
    };
    // Both "one" and "two" read a, and "two" also stands in the way of "one".
    let waits = vec![wait("two", &[b"a", b"b"], b"z", X), wait("one", &[b"a"], b"b", X), wait("all", &[], b"a", X)];
    while_waiting(&manager, last, waits, |dump| {
        let chains = dump.wait_chains();
        let all = chains.iter().find(|chain| chain.waiter.label.as_deref() == Some("all")).unwrap();
        let mut seen = labels(&all.blockers);
        let followed = seen.iter().filter(|(_, label)| label == "last").count();
        assert_eq!(followed, 1, "{all}");
        seen.sort();
        let expected = [(0, "one"), (0, "two"), (1, "two")].map(|(depth, label)| (depth, label.to_owned()));
        assert_eq!(seen.into_iter().filter(|(_, label)| label != "last").collect::<Vec<_>>(), expected);
    });
}

#[test]
fn a_time_out_names_the_holders_and_what_they_wait_for() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let (mut last, mut middle) = (named(&manager, "last"), named(&manager, "middle"));
    last.lock_row(&table, b"x", X).unwrap();
    middle.lock_row(&table, b"b", U).unwrap();
    let shared = &table;
    let text = thread::scope(|scope| {
        scope.spawn(move || middle.lock_row(shared, b"x", X).unwrap());
        until_waiting(&manager, 1);
        // As a wait would end that is less patient than the first one.
        let wanted = Wanted { target: Target::Row(RowKey::new(1, b"b")), from: None, to: X };
        let error = blame::timeout(&manager, 0, &wanted, Duration::from_millis(12));
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        last.release_all();
        error.to_string()
    });
    for part in [
        "lock on table \"test\" row 0x62 in mode X not granted in 12 ms",
        "; held by \"middle\" on thread",
        "in mode U for",
        ", which waits for table \"test\" row 0x78 held by \"last\" on thread",
        "in mode X for",
        "; 0 others wait for it",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(text.matches(file!()).count(), 2, "the line of each holder: {text}");
}

#[test]
fn who_waits_to_raise_its_own_lock_is_not_named_as_a_holder() {
    let manager = LockManager::new(Duration::ZERO);
    let table = TestTable::new(1, &[]);
    let (mut reader, mut writer) = (named(&manager, "reader"), named(&manager, "writer"));
    reader.lock_row(&table, b"a", S).unwrap();
    writer.lock_row(&table, b"a", U).unwrap();
    let text = writer.lock_row(&table, b"a", X).unwrap_err().to_string();
    assert!(text.contains("\"reader\"") && !text.contains("\"writer\""), "{text}");
}
