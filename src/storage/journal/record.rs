//! The bytes of a journal record.
//!
//! A record is a header of 44 bytes, the payload, and zeros up to a multiple of eight:
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | length of the payload |
//! | 4 | 4 | length of the file that was on disk when this was appended, in units of 4 KiB |
//! | 8 | 8 | commit number; 0 for the link to the file before |
//! | 16 | 16 | position (file, offset) that was known to be synced when this was appended |
//! | 32 | 4 | CRC of the payload |
//! | 36 | 4 | CRC of the salt, the file's number, the record's offset and the 36 bytes before |
//! | 40 | 4 | the chain: CRC of the chain value of the record before and the 40 bytes before |
//!
//! Three checksums, since each answers its own question. The payload's is computed before the commit latch is taken.
//! The header's needs nothing but the file's salt, so that a search behind a damaged spot finds the records that
//! follow it; what they know to be synced tells damage from a torn tail. The chain proves that no record is missing
//! between two that are good.

use std::sync::Arc;

use super::Position;

pub(super) const HEADER_BYTES: usize = 44;
const ALIGNMENT: usize = 8;
/// The unit of the file length in a record.
pub(super) const LENGTH_UNIT: u64 = 4096;
/// Bytes of the payload of a link.
const LINK_PAYLOAD_BYTES: usize = 28;
/// Bytes that the link record takes at the start of a file.
pub(super) const LINK_BYTES: u64 = record_bytes(LINK_PAYLOAD_BYTES);

/// What a commit writes, with its checksum. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    bytes: Arc<Vec<u8>>,
    crc: u32,
}

impl Payload {
    /// Takes the bytes and computes their checksum: the part of a commit that costs by size, done before any latch.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let crc = crc32fast::hash(&bytes);
        Payload { bytes: Arc::new(bytes), crc }
    }

    /// Bytes of the payload: what a reservation is made for.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn shared(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }
}

/// Bytes that a record with such a payload takes in the file.
pub(super) const fn record_bytes(payload_len: usize) -> u64 {
    (HEADER_BYTES + payload_len).next_multiple_of(ALIGNMENT) as u64
}

/// The fields of a record's header that its writer chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_len: u32,
    /// Length of the file that was on disk, in units of [`LENGTH_UNIT`].
    pub(super) file_units: u32,
    pub(super) commit: u64,
    pub(super) synced: Position,
    pub(super) payload_crc: u32,
}

impl Head {
    pub(super) fn new(payload: &Payload, file_len: u64, commit: u64, synced: Position) -> Self {
        Head {
            payload_len: u32::try_from(payload.len()).expect("a reservation is limited to less than 4 GiB"),
            // Beyond 16 TiB the field says less than is true, which only makes a cut file harder to notice.
            file_units: u32::try_from(file_len / LENGTH_UNIT).unwrap_or(u32::MAX),
            commit,
            synced,
            payload_crc: payload.crc,
        }
    }

