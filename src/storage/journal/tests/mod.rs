//! The journal's tests: what a commit may rely on, by the calls that reach the disk, and what a replay gives back.

mod damage;
mod failure;
mod following;
mod group;
mod power;
mod replaying;
mod salvaging;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::Result;
use crate::storage::file::FileLayer;

/// Small enough that a test meets every border.
fn small() -> JournalOptions {
    JournalOptions {
        file_bytes: 32 << 10,
        chunk_bytes: 8 << 10,
        eventual_sync: Duration::from_secs(3600),
        flush_bytes: 1 << 20,
        keep_bytes: 0,
    }
}

const START: Mark = Mark { position: Position { file: 1, offset: 4096 }, chain: 0, last_commit: 0 };

/// A new journal, and where it starts.
fn new_journal(files: Arc<dyn FileLayer>, dir: &Path, options: JournalOptions) -> (Journal, Mark) {
    let journal = Journal::create(files, dir, 1, None, options).unwrap();
    let mark = journal.mark();
    assert!(mark.position > START.position);
    (journal, mark)
}

/// The payload of a commit: recognisable, and of different lengths.
fn payload(commit: u64) -> Vec<u8> {
    let len = (commit * 37 % 301) as usize;
    (0..len).map(|i| (commit as usize * 31 + i) as u8).collect()
}

fn commit(journal: &Journal, number: u64) -> Result<Position> {
    commit_bytes(journal, number, payload(number))
}

fn commit_bytes(journal: &Journal, number: u64, bytes: Vec<u8>) -> Result<Position> {
    let payload = Payload::new(bytes);
    let reservation = journal.reserve(payload.len())?;
    Ok(journal.append(reservation, number, &payload))
}

/// Replays, checks every payload, and returns the numbers of the commits.
fn replayed(
    files: &dyn FileLayer,
    dir: &Path,
    start: Mark,
    closed_at: Option<Position>,
) -> Result<(Vec<u64>, TailInfo)> {
    let mut numbers = Vec::new();
    let tail = replay(files, dir, start, closed_at, &mut |number, bytes| {
        assert_eq!(bytes, payload(number), "commit {number}");
        numbers.push(number);
        Ok(())
    })?;
    Ok((numbers, tail))
}

fn journal_dir(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("journal")
}
