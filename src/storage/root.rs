//! The root file: the one place that says which state on disk counts.
//!
//! Two slots, written in turn and synced, so that one whole root is there whatever happens during a write. A slot is
//! magic, format, length, checksum and body; that frame is the same in every format, so a store of another version is
//! recognised as one. The file is made beside its place with its first root and renamed, so a root file without a
//! whole root was damaged, and a folder without a root file is no store.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{FileHandle, FileLayer};
use super::journal::{Mark, Position};
use super::names;
use crate::error::{Error, ErrorKind, Result};

/// Format of everything on disk that this version writes. Format 2 has pages in chunks, and page lists that count them; format 3
/// has indexes.
pub(crate) const FORMAT: u32 = 3;
/// The oldest format that is still read.
const OLDEST_FORMAT: u32 = 1;
/// Most pages that may wait in a root to be freed: what fits a slot with room to spare.
pub(crate) const MAX_FREE: usize = 3_000;
const SLOT_BYTES: u64 = 64 * 1024;
const FRAME_BYTES: usize = 20;
const MAGIC: [u8; 8] = *b"glRootSl";
const NEW_NAME: &str = "root.new";

/// What a checkpoint made durable, and where the journal goes on from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Number of the checkpoint: grows by one with each root.
    pub(crate) number: u64,
    /// Format version of the store.
    pub(crate) format: u32,
    /// Whether the store was closed: nothing of the journal needs to be replayed, and all of it was synced.
    pub(crate) clean: bool,
    /// Name of the folder of the page store.
    pub(crate) sled_folder: String,
    pub(crate) directory_hash: u64,
    pub(crate) directory_entries: u64,
    /// Next id of a page or segment.
    pub(crate) next_id: u64,
    /// Number of the last commit that the checkpoint contains.
    pub(crate) last_commit: u64,
    /// Where the journal goes on.
    pub(crate) journal: Position,
    /// Chain value there.
    pub(crate) journal_chain: u32,
    /// Whether pages that no page list names may be left over.
    pub(crate) sweep: bool,
    /// Pages that were superseded by this checkpoint and may still be there: tree and key.
    pub(crate) free: Vec<(u32, [u8; 16])>,
    /// Names the store, over all its versions and copies.
    pub(crate) store_id: [u8; 16],
    /// How often the store was opened.
    pub(crate) incarnation: u64,
    /// Bytes of all values in the page store. Exact after a clean close; earlier versions did not say.
    pub(crate) live_bytes: Option<u64>,
}

/// Which opening of which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) store_id: [u8; 16],
    pub(crate) number: u64,
}

impl Incarnation {
    /// The one opening of a store that no other knows.
    pub(crate) fn first() -> Incarnation {
        Incarnation { store_id: new_store_id(), number: 1 }
    }
}

/// An id that no other store has. The standard library's hash keys are random.
pub(crate) fn new_store_id() -> [u8; 16] {
    let random = |salt: u64| RandomState::new().hash_one(salt).to_le_bytes();
    let mut store_id = [0; 16];
    store_id[..8].copy_from_slice(&random(1));
    store_id[8..].copy_from_slice(&random(2));
    store_id
}

impl Root {
    pub(crate) fn opening(&self) -> Incarnation {
        Incarnation { store_id: self.store_id, number: self.incarnation }
    }

    /// Where replay starts.
    pub(crate) fn replay_start(&self) -> Mark {
        Mark { position: self.journal, chain: self.journal_chain, last_commit: self.last_commit }
    }
}

/// The open root file.
#[derive(Debug)]
pub(crate) struct RootFile {
    path: PathBuf,
    handle: Arc<dyn FileHandle>,
    /// Slot of the newest root.
    slot: u64,
    /// A write failed: what the slots hold is not known.
    failed: bool,
}

impl RootFile {
    /// Makes the root file of a new store with its first root, and puts it on disk.
    pub(crate) fn create(files: &dyn FileLayer, dir: &Path, root: &Root) -> Result<RootFile> {
        let path = dir.join(names::ROOT);
        let new_path = dir.join(NEW_NAME);
        let slot = encode(root)?;
        let create = || {
            if files.list(dir)?.iter().any(|name| name == NEW_NAME) {
                files.remove(&new_path)?;
            }
            let handle = files.create(&new_path)?;
            handle.set_len(2 * SLOT_BYTES)?;
            handle.write_at(0, &slot)?;
            handle.sync_all()?;
            files.rename(&new_path, &path)?;
            files.sync_dir(dir)?;
            Ok(handle)
        };
        let handle = create().map_err(|error| Error::io("make the root file", &path, error))?;
        Ok(RootFile { path, handle, slot: 0, failed: false })
    }

