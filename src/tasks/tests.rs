//! Commits of tasks on a disk that stands still, fails, or is shared with threads.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::storage::OsFiles;
use crate::storage::wrap::{Fault, FaultFiles};
use crate::{Db, Durability, ErrorKind, Options, Table, recovery};

const ACCOUNTS: Table<u32, i64> = Table::new("accounts");

/// Whatever takes longer than this will never happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn gated() -> (TempDir, Arc<FaultFiles>, Db) {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    // Nothing is synced by itself.
    let options = Options::new().eventual_sync(Duration::from_secs(3_600));
    let db = Db::of(recovery::open(files.clone(), &dir.path().join("store"), options).unwrap()).unwrap();
    // The table is there, and with it the space of a first record.
    db.put(ACCOUNTS, 0, 0).unwrap();
    (dir, files, db)
}

/// Opens the gate however a test ends, or the database would wait for it.
struct Opens<'a>(&'a FaultFiles);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.gate().open();
    }
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Other tasks of the executor run on until `reached`; fails if that takes too long.
async fn ticks_until(reached: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "waited in vain");
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_executor_goes_on_while_a_commit_is_synced() {
    let (_dir, files, db) = gated();
    let opens = Opens(&files);
    current_thread().block_on(async {
        files.gate().close();
        let commit = tokio::spawn(db.put_async(ACCOUNTS, 1, 10));
        ticks_until(|| files.gate().waiting() > 0).await;
        assert!(!commit.is_finished(), "it is not on disk");
        assert_eq!(db.get_async(ACCOUNTS, 1).await.unwrap().as_deref(), Some(&10), "applied, and its locks given back");
        drop(opens);
        commit.await.unwrap().unwrap();
    });
    db.close().unwrap();
}

#[test]
fn many_tasks_share_a_sync_with_each_other_and_with_threads() {
    const TASKS: u32 = 50;
    let (_dir, files, db) = gated();
    let opens = Opens(&files);
    let before = db.status().unwrap().commits;
    current_thread().block_on(async {
        files.gate().close();
        let first = tokio::spawn(db.put_async(ACCOUNTS, 0, 1));
        ticks_until(|| files.gate().waiting() > 0).await;
        let tasks: Vec<_> = (1..TASKS).map(|id| tokio::spawn(db.put_async(ACCOUNTS, id, 1))).collect();
        let of_thread = db.clone();
        let thread = std::thread::spawn(move || of_thread.put(ACCOUNTS, TASKS, 1));
        ticks_until(|| db.status().unwrap().commits == before + u64::from(TASKS) + 1).await;
        assert!(tasks.iter().all(|task| !task.is_finished()), "none is on disk");
        drop(opens);
        first.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        thread.join().unwrap().unwrap();
    });
    db.close().unwrap();
}

#[test]
fn an_eventual_commit_of_a_task_does_not_wait_and_sync_does() {
    let (_dir, files, db) = gated();
    let opens = Opens(&files);
    current_thread().block_on(async {
        files.gate().close();
        let options = crate::TransactionOptions::new().durability(Durability::Eventual);
        db.transact_with_async(&options, |tx| async move { tx.put(ACCOUNTS, 1, 10).await }).await.unwrap();
        let synced = tokio::spawn(db.sync_async());
        ticks_until(|| files.gate().waiting() > 0).await;
        assert!(!synced.is_finished());
        drop(opens);
        synced.await.unwrap().unwrap();
    });
    db.close().unwrap();
}

#[test]
fn a_commit_whose_future_is_dropped_is_forgotten_by_the_journal() {
    let (_dir, files, db) = gated();
    let opens = Opens(&files);
    files.gate().close();
    {
        let mut commit = pin!(db.put_async(ACCOUNTS, 1, 10));
        let end = Instant::now() + PATIENCE;
        while files.gate().waiting() == 0 {
            assert!(Instant::now() < end, "the commit never came to the disk");
            assert!(matches!(commit.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
        }
    }
    drop(opens);
    // Nobody is counted as waiting any more: the next one leads alone, and does not gather for the one that is gone.
    db.put(ACCOUNTS, 2, 20).unwrap();
    assert_eq!(db.get(ACCOUNTS, 1).unwrap().as_deref(), Some(&10), "its commit had begun");
    assert_eq!(db.engine().journal.as_ref().unwrap().waiting(), 0);
    db.close().unwrap();
}

#[test]
fn a_failed_sync_is_a_commit_that_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let db = Db::of(recovery::open(files.clone(), &dir.path().join("store"), Options::new()).unwrap()).unwrap();
    db.put(ACCOUNTS, 0, 0).unwrap();
    current_thread().block_on(async {
        files.set(Fault { sync_in: Some(0), ..Fault::default() });
        let outcome = tokio::time::timeout(PATIENCE, db.put_async(ACCOUNTS, 1, 10)).await.expect("it is woken");
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::CommitUnknown);
        assert_eq!(db.put_async(ACCOUNTS, 1, 10).await.unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(db.sync_async().await.unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(db.get_async(ACCOUNTS, 1).await.unwrap_err().kind(), ErrorKind::Poisoned);
    });
}
