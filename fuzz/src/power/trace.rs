//! The trace that the preloaded library writes, read back. The format stands in the library's `event.rs`.

use std::ops::Range;
use std::path::Path;

use crate::Failure;

const HEADER_BYTES: usize = 32;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file or folder was opened.
    Open {
        /// It was not there before.
        made: bool,
        /// It was cut to nothing.
        cut: bool,
    },
    /// A descriptor was given back.
    Close,
    /// Bytes were written.
    Write {
        /// Where.
        at: u64,
    },
    /// The file has this length now.
    Length(u64),
    /// The file has at least this length now.
    Allocate(u64),
    /// A sync began.
    SyncBegin(u64),
    /// The sync of this name ended.
    SyncEnd {
        /// Its name.
        token: u64,
        /// Whether it succeeded.
        good: bool,
    },
    /// The system was asked to begin writing, which promises nothing.
    RangeSync,
    /// A name was changed.
    Rename,
    /// A name was removed.
    Unlink,
    /// A folder was made.
    MakeDir,
    /// A call was made to fail.
    Fault,
}

/// One entry of the trace.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// To which descriptor; -1 where a path is named.
    pub fd: i32,
    /// The bytes or paths that belong to it, as a place in the trace.
    pub data: Range<usize>,
}

/// A whole trace, in memory.
#[derive(Debug, Default)]
pub struct Trace {
    bytes: Vec<u8>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl Trace {
    /// Reads the trace in a file. An event that is not whole at its end was never finished.
    pub fn read(path: &Path) -> Result<Trace, Failure> {
        Trace::parse(std::fs::read(path)?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Trace, Failure> {
        let mut events = Vec::new();
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + HEADER_BYTES) {
            let number = |from: usize| {
                let mut field = [0; 8];
                field.copy_from_slice(&header[from..from + 8]);
                u64::from_le_bytes(field)
            };
            let (both, first, second, len) = (number(0), number(8), number(16), number(24) as usize);
            let data = at + HEADER_BYTES..at + HEADER_BYTES + len;
            if data.end > bytes.len() {
                break;
            }
            let kind = kind_of(both as u32, first, second)
                .ok_or_else(|| Failure(format!("the trace has an unknown event at {at}")))?;
            at = data.end;
            events.push(Event { kind, fd: (both >> 32) as i32, data });
        }
        Ok(Trace { bytes, events })
    }

    /// The bytes at a place.
    pub fn data(&self, place: &Range<usize>) -> &[u8] {
        &self.bytes[place.clone()]
    }

    /// The paths of an event: one, or two for a rename.
    pub fn paths(&self, event: &Event) -> (String, String) {
        let text = String::from_utf8_lossy(self.data(&event.data)).into_owned();
        let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
        (first.to_owned(), second.to_owned())
    }
}

fn kind_of(kind: u32, first: u64, second: u64) -> Option<Kind> {
    Some(match kind {
        1 => Kind::Open { made: first & 1 != 0, cut: first & 2 != 0 },
        2 => Kind::Close,
        3 => Kind::Write { at: first },
        4 => Kind::Length(first),
        5 => Kind::Allocate(first + second),
        6 => Kind::SyncBegin(first),
        7 => Kind::SyncEnd { token: first, good: second == 1 },
        8 => Kind::RangeSync,
        9 => Kind::Rename,
        10 => Kind::Unlink,
        11 => Kind::MakeDir,
        12 => Kind::Fault,
        _ => return None,
    })
}

/// Traces made by hand, for the tests of what reads them.
#[cfg(test)]
pub(crate) mod by_hand {
    use super::*;

    /// Appends an event as the library writes it.
    pub(crate) fn push(bytes: &mut Vec<u8>, kind: u32, fd: i32, numbers: [u64; 2], data: &[u8]) {
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&fd.to_le_bytes());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
        bytes.extend_from_slice(data);
    }

    pub(crate) fn trace(bytes: Vec<u8>) -> Trace {
        Trace::parse(bytes).expect("a trace made by hand is right")
    }
}
