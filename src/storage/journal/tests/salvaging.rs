//! Salvage: every record that is whole, whatever happened to the others.

use super::*;
use crate::storage::OsFiles;
use crate::storage::journal::file::path_of;

/// The numbers of the commits that are left, and the damages; each payload is compared.
fn salvaged(dir: &Path, after: u64) -> (Vec<u64>, Vec<Damage>) {
    let mut numbers = Vec::new();
    let damages = salvage(dir, after, &mut |number, bytes| {
        assert_eq!(bytes, payload(number), "commit {number}");
        numbers.push(number);
        Ok(())
    })
    .unwrap();
    (numbers, damages.places)
}

fn end_is_lost(dir: &Path) -> bool {
    salvage(dir, 0, &mut |_, _| Ok(())).unwrap().end_is_lost
}

/// Writes commits over some files; gives where each ends.
fn written(dir: &Path, commits: u64) -> Vec<Position> {
    let options = JournalOptions { file_bytes: 6 << 10, chunk_bytes: 1 << 10, ..small() };
    let (journal, _) = new_journal(Arc::new(OsFiles), dir, options);
    let ends = (1..=commits).map(|number| commit(&journal, number).unwrap()).collect();
    journal.close().unwrap();
    ends
}

fn change(dir: &Path, file: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path_of(dir, file)).unwrap();
    change(&mut bytes);
    std::fs::write(path_of(dir, file), bytes).unwrap();
}

#[test]
fn one_damaged_record_costs_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let dir = journal_dir(&folder);
    let ends = written(&dir, 60);
    assert!(ends[59].file > 2, "several files: {:?}", ends[59]);
    assert_eq!(salvaged(&dir, 0), ((1..=60).collect(), Vec::new()));
    assert_eq!(salvaged(&dir, 17), ((18..=60).collect(), Vec::new()));
    for lost in [2, 21, 22, 60] {
        let Position { file, offset } = ends[lost - 1];
        // The header, which is then not recognised, or the payload.
        let start = offset - record::record_bytes(payload(lost as u64).len());
        for at in [start, start + record::HEADER_BYTES as u64] {
            change(&dir, file, |bytes| bytes[at as usize] ^= 1);
            let (numbers, damages) = salvaged(&dir, 0);
            assert_eq!(numbers, (1..=60).filter(|number| *number != lost as u64).collect::<Vec<u64>>());
            let told: Vec<(PathBuf, u64)> = damages.into_iter().map(|damage| (damage.file, damage.offset)).collect();
            // Without a header nothing says that there was a record at the end.
            let known = lost < 60 || at != start;
            assert_eq!(told, if known { vec![(path_of(&dir, file), start)] } else { Vec::new() }, "{lost} at {at}");
            assert!(!end_is_lost(&dir), "the numbers tell");
            change(&dir, file, |bytes| bytes[at as usize] ^= 1);
        }
    }
}

#[test]
fn a_file_without_its_header_or_its_link_or_cut_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let dir = journal_dir(&folder);
    let ends = written(&dir, 60);
    let first = ends.iter().position(|end| end.file == 2).unwrap() as u64 + 1;
    let last = ends.iter().rposition(|end| end.file == 2).unwrap() as u64 + 1;
    let good = std::fs::read(path_of(&dir, 2)).unwrap();
    change(&dir, 2, |bytes| bytes[..4096].fill(0));
    let (numbers, damages) = salvaged(&dir, 0);
    assert_eq!(numbers, (1..=60).filter(|number| !(first..=last).contains(number)).collect::<Vec<u64>>());
    assert_eq!((damages.len(), damages[0].offset), (1, 0));
    assert!(!end_is_lost(&dir), "commits behind are left");
    std::fs::write(path_of(&dir, 2), &good).unwrap();
    change(&dir, 2, |bytes| bytes[4100] ^= 1);
    assert_eq!(salvaged(&dir, 0).0, (1..=60).collect::<Vec<u64>>());
    std::fs::write(path_of(&dir, 2), &good[..4300]).unwrap();
    let (numbers, _) = salvaged(&dir, 0);
    assert!(numbers.contains(&(first - 1)) && numbers.contains(&(last + 1)) && numbers.len() < 60);
    assert!(!end_is_lost(&dir));
    // The same for the last file: nobody knows what was in it.
    let file = ends[59].file;
    let good = std::fs::read(path_of(&dir, file)).unwrap();
    change(&dir, file, |bytes| bytes[..4096].fill(0));
    assert!(end_is_lost(&dir));
    // Cut behind a record, which knows that the file was longer.
    std::fs::write(path_of(&dir, file), &good[..ends[58].offset as usize]).unwrap();
    assert!(ends[58].file == file && end_is_lost(&dir));
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(salvaged(&dir, 0), (Vec::new(), Vec::new()));
    assert!(end_is_lost(&dir));
}

#[test]
fn a_torn_tail_whose_numbers_were_given_again_is_of_no_account() {
    let folder = tempfile::tempdir().unwrap();
    let dir = journal_dir(&folder);
    let options = JournalOptions { file_bytes: 64 << 10, ..small() };
    let (journal, start) = new_journal(Arc::new(OsFiles), &dir, options.clone());
    let ends: Vec<Position> = (1..=10).map(|number| commit(&journal, number).unwrap()).collect();
    journal.close().unwrap();
    drop(journal);
    // Commit 8 is torn, so 8 to 10 never were; another process goes on with other commits of these numbers.
    let torn = ends[6].offset as usize;
    change(&dir, 1, |bytes| bytes[torn + 2] ^= 1);
    let (numbers, tail) = replayed(&OsFiles, &dir, start, None).unwrap();
    assert_eq!(numbers.len(), 7);
    let journal = Journal::create(Arc::new(OsFiles), &dir, tail.next_file, Some(tail), options).unwrap();
    for number in 8..=9 {
        commit_bytes(&journal, number, b"other".to_vec()).unwrap();
    }
    journal.close().unwrap();
    let mut found = Vec::new();
    let damages = salvage(&dir, 0, &mut |number, bytes| {
        found.push((number, bytes == b"other"));
        Ok(())
    })
    .unwrap();
    assert_eq!(found, (1..=9).map(|number| (number, number > 7)).collect::<Vec<_>>());
    assert_eq!(damages.places, []);
}
