//! Group commit, by the calls that reach the disk.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::*;
use crate::storage::OsFiles;
use crate::storage::journal::file::path_of;
use crate::storage::wrap::{Call, RecordingFiles};

/// Whether a sync that began after the record was written lies in the calls that had returned by `returned`.
fn is_covered(calls: &[Call], end: Position, returned: usize) -> bool {
    let name = path_of(Path::new(""), end.file);
    let written = calls.iter().position(|call| {
        matches!(call, Call::Write { file, offset, len } if *file == name && *offset >= 4096 && offset + len >= end.offset
            && *len % (8 << 10) != 0)
    });
    let Some(written) = written.filter(|&written| written < returned) else { return false };
    calls[..returned]
        .iter()
        .any(|call| matches!(call, Call::Sync { file, started } if *file == name && *started > written))
}

#[test]
fn a_sync_that_covers_the_record_lies_between_append_and_return() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let options = JournalOptions { file_bytes: 64 << 10, ..small() };
    let (journal, start) = new_journal(files.clone(), &journal_dir(&dir), options);
    let latch = Mutex::new(0);
    let barrier = Barrier::new(8);
    let returns = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..50 {
                    let reservation = journal.reserve(300).unwrap();
                    let mut last = latch.lock();
                    *last += 1;
                    let end = journal.append(reservation, *last, &Payload::new(payload(*last)));
                    drop(last);
                    journal.wait_synced(end).unwrap();
                    assert!(journal.synced() >= end);
                    returns.lock().push((end, files.count()));
                }
            });
        }
    });
    let calls = files.calls();
    let returns = returns.into_inner();
    assert_eq!(returns.len(), 400);
    for (end, returned) in returns {
        assert!(is_covered(&calls, end, returned), "{end:?} returned after {returned} calls without a sync");
    }
    journal.close().unwrap();
    let (numbers, _) = replayed(&OsFiles, &journal_dir(&dir), start, Some(journal.end())).unwrap();
    assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
}

#[test]
fn one_sync_serves_many() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let options = JournalOptions { file_bytes: 1 << 20, chunk_bytes: 1 << 20, ..small() };
    let (journal, _) = new_journal(files.clone(), &journal_dir(&dir), options);
    for number in 1..=100 {
        commit(&journal, number).unwrap();
    }
    let before = files.count();
    let end = journal.end();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| journal.wait_synced(end).unwrap());
        }
    });
    let calls = &files.calls()[before..];
    assert!(matches!(calls, [Call::Write { .. }, Call::Sync { .. }]), "{calls:?}");
}

#[test]
fn a_file_is_synced_before_the_next_one_gets_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let (journal, _) = new_journal(files.clone(), &journal_dir(&dir), small());
    for number in 1..=1000 {
        commit(&journal, number).unwrap();
    }
    journal.sync().unwrap();
    let calls = files.calls();
    let last = journal.end().file;
    assert!(last > 3);
    for number in 2..=last {
        let (old, new) = (path_of(Path::new(""), number - 1), path_of(Path::new(""), number));
        let first_record = calls
            .iter()
            .position(|call| matches!(call, Call::Write { file, offset: 4096, .. } if *file == new))
            .unwrap();
        let last_write =
            calls.iter().rposition(|call| matches!(call, Call::Write { file, .. } if *file == old)).unwrap();
        assert!(last_write < first_record);
        let synced = calls[last_write..first_record]
            .iter()
            .any(|call| matches!(call, Call::Sync { file, started } if *file == old && *started > last_write));
        assert!(synced, "file {} was not synced before file {number} was begun", number - 1);
        let created = calls.iter().position(|call| matches!(call, Call::Create { file } if *file == new)).unwrap();
        assert!(calls[created..first_record].iter().any(|call| matches!(call, Call::SyncDir { .. })));
    }
}

#[test]
fn records_that_nobody_waits_for_are_synced_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = JournalOptions { eventual_sync: Duration::from_millis(20), ..JournalOptions::default() };
    let (journal, _) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), options);
    // From an idle flusher, and from one that is awake.
    for number in 1..=5 {
        let end = commit(&journal, number).unwrap();
        poll("the flusher", || journal.synced() >= end);
    }
    poll("an idle flusher", || journal.flusher_is_idle());
    let end = commit(&journal, 6).unwrap();
    poll("the flusher", || journal.synced() >= end);
}

#[test]
fn a_full_buffer_is_written_without_waiting_for_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = JournalOptions { flush_bytes: 10_000, ..small() };
    let (journal, _) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), options);
    let first = commit(&journal, 1).unwrap();
    for number in 2..=100 {
        commit(&journal, number).unwrap();
    }
    poll("the flusher", || journal.synced() >= first);
}

#[test]
fn space_is_made_ahead_of_need() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), JournalOptions::default());
    let file = path_of(&journal_dir(&dir), 1);
    let len = || std::fs::metadata(&file).unwrap().len();
    assert_eq!(len(), 1 << 20);
    commit_bytes(&journal, 1, vec![1; 600 << 10]).unwrap();
    poll("the space thread", || len() >= 2 << 20);
    assert_eq!(len() % (1 << 20), 0);
}

#[test]
fn commits_of_many_threads_count_up_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let latch = Mutex::new(0);
    let waited = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (journal, latch, waited) = (&journal, &latch, &waited);
            scope.spawn(move || {
                for round in 0..100 {
                    let reservation = journal.reserve(300).unwrap();
                    let mut last = latch.lock();
                    *last += 1;
                    let end = journal.append(reservation, *last, &Payload::new(payload(*last)));
                    drop(last);
                    if (thread + round) % 10 == 0 {
                        journal.wait_synced(end).unwrap();
                        waited.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(waited.into_inner(), 80);
    // Without a close: dropping writes what is left.
    drop(journal);
    let (numbers, _) = replayed(&OsFiles, &journal_dir(&dir), start, None).unwrap();
    assert_eq!(numbers, (1..=800).collect::<Vec<_>>());
}

/// Waits for a state that another thread brings about.
fn poll(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_there() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}
