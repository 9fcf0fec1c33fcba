//! Every byte of a journal flipped, every length cut: an error or the right commits, and never less than was known to
//! be on disk.

use super::*;
use crate::error::ErrorKind;
use crate::storage::journal::file::{numbers, path_of};
use crate::storage::wrap::PowerFiles;

const DIR: &str = "/store/journal";

/// A journal over several openings and files, killed at the end: its folder, its start, what it holds, and how many
/// commits a damage may not cost, as later records know that they are on disk.
struct Written {
    files: Arc<PowerFiles>,
    start: Mark,
    commits: u64,
    known: u64,
    end: Position,
}

impl Written {
    fn new() -> Written {
        let files = PowerFiles::new();
        let path = Path::new(DIR);
        let options = JournalOptions { file_bytes: 4 << 10, chunk_bytes: 1 << 10, ..small() };
        let (journal, start) = new_journal(files.clone(), path, options.clone());
        let mut next = 1;
        let mut add = |journal: &Journal, count: u64| {
            for _ in 0..count {
                commit(journal, next).unwrap();
                next += 1;
            }
            journal.sync().unwrap();
        };
        add(&journal, 26);
        drop(journal);
        let (_, tail) = replayed(files.as_ref(), path, start, None).unwrap();
        let journal = Journal::create(files.clone(), path, tail.next_file, Some(tail), options).unwrap();
        add(&journal, 3);
        add(&journal, 5);
        // The last record knows that all before it were synced; nothing knows that of the last one.
        add(&journal, 1);
        let end = journal.end();
        drop(journal);
        Written { files, start, commits: 35, known: 34, end }
    }

    fn replayed(&self, start: Mark, closed_at: Option<Position>) -> Result<(Vec<u64>, TailInfo)> {
        replayed(self.files.as_ref(), Path::new(DIR), start, closed_at)
    }

    /// The numbers of its files, with their paths and bytes.
    fn all(&self) -> Vec<(u64, PathBuf, Vec<u8>)> {
        let numbers = numbers(self.files.as_ref(), Path::new(DIR)).unwrap();
        let paths = numbers.into_iter().map(|number| (number, path_of(Path::new(DIR), number)));
        paths.map(|(number, path)| (number, path.clone(), self.files.contents(&path))).collect()
    }

    /// With a file changed, replay fails with `Corrupted`, or gives back a prefix with all commits that are known.
    fn check(&self, what: &str, closed_at: Option<Position>) -> bool {
        match self.replayed(self.start, closed_at) {
            Ok((numbers, _)) => {
                assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{what}");
                let least = if closed_at.is_some() { self.commits } else { self.known };
                assert!(numbers.len() as u64 >= least, "{what}: only {} commits", numbers.len());
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted, "{what}: {error}");
                assert!(error.to_string().contains("offset"), "{error}");
                false
            }
        }
    }
}

#[test]
fn a_flipped_byte_is_noticed_or_harmless() {
    let written = Written::new();
    assert!(written.end.file >= 3, "{:?}", written.end);
    for closed_at in [None, Some(written.end)] {
        let mut noticed = 0;
        let mut harmless = 0;
        for (number, path, good) in written.all() {
            // Between the header's copies there are only zeros that nobody reads.
            let used = good.iter().rposition(|&byte| byte != 0).unwrap() + 64;
            let step = if closed_at.is_some() { 5 } else { 1 };
            for at in (0..40).chain(2048..2088).chain((4096..good.len().min(used)).step_by(step)) {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << (at % 8);
                written.files.overwrite(&path, bytes);
                let is_right = written.check(&format!("file {number}, byte {at}"), closed_at);
                *(if is_right { &mut harmless } else { &mut noticed }) += 1;
            }
            written.files.overwrite(&path, good);
        }
        assert!(noticed > 500 && harmless > 50, "{noticed} noticed, {harmless} harmless");
    }
}

