//! Followers: every commit that is on disk, once and in order, and nothing else.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::error::ErrorKind;
use crate::storage::OsFiles;
use crate::storage::journal::file::numbers;
use crate::storage::journal::follow::{Follower, Step};
use crate::storage::journal::watch::More;
use crate::storage::wrap::{Fault, FaultFiles, PowerFiles};

/// The numbers of the commits that a follower finds until there are no more on disk.
fn read(follower: &mut Follower) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        match follower.step().unwrap() {
            Step::Commit { number, payload: bytes } => {
                assert_eq!(bytes, payload(number), "commit {number}");
                found.push(number);
            }
            Step::End => return found,
            step => panic!("{step:?} after {found:?}"),
        }
    }
}

fn numbers_of(commits: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    commits.collect()
}

#[test]
fn a_follower_reads_over_files_and_stops_where_the_disk_does() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let mut follower = journal.follow(start);
    let mut marks = vec![start];
    for number in 1..=1_500u64 {
        let end = commit(&journal, number).unwrap();
        marks.push(journal.mark());
        if number % 37 == 0 {
            assert!(read(&mut follower).is_empty(), "commit {number} is not on disk");
            journal.wait_synced(end).unwrap();
            assert_eq!(read(&mut follower), numbers_of(number - 36..=number));
            assert_eq!(follower.mark(), journal.mark());
        }
    }
    assert!(journal.end().file > 4, "only {} files", journal.end().file);
    journal.sync().unwrap();
    for (passed, mark) in marks.iter().enumerate().step_by(61) {
        assert_eq!(read(&mut journal.follow(*mark)), numbers_of(passed as u64 + 1..=1_500));
    }
}

#[test]
fn a_record_may_be_larger_than_what_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let large: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
    commit_bytes(&journal, 1, payload(1)).unwrap();
    commit_bytes(&journal, 2, large.clone()).unwrap();
    commit_bytes(&journal, 3, payload(3)).unwrap();
    journal.sync().unwrap();
    let mut follower = journal.follow(start);
    for (number, expected) in [(1, payload(1)), (2, large), (3, payload(3))] {
        let step = follower.step().unwrap();
        assert!(matches!(step, Step::Commit { number: found, payload } if found == number && payload == expected));
    }
}

#[test]
fn what_was_removed_is_gone_and_what_is_kept_is_not() {
    for keep_bytes in [0, 70 << 10, u64::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let path = journal_dir(&dir);
        let options = JournalOptions { keep_bytes, ..small() };
        let (journal, start) = new_journal(Arc::new(OsFiles), &path, options);
        let mut slow = journal.follow(start);
        // Reads from a file that it has open, then finds nothing behind it.
        let mut open = journal.follow(start);
        let mut marks = vec![start];
        for number in 1..=1_500 {
            commit(&journal, number).unwrap();
            marks.push(journal.mark());
        }
        journal.sync().unwrap();
        assert!(matches!(open.step().unwrap(), Step::Commit { number: 1, .. }));
        let all = numbers(&OsFiles, &path).unwrap();
        journal.remove_before(journal.end()).unwrap();
        let kept = numbers(&OsFiles, &path).unwrap();
        let first = all.len() - kept.len();
        assert_eq!(kept, all[first..], "no gap is left");
        let bytes = |number: &u64| std::fs::metadata(path.join(format!("{number:010}.journal"))).unwrap().len();
        let old: u64 = kept.iter().filter(|number| **number < journal.end().file).map(bytes).sum();
        assert!(old <= keep_bytes && (keep_bytes == 0) == (old == 0), "{old} of {keep_bytes}");
        assert!(keep_bytes == u64::MAX || keep_bytes - old < 36 << 10, "{old} of {keep_bytes}");
        if keep_bytes == u64::MAX {
            assert_eq!(read(&mut slow), numbers_of(1..=1_500));
            continue;
        }
        assert!(matches!(slow.step().unwrap(), Step::Gone));
        let mut last_open = None;
        while let Step::Commit { number, .. } = open.step().unwrap() {
            last_open = Some(number);
        }
        let in_first = marks.iter().filter(|mark| mark.position.file == 1).count() as u64 - 1;
        assert_eq!(last_open, Some(in_first), "what it has open is read to its end");
        // From each place: all that follows, or none of it.
        for (passed, mark) in marks.iter().enumerate() {
            let is_there = kept.contains(&mark.position.file);
            let is_end = marks.get(passed + 1).is_some_and(|next| kept.first() == Some(&next.position.file));
            let mut follower = journal.follow(*mark);
            match follower.prove(&journal.mark()).unwrap() {
                Step::End => assert!(is_there || is_end, "{mark:?}"),
                Step::Gone => assert!(!is_there && !is_end, "{mark:?}"),
                step => panic!("{step:?} at {mark:?}"),
            }
            if (is_there || is_end) && passed % 13 == 0 {
                assert_eq!(read(&mut follower), numbers_of(passed as u64 + 1..=1_500));
            }
        }
    }
}

