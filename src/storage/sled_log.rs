//! Reads through what the engine is going to read when it opens, before it does.
//!
//! While it opens, the engine takes a segment of its log that it cannot read for one that was torn, ends its log there and
//! overwrites the segments behind with a mark. So one bad sector, or one read that failed, would destroy what is good. A
//! read that fails here is an error instead, and nothing is touched.
//!
//! The engine reads the head of each segment, and all of the segments that its newest snapshot does not cover. A store
//! that was closed is covered to its end, so little more than heads is read.
//!
//! When a store is opened, what is read is also written again and synced. After a sync that failed, the system goes on
//! showing bytes that it has given up writing, also to the next process; what is built on them would be lost with them
//! when the power goes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::rein::SEGMENT_BYTES;

const HEAD_BYTES: usize = 20;
const SNAPSHOT_PREFIX: &str = "snap.";
/// Positions are stored with these bits turned over.
const POSITION_MASK: u64 = i64::MAX as u64;

/// Reads what opening will read. Returns the number of bytes; a folder without data has none.
pub(super) fn check_readable(folder: &Path, data: &str) -> io::Result<u64> {
    match File::open(folder.join(data)) {
        Ok(mut file) => read_through(&mut file, folder, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Reads what opening will read, and puts on disk what was read. Leaves a file alone that somebody has open: opening it
/// will be refused.
pub(super) fn write_again(folder: &Path, data: &str) -> io::Result<u64> {
    let mut file = match File::options().read(true).write(true).open(folder.join(data)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(0),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let read = read_through(&mut file, folder, true)?;
    file.sync_data()?;
    // Closing alone would not do: a child that is just being started may hold a copy of the handle.
    file.unlock()?;
    Ok(read)
}

fn read_through(file: &mut File, folder: &Path, again: bool) -> io::Result<u64> {
    let covered = newest_snapshot(folder)? / SEGMENT_BYTES as u64 * SEGMENT_BYTES as u64;
    let mut segment = vec![0; SEGMENT_BYTES];
    let mut read = 0;
    for at in (0..file.metadata()?.len()).step_by(SEGMENT_BYTES) {
        file.seek(SeekFrom::Start(at))?;
        let head = read_full(file, &mut segment[..HEAD_BYTES])?;
        read += head as u64;
        if head == HEAD_BYTES && position(&segment[..HEAD_BYTES]) >= covered {
            let rest = read_full(file, &mut segment[HEAD_BYTES..])?;
            read += rest as u64;
            if again {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&segment[..HEAD_BYTES + rest])?;
            }
        }
    }
    Ok(read)
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The position in the log that a segment's head names. A damaged head names one that is not covered, or is covered and
/// then not read by the engine either.
fn position(head: &[u8]) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&head[4..12]);
    u64::from_le_bytes(field) ^ POSITION_MASK
}

/// The position up to which the newest snapshot covers the log, by its name.
fn newest_snapshot(folder: &Path) -> io::Result<u64> {
    let mut newest = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let position = name.to_str().and_then(|name| name.strip_prefix(SNAPSHOT_PREFIX));
        newest = position.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0).max(newest);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{PageStore, SledStore, StoreOp, TreeId};

    fn written(dir: &Path) -> SledStore {
        let store = SledStore::open(dir, "s").unwrap();
        let put = |key: u32| StoreOp::Put { tree: TreeId(1), key: key.to_be_bytes().to_vec(), value: vec![7; 4_000] };
        store.write((0..2_000).map(put).collect()).unwrap();
        store.sync().unwrap();
        store
    }

    #[test]
    fn all_is_read_that_no_snapshot_covers() {
        let dir = tempfile::tempdir().unwrap();
        let store = written(dir.path());
        let len = fs::metadata(dir.path().join("s/db")).unwrap().len();
        assert!(len > 3 * SEGMENT_BYTES as u64, "{len}");
        assert_eq!(check_readable(&dir.path().join("s"), "db").unwrap(), len);
        store.close().unwrap();
        // Closing writes a snapshot; only the segments behind its end are read once more.
        let after = check_readable(&dir.path().join("s"), "db").unwrap();
        assert!(after * 2 < len, "{after} of {len}");
    }

    #[test]
    fn writing_again_changes_nothing_and_leaves_open_stores_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let store = written(dir.path());
        assert_eq!(write_again(&folder, "db").unwrap(), 0);
        store.close().unwrap();
        // Without its snapshot, all of the log is written again.
        let snapshot = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(SNAPSHOT_PREFIX);
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(snapshot).for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        let before = fs::read(folder.join("db")).unwrap();
        let changed = fs::metadata(folder.join("db")).unwrap().modified().unwrap();
        assert_eq!(write_again(&folder, "db").unwrap(), before.len() as u64);
        assert!(fs::metadata(folder.join("db")).unwrap().modified().unwrap() > changed);
        assert!(fs::read(folder.join("db")).unwrap() == before);
        drop(SledStore::open(dir.path(), "s").unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_readable(dir.path(), "db").unwrap(), 0);
        // A folder is what can be opened and not read.
        fs::create_dir(dir.path().join("db")).unwrap();
        assert!(fs::metadata(dir.path().join("db")).unwrap().len() > 0 || cfg!(not(target_os = "linux")));
        check_readable(dir.path(), "db").unwrap_err();
    }
}
