//! Follow: reads the commits that are on disk, one after another, while others append.
//!
//! A follower reads the files, never the buffer of what is to be written, so it holds no more memory however far behind
//! it is, and gives nobody a commit that a power cut could take back. Nobody waits for it. Files that it has not reached
//! when they are removed are lost to it, and it says so: [`Step::Gone`].
//!
//! It goes on from a [`Mark`]. The chain value in it stands for all records before, so a mark of another journal, or of
//! an end that was lost, is recognised by the first record behind it: [`Step::Foreign`].

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::file::{FIRST_RECORD, Identity, numbers, path_of};
use super::record::{HEADER_BYTES, Head, Link, chain_at, record_bytes};
use super::recover::{damaged, peek};
use super::watch::Watch;
use super::writer::{Journal, Shared};
use super::{Mark, Position};
use crate::error::{Error, Result};
use crate::storage::file::FileHandle;

/// Bytes read at once, where records are not larger.
const READ_BYTES: usize = 256 << 10;

/// What a follower found behind its mark.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// The next commit. The mark is behind it.
    Commit { number: u64, payload: &'a [u8] },
    /// Nothing more is on disk yet.
    End,
    /// What stood here was removed.
    Gone,
    /// What stands here does not go on from the mark.
    Foreign,
}

/// Reads on from a mark. See the module's text.
#[derive(Debug)]
pub(crate) struct Follower {
    shared: Arc<Shared>,
    /// Up to where it has read.
    mark: Mark,
    /// Everything below was on disk when it last looked.
    synced: Position,
    file: Option<OpenFile>,
    /// Bytes of the file from `start` on.
    buffer: Vec<u8>,
    start: u64,
    pub(super) watch: Watch,
}

#[derive(Debug)]
struct OpenFile {
    number: u64,
    handle: Arc<dyn FileHandle>,
    identity: Identity,
}

/// What stands at the mark.
enum Look {
    Commit(Found),
    End,
    Gone,
    Foreign,
}

/// A record that is whole and goes on from the mark.
struct Found {
    commit: u64,
    /// Where the payload is in the buffer.
    payload: Range<usize>,
    end: u64,
    chain: u32,
}

impl Journal {
    /// A follower of what is appended behind a mark. `Step::Foreign` or `Step::Gone` of its first steps says that it cannot
    /// go on from there.
    pub(crate) fn follow(&self, mark: Mark) -> Follower {
        let shared = Arc::clone(&self.shared);
        let (synced, watch) = (Position::default(), Watch::new(&shared));
        Follower { shared, mark, synced, file: None, buffer: Vec::new(), start: 0, watch }
    }
}