#[test]
fn a_place_of_another_journal_is_foreign() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let (another, _) = new_journal(Arc::new(OsFiles), &journal_dir(&other), small());
    let mut marks = Vec::new();
    for number in 1..=600 {
        commit(&journal, number).unwrap();
        commit(&another, number).unwrap();
        marks.push(another.mark());
    }
    journal.sync().unwrap();
    let end = journal.mark();
    let is_foreign = |mark| matches!(journal.follow(mark).prove(&end).unwrap(), Step::Foreign);
    assert!(marks.into_iter().all(is_foreign));
    let Mark { position, chain, last_commit } = end;
    assert!(!is_foreign(start) && !is_foreign(end));
    assert!(is_foreign(Mark { chain: chain + 1, ..end }) && is_foreign(Mark { last_commit: last_commit + 1, ..end }));
    let beyond = Position { offset: position.offset + 8, ..position };
    assert!(is_foreign(Mark { position: beyond, ..end }));
    let hostile = [(0, 0), (1, 1), (1, u64::MAX), (u64::MAX, u64::MAX), (2, 4_096)];
    for (file, offset) in hostile {
        let mut follower = journal.follow(Mark { position: Position { file, offset }, chain: 7, last_commit: 3 });
        assert!(matches!(follower.prove(&end).unwrap(), Step::Foreign | Step::Gone), "{file} {offset}");
    }
    // With its files gone: the commits are counted, and there were not so many.
    journal.remove_before(end.position).unwrap();
    assert!(is_foreign(Mark { position: start.position, chain: 1, last_commit: 10_000 }));
}

/// What a follower has read survives, and one that goes on from its place reads what comes after, whatever a cut has
/// taken of the commits behind it.
#[test]
fn what_was_followed_survives_power_cuts() {
    let dir = Path::new("/store/journal");
    let mut cut_off = 0;
    for seed in 1..=100u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        let options = JournalOptions { file_bytes: 12 << 10, chunk_bytes: 4 << 10, ..small() };
        let mut disk = PowerFiles::new();
        let (mut journal, start) = new_journal(disk.clone(), dir, options.clone());
        let (mut last, mut seen, mut place) = (0, 0, start);
        for _ in 0..5 {
            let mut follower = journal.follow(place);
            assert!(matches!(follower.prove(&journal.mark()).unwrap(), Step::End));
            for _ in 0..below(90) {
                last += 1;
                commit(&journal, last).unwrap();
                if below(10) == 0 {
                    journal.sync().unwrap();
                }
                if below(5) == 0
                    && let Step::Commit { number, .. } = follower.step().unwrap()
                {
                    seen += 1;
                    assert_eq!(number, seen);
                }
            }
            place = follower.mark();
            drop(follower);
            let keep = below(4);
            disk = disk.cut(|| below(4) < keep);
            let tail = replay(disk.as_ref(), dir, start, None, &mut |_, _| Ok(())).unwrap();
            assert!(tail.last_commit >= seen, "commit {seen} was followed, {} are there", tail.last_commit);
            cut_off += last - tail.last_commit;
            last = tail.last_commit;
            journal = Journal::create(disk.clone(), dir, tail.next_file, Some(tail), options.clone()).unwrap();
        }
        assert_eq!(read(&mut journal.follow(place)), numbers_of(seen + 1..=last));
    }
    assert!(cut_off > 100, "the cuts took nothing");
}

#[test]
fn a_follower_waits_for_the_next_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, start) = new_journal(Arc::new(OsFiles), &journal_dir(&dir), small());
    let mut follower = journal.follow(start);
    let soon = || Some(Instant::now() + Duration::from_millis(1));
    let late = || Some(Instant::now() + Duration::from_secs(60));
    assert_eq!(follower.wait(soon()).unwrap(), More::NotYet);
    commit(&journal, 1).unwrap();
    assert_eq!(follower.wait(soon()).unwrap(), More::NotYet);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| follower.wait(late()).unwrap());
        journal.sync().unwrap();
        assert_eq!(waiter.join().unwrap(), More::Yes);
    });
    assert_eq!(read(&mut follower), [1]);
    commit(&journal, 2).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| follower.wait(late()).unwrap());
        journal.close().unwrap();
        assert_eq!(waiter.join().unwrap(), More::Yes);
    });
    assert_eq!(read(&mut follower), [2]);
    assert_eq!(follower.wait(late()).unwrap(), More::Never);
}

#[test]
fn a_failed_sync_ends_the_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let (journal, start) = new_journal(files.clone(), &journal_dir(&dir), small());
    let end = commit(&journal, 1).unwrap();
    journal.wait_synced(end).unwrap();
    files.set(Fault { sync_in: Some(0), ..Fault::default() });
    let end = commit(&journal, 2).unwrap();
    assert_eq!(journal.wait_synced(end).unwrap_err().kind(), ErrorKind::CommitUnknown);
    let mut follower = journal.follow(start);
    assert_eq!(read(&mut follower), [1], "what was on disk before is there");
    assert_eq!(follower.wait(None).unwrap_err().kind(), ErrorKind::Poisoned);
}
