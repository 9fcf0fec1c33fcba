//! Care for the folder that sled keeps its files in: what it leaves behind, never syncs, or cannot read again.
//!
//! Works on file names only; the store behind them is opened by [`SledStore`](super::SledStore).

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sled_log::{self, LogBefore};

/// sled's one file of data.
const DATA: &str = "db";
/// sled's settings, without which nothing can be opened.
const SETTINGS: &str = "conf";
const BLOBS: &str = "blobs";
const SNAPSHOT_PREFIX: &str = "snap.";
const UNFINISHED_SUFFIX: &str = ".generating";
const ASIDE_PREFIX: &str = "aside.";
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The files in which values can be, for a repair to search: sled's data, and what it puts into files of their own.
pub(crate) fn raw_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![folder.join(DATA)];
    let blobs = folder.join(BLOBS);
    if blobs.is_dir() {
        for entry in fs::read_dir(blobs)? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| path.is_file());
    Ok(paths)
}

/// A folder of sled's, beside the copy of its settings.
#[derive(Debug, Clone)]
pub(super) struct SledFolder {
    path: PathBuf,
    settings_copy: PathBuf,
}

impl SledFolder {
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        SledFolder { path: dir.join(name), settings_copy: dir.join(format!("{name}.{SETTINGS}")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder and the copy of its settings, if they are there.
    pub(super) fn remove(&self) -> io::Result<()> {
        let gone = |outcome: io::Result<()>| match outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        gone(fs::remove_dir_all(&self.path))?;
        gone(fs::remove_file(&self.settings_copy))
    }

    /// Makes ready for opening: removes unfinished snapshots, which sled takes for its newest, and restores settings
    /// that were torn. Where there is no copy of them either, it was the making of the store that was cut off: sled then
    /// writes them anew, and they are always the same.
    pub(super) fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(self.path.join(BLOBS))?;
        for snapshot in self.snapshots()? {
            if snapshot.to_string_lossy().ends_with(UNFINISHED_SUFFIX) {
                fs::remove_file(snapshot)?;
            }
        }
        let settings = self.path.join(SETTINGS);
        if settings_are_whole(&settings) {
            return Ok(());
        }
        if settings_are_whole(&self.settings_copy) {
            fs::copy(&self.settings_copy, &settings)?;
            sync(&settings)?;
        } else if settings.exists() {
            fs::remove_file(settings)?;
        }
        Ok(())
    }

    /// Puts on disk what sled does not when it makes a store, and copies its settings.
    pub(super) fn settle(&self) -> io::Result<()> {
        let settings = self.path.join(SETTINGS);
        sync(&settings)?;
        if !settings_are_whole(&self.settings_copy) && settings_are_whole(&settings) {
            fs::copy(&settings, &self.settings_copy)?;
            sync(&self.settings_copy)?;
        }
        self.sync_entries()?;
        match self.path.parent() {
            Some(parent) => sync_dir(parent),
            None => Ok(()),
        }
    }

    /// Puts the folder's entries (a new snapshot, a new blob) on disk.
    pub(super) fn sync_entries(&self) -> io::Result<()> {
        sync_dir(&self.path.join(BLOBS))?;
        sync_dir(&self.path)
    }

    /// Reads what opening will read, and puts on disk what the system may only pretend to have put there. Waits for
    /// sled's lock on its data, and returns whether it was free in time: somebody else's data is left alone.
    pub(super) fn write_again(&self, limit: Duration) -> io::Result<bool> {
        let data = match self.open_data() {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let free = lock(&data, limit)?;
        if free {
            sled_log::write_again(&data, self.covered()?)?;
            // Closing alone would not do: a child that is just being started may hold a copy of the handle.
            data.unlock()?;
        }
        Ok(free)
    }

    /// Keeps what opening may overwrite. Fails where sled would not be able to read its data while it opens; a folder
    /// without data has none to read.
    pub(super) fn keep_log(&self) -> io::Result<LogBefore> {
        match self.open_data() {
            Ok(data) => LogBefore::keep(Some(data), self.covered()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => LogBefore::keep(None, 0),
            Err(error) => Err(error),
        }
    }

    /// A handle of our own on the data, to sync it with: sled's flush only asks the system to begin writing.
    pub(super) fn open_data(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.path.join(DATA))
    }

    /// Renames snapshots, if one is damaged, so that sled does not find them and builds its state from its log alone.
    /// Returns the names that they had and have. Where all of them are whole it is the log that is damaged, and reading
    /// all of it would make sled overwrite what it takes for torn.
    pub(super) fn set_snapshots_aside(&self) -> io::Result<Vec<(PathBuf, PathBuf)>> {
        let mut moved = Vec::new();
        let snapshots = self.snapshots()?;
        if snapshots.iter().all(|snapshot| snapshot_is_whole(snapshot)) {
            return Ok(moved);
        }
        for snapshot in snapshots {
            let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
            let aside = self.path.join(format!("{ASIDE_PREFIX}{name}"));
            fs::rename(&snapshot, &aside)?;
            moved.push((snapshot, aside));
        }
        Ok(moved)
    }

    /// Gives snapshots their names back, for a repair to find the folder as it was.
    pub(super) fn put_snapshots_back(&self, moved: &[(PathBuf, PathBuf)]) {
        for (snapshot, aside) in moved {
            // Nothing depends on it: a snapshot only saves time.
            let _ = fs::rename(aside, snapshot);
        }
    }

    /// Waits until sled's lock on its data is free: it can outlive the last handle by some milliseconds. Returns
    /// whether it was free in time.
    pub(super) fn wait_unlocked(&self, limit: Duration) -> io::Result<bool> {
        let data = self.open_data()?;
        let free = lock(&data, limit)?;
        if free {
            data.unlock()?;
        }
        Ok(free)
    }

    /// The position up to which the newest snapshot covers the log, by its name.
    pub(super) fn covered(&self) -> io::Result<u64> {
        let position = |path: &PathBuf| u64::from_str_radix(path.extension()?.to_str()?, 16).ok();
        Ok(self.snapshots()?.iter().filter_map(position).max().unwrap_or(0))
    }

    fn snapshots(&self) -> io::Result<Vec<PathBuf>> {
        let mut snapshots = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(SNAPSHOT_PREFIX) {
                snapshots.push(entry.path());
            }
        }
        Ok(snapshots)
    }
}

/// Takes the lock on sled's data, if it becomes free in time.
fn lock(data: &File, limit: Duration) -> io::Result<bool> {
    retry(limit, || match data.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    })
    .map(|locked| locked.is_some())
}