impl Follower {
    /// Up to where it has read: everything before is on disk.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Reads the next commit.
    ///
    /// # Errors
    ///
    /// `Io` when a file cannot be read.
    pub(crate) fn step(&mut self) -> Result<Step<'_>> {
        let found = match self.look()? {
            Look::Commit(found) => found,
            Look::End => return Ok(Step::End),
            Look::Gone => return Ok(Step::Gone),
            Look::Foreign => return Ok(Step::Foreign),
        };
        self.pass(&found);
        Ok(Step::Commit { number: found.commit, payload: &self.buffer[found.payload] })
    }

    /// Whether it can go on from its mark. `end` is a place that is on disk, as a journal gave it.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub(crate) fn prove(&mut self, end: &Mark) -> Result<Step<'_>> {
        if self.mark.position >= end.position {
            return Ok(if self.mark == *end { Step::End } else { Step::Foreign });
        }
        Ok(match self.look()? {
            Look::Commit(_) | Look::End => Step::End,
            Look::Gone => Step::Gone,
            Look::Foreign => Step::Foreign,
        })
    }

    /// Goes back to before the commit that was read last.
    pub(crate) fn go_back(&mut self, before: Mark) {
        self.mark = before;
    }

    /// The error for a record that does not go on from a mark that was good.
    pub(crate) fn damaged(&self) -> Error {
        let Position { file, offset } = self.mark.position;
        damaged(&path_of(&self.shared.dir, file), offset, "a record is damaged")
    }

    fn pass(&mut self, found: &Found) {
        self.mark.position.offset = found.end;
        self.mark.chain = found.chain;
        self.mark.last_commit = self.mark.last_commit.max(found.commit);
    }

    /// Finds what stands at the mark, in whatever file that is.
    fn look(&mut self) -> Result<Look> {
        loop {
            if self.mark.position >= self.synced {
                self.synced = self.shared.state.lock().synced;
                if self.mark.position >= self.synced {
                    return Ok(Look::End);
                }
            }
            if self.is_open()?
                && let Some(found) = self.record()?
            {
                match found.commit {
                    // The link, which was compared before.
                    0 => self.pass(&found),
                    commit if commit <= self.mark.last_commit => return Ok(Look::Foreign),
                    _ => return Ok(Look::Commit(found)),
                }
            } else if self.mark.position.file >= self.synced.file {
                return Ok(if self.file.is_some() { Look::Foreign } else { Look::Gone });
            } else if let Some(stop) = self.enter_next()? {
                return Ok(stop);
            }
        }
    }

    /// Opens the file of the mark, if it is there.
    fn is_open(&mut self) -> Result<bool> {
        let number = self.mark.position.file;
        if self.file.as_ref().is_some_and(|file| file.number == number) {
            return Ok(true);
        }
        self.file = None;
        self.buffer.clear();
        let path = path_of(&self.shared.dir, number);
        let open = || {
            let handle = self.shared.files.open(&path)?;
            let mut header = [0; FIRST_RECORD as usize];
            let read = handle.read_at(0, &mut header)?;
            Ok(Identity::read(&header[..read], number).map(|identity| OpenFile { number, handle, identity }))
        };
        match open() {
            Ok(file) => self.file = file,
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(Error::io("read", &path, error)),
        }
        Ok(self.file.is_some())
    }

    /// The record at the mark, if there is one that goes on from it.
    fn record(&mut self) -> Result<Option<Found>> {
        let Mark { position: Position { offset, .. }, chain, .. } = self.mark;
        let Some(identity) = self.file.as_ref().map(|file| file.identity) else { return Ok(None) };
        let Some(at) = self.fill(offset, HEADER_BYTES as u64)? else { return Ok(None) };
        let Some(head) = Head::begin(&self.buffer[at..], offset, identity.seed) else { return Ok(None) };
        let bytes = record_bytes(head.payload_len as usize);
        let Some(at) = self.fill(offset, bytes)? else { return Ok(None) };
        let record = &self.buffer[at..];
        let chain = chain_at(record, chain);
        Ok(match (head.payload(record, 0), chain) {
            (Some(payload), Some(chain)) => {
                let start = at + HEADER_BYTES;
                Some(Found { commit: head.commit, payload: start..start + payload.len(), end: offset + bytes, chain })
            }
            _ => None,
        })
    }

    /// Has the bytes of a range of the file in the buffer, and gives the place of the first there. None: the file, or what
    /// is on disk of it, ends before.
    fn fill(&mut self, offset: u64, len: u64) -> Result<Option<usize>> {
        let Some(file) = &self.file else { return Ok(None) };
        let Some(end) = offset.checked_add(len) else { return Ok(None) };
        if offset >= self.start && end <= self.start + self.buffer.len() as u64 {
            return Ok(Some((offset - self.start) as usize));
        }
        let path = path_of(&self.shared.dir, file.number);
        let failed = |error| Error::io("read", &path, error);
        let limit = match self.synced {
            Position { file: number, offset } if number == file.number => offset,
            _ => file.handle.len().map_err(failed)?,
        };
        if end > limit {
            return Ok(None);
        }
        self.start = offset;
        self.buffer.clear();
        if len <= READ_BYTES as u64 {
            // What a large record took is given back.
            self.buffer.shrink_to(READ_BYTES);
        }
        self.buffer.resize(len.max(READ_BYTES as u64).min(limit - offset) as usize, 0);
        let read = file.handle.read_at(offset, &mut self.buffer).map_err(failed)?;
        self.buffer.truncate(read);
        Ok((len <= read as u64).then_some(0))
    }

    /// Goes on to the file that begins where the mark is, since its own has nothing more. Some: there is none.
    fn enter_next(&mut self) -> Result<Option<Look>> {
        let Shared { files, dir, .. } = self.shared.as_ref();
        let mark = self.mark;
        let failed = |error| Error::io("list the journal files in", dir, error);
        let mut first_kept = None;
        // Should several go on from one file, the last was made by the last opening.
        for number in numbers(files.as_ref(), dir).map_err(failed)?.into_iter().rev() {
            if number <= mark.position.file {
                break;
            }
            let (identity, link) = match peek(files.as_ref(), dir, number) {
                Ok(found) => found,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(Error::io("read", &path_of(dir, number), error)),
            };
            let (Some(identity), Some(link)) = (identity, link) else { continue };
            if link.end.file == mark.position.file {
                let goes_on = link == Link { end: mark.position, chain: mark.chain, last_commit: mark.last_commit };
                let is_before = link.end.offset > mark.position.offset && link.last_commit > mark.last_commit;
                return Ok(match (goes_on, self.file.is_none() && is_before) {
                    (true, _) => {
                        self.mark.position = Position { file: number, offset: FIRST_RECORD };
                        self.mark.chain = identity.chain;
                        None
                    }
                    (_, true) => Some(Look::Gone),
                    _ => Some(Look::Foreign),
                });
            }
            first_kept = Some(link);
        }
        // Commits are counted: those of an earlier file are not above where a later one begins.
        let foreign = first_kept.is_some_and(|link| link.last_commit < mark.last_commit);
        Ok(Some(if foreign { Look::Foreign } else { Look::Gone }))
    }
}

/// Removed between being listed and being opened.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