#[test]
fn a_cut_file_is_noticed_or_harmless() {
    let written = Written::new();
    for closed_at in [None, Some(written.end)] {
        for (number, path, good) in written.all() {
            for len in (0..40).chain(2040..2090).chain((4090..good.len()).step_by(3)) {
                written.files.overwrite(&path, good[..len].to_vec());
                // The last file's records are all cut away, its link too, when it ends before it: then nothing is left
                // that knows of them.
                let is_last = number == written.end.file;
                if closed_at.is_none() && is_last && len < written.end.offset as usize {
                    let outcome = written.replayed(written.start, None);
                    if let Err(error) = &outcome {
                        assert_eq!(error.kind(), ErrorKind::Corrupted);
                    } else {
                        assert!(len < 4096 + 72, "file {number} cut to {len} bytes went unnoticed");
                    }
                } else {
                    written.check(&format!("file {number} cut to {len} bytes"), closed_at);
                }
            }
            written.files.overwrite(&path, good);
        }
    }
}

#[test]
fn a_missing_file_is_noticed() {
    let written = Written::new();
    for (number, path, _) in written.all() {
        let aside = path.with_extension("aside");
        written.files.rename(&path, &aside).unwrap();
        written.check(&format!("file {number} missing"), Some(written.end));
        written.files.rename(&aside, &path).unwrap();
    }
    assert!(written.check("all files there", Some(written.end)));
}

#[test]
fn a_torn_tail_ends_the_journal_and_is_never_read_again() {
    let files = PowerFiles::new();
    let path = Path::new(DIR);
    let (journal, start) = new_journal(files.clone(), path, small());
    let [_, _, third] = [1, 2, 3].map(|number| commit(&journal, number).unwrap());
    journal.sync().unwrap();
    let [_, fifth] = [4, 5].map(|number| commit(&journal, number).unwrap());
    commit(&journal, 6).unwrap();
    // One write, no sync in between: what comes after commit 5 does not say that 4 and 5 are on disk.
    drop(journal);
    let file = path_of(path, 1);
    let mut bytes = files.contents(&file);
    bytes[fifth.offset as usize - 20] ^= 1;
    files.overwrite(&file, bytes.clone());
    let (numbers, tail) = replayed(files.as_ref(), path, start, None).unwrap();
    assert_eq!(numbers, [1, 2, 3, 4]);
    // Commits 5 and 6 are made again, otherwise. The old ones stay in the first file.
    let journal = Journal::create(files.clone(), path, tail.next_file, Some(tail), small()).unwrap();
    commit(&journal, 5).unwrap();
    journal.close().unwrap();
    let (numbers, tail) = replayed(files.as_ref(), path, start, Some(journal.end())).unwrap();
    assert_eq!((numbers.as_slice(), tail.last_commit), (&[1, 2, 3, 4, 5][..], 5));
    // From now on commit 4 is known to be on disk.
    bytes[third.offset as usize + 50] ^= 1;
    files.overwrite(&file, bytes.clone());
    assert_eq!(replayed(files.as_ref(), path, start, None).unwrap_err().kind(), ErrorKind::Corrupted);
}

#[test]
fn a_start_that_the_journal_does_not_reach_is_corruption() {
    let written = Written::new();
    let beyond = Position { offset: 1 << 20, ..written.start.position };
    let wrong_chain = Mark { chain: written.start.chain ^ 1, ..written.start };
    for start in [Mark { position: beyond, ..written.start }, wrong_chain] {
        assert_eq!(written.replayed(start, None).unwrap_err().kind(), ErrorKind::Corrupted);
    }
}

#[test]
fn an_error_of_the_visitor_ends_the_replay() {
    let written = Written::new();
    let mut seen = 0;
    let outcome = replay(written.files.as_ref(), Path::new(DIR), written.start, None, &mut |number, _| {
        seen = number;
        if number == 3 { Err(crate::error::Error::new(ErrorKind::Cancelled, "enough")) } else { Ok(()) }
    });
    assert_eq!((outcome.unwrap_err().kind(), seen), (ErrorKind::Cancelled, 3));
}
