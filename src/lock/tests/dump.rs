//! Who blocks whom, as text and as data, and the slots behind it.

use super::*;
use crate::lock::mode::Mode::{S, U, X};

#[test]
fn the_text_names_granule_mode_holder_and_line() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = LockSet::begin(&manager, Location::caller(), Some("night run".into()));
    holder.lock_row(&table, b"a", U).unwrap();
    let text = thread::scope(|scope| {
        let waiter = || {
            let mut waiter = set(&manager);
            waiter.lock_row(&table, b"a", X).unwrap();
        };
        thread::Builder::new().name("blocked".to_owned()).spawn_scoped(scope, waiter).unwrap();
        until_waiting(&manager, 1);
        let text = manager.dump().to_string();
        holder.release_all();
        text
    });
    let row = text.lines().skip_while(|line| !line.contains("row 0x61")).collect::<Vec<_>>();
    assert_eq!(row.len(), 3, "{text}");
    for (line, parts) in [(row[1], ["U   held", "\"night run\""]), (row[2], ["X   wait", "\"blocked\""])] {
        assert!(parts.iter().all(|part| line.contains(part)) && line.contains(file!()), "{text}");
    }
    assert_all_free(&manager, &[&table]);
}

#[test]
fn the_data_has_the_queue_in_its_order() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = set(&manager);
    holder.lock_table(&table, X).unwrap();
    thread::scope(|scope| {
        for number in 0..4 {
            let (manager, table) = (&manager, &table);
            scope.spawn(move || {
                let mut waiter = LockSet::begin(manager, Location::caller(), Some(format!("{number}").into()));
                waiter.lock_table(table, S).unwrap();
            });
            until_waiting(manager, number + 1);
        }
        let locks = manager.dump().granules.pop().unwrap();
        let labels: Vec<String> =
            locks.waiting.iter().map(|waiter| waiter.label.clone().unwrap().to_string()).collect();
        assert_eq!(labels, ["0", "1", "2", "3"]);
        assert!(locks.waiting.is_sorted_by(|first, second| first.age >= second.age));
        assert_eq!(locks.holders.len(), 1);
        holder.release_all();
    });
}

#[test]
fn the_data_serializes_with_keys_modes_and_lines_as_text() {
    type Holder = (u64, Option<String>, String, String, u64, String);
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let caller = Location::caller();
    let mut holder = LockSet::begin(&manager, caller, Some("night run".into()));
    holder.lock_row(&table, b"a", U).unwrap();
    let row = manager.dump().granules.pop().unwrap();
    let bytes = bincode::serde::encode_to_vec(&row, bincode::config::standard()).unwrap();
    let (back, read) = bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
    let ((kind, on, key), holders, waiting): ((String, String, String), Vec<Holder>, Vec<Holder>) = back;
    assert_eq!((read, &*kind, &*on, &*key), (bytes.len(), "row", "test", "0x61"));
    let (id, label, thread, mode, age, line) = &holders[0];
    assert_eq!((*id, label.as_deref(), &**mode), (row.holders[0].id, Some("night run"), "U"));
    assert_eq!((Some(&**thread), line), (thread::current().name(), &caller.to_string()));
    assert_eq!(u128::from(*age), row.holders[0].age.as_nanos());
    assert_eq!((holders.len(), waiting.len()), (1, 0));
}

#[test]
fn each_lock_set_has_an_id_of_its_own_and_threads_reuse_slots() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut set = set(&manager);
        set.lock_table(&table, S).unwrap();
        ids.push(manager.dump().granules[0].holders[0].id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(manager.registry.slots().len(), 1);
}

#[test]
fn slots_of_ended_threads_go() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    for _ in 0..100 {
        thread::scope(|scope| {
            scope.spawn(|| set(&manager).lock_table(&table, S).unwrap());
        });
    }
    // A thread's own state goes a moment after its work is done.
    until("the slots are gone", || manager.registry.slots().is_empty());
}

#[test]
fn a_lock_set_may_be_given_back_by_another_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut moved = is_send(set(&manager));
    moved.lock_row(&table, b"a", X).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || drop(moved));
    });
    assert_all_free(&manager, &[&table]);
    let mut next = set(&manager);
    next.lock_row(&table, b"a", X).unwrap();
    let thread_name = manager.dump().granules[0].holders[0].thread.clone();
    assert_eq!(Some(&*thread_name), thread::current().name());
}

#[test]
fn a_panic_gives_the_locks_back() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let panicked = thread::scope(|scope| {
        let body = || {
            let mut set = set(&manager);
            set.lock_row(&table, b"a", X).unwrap();
            let _guard = manager.lock("n").unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        };
        scope.spawn(body).join().is_err()
    });
    assert!(panicked);
    assert_all_free(&manager, &[&table]);
}

#[test]
fn idle_slots_keep_no_table_of_a_manager_that_is_gone() {
    let (manager, tables) = (manager(), [1, 2, 3].map(|id| TestTable::new(id, &[])));
    let held = || tables.each_ref().map(|table| Arc::strong_count(table) - 1);
    for (used, kept) in [(&tables[..], [0, 0, 0]), (&tables[..2], [1, 1, 0])] {
        let mut set = set(&manager);
        used.iter().for_each(|table| set.lock_row(table, b"a", X).unwrap());
        drop(set);
        assert_eq!(held(), kept, "a slot keeps few tables");
    }
    assert_all_free(&manager, &tables.each_ref());
    drop(manager);
    assert_eq!(held(), [0, 0, 0]);
}
