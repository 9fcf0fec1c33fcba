//! The journal's state: where the next record goes, and what of the journal is not on disk yet.
//!
//! Everything here is done under the state's mutex, in memory, and short.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Position;
use super::file::JournalFile;
use super::record::{HEADER_BYTES, Head, Link, Payload, record_bytes};
use super::sleep::Sleeper;
use super::watch::Watchers;
use crate::error::{Error, ErrorKind};

/// Payloads over this are not copied to the buffer: the copy would be made under the commit latch.
const COPIED_PAYLOAD_BYTES: usize = 16 * 1024;
const PADDING: [u8; 8] = [0; 8];

/// A file that is or will be appended to.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: Arc<JournalFile>,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Up to here the file is zero-filled and on disk.
    pub(super) allocated: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) current: Tail,
    pub(super) next: Option<Tail>,
    pub(super) next_number: u64,
    pub(super) chain: u32,
    pub(super) last_commit: u64,
    /// Bytes appended before the current file began, over all files that this journal counts.
    bytes_before: u64,
    /// For each file of this journal, `bytes_before` as it was when the file began.
    starts: Vec<(u64, u64)>,
    /// Everything below is on disk when the first byte of the current file is written (J1).
    floor: Position,

    pub(super) reserved: u64,
    pub(super) growing: bool,
    /// The last attempt to make space failed: leave the next one to a commit that needs it.
    pub(super) growth_failed: bool,
    /// How often a commit had to wait for space, up to a limit.
    pub(super) grown_late: u32,

    pub(super) pending: VecDeque<Batch>,
    pub(super) pending_bytes: usize,
    pub(super) pending_since: Option<Instant>,
    /// A buffer that was written, to be filled again.
    pub(super) spare: Vec<u8>,
    pub(super) synced: Position,
    pub(super) leading: bool,
    pub(super) gathering: bool,
    pub(super) waiting: usize,
    /// Tasks that wait, by number. They count as waiting.
    pub(super) sleepers: BTreeMap<u64, Sleeper>,
    pub(super) next_sleeper: u64,
    /// How many waited for the last two syncs.
    pub(super) groups: [usize; 2],
    pub(super) last_sync: Duration,
    /// The flusher sleeps without a time limit.
    pub(super) flusher_idle: bool,

    /// Tasks that want to know of the next sync.
    pub(super) watchers: Watchers,

    pub(super) failure: Option<Failure>,
    pub(super) closed: bool,
    /// The database was stopped by a failure elsewhere.
    pub(super) abandoned: bool,
    pub(super) stopping: bool,
}

/// Records of one file that are not written yet, contiguous.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) file: Arc<JournalFile>,
    pub(super) start: u64,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Copied(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

/// The first write or sync that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    text: String,
    source: Arc<io::Error>,
}

impl Failure {
    pub(super) fn new(action: &str, path: &Path, source: io::Error) -> Self {
        Failure { text: format!("cannot {action} {}", path.display()), source: Arc::new(source) }
    }

    pub(super) fn error(&self, kind: ErrorKind, text: &str) -> Error {
        Error::new(kind, format!("{text}: {}; reopen the database", self.text)).with_source(Arc::clone(&self.source))
    }
}

impl State {
    pub(super) fn new(current: Tail, link: Link, bytes_before: u64) -> State {
        let chain = current.file.identity.chain;
        let number = current.file.number;
        let mut state = State {
            current,
            next: None,
            next_number: number + 1,
            chain,
            last_commit: link.last_commit,
            bytes_before,
            starts: vec![(number, bytes_before)],
            floor: link.end,
            reserved: 0,
            growing: false,
            growth_failed: false,
            grown_late: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            pending_since: None,
            spare: Vec::new(),
            synced: link.end,
            leading: false,
            gathering: false,
            waiting: 0,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            groups: [0; 2],
            last_sync: Duration::ZERO,
            flusher_idle: false,
            watchers: Watchers::default(),
            failure: None,
            closed: false,
            abandoned: false,
            stopping: false,
        };
        state.push(0, &link.payload());
        state
    }

    pub(super) fn end(&self) -> Position {
        Position { file: self.current.file.number, offset: self.current.end }
    }

    /// Gives a record its place and puts its bytes in the buffer.
    pub(super) fn push(&mut self, commit: u64, payload: &Payload) {
        let offset = self.current.end;
        let bytes = record_bytes(payload.len());
        let synced = self.synced.max(self.floor);
        let head = Head::new(payload, self.current.allocated, commit, synced);
        let (header, chain) = head.encode(self.current.file.identity.seed, offset, self.chain);
        self.chain = chain;
        self.current.end += bytes;
        if commit > 0 {
            self.last_commit = commit;
        }
        if self.failure.is_some() {
            // J4: the position is still given out, whoever waits for it learns of the failure.
            return;
        }
        let padding = &PADDING[..bytes as usize - HEADER_BYTES - payload.len()];
        self.pending_bytes += bytes as usize;
        let spare = &mut self.spare;
        let same_file = self.pending.back().is_some_and(|batch| batch.file.number == self.current.file.number);
        if !same_file {
            let file = Arc::clone(&self.current.file);
            self.pending.push_back(Batch { file, start: offset, pieces: Vec::new() });
        }
        let batch = self.pending.back_mut().expect("a batch for the current file is there");
        batch.copied(spare).extend_from_slice(&header);
        if payload.len() > COPIED_PAYLOAD_BYTES {
            batch.pieces.push(Piece::Shared(payload.shared()));
        } else {
            batch.copied(spare).extend_from_slice(payload.bytes());
        }
        if !padding.is_empty() {
            batch.copied(spare).extend_from_slice(padding);
        }
    }

    /// Goes on to the next file, with a link to the end of the current one.
    pub(super) fn rotate(&mut self) {
        let next = self.next.take().expect("a reservation that does not fit the current file fits the next");
        let link = Link { end: self.end(), chain: self.chain, last_commit: self.last_commit };
        self.bytes_before += self.current.end;
        self.starts.push((next.file.number, self.bytes_before));
        self.floor = link.end;
        self.chain = next.file.identity.chain;
        self.current = next;
        self.push(0, &link.payload());
    }

    /// Bytes of journal after a position.
    pub(super) fn bytes_since(&self, position: Position) -> u64 {
        (self.bytes_before + self.current.end).saturating_sub(self.bytes_up_to(position))
    }

    /// Bytes of journal up to a position, counted over all files. A file from before this journal counts from zero.
    fn bytes_up_to(&self, position: Position) -> u64 {
        let index = self.starts.partition_point(|&(file, _)| file <= position.file);
        match index.checked_sub(1).map(|index| self.starts[index]) {
            Some((file, start)) if file == position.file => start + position.offset,
            Some((_, start)) => start,
            None => 0,
        }
    }
}

impl Batch {
    /// The buffer at the end of the batch.
    fn copied(&mut self, spare: &mut Vec<u8>) -> &mut Vec<u8> {
        if !matches!(self.pieces.last(), Some(Piece::Copied(_))) {
            self.pieces.push(Piece::Copied(std::mem::take(spare)));
        }
        match self.pieces.last_mut() {
            Some(Piece::Copied(bytes)) => bytes,
            _ => unreachable!("the last piece was just made a copied one"),
        }
    }
}
