//! What a subscriber is told, by one that is written here and listens on one thread.

use std::fmt::{Debug, Write};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::lock::mode::Mode::{S, X};
use crate::options::LONG_WAIT;

/// Writes each event down as a line: level, then all fields. A broken one panics then.
#[derive(Clone, Default)]
struct Listener {
    lines: Arc<Mutex<Vec<String>>>,
    broken: bool,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("{} span {}", span.metadata().level(), span.metadata().name()));
        span.record(&mut line);
        self.lines.lock().push(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().push(line.0);
        assert!(!self.broken, "a listener that is broken");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told while this runs on this thread.
fn told(body: impl FnOnce()) -> Vec<String> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), body);
    let lines = listener.lines.lock();
    lines.clone()
}

#[track_caller]
fn assert_parts(line: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(line.contains(part), "{part} is not in: {line}"));
}

#[test]
fn a_long_wait_is_told_and_a_short_one_is_not() {
    for long in [true, false] {
        let (manager, table) = (manager(), TestTable::new(1, &[]));
        let mut holder = set(&manager);
        holder.lock_row(&table, b"a", X).unwrap();
        let lines = thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                told(|| {
                    let mut set = LockSet::begin(&manager, Location::caller(), Some("night run".into()));
                    set.lock_row(&table, b"a", S).unwrap();
                })
            });
            let waited = || manager.dump().granules.iter().flat_map(|locks| &locks.waiting).map(|one| one.age).max();
            until("it waits", || waited().is_some_and(|waited| !long || waited > 2 * LONG_WAIT));
            holder.release_all();
            waiter.join().unwrap()
        });
        // On a busy machine a wait that is meant to be short may become a long one.
        let was_long = manager.counters().wait_time.max() >= LONG_WAIT;
        assert_eq!(lines.len(), usize::from(was_long), "{lines:?}");
        assert!(was_long || !long, "{lines:?}");
        if was_long {
            let parts = ["DEBUG", "long wait", "table \"test\" row 0x61", "mode=S", "\"night run\"", file!()];
            assert_parts(&lines[0], &parts);
        }
    }
}

#[test]
fn a_listener_that_panics_leaves_no_lock_behind() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut holder = set(&manager);
    holder.lock_row(&table, b"a", X).unwrap();
    let listener = Listener { broken: true, ..Listener::default() };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let lock = || set(&manager).lock_row(&table, b"a", S);
            tracing::subscriber::with_default(listener.clone(), lock)
        });
        let waited = || manager.dump().granules.iter().flat_map(|locks| &locks.waiting).map(|one| one.age).max();
        until("it waits", || waited().is_some_and(|waited| waited > 2 * LONG_WAIT));
        holder.release_all();
        assert!(waiter.join().is_err(), "{:?}", listener.lines.lock());
    });
    assert_all_free(&manager, &[&table]);
}

#[test]
fn a_time_out_is_told_with_its_error() {
    let manager = LockManager::new(Duration::ZERO);
    let table = TestTable::new(1, &[]);
    let mut holder = LockSet::begin(&manager, Location::caller(), Some("the holder".into()));
    holder.lock_row(&table, b"a", X).unwrap();
    let lines = told(|| drop(set(&manager).lock_row(&table, b"a", X).unwrap_err()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_parts(&lines[0], &["WARN", "lock time-out", "table \"test\" row 0x61", "\"the holder\"", file!()]);
}

#[test]
fn restarts_and_what_they_widen_are_told() {
    let (manager, table) = (manager(), TestTable::new(1, &[]));
    let mut restarting = LockSet::begin(&manager, Location::caller(), Some("out of order".into()));
    let lines = told(|| {
        restarting.lock_row(&table, b"z", X).unwrap();
        for key in [b"c", b"b", b"a"] {
            let mut holder = set(&manager);
            holder.lock_row(&table, key, X).unwrap();
            restarting.lock_row(&table, key, X).unwrap_err();
            drop(holder);
            restarting.restart().unwrap();
        }
    });
    assert_eq!(lines.len(), 5, "{lines:?}");
    for (line, restart) in lines[..3].iter().zip(1..) {
        assert_parts(line, &["DEBUG", "starts over", &format!("restart={restart}"), "\"out of order\"", file!()]);
    }
    assert_parts(&lines[3], &["INFO", "widened", "on=\"tables\"", "\"out of order\""]);
    assert_parts(&lines[4], &["WARN", "this call site", "restarts=3", file!()]);
}

#[test]
fn a_transaction_has_a_span_with_its_label_and_splits_and_merges_are_told() {
    const ROWS: crate::Table<u32, u32> = crate::Table::new("rows");
    let db = crate::Options::new().segment_rows(16).in_memory().unwrap();
    let options = crate::TransactionOptions::new().label("import");
    let lines = told(|| {
        db.transact_with(&options, |tx| (0..2_000).try_for_each(|row| tx.put(ROWS, row, row))).unwrap();
        (2_000..4_000).for_each(|row| db.put(ROWS, row, row).unwrap());
        (0..4_000).for_each(|row| drop(db.remove(ROWS, row).unwrap()));
    });
    assert_parts(&lines[0], &["DEBUG span transaction", "\"import\"", file!()]);
    let splits = lines.iter().filter(|line| line.contains("segment split") && line.contains("table=\"rows\"")).count();
    assert!(splits > 0 && db.status().unwrap().segment_splits >= splits as u64, "{splits} splits told");
    let merges = lines.iter().filter(|line| line.contains("segments merged") && line.contains("rows=")).count();
    assert!(merges > 0 && db.status().unwrap().segment_merges == merges as u64, "{merges} merges told");
}

#[test]
fn openings_scans_checkpoints_and_backups_have_spans() {
    const ROWS: crate::Table<u32, u32> = crate::Table::new("rows");
    let folder = tempfile::tempdir().unwrap();
    let lines = told(|| {
        let db = crate::Db::open(folder.path().join("store")).unwrap();
        db.put(ROWS, 1, 1).unwrap();
        assert_eq!(db.read(ROWS, |_| true, |row| *row).unwrap(), [1]);
        db.backup(folder.path().join("copy")).unwrap();
        // The closing checkpoint is made on this thread.
        db.close().unwrap();
    });
    for (span, part) in [("recovery", "store="), ("scan", "table=\"rows\""), ("backup", "into="), ("checkpoint", "")] {
        let line = lines.iter().find(|line| line.contains(&format!("span {span}")));
        assert_parts(line.unwrap_or_else(|| panic!("no {span} in {lines:?}")), &[part]);
    }
}
