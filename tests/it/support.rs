//! What the tests share: rows, small stores, meetings of threads.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use gangline::{Db, ErrorKind, Options, Result, Table, Transaction};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Whatever takes longer than this will never happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) group: u64,
    pub(crate) amount: i64,
    pub(crate) text: String,
}

pub(crate) const ITEMS: Table<u64, Item> = Table::new("items");

/// Wide enough that a page holds some fifteen of them: segments are made of whole pages.
pub(crate) fn item(id: u64) -> Item {
    Item { id, group: id % 7, amount: id as i64, text: format!("item {id:-<250}") }
}

/// Small segments, so that few rows make many.
pub(crate) fn small() -> Options {
    Options::new().segment_rows(16).scan_threads(2).lock_timeout(Duration::from_secs(10))
}

/// A database in memory with the items `0..rows`.
pub(crate) fn with_items(rows: u64) -> Db {
    let db = small().in_memory().unwrap();
    fill(&db, rows);
    db
}

/// In commits of some tens of rows, each of which may split the segment that it made too large.
pub(crate) fn fill(db: &Db, rows: u64) {
    for start in (0..rows).step_by(40) {
        db.transact(|tx| (start..rows.min(start + 40)).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
    }
}

pub(crate) fn ids(db: &Db) -> Vec<u64> {
    db.read(ITEMS, |_| true, |item| item.id).unwrap()
}

pub(crate) fn amount(db: &Db, id: u64) -> i64 {
    db.get(ITEMS, id).unwrap().unwrap().amount
}

/// A path for a store, in a folder that goes away with the first value.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    (folder, path)
}

/// Copies a folder with all that is in it. Other files that are in the target stay.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A barrier that opens when all have come, again and again, and that fails instead of waiting for ever.
#[derive(Debug)]
pub(crate) struct Meeting {
    size: usize,
    arrived: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    pub(crate) fn of(size: usize) -> Meeting {
        Meeting { size, arrived: Mutex::new(0), changed: Condvar::new() }
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        let mut arrived = self.arrived.lock();
        let opens_at = (*arrived / self.size + 1) * self.size;
        *arrived += 1;
        self.changed.notify_all();
        let end = Instant::now() + PATIENCE;
        while *arrived < opens_at {
            let late = self.changed.wait_until(&mut arrived, end).timed_out() && *arrived < opens_at;
            assert!(!late, "only {} of {} came to the meeting", *arrived % self.size, self.size);
        }
    }
}

/// Numbers that look random, and are the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 33) % end
    }
}

/// Tells threads to end when the part of a test that needs them is over, also by a panic: they would run for ever.
pub(crate) struct Ends<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An outcome as far as a test compares it.
pub(crate) fn kind<T>(outcome: Result<T>) -> Result<(), ErrorKind> {
    outcome.map(drop).map_err(|error| error.kind())
}

/// Runs `body` beside a transaction of another thread that has done `first`. It stays open until `body` lets it go by
/// the function that it is given, or ends, also by a panic; then it commits, which must go well.
pub(crate) fn beside<'env, T>(
    db: &'env Db,
    first: impl Fn(&Transaction) -> Result<()> + Send + 'env,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>, &dyn Fn()) -> T,
) -> T {
    let holder = move |tx: &Transaction, hold: &dyn Fn()| {
        first(tx)?;
        hold();
        Ok(())
    };
    beside_holder(db, holder, body)
}

/// As [`beside`], for a transaction that goes on when it is let go: it calls `hold` where it is to stand.
pub(crate) fn beside_holder<'env, T>(
    db: &'env Db,
    holder: impl Fn(&Transaction, &dyn Fn()) -> Result<()> + Send + 'env,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>, &dyn Fn()) -> T,
) -> T {
    let (stands, standing) = mpsc::channel();
    std::thread::scope(|scope| {
        // Letting go is that the sender goes. It is this closure's, which ends before its threads are waited for.
        let (sender, release) = mpsc::channel::<()>();
        let sender = Cell::new(Some(sender));
        let hold = move || {
            stands.send(()).expect("the holder stands once");
            let told = release.recv_timeout(PATIENCE);
            assert_eq!(told, Err(RecvTimeoutError::Disconnected), "nobody lets the holder go");
        };
        let holder = scope.spawn(move || db.transact(|tx| holder(tx, &hold)).unwrap());
        standing.recv_timeout(PATIENCE).expect("the holder comes to stand");
        // A second run of the holder finds nobody to tell.
        drop(standing);
        let value = body(scope, &|| drop(sender.take().expect("the holder is let go once")));
        drop(sender);
        holder.join().unwrap();
        value
    })
}

/// Waits until the state is reached, or fails.
#[track_caller]
pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Requests for a lock that had to wait so far.
pub(crate) fn waits(db: &Db) -> u64 {
    db.locks().counters().waits
}

/// Set for a process that a test has started to play another part: the store that it shall open.
const PART: &str = "GANGLINE_TEST_PART";

/// The store of the part that this process plays, if it is not the test itself.
pub(crate) fn part() -> Option<PathBuf> {
    std::env::var_os(PART).map(PathBuf::from)
}

/// This test in another process, which finds `store` by [`part`]. It talks over its standard error, since the test
/// runner writes to its standard output.
pub(crate) fn other_process(test: &str, store: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PART, store).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls on this thread until the future is ready, and parks meanwhile.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    let end = Instant::now() + PATIENCE;
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return value;
        }
        assert!(Instant::now() < end, "the task was never woken");
        std::thread::park_timeout(PATIENCE);
    }
}
