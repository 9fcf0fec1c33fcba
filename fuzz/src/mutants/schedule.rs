//! Scripts of named actors for the rules that random transactions rarely put to the test.
//!
//! Each script waits for its actors to stand where it wants them by looking at the lock dump, never by the clock.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gangline::{Db, ErrorKind, Options, Table};

use crate::Failure;

const ROWS: Table<u32, u64> = Table::new("rows");

/// The lock time-out of the scripts, long enough for a busy machine to do a step in half of it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Plays all scripts.
///
/// # Errors
///
/// What went otherwise than the script says.
pub(super) fn run() -> Result<(), Failure> {
    a_name_is_not_waited_for_with_a_row_in_hand()?;
    a_reader_does_not_pass_a_waiting_writer()?;
    who_gives_up_lets_those_behind_go_on()
}

fn open() -> Result<Db, Failure> {
    let db = Options::new().lock_timeout(TIMEOUT).scan_threads(1).in_memory()?;
    db.put(ROWS, 1, 10)?;
    db.put(ROWS, 2, 20)?;
    Ok(db)
}

/// Who waits for a name that another holds has given its rows back: so the other can have them.
fn a_name_is_not_waited_for_with_a_row_in_hand() -> Result<(), Failure> {
    let db = open()?;
    let guard = db.lock("lead")?;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            db.transact(|tx| {
                tx.put(ROWS, 1, 11)?;
                tx.lock("lead")
            })
        });
        waiting(&db, 1)?;
        db.put(ROWS, 1, 12)?;
        drop(guard);
        ended(other)?;
        Ok(())
    })
}

/// A reader that comes after a waiting writer is served after it.
fn a_reader_does_not_pass_a_waiting_writer() -> Result<(), Failure> {
    let db = open()?;
    std::thread::scope(|scope| {
        let db = &db;
        let (reads, first) = channel();
        let (go, end) = channel();
        let holder = scope.spawn(move || {
            db.transact(|tx| {
                tx.get(ROWS, 1)?;
                let _ = reads.send(());
                // Ends at the word of the script, or when the script has failed and dropped its end.
                let _ = end.recv();
                Ok(())
            })
        });
        let _ = first.recv();
        let writer = scope.spawn(move || db.put(ROWS, 1, 11));
        waiting(db, 1)?;
        let reader = scope.spawn(move || db.transact(|tx| Ok(tx.get(ROWS, 1)?.map(|value| *value))));
        let until = Instant::now() + TIMEOUT;
        while !reader.is_finished() && wait_count(db) < 2 && Instant::now() < until {
            std::thread::yield_now();
        }
        let passed = reader.is_finished();
        let _ = go.send(());
        ended(holder)?;
        ended(writer)?;
        let seen = ended(reader)?;
        match passed || seen != Some(11) {
            true => Err(Failure(format!("the reader passed the writer and saw {seen:?}"))),
            false => Ok(()),
        }
    })
}

/// Behind a writer whose time is over, a reader goes on at once, beside the reader that was first.
fn who_gives_up_lets_those_behind_go_on() -> Result<(), Failure> {
    let db = open()?;
    std::thread::scope(|scope| {
        let db = &db;
        let (reads, first) = channel();
        let (go, end) = channel::<()>();
        let holder = scope.spawn(move || {
            db.transact(|tx| {
                tx.get(ROWS, 1)?;
                let _ = reads.send(());
                let _ = end.recv();
                Ok(())
            })
        });
        let _ = first.recv();
        let writer = scope.spawn(move || db.put(ROWS, 1, 11));
        // The reader's own time must not be over when the writer's is.
        let since = Instant::now();
        waiting(db, 1)?;
        while since.elapsed() < TIMEOUT / 2 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let reader = scope.spawn(move || db.transact(|tx| tx.get(ROWS, 1).map(drop)));
        let gave_up = ended(writer);
        let went_on = ended(reader);
        let _ = go.send(());
        ended(holder)?;
        match gave_up {
            Err(Failure(text)) if text.contains("not granted") => went_on,
            other => Err(Failure(format!("the writer should have given up: {other:?}"))),
        }
    })
}

fn ended<T>(thread: std::thread::ScopedJoinHandle<'_, gangline::Result<T>>) -> Result<T, Failure> {
    match thread.join() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.kind() == ErrorKind::LockTimeout => Err(Failure(format!("not granted: {error}"))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Failure("an actor panicked".to_owned())),
    }
}

fn wait_count(db: &Db) -> usize {
    db.locks().dump().granules.iter().map(|granule| granule.waiting.len()).sum()
}

/// Until so many actors wait for a lock.
fn waiting(db: &Db, count: usize) -> Result<(), Failure> {
    let end = Instant::now() + TIMEOUT;
    while wait_count(db) < count {
        if Instant::now() >= end {
            return Err(Failure(format!("{count} actors should wait\n{}", db.locks().dump())));
        }
        std::thread::yield_now();
    }
    Ok(())
}