    /// Opens the root file and reads the newest whole root; `None` if the folder has none.
    ///
    /// # Errors
    ///
    /// `Corrupted` if no slot is whole, `FormatVersion` if the newest is of another format.
    pub(crate) fn open(files: &dyn FileLayer, dir: &Path) -> Result<Option<(RootFile, Root)>> {
        let path = dir.join(names::ROOT);
        let failed = |error| Error::io("read the root file", &path, error);
        if !files.list(dir).map_err(failed)?.iter().any(|name| name == names::ROOT) {
            return Ok(None);
        }
        let handle = files.open(&path).map_err(failed)?;
        let mut bytes = vec![0; 2 * SLOT_BYTES as usize];
        let read = handle.read_at(0, &mut bytes).map_err(failed)?;
        bytes.truncate(read);
        let newest = (0..2)
            .filter_map(|slot| Frame::read(bytes.get(slot * SLOT_BYTES as usize..)?).map(|frame| (slot as u64, frame)))
            .max_by_key(|(_, frame)| frame.number);
        let Some((slot, frame)) = newest else {
            let text = format!("root file {}: no slot is whole; restore a backup or run repair", path.display());
            return Err(Error::corrupted(text));
        };
        check_format(dir, &frame)?;
        let root = decode(&frame).ok_or_else(|| {
            Error::corrupted(format!("root file {}: slot {slot} makes no sense; run repair", path.display()))
        })?;
        // Written once more: after a sync that failed, the system may show a root that it has given up writing, and the
        // next one goes over the only other.
        let offset = slot * SLOT_BYTES;
        let len = FRAME_BYTES + frame.body.len();
        handle.write_at(offset, &bytes[offset as usize..][..len]).map_err(failed)?;
        handle.sync_all().map_err(failed)?;
        Ok(Some((RootFile { path, handle, slot, failed: false }, root)))
    }

    /// Writes the next root over the older one, and puts it on disk.
    ///
    /// # Errors
    ///
    /// After a failed write every later one fails with `Poisoned`: which root is on disk is not known, and a second
    /// write could destroy the good one.
    pub(crate) fn write(&mut self, root: &Root) -> Result<()> {
        if self.failed {
            let text = format!("an earlier write of {} failed: reopen the database", self.path.display());
            return Err(Error::new(ErrorKind::Poisoned, text));
        }
        let bytes = encode(root)?;
        let slot = 1 - self.slot;
        let write = || {
            self.handle.write_at(slot * SLOT_BYTES, &bytes)?;
            self.handle.sync_all()
        };
        if let Err(error) = write() {
            self.failed = true;
            return Err(Error::io("write the root file", &self.path, error));
        }
        self.slot = slot;
        Ok(())
    }
}

/// What the slots of a root file hold, for a repair.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// The roots that are whole, the newest first.
    pub(crate) roots: Vec<Root>,
    /// Offsets of slots that were written and are not whole.
    pub(crate) damaged: Vec<u64>,
}

impl Slots {
    /// Reads the slots and changes nothing. Without a file there are none.
    ///
    /// # Errors
    ///
    /// `FormatVersion` if the newest is of another format.
    pub(crate) fn read(dir: &Path) -> Result<Slots> {
        let path = dir.join(names::ROOT);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Slots::default()),
            Err(error) => return Err(Error::io("read the root file", &path, error)),
        };
        let mut slots = Slots::default();
        for offset in [0, SLOT_BYTES] {
            let slot = bytes.get(offset as usize..).unwrap_or_default();
            let frame = Frame::read(slot);
            if let Some(frame) = &frame {
                check_format(dir, frame)?;
            }
            let is_empty = slot.iter().take(SLOT_BYTES as usize).all(|byte| *byte == 0);
            match frame.as_ref().and_then(decode) {
                Some(root) => slots.roots.push(root),
                None if is_empty && bytes.len() as u64 == 2 * SLOT_BYTES => {}
                None => slots.damaged.push(offset),
            }
        }
        slots.roots.sort_by_key(|root| std::cmp::Reverse(root.number));
        Ok(slots)
    }
}

