//! Reads through what the engine is going to read when it opens, before it does.
//!
//! While it opens, the engine takes a segment of its log that it cannot read for one that was torn, ends its log there and
//! overwrites the segments behind with a mark. So one bad sector, or one read that failed, would destroy what is good. A
//! read that fails here is an error instead, and nothing is touched. What was read wrong cannot be told from what was
//! torn; so the end of the log is kept in memory meanwhile, and put back if the store is refused.
//!
//! The engine reads the head of each segment, and all of the segments that its newest snapshot does not cover. Of those
//! without a valid head, which are free, it reads no more. A store that was closed is covered to its end, so little more
//! than heads is read.
//!
//! When a store is opened, what is read is also written again and synced. After a sync that failed, the system goes on
//! showing bytes that it has given up writing, also to the next process; what is built on them would be lost with them
//! when the power goes. Of a free segment that is the head alone: it must not become valid again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::rein::SEGMENT_BYTES;

const HEAD_BYTES: usize = 20;
/// Most bytes of a log that are kept while it is opened.
const KEPT_BYTES: usize = 64 << 20;
/// Positions are stored with these bits turned over.
const POSITION_MASK: u64 = i64::MAX as u64;

/// Reads what opening will read of a log that snapshots cover up to a position, and puts on disk what was read.
pub(super) fn write_again(log: &File, covered: u64) -> io::Result<u64> {
    let read = read_through(log, covered, |mut log, at, bytes| {
        log.seek(SeekFrom::Start(at))?;
        log.write_all(bytes)
    })?;
    log.sync_data()?;
    Ok(read)
}

/// What opening may overwrite of a log, as it was before: the engine takes for torn what it cannot read, and so it would
/// destroy what a repair could save.
#[derive(Debug)]
pub(crate) struct LogBefore {
    log: Option<File>,
    /// By position in the log: offset in the file, and bytes.
    segments: BTreeMap<u64, (u64, Vec<u8>)>,
}

impl LogBefore {
    /// Keeps what opening will read, the end of the log first, up to [`KEPT_BYTES`].
    pub(super) fn keep(log: Option<File>, covered: u64) -> io::Result<LogBefore> {
        let segments = RefCell::new(BTreeMap::new());
        if let Some(log) = &log {
            read_through(log, covered, |_, at, bytes| {
                if let Some(position) = position(bytes.get(..HEAD_BYTES).unwrap_or_default()) {
                    let mut segments = segments.borrow_mut();
                    segments.insert(position, (at, bytes.to_vec()));
                    if segments.len() * SEGMENT_BYTES > KEPT_BYTES {
                        segments.pop_first();
                    }
                }
                Ok(())
            })?;
        }
        Ok(LogBefore { log, segments: segments.into_inner() })
    }

    /// Puts back what opening has changed. Nobody may have the log open.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        let Some(mut log) = self.log.as_ref() else { return Ok(()) };
        for (at, bytes) in self.segments.values() {
            log.seek(SeekFrom::Start(*at))?;
            log.write_all(bytes)?;
        }
        log.sync_data()
    }
}

/// Shows each place that opening reads to `read`, with what stands there.
fn read_through(mut log: &File, covered: u64, read: impl Fn(&File, u64, &[u8]) -> io::Result<()>) -> io::Result<u64> {
    let covered = covered / SEGMENT_BYTES as u64 * SEGMENT_BYTES as u64;
    let mut bytes = Vec::with_capacity(SEGMENT_BYTES);
    let mut count = 0;
    for at in (0..log.metadata()?.len()).step_by(SEGMENT_BYTES) {
        bytes.clear();
        log.seek(SeekFrom::Start(at))?;
        log.take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
        match position(&bytes) {
            // Synced before the snapshot was made that covers it.
            Some(position) if position < covered => {}
            Some(_) => {
                log.take((SEGMENT_BYTES - HEAD_BYTES) as u64).read_to_end(&mut bytes)?;
                read(log, at, &bytes)?;
            }
            None => read(log, at, &bytes)?,
        }
        count += bytes.len() as u64;
    }
    Ok(count)
}