/// Calls until there is an answer or the time is up, with growing pauses.
pub(super) fn retry<T, E>(
    limit: Duration,
    mut attempt: impl FnMut() -> std::result::Result<Option<T>, E>,
) -> std::result::Result<Option<T>, E> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(answer) = attempt()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

/// sled ends a snapshot with a length, and with the checksum of what is before that.
fn snapshot_is_whole(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        bytes.split_last_chunk::<12>().is_some_and(|(rest, end)| crc32fast::hash(rest).to_le_bytes() == end[8..])
    })
}

/// sled ends its settings with a checksum, and goes on with a warning where it does not fit.
fn settings_are_whole(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        bytes.len() > 8
            && bytes.split_last_chunk::<4>().is_some_and(|(rest, crc)| crc32fast::hash(rest).to_le_bytes() == *crc)
    })
}

fn sync(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

// Other systems do not open folders as files.
#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{PageStore, SledStore, StoreOp, TreeId};

    #[test]
    fn data_that_somebody_has_is_written_again_when_he_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = SledFolder::new(dir.path(), "s");
        let store = SledStore::open(dir.path(), "s").unwrap();
        store.write(vec![StoreOp::Put { tree: TreeId(1), key: vec![1], value: vec![7; 4_000] }]).unwrap();
        store.close().unwrap();
        let changed = || fs::metadata(dir.path().join("s/db")).unwrap().modified().unwrap();
        let before = changed();
        let held = folder.open_data().unwrap();
        held.lock().unwrap();
        assert!(!folder.write_again(Duration::ZERO).unwrap());
        assert_eq!(changed(), before);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| folder.write_again(Duration::from_secs(60)).unwrap());
            held.unlock().unwrap();
            assert!(waiting.join().unwrap());
        });
        assert!(changed() > before);
        assert!(folder.wait_unlocked(Duration::ZERO).unwrap(), "the lock is given back");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = SledFolder::new(dir.path(), "s");
        folder.keep_log().unwrap();
        assert!(folder.write_again(Duration::ZERO).unwrap(), "there is nothing to write");
        // A folder is what can be opened and not read.
        fs::create_dir_all(dir.path().join("s/db")).unwrap();
        folder.keep_log().unwrap_err();
        folder.write_again(Duration::ZERO).unwrap_err();
    }
}