    /// The header's bytes, and the chain value after the record.
    pub(super) fn encode(&self, seed: u32, offset: u64, chain_before: u32) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.file_units.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.commit.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.file.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.offset.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = header_crc(seed, offset, &bytes[..36]);
        bytes[36..40].copy_from_slice(&crc.to_le_bytes());
        let chain = chain_after(chain_before, &bytes[..40]);
        bytes[40..44].copy_from_slice(&chain.to_le_bytes());
        (bytes, chain)
    }

    /// The header at an offset of a file's bytes, if its own checksum is right. Says nothing about payload or chain.
    pub(super) fn recognise(file: &[u8], offset: usize, seed: u32) -> Option<Head> {
        Head::begin(file.get(offset..)?, offset as u64, seed)
    }

    /// The same of bytes that begin at this offset of the file.
    pub(super) fn begin(bytes: &[u8], offset: u64, seed: u32) -> Option<Head> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        // Zero-filled space is most of what is looked at; no record begins with sixteen zeros.
        if bytes[..16] == [0; 16] || u32_at(bytes, 36) != header_crc(seed, offset, &bytes[..36]) {
            return None;
        }
        Some(Head {
            payload_len: u32_at(bytes, 0),
            file_units: u32_at(bytes, 4),
            commit: u64_at(bytes, 8),
            synced: Position { file: u64_at(bytes, 16), offset: u64_at(bytes, 24) },
            payload_crc: u32_at(bytes, 32),
        })
    }

    /// The payload of the record at this offset of a file's bytes, if it is whole.
    pub(super) fn payload<'a>(&self, file: &'a [u8], offset: usize) -> Option<&'a [u8]> {
        let payload_len = usize::try_from(self.payload_len).ok()?;
        let payload = file.get(offset + HEADER_BYTES..)?.get(..payload_len)?;
        (crc32fast::hash(payload) == self.payload_crc).then_some(payload)
    }

    /// Length of the file that was on disk when the record was appended.
    pub(super) fn file_len(&self) -> u64 {
        u64::from(self.file_units) * LENGTH_UNIT
    }
}

/// A record that is whole and follows on the one before.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) head: Head,
    pub(super) payload: &'a [u8],
    /// Offset after the record.
    pub(super) end: usize,
    /// Chain value after the record.
    pub(super) chain: u32,
}

impl<'a> Record<'a> {
    /// The record at an offset of a file's bytes, if every one of its checksums is right.
    pub(super) fn read(file: &'a [u8], offset: usize, seed: u32, chain_before: u32) -> Option<Record<'a>> {
        let head = Head::recognise(file, offset, seed)?;
        let chain = chain_at(&file[offset..], chain_before)?;
        let payload = head.payload(file, offset)?;
        let end = offset.checked_add(usize::try_from(record_bytes(payload.len())).ok()?)?;
        (end <= file.len()).then_some(Record { head, payload, end, chain })
    }
}

/// The first record of a file: where and with which chain value the file before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) end: Position,
    pub(super) chain: u32,
    pub(super) last_commit: u64,
}

impl Link {
    pub(super) fn payload(&self) -> Payload {
        let mut bytes = Vec::with_capacity(LINK_PAYLOAD_BYTES);
        bytes.extend_from_slice(&self.end.file.to_le_bytes());
        bytes.extend_from_slice(&self.end.offset.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        bytes.extend_from_slice(&self.last_commit.to_le_bytes());
        Payload::new(bytes)
    }

    /// From a record's commit number and payload.
    pub(super) fn decode(commit: u64, payload: &[u8]) -> Option<Link> {
        let bytes = <&[u8; LINK_PAYLOAD_BYTES]>::try_from(payload).ok()?;
        (commit == 0).then(|| Link {
            end: Position { file: u64_at(bytes, 0), offset: u64_at(bytes, 8) },
            chain: u32_at(bytes, 16),
            last_commit: u64_at(bytes, 20),
        })
    }
}

/// The state of the checksum from which every header checksum of a file starts.
pub(super) fn seed_of(salt: u64, file: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&file.to_le_bytes());
    hasher.finalize()
}

fn header_crc(seed: u32, offset: u64, fields: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&offset.to_le_bytes());
    hasher.update(fields);
    hasher.finalize()
}

/// The chain value after a record, of which these are the first bytes, if it follows on that value.
pub(super) fn chain_at(record: &[u8], chain_before: u32) -> Option<u32> {
    let header = record.first_chunk::<HEADER_BYTES>()?;
    let chain = chain_after(chain_before, &header[..40]);
    (chain == u32_at(header, 40)).then_some(chain)
}

fn chain_after(chain_before: u32, header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(chain_before);
    hasher.update(header);
    hasher.finalize()
}

/// Four bytes as a number. The caller knows that they are there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

/// Eight bytes as a number. The caller knows that they are there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