/// The position in the log that a segment's head names; none where the head is not valid.
fn position(head: &[u8]) -> Option<u64> {
    let (crc, rest) = head.split_first_chunk::<4>()?;
    let (position, _) = rest.split_first_chunk::<8>()?;
    let valid = head.len() == HEAD_BYTES && !u32::from_le_bytes(*crc) == crc32fast::hash(rest);
    valid.then(|| u64::from_le_bytes(*position) ^ POSITION_MASK)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use parking_lot::Mutex;

    use super::*;
    use crate::storage::sled_folder::SledFolder;
    use crate::storage::{PageStore, SledStore, StoreOp, TreeId};

    fn written(dir: &Path) -> SledStore {
        let store = SledStore::open(dir, "s").unwrap();
        let put = |key: u32| StoreOp::Put { tree: TreeId(1), key: key.to_be_bytes().to_vec(), value: vec![7; 4_000] };
        store.write((0..2_000).map(put).collect()).unwrap();
        store.sync().unwrap();
        store
    }

    /// Bytes that opening will read.
    fn to_read(folder: &SledFolder) -> u64 {
        let log = folder.open_data().unwrap();
        read_through(&log, folder.covered().unwrap(), |_, _, _| Ok(())).unwrap()
    }

    fn head(position: u64) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[4..12].copy_from_slice(&(position ^ POSITION_MASK).to_le_bytes());
        let crc = !crc32fast::hash(&head[4..]);
        head[..4].copy_from_slice(&crc.to_le_bytes());
        head
    }

    #[test]
    fn what_a_snapshot_covers_is_not_read_and_of_free_segments_only_heads_are() {
        const SEGMENT: u64 = SEGMENT_BYTES as u64;
        let mut log = tempfile::tempfile().unwrap();
        let mut damaged = head(9 * SEGMENT);
        damaged[15] ^= 1;
        let heads = [head(SEGMENT), head(3 * SEGMENT), [0; HEAD_BYTES], damaged, head(2 * SEGMENT)];
        for (at, head) in heads.iter().enumerate() {
            log.seek(SeekFrom::Start(at as u64 * SEGMENT)).unwrap();
            log.write_all(head).unwrap();
        }
        // The last one ends early, and another begins with less than a head.
        log.set_len(5 * SEGMENT + 10).unwrap();
        let read = Mutex::new(Vec::new());
        let keep = |_: &File, at: u64, bytes: &[u8]| {
            read.lock().push((at / SEGMENT, bytes.len()));
            Ok(())
        };
        // Up to somewhere in the second segment of the log.
        let count = read_through(&log, 2 * SEGMENT + 5, keep).unwrap();
        assert_eq!(count, 2 * SEGMENT + 3 * HEAD_BYTES as u64 + 10);
        assert_eq!(read.into_inner(), [(1, SEGMENT_BYTES), (2, 20), (3, 20), (4, SEGMENT_BYTES), (5, 10)]);
    }

    #[test]
    fn what_opening_overwrites_is_put_back() {
        const SEGMENT: u64 = SEGMENT_BYTES as u64;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = File::create_new(&path).unwrap();
        for at in 0..40 {
            log.seek(SeekFrom::Start(at * SEGMENT)).unwrap();
            // The oldest of the log lie at its end.
            log.write_all(&head((40 - at) * SEGMENT)).unwrap();
            log.write_all(&[at as u8; 1_000]).unwrap();
        }
        log.set_len(40 * SEGMENT).unwrap();
        let good = fs::read(&path).unwrap();
        let open = || Some(File::options().read(true).write(true).open(&path).unwrap());
        let before = LogBefore::keep(open(), 5 * SEGMENT).unwrap();
        fs::write(&path, vec![9; 40 * SEGMENT_BYTES]).unwrap();
        before.put_back().unwrap();
        let now = fs::read(&path).unwrap();
        let same =
            |at: usize| now[at * SEGMENT_BYTES..][..SEGMENT_BYTES] == good[at * SEGMENT_BYTES..][..SEGMENT_BYTES];
        assert!((0..32).all(same), "the end of the log, as much as is kept");
        assert!(!(32..40).any(same));
        LogBefore::keep(None, 0).unwrap().put_back().unwrap();
    }

    #[test]
    fn the_heads_of_a_log_are_read_as_the_engine_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = written(dir.path());
        let folder = SledFolder::new(dir.path(), "s");
        let len = fs::metadata(dir.path().join("s/db")).unwrap().len();
        assert!(len > 3 * SEGMENT_BYTES as u64, "{len}");
        assert_eq!(to_read(&folder), len);
        store.close().unwrap();
        // Closing writes a snapshot; only the segment that it ends in is read once more.
        let len = fs::metadata(dir.path().join("s/db")).unwrap().len();
        let heads = len.div_ceil(SEGMENT_BYTES as u64) * HEAD_BYTES as u64;
        let after = to_read(&folder);
        assert!(after <= heads + SEGMENT_BYTES as u64, "{after} of {len}");
    }

    #[test]
    fn writing_again_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path()).close().unwrap();
        let path = dir.path().join("s/db");
        let before = fs::read(&path).unwrap();
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        // Without its snapshot, all of the log is written again, but for the segments that the engine has overwritten.
        let log = File::options().read(true).write(true).open(&path).unwrap();
        let written = write_again(&log, 0).unwrap();
        let segments = before.chunks(SEGMENT_BYTES);
        let free = |segment: &[u8]| segment.iter().all(|byte| *byte == 0);
        let bytes = segments.map(|segment| if free(segment) { HEAD_BYTES } else { segment.len() });
        assert_eq!(written, bytes.sum::<usize>() as u64);
        assert!(fs::metadata(&path).unwrap().modified().unwrap() > changed);
        assert!(fs::read(&path).unwrap() == before);
        drop(SledStore::open(dir.path(), "s").unwrap());
    }
}
