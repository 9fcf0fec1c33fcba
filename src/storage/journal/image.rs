//! Whole journal files in memory, with fields of the caller's choice and right checksums: for the fuzz target that reads
//! what no writer has written.

use super::Position;
use super::file::{FIRST_RECORD, HEADER_COPIES, Identity, header};
use super::record::{Head, Payload, record_bytes};

/// A record to be written. Every field may lie.
#[derive(Debug, Clone, Copy)]
pub struct JournalRecord<'a> {
    /// Commit number; 0 for a link.
    pub commit: u64,
    /// Length of the file that was on disk, in bytes.
    pub file_len: u64,
    /// File and offset below which all is on disk.
    pub synced: (u64, u64),
    /// What the commit writes.
    pub payload: &'a [u8],
}

/// A file with its records.
#[derive(Debug, Clone)]
pub struct JournalFile {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Chain value before the first record.
    pub chain: u32,
    /// For each record the offset behind it and the chain value there.
    pub ends: Vec<(u64, u32)>,
}

impl JournalFile {
    /// Offset of the first record.
    pub const FIRST_RECORD: u64 = FIRST_RECORD;

    /// The name of the file in the journal's folder.
    pub fn name(number: u64) -> String {
        let path = super::file::path_of(std::path::Path::new(""), number);
        path.to_string_lossy().into_owned()
    }
}

/// Makes a file of these records, one after the other.
pub fn journal_file(number: u64, salt: u64, records: &[JournalRecord<'_>]) -> JournalFile {
    let header = header(number, salt);
    let mut bytes = vec![0; FIRST_RECORD as usize];
    for at in HEADER_COPIES {
        bytes[at..at + header.len()].copy_from_slice(&header);
    }
    let identity = Identity::of(&header, number);
    let (mut chain, mut ends) = (identity.chain, Vec::with_capacity(records.len()));
    for record in records {
        let payload = Payload::new(record.payload.to_vec());
        let synced = Position { file: record.synced.0, offset: record.synced.1 };
        let head = Head::new(&payload, record.file_len, record.commit, synced);
        let start = bytes.len();
        let (encoded, after) = head.encode(identity.seed, start as u64, chain);
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(record.payload);
        bytes.resize(start + record_bytes(record.payload.len()) as usize, 0);
        chain = after;
        ends.push((bytes.len() as u64, chain));
    }
    JournalFile { bytes, chain: identity.chain, ends }
}
