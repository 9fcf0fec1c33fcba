//! Replay: reads the journal from a position on, and decides where it ends.
//!
//! The walk goes from file to file along the links. A record that is not whole ends the journal, if nothing says that
//! it was once on disk: a link of a later file, a later record that names a higher synced position, a clean close, or
//! a file length that a record names. If something does, it is damage, and replay fails with `Corrupted` instead of
//! giving back less than was acknowledged.

use std::io;
use std::path::Path;

use super::file::{FIRST_RECORD, Identity, never_used, numbers, path_of};
use super::record::{Head, LINK_BYTES, Link, Record, record_bytes};
use super::{Mark, Position};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::file::{FileLayer, read_all};

/// Where the journal ends, and what a new journal file needs to go on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TailInfo {
    pub(crate) end: Position,
    pub(crate) chain: u32,
    pub(crate) last_commit: u64,
    /// A number that no journal file had.
    pub(crate) next_file: u64,
    /// Bytes from the start of the replay to the end.
    pub(crate) replayed_bytes: u64,
    /// Below this everything was synced by the process that wrote it.
    pub(super) synced: Position,
}

/// Shows every commit after `start` to `visit`, in order, and returns where the journal ends.
///
/// Call it again only before [`Journal::create`](super::Journal::create) has begun a new file; both may be repeated
/// after a crash.
///
/// # Errors
///
/// `Corrupted`, naming file and offset, where a record that was on disk is not whole, or a file is missing. With
/// `closed_at`, the position of a clean close, everything below it was on disk. Errors of `visit` are passed on.
pub(crate) fn replay(
    files: &dyn FileLayer,
    dir: &Path,
    start: Mark,
    closed_at: Option<Position>,
    visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<TailInfo> {
    let numbers = numbers(files, dir).map_err(|error| Error::io("list the journal files in", dir, error))?;
    let next_file = numbers.last().map_or(1, |last| last + 1).max(start.position.file + 1);
    let mut walk = Walk { files, dir, numbers, mark: start, replayed_bytes: 0, synced: start.position };
    if walk.numbers.binary_search(&start.position.file).is_err() {
        return Err(damaged(&walk.path(), 0, "the file is missing, and the root names it"));
    }
    loop {
        let bytes = walk.load(walk.mark.position.file)?;
        let successor = walk.successor()?;
        let stop = walk.read_file(&bytes, successor.as_ref().map(|(_, link)| link.end), visit)?;
        let Some((number, link)) = successor else {
            walk.check_tail(&bytes, stop, closed_at)?;
            break;
        };
        if link.chain != walk.mark.chain || link.last_commit != walk.mark.last_commit {
            let text = format!("the records are not those that file {number} goes on from");
            return Err(damaged(&walk.path(), walk.mark.position.offset, &text));
        }
        walk.enter(number)?;
    }
    let Mark { position: end, chain, last_commit } = walk.mark;
    Ok(TailInfo { end, chain, last_commit, next_file, replayed_bytes: walk.replayed_bytes, synced: walk.synced })
}

/// Removes what the unfinished creation of a store left in its journal folder.
///
/// # Errors
///
/// `Corrupted` if a file has commits: then this was a store, and what is missing is its root.
pub(super) fn remove_unused(files: &dyn FileLayer, dir: &Path) -> Result<()> {
    let failed = |error| Error::io("clear the journal folder", dir, error);
    for number in numbers(files, dir).map_err(failed)? {
        let path = path_of(dir, number);
        let bytes = files.open(&path).and_then(|file| read_all(file.as_ref())).map_err(failed)?;
        let after_link = (FIRST_RECORD + LINK_BYTES) as usize;
        if let Some(identity) = Identity::read(&bytes, number)
            && records_from(&bytes, after_link, identity).next().is_some()
        {
            return Err(damaged(&path, 0, "the journal has commits but the store has no root file"));
        }
        files.remove(&path).map_err(failed)?;
    }
    Ok(())
}

/// The header of a file and its link, without reading the rest.
pub(super) fn peek(files: &dyn FileLayer, dir: &Path, number: u64) -> io::Result<(Option<Identity>, Option<Link>)> {
    let mut bytes = vec![0; (FIRST_RECORD + LINK_BYTES) as usize];
    let read = files.open(&path_of(dir, number))?.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    let identity = Identity::read(&bytes, number);
    let link = identity.and_then(|identity| {
        Record::read(&bytes, FIRST_RECORD as usize, identity.seed, identity.chain)
            .and_then(|record| Link::decode(record.head.commit, record.payload))
    });
    Ok((identity, link))
}

/// What one file's walk found.
struct Stop {
    /// Highest file length that a record of the file names.
    file_len: u64,
}

struct Walk<'a> {
    files: &'a dyn FileLayer,
    dir: &'a Path,
    numbers: Vec<u64>,
    /// Where the walk is.
    mark: Mark,
    replayed_bytes: u64,
    /// Highest synced position that a record names.
    synced: Position,
}

