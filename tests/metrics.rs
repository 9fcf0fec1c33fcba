//! What a recorder of the `metrics` crate is told: names, units, and that the numbers are those of `Db::status`.
//!
//! One test, since a recorder is for the whole process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gangline::{Db, ErrorKind, Options, Table, TransactionOptions};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;

const ACCOUNTS: Table<u32, i64> = Table::new("accounts");

#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    units: BTreeMap<String, Unit>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Told {
    fn sum(&self, name: &str) -> f64 {
        self.0.lock().values.get(name).map_or(0.0, |values| values.iter().sum())
    }

    fn last(&self, name: &str) -> Option<f64> {
        self.0.lock().values.get(name).and_then(|values| values.last().copied())
    }

    fn count(&self, name: &str) -> usize {
        self.0.lock().values.get(name).map_or(0, Vec::len)
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels: String = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        Arc::new(One { told: self.clone(), name: format!("{}{labels}", key.name()) })
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        self.0.lock().units.insert(name.as_str().to_owned(), unit.unwrap());
    }
}

struct One {
    told: Told,
    name: String,
}

impl One {
    fn add(&self, value: f64) {
        self.told.0.lock().values.entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.add(value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.add(value);
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorder for Told {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[test]
fn a_recorder_is_told_what_status_says() {
    let told = Told::default();
    metrics::set_global_recorder(told.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let db = Db::open(&path).unwrap();
    for id in 0..10 {
        db.put(ACCOUNTS, id, 100).unwrap();
    }
    db.checkpoint().unwrap();
    wait_in_vain_and_start_over(&db);
    let status = db.status().unwrap();
    assert_eq!(told.sum("gangline_commits_total"), status.commits as f64);
    assert_eq!(told.sum("gangline_restarts_total"), status.restarts as f64);
    assert_eq!(told.sum("gangline_checkpoints_total"), status.checkpoints as f64);
    assert_eq!(told.sum("gangline_lock_timeouts_total"), status.locks.timeouts as f64);
    assert_eq!(told.count("gangline_lock_wait_seconds level=row") as u64, status.locks.wait_time_by_level.row.count());
    assert!(status.restarts > 0 && status.checkpoints > 0 && status.locks.timeouts > 0, "all were met: {status:?}");
    assert!(told.sum("gangline_syncs_total") >= 10.0);
    assert_eq!(told.count("gangline_sync_seconds") as f64, told.sum("gangline_syncs_total"));
    let longest = told.0.lock().values["gangline_sync_seconds"].iter().copied().fold(0.0, f64::max);
    assert!(longest > 0.0 && longest < 60.0, "in seconds: {longest}");
    assert_eq!(told.count("gangline_checkpoint_seconds") as u64, status.checkpoints);
    assert_eq!(told.last("gangline_cache_bytes"), Some(status.cache_bytes as f64));
    assert_eq!(told.last("gangline_dirty_bytes"), Some(status.dirty_bytes as f64));
    assert_eq!(told.last("gangline_journal_bytes"), Some(status.journal_bytes as f64));
    assert_eq!(told.last("gangline_readers"), Some(status.readers as f64));
    assert_eq!(told.sum("gangline_page_reads_total"), 0.0, "all is in memory");
    db.close().unwrap();
    let db = Options::new().open(&path).unwrap();
    assert_eq!(db.get(ACCOUNTS, 3).unwrap().as_deref(), Some(&100));
    assert_eq!(told.sum("gangline_page_reads_total"), 1.0);
    let state = told.0.lock();
    assert_eq!(state.units.len(), 13);
    for name in state.values.keys() {
        let name = name.split(' ').next().unwrap();
        let unit = match name {
            name if name.ends_with("_seconds") => Unit::Seconds,
            name if name.ends_with("_bytes") => Unit::Bytes,
            _ => Unit::Count,
        };
        assert_eq!(state.units.get(name), Some(&unit), "{name}");
    }
}

/// One time-out and one restart, beside a transaction that has the row.
fn wait_in_vain_and_start_over(db: &Db) {
    let (stands, standing) = std::sync::mpsc::channel();
    let (sender, release) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            db.transact(|tx| {
                tx.put(ACCOUNTS, 1, 50)?;
                let _ = stands.send(());
                let _ = release.recv_timeout(Duration::from_secs(20));
                Ok(())
            })
        });
        standing.recv().unwrap();
        let hasty = TransactionOptions::new().lock_timeout(Duration::ZERO);
        let late = db.transact_with(&hasty, |tx| tx.put(ACCOUNTS, 1, 60));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::LockTimeout);
        let runs = std::cell::Cell::new(Some(sender));
        db.transact(|tx| {
            tx.put(ACCOUNTS, 5, 60)?;
            let refused = tx.put(ACCOUNTS, 1, 60);
            drop(runs.take());
            refused
        })
        .unwrap();
    });
}
