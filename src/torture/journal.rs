//! Journal files with any fields and right checksums, and their replay.

use std::path::Path;

use crate::error::Result;
use crate::storage::OsFiles;
pub use crate::storage::journal::image::{JournalFile, JournalRecord, journal_file};
use crate::storage::journal::{Mark, Position, replay};

/// Replays the journal of a folder from the first record of file 1 on, of which the caller knows the chain value there.
/// Gives the number of the last commit.
///
/// # Errors
///
/// `Corrupted` and `Io`, as the replay says.
pub fn replay_journal(
    dir: &Path,
    chain: u32,
    closed: Option<(u64, u64)>,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<u64> {
    let start = Mark { position: Position { file: 1, offset: JournalFile::FIRST_RECORD }, chain, last_commit: 0 };
    let closed = closed.map(|(file, offset)| Position { file, offset });
    let tail = replay(&OsFiles, dir, start, closed, &mut |commit, payload| {
        visit(commit, payload);
        Ok(())
    })?;
    Ok(tail.last_commit)
}
