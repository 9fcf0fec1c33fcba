//! The form of an event in the trace.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | what happened: a [`Kind`] |
//! | 4 | 4 | the file descriptor |
//! | 8 | 8 | first number: offset, length or token |
//! | 16 | 8 | second number |
//! | 24 | 8 | length of what follows |
//! | 32 | | bytes that were written, or a path, or two with a zero byte between them |
//!
//! All numbers are little-endian.

/// What happened. The reader of traces has the same numbers.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Kind {
    /// A file was opened: the first number has bit 0 set if it was made, bit 1 if it was cut to nothing.
    Open = 1,
    Close = 2,
    /// Bytes were written at the first number.
    Write = 3,
    /// The file has the length of the first number now.
    Length = 4,
    /// Space was set aside: offset and length. The file is no shorter than their sum.
    Allocate = 5,
    /// A sync began; the first number names it.
    SyncBegin = 6,
    /// A sync ended; the second number is 1 if it succeeded.
    SyncEnd = 7,
    /// The system was asked to begin writing. Promises nothing.
    RangeSync = 8,
    Rename = 9,
    Unlink = 10,
    MakeDir = 11,
    /// A call was made to fail; the first number is the error.
    Fault = 12,
}

pub(crate) const HEADER_BYTES: usize = 32;

pub(crate) fn header(kind: Kind, fd: i32, first: u64, second: u64, len: usize) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&(kind as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&fd.to_le_bytes());
    bytes[8..16].copy_from_slice(&first.to_le_bytes());
    bytes[16..24].copy_from_slice(&second.to_le_bytes());
    bytes[24..].copy_from_slice(&(len as u64).to_le_bytes());
    bytes
}