impl Walk<'_> {
    fn path(&self) -> std::path::PathBuf {
        path_of(self.dir, self.mark.position.file)
    }

    fn load(&self, number: u64) -> Result<Vec<u8>> {
        let path = path_of(self.dir, number);
        let read = || read_all(self.files.open(&path)?.as_ref());
        read().map_err(|error| Error::io("read", &path, error))
    }

    fn peek(&self, number: u64) -> Result<(Option<Identity>, Option<Link>)> {
        peek(self.files, self.dir, number).map_err(|error| Error::io("read", &path_of(self.dir, number), error))
    }

    /// The file that goes on from the current one. Should several do so, the last was made by the last opening.
    fn successor(&self) -> Result<Option<(u64, Link)>> {
        let current = self.mark.position.file;
        for &number in self.numbers.iter().rev().take_while(|&&number| number > current) {
            if let (_, Some(link)) = self.peek(number)?
                && link.end.file == current
            {
                return Ok(Some((number, link)));
            }
        }
        Ok(None)
    }

    /// Moves to the first record of a file whose link was read.
    fn enter(&mut self, number: u64) -> Result<()> {
        self.mark.position = Position { file: number, offset: FIRST_RECORD };
        let identity = self.peek(number)?.0;
        self.mark.chain =
            identity.ok_or_else(|| damaged(&self.path(), 0, "both copies of the header are damaged"))?.chain;
        Ok(())
    }

    /// Reads records from the mark on, up to `limit` or to the first that is not whole.
    fn read_file(
        &mut self,
        bytes: &[u8],
        limit: Option<Position>,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<Stop> {
        let path = self.path();
        let number = self.mark.position.file;
        let identity =
            Identity::read(bytes, number).ok_or_else(|| damaged(&path, 0, "both copies of the header are damaged"))?;
        let mut offset = self.mark.position.offset as usize;
        let mut stop = Stop { file_len: 0 };
        if offset > bytes.len() {
            return Err(damaged(&path, offset as u64, "the file ends before the position that the root names"));
        }
        while limit.is_none_or(|limit| (offset as u64) < limit.offset) {
            let Some(record) = Record::read(bytes, offset, identity.seed, self.mark.chain) else { break };
            if record.head.commit > 0 {
                if record.head.commit <= self.mark.last_commit {
                    return Err(damaged(&path, offset as u64, "the commit number is not above the one before"));
                }
                visit(record.head.commit, record.payload)?;
                self.mark.last_commit = record.head.commit;
            }
            self.synced = self.synced.max(record.head.synced);
            stop.file_len = stop.file_len.max(record.head.file_len());
            self.replayed_bytes += (record.end - offset) as u64;
            offset = record.end;
            self.mark.position.offset = offset as u64;
            self.mark.chain = record.chain;
        }
        match limit {
            Some(limit) if limit.offset != offset as u64 => Err(damaged(&path, offset as u64, "a record is damaged")),
            _ => Ok(stop),
        }
    }

    /// Decides whether the place where the last file's good records end is the end of the journal.
    fn check_tail(&self, bytes: &[u8], stop: Stop, closed_at: Option<Position>) -> Result<()> {
        let end = self.mark.position;
        let offset = end.offset;
        let path = self.path();
        if stop.file_len > bytes.len() as u64 {
            let text = format!("the file was cut: it had {} bytes and has {}", stop.file_len, bytes.len());
            return Err(damaged(&path, offset, &text));
        }
        let identity = Identity::read(bytes, end.file).expect("the header was read before the records");
        // The damaged record itself counts only where it says more than that it was appended.
        let mut synced = closed_at.unwrap_or_default();
        for (at, head) in records_from(bytes, offset as usize, identity) {
            let record_end = at as u64 + record_bytes(head.payload_len as usize);
            if head.file_len() > bytes.len() as u64 || record_end > bytes.len() as u64 {
                return Err(damaged(&path, offset, "the file was cut within a record"));
            }
            synced = synced.max(head.synced);
        }
        for &number in self.numbers.iter().filter(|&&number| number > end.file) {
            let bytes = self.load(number)?;
            match Identity::read(&bytes, number) {
                Some(identity) => {
                    let heads = records_from(&bytes, FIRST_RECORD as usize, identity);
                    synced = heads.map(|(_, head)| head.synced).fold(synced, Position::max);
                }
                // Without the salt nothing in the file can be recognised.
                None if never_used(&bytes) => {}
                None => return Err(damaged(&path_of(self.dir, number), 0, "both copies of the header are damaged")),
            }
        }
        if synced > end {
            return Err(damaged(&path, offset, "a record is damaged"));
        }
        Ok(())
    }
}

/// Headers that can be recognised from an offset on, whatever lies between them.
fn records_from(bytes: &[u8], from: usize, identity: Identity) -> impl Iterator<Item = (usize, Head)> + '_ {
    (from..bytes.len())
        .step_by(8)
        .filter_map(move |at| Head::recognise(bytes, at, identity.seed).map(|head| (at, head)))
}

pub(super) fn damaged(path: &Path, offset: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupted,
        format!("journal file {}, offset {offset}: {what}; restore a backup or run repair", path.display()),
    )
}
