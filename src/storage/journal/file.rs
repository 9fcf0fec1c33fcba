//! One file of the journal: its name, its header and its zero-filled space.
//!
//! The header names the file's number and its salt, and stands twice, since without the salt no record of the file can
//! be recognised. It is on disk before the first record is appended. Records follow from [`FIRST_RECORD`] on, the first
//! of them a [link](super::record::Link) to where the file before ended; it is a record and not a part of the header
//! because a file is made ready ahead of need, when the end of the file before it is not known yet.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{seed_of, u32_at, u64_at};
use crate::storage::file::{FileHandle, FileLayer};

/// Offset of a file's first record.
pub(super) const FIRST_RECORD: u64 = 4096;
/// Offsets of the two copies of the header.
pub(super) const HEADER_COPIES: [usize; 2] = [0, 2048];
const HEADER_BYTES: usize = 36;
const MAGIC: [u8; 8] = *b"glJournl";
/// Format of header and records.
const FORMAT: u32 = 1;
const SUFFIX: &str = ".journal";
/// Zeros are written in pieces of this size.
const ZEROS: &[u8] = &[0; 256 * 1024];

/// An open journal file.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) handle: Arc<dyn FileHandle>,
    /// A second handle, to make the file longer with. The system reports a failed write-back once for each handle: on a
    /// shared one, the sync of new space could swallow the error that a leader's sync has to see.
    grower: Arc<dyn FileHandle>,
    pub(super) identity: Identity,
}

/// What a header says: enough to recognise the file's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// Where header checksums start.
    pub(super) seed: u32,
    /// Chain value before the first record.
    pub(super) chain: u32,
}

impl Identity {
    /// The header of a file's bytes, from either copy.
    pub(super) fn read(bytes: &[u8], number: u64) -> Option<Identity> {
        HEADER_COPIES.iter().find_map(|&at| {
            let header = bytes.get(at..)?.first_chunk::<HEADER_BYTES>()?;
            let good = header[..8] == MAGIC
                && u32_at(header, 8) == FORMAT
                && u64_at(header, 16) == number
                && u32_at(header, 32) == crc32fast::hash(&header[..32]);
            good.then(|| Identity::of(header, number))
        })
    }

    pub(super) fn of(header: &[u8; HEADER_BYTES], number: u64) -> Identity {
        Identity { seed: seed_of(u64_at(header, 24), number), chain: crc32fast::hash(header) }
    }
}

impl JournalFile {
    /// Makes a file with a new salt and `len` bytes of space, and puts it and its folder entry on disk. Leaves nothing
    /// behind if that fails.
    pub(super) fn create(files: &dyn FileLayer, dir: &Path, number: u64, len: u64) -> io::Result<JournalFile> {
        let path = path_of(dir, number);
        let handle = files.create(&path)?;
        let header = header(number, new_salt());
        let fill = || -> io::Result<Arc<dyn FileHandle>> {
            fill_zeros(handle.as_ref(), 0, len)?;
            for at in HEADER_COPIES {
                handle.write_at(at as u64, &header)?;
            }
            handle.sync_all()?;
            files.sync_dir(dir)?;
            files.open(&path)
        };
        match fill() {
            Ok(grower) => Ok(JournalFile { number, path, handle, grower, identity: Identity::of(&header, number) }),
            Err(error) => {
                // The first error is the one to report; a file that stays is ignored by replay, as it has no records.
                let _ = files.remove(&path);
                Err(error)
            }
        }
    }

    /// Makes the file longer with zeros, and puts them and its new length on disk. Gives the space back if it cannot
    /// be written; tells a failed sync apart, since that may have lost more than zeros.
    pub(super) fn extend(&self, from: u64, to: u64) -> Result<(), ExtendError> {
        if let Err(error) = fill_zeros(self.grower.as_ref(), from, to) {
            // Best effort: what stays is overwritten by the next attempt.
            let _ = self.grower.set_len(from);
            return Err(ExtendError::Write(error));
        }
        self.grower.sync_data().map_err(ExtendError::Sync)
    }
}

/// The header of a file.
pub(super) fn header(number: u64, salt: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&number.to_le_bytes());
    header[24..32].copy_from_slice(&salt.to_le_bytes());
    let crc = crc32fast::hash(&header[..32]);
    header[32..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Why a file could not be made longer.
#[derive(Debug)]
pub(super) enum ExtendError {
    /// Nothing but new space is concerned: the journal goes on.
    Write(io::Error),
    /// Records in the file may not be on disk although later syncs succeed.
    Sync(io::Error),
}

fn fill_zeros(handle: &dyn FileHandle, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let piece = (to - at).min(ZEROS.len() as u64);
        handle.write_at(at, &ZEROS[..piece as usize])?;
        at += piece;
    }
    Ok(())
}

/// Whether a file of these bytes never came into use: then it has nothing but zeros behind its header.
pub(super) fn never_used(bytes: &[u8]) -> bool {
    bytes.iter().skip(FIRST_RECORD as usize).all(|byte| *byte == 0)
}

/// The path of a journal file.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}{SUFFIX}"))
}

/// Numbers of the journal files in a folder, ascending. Other files are not ours to judge.
pub(super) fn numbers(files: &dyn FileLayer, dir: &Path) -> io::Result<Vec<u64>> {
    let names = files.list(dir)?;
    // Only names as `path_of` writes them: `5.journal` is somebody else's.
    let number = |stem: &str| stem.parse().ok().filter(|number: &u64| format!("{number:010}") == stem);
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)).filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A number that no earlier file had, so that old records are never taken for new ones. The standard library's hash
/// keys are random, which is all that is needed and saves a dependency.
fn new_salt() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}
