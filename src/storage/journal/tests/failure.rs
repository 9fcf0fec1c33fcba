//! Full disks and failed writes and syncs.

use std::io;

use super::*;
use crate::error::ErrorKind;
use crate::storage::OsFiles;
use crate::storage::wrap::{Fault, FaultFiles};

#[test]
fn a_full_disk_is_met_while_reserving_and_harms_nothing() {
    for (file_bytes, space) in [(32 << 10, 9_000), (1 << 20, 9_000), (32 << 10, 0), (1 << 20, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let files = FaultFiles::new(Arc::new(OsFiles));
        let options = JournalOptions { file_bytes, ..small() };
        let (journal, start) = new_journal(files.clone(), &journal_dir(&dir), options);
        let mut last = 0;
        for round in 0..3 {
            files.set(Fault { space: Some(space), ..Fault::default() });
            let error = loop {
                match commit(&journal, last + 1) {
                    Ok(end) => {
                        last += 1;
                        // What was reserved can be written and synced on a full disk.
                        journal.wait_synced(end).unwrap();
                    }
                    Err(error) => break error,
                }
                assert!(last < 100_000, "the disk never got full");
            };
            assert_eq!(error.kind(), ErrorKind::DiskFull);
            assert!(error.is_retryable());
            assert!(journal.poisoned().is_none());
            assert_eq!(commit(&journal, last + 1).unwrap_err().kind(), ErrorKind::DiskFull);
            files.set(Fault::default());
            for _ in 0..100 {
                last += 1;
                commit(&journal, last).unwrap();
            }
            assert!(last > round * 100);
        }
        journal.close().unwrap();
        let (numbers, _) = replayed(&OsFiles, &journal_dir(&dir), start, Some(journal.end())).unwrap();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    }
}

/// After a failure: the commit that waits is unknown, all later calls are poisoned, and a replay finds a prefix that
/// contains what was acknowledged.
fn poisoned_by(fault: Fault) {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let options = JournalOptions { chunk_bytes: 1 << 20, file_bytes: 4 << 20, ..small() };
    let (journal, start) = new_journal(files.clone(), &journal_dir(&dir), options);
    let acknowledged = commit(&journal, 1).unwrap();
    journal.wait_synced(acknowledged).unwrap();
    files.set(fault);
    let second = commit(&journal, 2).unwrap();
    let third = commit(&journal, 3).unwrap();
    let held = journal.reserve(payload(4).len()).unwrap();
    std::thread::scope(|scope| {
        let waits = [second, third].map(|position| {
            let journal = &journal;
            scope.spawn(move || journal.wait_synced(position).unwrap_err().kind())
        });
        for wait in waits {
            assert_eq!(wait.join().unwrap(), ErrorKind::CommitUnknown);
        }
    });
    // A commit that had its space already cannot fail to append, but learns of it too.
    let fourth = journal.append(held, 4, &Payload::new(payload(4)));
    assert!(fourth > third);
    assert_eq!(journal.wait_synced(fourth).unwrap_err().kind(), ErrorKind::CommitUnknown);
    assert_eq!(journal.reserve(1).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(journal.sync().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(journal.poisoned().unwrap().kind(), ErrorKind::Poisoned);
    journal.wait_synced(acknowledged).unwrap();
    assert_eq!(journal.close().unwrap_err().kind(), ErrorKind::Poisoned);
    drop(journal);
    let (numbers, tail) = replayed(files.as_ref(), &journal_dir(&dir), start, None).unwrap();
    assert!([vec![1], vec![1, 2], vec![1, 2, 3]].contains(&numbers), "{numbers:?}");
    let journal = Journal::create(files, &journal_dir(&dir), tail.next_file, Some(tail.clone()), small()).unwrap();
    commit(&journal, tail.last_commit + 1).unwrap();
    journal.close().unwrap();
}

#[test]
fn a_failed_sync_poisons() {
    poisoned_by(Fault { sync_in: Some(0), ..Fault::default() });
}

#[test]
fn a_failed_write_poisons() {
    for torn_bytes in [0, 1, 43, 44, 60, 120, 130, 10_000] {
        poisoned_by(Fault { write_in: Some(0), torn_bytes, ..Fault::default() });
    }
}

#[test]
fn a_full_disk_while_writing_poisons_as_it_cannot_happen() {
    poisoned_by(Fault { write_in: Some(0), kind: Some(io::ErrorKind::StorageFull), ..Fault::default() });
}

#[test]
fn a_failed_sync_of_new_space_poisons() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let options = JournalOptions { file_bytes: 1 << 20, ..small() };
    let (journal, _) = new_journal(files.clone(), &journal_dir(&dir), options);
    let end = commit(&journal, 1).unwrap();
    files.set(Fault { sync_in: Some(0), ..Fault::default() });
    assert_eq!(journal.reserve(100_000).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(journal.wait_synced(end).unwrap_err().kind(), ErrorKind::CommitUnknown);
    assert_eq!(journal.close().unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn a_record_over_the_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    assert_eq!(journal.reserve(MAX_PAYLOAD_BYTES + 1).unwrap_err().kind(), ErrorKind::TransactionTooLarge);
    commit(&journal, 1).unwrap();
}
