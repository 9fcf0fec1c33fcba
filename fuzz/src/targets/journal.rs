//! Journal files that no writer has written: the fuzzer chooses their records and damages their bytes.
//!
//! An *honest* journal says nothing but the truth before it is damaged. Then a replay fails, or gives back the first
//! commits in order, and among them all that an undamaged record knows to be on disk. A journal that lies in its fields, under
//! right checksums, must only be read without a panic, its commits ascending.

use std::fs;
use std::ops::Range;
use std::path::Path;

use gangline::ErrorKind;
use gangline::torture::{JournalFile, JournalRecord, journal_file, replay_journal};

use crate::random::Tape;

/// The file lengths that records name are counted in this unit.
const UNIT: u64 = 4096;
const HEADER_BYTES: usize = 44;
const FIRST_RECORD: usize = JournalFile::FIRST_RECORD as usize;
const SALT: u64 = 0x5eed;

/// A record as it was written.
struct Written {
    commit: u64,
    payload: Vec<u8>,
    /// Where it lies: number of the file, and bytes in it.
    file: u64,
    place: Range<usize>,
    synced: (u64, u64),
}

/// The files of a journal.
#[derive(Default)]
struct Journal {
    files: Vec<JournalFile>,
    records: Vec<Written>,
    /// Bytes that were changed, by file.
    damages: Vec<(u64, usize)>,
    honest: bool,
}

/// Makes the journal that the bytes describe, and replays it.
///
/// # Panics
///
/// Where a replay gives back what it must not.
pub fn replay(bytes: &[u8]) {
    let mut tape = Tape::Bytes(bytes);
    let mut journal = Journal { honest: tape.byte() % 4 > 0, ..Journal::default() };
    for number in 1..=1 + u64::from(tape.byte() % 3) {
        journal.add_file(number, &mut tape);
    }
    let closed = tape.one_in(4).then(|| journal.end());
    let chain = journal.files[0].chain;
    for _ in 0..tape.byte() % 4 {
        journal.damage(&mut tape);
    }
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    journal.write(folder.path());
    let mut commits = Vec::new();
    let outcome = replay_journal(folder.path(), chain, closed, &mut |commit, payload| {
        commits.push((commit, payload.to_owned()));
    });
    match outcome {
        Ok(last) => journal.judge(&commits, last, closed),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
            assert!(!journal.honest || !journal.damages.is_empty(), "an undamaged journal is refused: {error}");
        }
    }
}

impl Journal {
    /// File and offset behind the last record.
    fn end(&self) -> (u64, u64) {
        let last = self.files.last().and_then(|file| file.ends.last());
        (self.files.len() as u64, last.map_or(JournalFile::FIRST_RECORD, |(offset, _)| *offset))
    }

    fn last_commit(&self) -> u64 {
        self.records.iter().map(|record| record.commit).max().unwrap_or(0)
    }

    /// One more file: a link to the one before, then some commits.
    fn add_file(&mut self, number: u64, tape: &mut Tape<'_>) {
        let first = self.records.len();
        if let Some(link) = self.link(tape) {
            self.add_record(number, 0, link, tape);
        }
        for _ in 0..tape.byte() % 6 {
            let next = self.last_commit() + 1 + u64::from(tape.one_in(8));
            let commit = if self.honest { next } else { u64::from(tape.byte()) };
            let payload = (0..tape.byte() % 64).map(|_| tape.byte()).collect();
            self.add_record(number, commit, payload, tape);
        }
        let end = self.records[first..].last().map_or(FIRST_RECORD, |record| record.place.end);
        let len = end.next_multiple_of(UNIT as usize);
        // The space that was made ready is at least as long as any record says.
        let lie = if self.honest { 0 } else { UNIT * u64::from(tape.byte() % 3) };
        let records = self.records[first..].iter().map(|record| JournalRecord {
            commit: record.commit,
            file_len: len as u64 + lie,
            synced: record.synced,
            payload: &record.payload,
        });
        let mut file = journal_file(number, SALT + number, &records.collect::<Vec<_>>());
        file.bytes.resize(len, 0);
        self.files.push(file);
    }

