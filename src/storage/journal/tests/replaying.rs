//! What was written comes back: over files, reopens, large records.

use super::*;
use crate::storage::OsFiles;
use crate::storage::journal::file::numbers;

#[test]
fn commits_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    for number in 1..=20 {
        commit(&journal, number).unwrap();
    }
    let end = journal.end();
    journal.close().unwrap();
    let (numbers, tail) = replayed(&OsFiles, &journal_dir(&dir), start, Some(end)).unwrap();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!((tail.end, tail.last_commit), (end, 20));
    assert_eq!(tail.replayed_bytes, end.offset - start.position.offset);
}

#[test]
fn a_journal_of_many_files_comes_back_from_any_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let mut marks = vec![start];
    for number in 1..=1500 {
        let position = commit(&journal, number).unwrap();
        assert!(position > marks[marks.len() - 1].position);
        marks.push(journal.mark());
        assert_eq!(journal.bytes_since(position), 0);
    }
    journal.close().unwrap();
    assert!(journal.end().file > 4, "only {} files", journal.end().file);
    for (passed, mark) in marks.iter().enumerate().step_by(97) {
        let (numbers, tail) = replayed(&OsFiles, &journal_dir(&dir), *mark, Some(journal.end())).unwrap();
        assert_eq!(numbers, (passed as u64 + 1..=1500).collect::<Vec<_>>());
        assert_eq!((tail.end, tail.chain), (journal.mark().position, journal.mark().chain));
        assert_eq!(
            tail.next_file,
            super::super::file::numbers(&OsFiles, &journal_dir(&dir)).unwrap().pop().unwrap() + 1
        );
    }
}

#[test]
fn a_journal_goes_on_after_reopening_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = journal_dir(&dir);
    let files: Arc<dyn FileLayer> = Arc::new(OsFiles);
    let (mut journal, start) = new_journal(Arc::clone(&files), &path, small());
    let mut expected = Vec::new();
    for round in 0..3 {
        for number in round * 100 + 1..=round * 100 + 100 {
            commit(&journal, number).unwrap();
            expected.push(number);
        }
        let bytes = journal.bytes_since(start.position);
        drop(journal);
        let (numbers, tail) = replayed(&OsFiles, &path, start, None).unwrap();
        assert_eq!(numbers, expected);
        assert!(tail.replayed_bytes <= bytes);
        journal = Journal::create(Arc::clone(&files), &path, tail.next_file, Some(tail), small()).unwrap();
        assert_eq!(journal.mark().last_commit, round * 100 + 100);
    }
    journal.close().unwrap();
    let (numbers, _) = replayed(&OsFiles, &path, start, Some(journal.end())).unwrap();
    assert_eq!(numbers, expected);
}

#[test]
fn a_record_larger_than_a_file_and_a_chunk_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let sizes = [10, 100_000, 0, 20_000, 33_000, 7];
    for (index, size) in sizes.iter().enumerate() {
        let position = commit_bytes(&journal, index as u64 + 1, vec![index as u8; *size]).unwrap();
        journal.wait_synced(position).unwrap();
    }
    journal.close().unwrap();
    let mut seen = Vec::new();
    replay(&OsFiles, &journal_dir(&dir), start, Some(journal.end()), &mut |number, bytes| {
        assert!(bytes.iter().all(|&byte| u64::from(byte) + 1 == number));
        seen.push(bytes.len());
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, sizes);
}

#[test]
fn reservations_may_be_used_in_another_order_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let mut number = 0;
    for round in 0..60 {
        let mut reservations: Vec<_> =
            (0..7).map(|index| (index, journal.reserve(payload(number + 1 + index).len()).unwrap())).collect();
        // Larger than any of the payloads, and dropped: the others must still fit.
        drop(journal.reserve(20_000).unwrap());
        reservations.rotate_left(round % 7);
        let first = number + 1;
        let mut spare = None;
        for (index, reservation) in reservations {
            let size = payload(first + index).len();
            if payload(number + 1).len() <= size {
                number += 1;
                journal.append(reservation, number, &Payload::new(payload(number)));
            } else {
                spare = Some(reservation);
            }
        }
        drop(spare);
    }
    assert!(number > 100, "{number} commits");
    journal.close().unwrap();
    let (numbers, _) = replayed(&OsFiles, &journal_dir(&dir), start, Some(journal.end())).unwrap();
    assert_eq!(numbers, (1..=number).collect::<Vec<_>>());
}

#[test]
fn old_files_are_removed_and_the_rest_still_replays() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    for number in 1..=1000 {
        commit(&journal, number).unwrap();
    }
    let mark = journal.mark();
    assert!(mark.position.file > 2);
    commit(&journal, 1001).unwrap();
    journal.sync().unwrap();
    assert!(journal.bytes_since(start.position) > 32 << 10);
    journal.remove_before(mark.position).unwrap();
    assert_eq!(numbers(&OsFiles, &journal_dir(&dir)).unwrap()[0], mark.position.file);
    journal.close().unwrap();
    assert_eq!(replayed(&OsFiles, &journal_dir(&dir), mark, None).unwrap().0, [1001]);
    let missing = replayed(&OsFiles, &journal_dir(&dir), start, None).unwrap_err();
    assert_eq!(missing.kind(), crate::error::ErrorKind::Corrupted);
}

#[test]
fn the_first_journal_of_a_store_is_not_made_over_commits() {
    let dir = tempfile::tempdir().unwrap();
    let path = journal_dir(&dir);
    // Left by a creation that did not finish.
    drop(new_journal(Arc::new(OsFiles), &path, small()));
    let (journal, _) = new_journal(Arc::new(OsFiles), &path, small());
    commit(&journal, 1).unwrap();
    journal.close().unwrap();
    let error = Journal::create(Arc::new(OsFiles), &path, 2, None, small()).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Corrupted);
}

#[test]
fn calls_after_close_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    journal.close().unwrap();
    journal.close().unwrap();
    assert_eq!(journal.reserve(1).unwrap_err().kind(), crate::error::ErrorKind::Closed);
}