fn check_format(dir: &Path, frame: &Frame<'_>) -> Result<()> {
    if (OLDEST_FORMAT..=FORMAT).contains(&frame.format) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FormatVersion,
        format!(
            "the store in {} has format {}, this version reads formats {OLDEST_FORMAT} to {FORMAT}: open it with a \
             version that reads it, and migrate",
            dir.display(),
            frame.format
        ),
    ))
}

/// A slot whose checksum is right.
struct Frame<'a> {
    format: u32,
    number: u64,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    fn read(slot: &'a [u8]) -> Option<Frame<'a>> {
        let mut fields = Fields(slot);
        if fields.array()? != MAGIC {
            return None;
        }
        let format = fields.u32()?;
        let len = usize::try_from(fields.u32()?).ok()?;
        let crc = fields.u32()?;
        let body = fields.0.get(..len)?;
        if crc != frame_crc(format, body) {
            return None;
        }
        Some(Frame { format, number: Fields(body).u64()?, body })
    }
}

fn frame_crc(format: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&MAGIC);
    hasher.update(&format.to_le_bytes());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn encode(root: &Root) -> Result<Vec<u8>> {
    let refuse = |text: String| Err(Error::new(ErrorKind::InvalidArgument, text));
    if root.free.len() > MAX_FREE {
        return refuse(format!(
            "a root with {} pages to free holds at most {MAX_FREE}: free some first",
            root.free.len()
        ));
    }
    let Ok(folder_len) = u8::try_from(root.sled_folder.len()) else {
        return refuse(format!("the folder name {} is too long for a root", root.sled_folder));
    };
    let mut body = Vec::with_capacity(256 + root.free.len() * 20);
    body.extend_from_slice(&root.number.to_le_bytes());
    body.push(u8::from(root.clean) | u8::from(root.sweep) << 1 | u8::from(root.live_bytes.is_some()) << 2);
    body.push(folder_len);
    body.extend_from_slice(root.sled_folder.as_bytes());
    let journal = [root.journal.file, root.journal.offset];
    for field in [root.directory_hash, root.directory_entries, root.next_id, root.last_commit, root.incarnation] {
        body.extend_from_slice(&field.to_le_bytes());
    }
    journal.iter().for_each(|field| body.extend_from_slice(&field.to_le_bytes()));
    body.extend_from_slice(&root.journal_chain.to_le_bytes());
    body.extend_from_slice(&root.store_id);
    body.extend_from_slice(&(root.free.len() as u32).to_le_bytes());
    for (tree, key) in &root.free {
        body.extend_from_slice(&tree.to_le_bytes());
        body.extend_from_slice(key);
    }
    body.extend(root.live_bytes.iter().flat_map(|bytes| bytes.to_le_bytes()));
    let mut slot = Vec::with_capacity(FRAME_BYTES + body.len());
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&root.format.to_le_bytes());
    slot.extend_from_slice(&(body.len() as u32).to_le_bytes());
    slot.extend_from_slice(&frame_crc(root.format, &body).to_le_bytes());
    slot.extend_from_slice(&body);
    assert!(slot.len() as u64 <= SLOT_BYTES, "a root of bounded length fits its slot");
    Ok(slot)
}

fn decode(frame: &Frame<'_>) -> Option<Root> {
    let mut fields = Fields(frame.body);
    let number = fields.u64()?;
    let [flags, folder_len] = fields.array()?;
    let sled_folder = String::from_utf8(fields.bytes(usize::from(folder_len))?.to_vec()).ok()?;
    let directory_hash = fields.u64()?;
    let directory_entries = fields.u64()?;
    let next_id = fields.u64()?;
    let last_commit = fields.u64()?;
    let incarnation = fields.u64()?;
    let journal = Position { file: fields.u64()?, offset: fields.u64()? };
    let journal_chain = fields.u32()?;
    let store_id = fields.array()?;
    let free_len = fields.u32()?;
    let free = (0..free_len).map(|_| Some((fields.u32()?, fields.array()?))).collect::<Option<Vec<_>>>()?;
    let live_bytes = if flags & 4 == 0 { None } else { Some(fields.u64()?) };
    fields.0.is_empty().then_some(Root {
        number,
        format: frame.format,
        clean: flags & 1 != 0,
        sled_folder,
        directory_hash,
        directory_entries,
        next_id,
        last_commit,
        journal,
        journal_chain,
        sweep: flags & 2 != 0,
        free,
        store_id,
        incarnation,
        live_bytes,
    })
}

/// Reads fields one after the other; `None` where the bytes end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