    /// One more record, behind the last of its file.
    fn add_record(&mut self, file: u64, commit: u64, payload: Vec<u8>, tape: &mut Tape<'_>) {
        let before = self.records.last().filter(|record| record.file == file);
        let start = before.map_or(FIRST_RECORD, |record| record.place.end);
        let end = start + (HEADER_BYTES + payload.len()).next_multiple_of(8);
        // It knows at most all before it to be on disk.
        let synced = match (self.honest, tape.one_in(2)) {
            (true, true) => (file, start as u64),
            (true, false) => self.synced(),
            (false, _) => (u64::from(tape.byte() % 5), u64::from(tape.short())),
        };
        self.records.push(Written { commit, payload, file, place: start..end, synced });
    }

    /// The highest position that a record so far knows to be on disk.
    fn synced(&self) -> (u64, u64) {
        self.records.iter().map(|record| record.synced).max().unwrap_or((1, JournalFile::FIRST_RECORD))
    }

    /// The payload of the link to the file before, if there is one.
    fn link(&self, tape: &mut Tape<'_>) -> Option<Vec<u8>> {
        let before = self.files.last()?;
        let (file, mut offset) = self.end();
        let chain = before.ends.last().map_or(before.chain, |(_, chain)| *chain);
        if !self.honest {
            offset = offset.wrapping_add(u64::from(tape.byte())).wrapping_sub(u64::from(tape.byte()));
        }
        let mut payload = Vec::new();
        payload.extend_from_slice(&file.to_le_bytes());
        payload.extend_from_slice(&offset.to_le_bytes());
        payload.extend_from_slice(&chain.to_le_bytes());
        payload.extend_from_slice(&self.last_commit().to_le_bytes());
        Some(payload)
    }

    /// Changes one byte of one file, or cuts it there.
    fn damage(&mut self, tape: &mut Tape<'_>) {
        let number = usize::from(tape.byte()) % self.files.len();
        let bytes = &mut self.files[number].bytes;
        if bytes.is_empty() {
            return;
        }
        // Most of a file is zeros that nobody reads.
        let start = if tape.one_in(4) { 0 } else { FIRST_RECORD.min(bytes.len() - 1) };
        let at = start + usize::from(tape.short()) % (bytes.len() - start);
        if tape.one_in(4) {
            self.damages.extend((at..bytes.len()).map(|at| (number as u64 + 1, at)));
            bytes.truncate(at);
        } else {
            bytes[at] ^= tape.byte().max(1);
            self.damages.push((number as u64 + 1, at));
        }
    }

    fn write(&self, folder: &Path) {
        for (file, number) in self.files.iter().zip(1..) {
            fs::write(folder.join(JournalFile::name(number)), &file.bytes).expect("the folder can be written to");
        }
    }

    fn is_damaged(&self, record: &Written) -> bool {
        self.damages.iter().any(|(file, at)| *file == record.file && record.place.contains(at))
    }

    /// What a replay that found nothing wrong may have given back.
    fn judge(&self, commits: &[(u64, Vec<u8>)], last: u64, closed: Option<(u64, u64)>) {
        assert!(commits.is_sorted_by(|one, next| one.0 < next.0), "commits do not ascend");
        assert_eq!(commits.last().map_or(0, |(commit, _)| *commit), last);
        let written = self.records.iter().filter(|record| record.commit > 0);
        if !self.honest {
            for (commit, payload) in commits {
                let known = written.clone().any(|record| (record.commit, &record.payload) == (*commit, payload));
                assert!(known, "commit {commit} was never written");
            }
            return;
        }
        let right = written
            .clone()
            .zip(commits)
            .all(|(record, (commit, payload))| (record.commit, &record.payload) == (*commit, payload));
        assert!(right && commits.len() <= written.clone().count(), "other commits than the first come back");
        let whole = self.records.iter().filter(|record| !self.is_damaged(record));
        let known = whole.map(|record| record.synced).chain(closed).max().unwrap_or_default();
        let must = written.filter(|record| (record.file, record.place.end as u64) <= known).count();
        assert!(commits.len() >= must, "{} commits of {must} that are known to be on disk", commits.len());
    }
}
