//! Salvage: reads every whole record of a journal that may be damaged anywhere, and changes nothing.
//!
//! Replay stops at the first record that is not whole, since it must not show a state that never was. A repair goes on
//! behind it. Each record is recognised by its own checksums, wherever it stands; the chain is not asked, as it breaks
//! with the first that is lost. Commits are numbered without gaps, so what is lost can be told exactly, but for what
//! stood behind the last record that is left.
//!
//! A file's records end where the next file goes on: what follows in it is a torn tail whose numbers were given again.

use std::io;
use std::path::{Path, PathBuf};

use super::Position;
use super::file::{FIRST_RECORD, Identity, never_used, numbers, path_of};
use super::record::{Head, Link, record_bytes};
use crate::error::{Error, Result};
use crate::storage::RawFile;
use crate::storage::file::OsFiles;

/// A place of the journal that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
    pub(crate) what: String,
    /// The last commit whose record was there, if it is known.
    pub(crate) last_commit: Option<u64>,
}

/// What salvage found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Damages {
    pub(crate) places: Vec<Damage>,
    /// Commits behind the last one that is left may be lost: it is not known how many there were.
    pub(crate) end_is_lost: bool,
}

/// Shows the commits above `after` whose records are whole to `visit`, in order.
///
/// # Errors
///
/// Errors of `visit`, and `Io` if the folder cannot be listed; one that is not there is an empty journal.
pub(crate) fn salvage(dir: &Path, after: u64, visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<Damages> {
    let numbers = match numbers(&OsFiles, dir) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::io("list the journal files in", dir, error)),
    };
    let mut damages = Damages { places: Vec::new(), end_is_lost: numbers.is_empty() };
    let ends = ends(dir, &numbers);
    let mut last = after;
    // Where the last record that counts ends, and up to where the records know that all was on disk.
    let (mut reached, mut synced) = (Position::default(), Position::default());
    for (&number, end) in numbers.iter().zip(ends) {
        let before = damages.places.len();
        let file = File::read(dir, number, &mut damages.places);
        damages.end_is_lost |= damages.places.len() > before;
        let Some(file) = file else { continue };
        let mut len = 0;
        for found in file.finds() {
            match found {
                Find::Record { head, payload, offset } if head.commit < end => {
                    reached = Position { file: number, offset };
                    synced = synced.max(head.synced);
                    len = head.file_len().max(len);
                    if head.commit > last {
                        last = head.commit;
                        damages.end_is_lost = false;
                        visit(head.commit, payload)?;
                    }
                }
                // A torn tail is no damage where the next file goes on before it.
                Find::Record { .. } => {}
                Find::Damaged { commit, .. } if commit <= after || commit >= end => {}
                Find::Damaged { offset, commit } => {
                    let what = format!("records are damaged, the last of them that of commit {commit}");
                    damages.places.push(Damage { file: path_of(dir, number), offset, what, last_commit: Some(commit) });
                }
            }
        }
        if len > file.bytes.len() as u64 {
            let what = format!("the file was cut: it had {len} bytes");
            let offset = file.bytes.len() as u64;
            damages.places.push(Damage { file: path_of(dir, number), offset, what, last_commit: None });
            damages.end_is_lost = true;
        }
    }
    damages.end_is_lost |= synced > reached;
    Ok(damages)
}

/// For each file the commit at which a later one goes on: records from there on are of no account.
fn ends(dir: &Path, numbers: &[u64]) -> Vec<u64> {
    let mut end = u64::MAX;
    let mut ends = Vec::with_capacity(numbers.len());
    for &number in numbers.iter().rev() {
        ends.push(end);
        if let Some(first) = File::read(dir, number, &mut Vec::new()).and_then(|file| file.first_commit()) {
            end = end.min(first);
        }
    }
    ends.reverse();
    ends
}

/// What stands at a place of a file.
enum Find<'a> {
    /// A record whose own checksums are right.
    Record {
        head: Head,
        payload: &'a [u8],
        /// Where it ends.
        offset: u64,
    },
    /// A stretch in which nothing is whole, and the last commit whose record was in it.
    Damaged { offset: u64, commit: u64 },
}

struct File {
    bytes: Vec<u8>,
    identity: Identity,
}

impl File {
    fn read(dir: &Path, number: u64, damages: &mut Vec<Damage>) -> Option<File> {
        let path = path_of(dir, number);
        let mut tell = |offset, what: &str| {
            damages.push(Damage { file: path.clone(), offset, what: what.to_owned(), last_commit: None });
        };
        let Ok(raw) = RawFile::open(path.clone()) else {
            tell(0, "the file cannot be opened");
            return None;
        };
        let (bytes, unreadable) = raw.read_all();
        unreadable.into_iter().for_each(|offset| tell(offset, "the disk does not give 4 KiB back"));
        let identity = Identity::read(&bytes, number);
        if identity.is_none() && !never_used(&bytes) {
            tell(0, "both copies of the header are damaged, so no record can be recognised");
        }
        identity.map(|identity| File { bytes, identity })
    }

    /// The number of the first commit that belongs to this file, by its link or else by its first record.
    fn first_commit(&self) -> Option<u64> {
        self.finds().find_map(|found| match found {
            Find::Record { head, payload, .. } if head.commit == 0 => {
                Link::decode(0, payload).map(|link| link.last_commit + 1)
            }
            Find::Record { head, .. } => Some(head.commit),
            Find::Damaged { .. } => None,
        })
    }

    fn finds(&self) -> impl Iterator<Item = Find<'_>> {
        let mut offset = FIRST_RECORD as usize;
        let mut lost: Option<(u64, u64)> = None;
        let mut waiting = None;
        std::iter::from_fn(move || {
            if let Some(record) = waiting.take() {
                return Some(record);
            }
            while offset < self.bytes.len() {
                let at = offset;
                let head = Head::recognise(&self.bytes, at, self.identity.seed);
                if let Some(head) = head
                    && let Some(payload) = head.payload(&self.bytes, at)
                {
                    offset = at + record_bytes(payload.len()) as usize;
                    let record = Find::Record { head, payload, offset: offset as u64 };
                    let Some((at, _)) = lost.take() else { return Some(record) };
                    waiting = Some(record);
                    return Some(Find::Damaged { offset: at, commit: head.commit.saturating_sub(1) });
                }
                let commit = head.map_or(0, |head| head.commit);
                if commit > 0 || self.bytes[at..].iter().take(8).any(|byte| *byte != 0) {
                    lost = Some(lost.map_or((at as u64, commit), |(at, last)| (at, last.max(commit))));
                }
                offset += 8;
            }
            // Behind the last record, only what was recognised is known to have been one.
            lost.take().filter(|(_, commit)| *commit > 0).map(|(offset, commit)| Find::Damaged { offset, commit })
        })
    }
}
