//! Files in memory whose power can be cut: what was not synced is kept, lost or torn at random.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::file::{FileHandle, FileLayer};

/// The unit that a disk writes whole.
const SECTOR: u64 = 512;

/// A file system in memory that knows what of it is durable.
#[derive(Debug, Default)]
pub(crate) struct PowerFiles {
    state: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    now: BTreeMap<PathBuf, Arc<PowerFile>>,
    durable: BTreeMap<PathBuf, Arc<PowerFile>>,
}

#[derive(Debug, Default)]
struct PowerFile {
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, cut in sectors.
    unsynced: Vec<(u64, Vec<u8>)>,
    /// The next sync fails.
    loses_sync: bool,
}

impl PowerFiles {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts other bytes, all durable, in the place of a file's.
    pub(crate) fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let file = Arc::clone(&self.state.lock().now[path]);
        *file.content.lock() = Content::durable(bytes);
    }

    /// Makes the next sync of a file fail as systems do: the error is told once, the bytes go on being shown, and they
    /// are never written.
    pub(crate) fn lose_next_sync(&self, path: &Path) {
        self.state.lock().now[path].content.lock().loses_sync = true;
    }

    /// The bytes of a file.
    pub(crate) fn contents(&self, path: &Path) -> Vec<u8> {
        self.state.lock().now[path].content.lock().now.clone()
    }

    /// What a power cut leaves. `keep` decides for each sector that was not synced whether it reached the disk; a new
    /// file whose folder was not synced is lost, a removed one is there again.
    pub(crate) fn cut(&self, mut keep: impl FnMut() -> bool) -> Arc<PowerFiles> {
        let after = Self::new();
        let entries = self.state.lock();
        for (path, file) in &entries.durable {
            let content = file.content.lock();
            let mut bytes = content.durable.clone();
            for (offset, sector) in &content.unsynced {
                if keep() {
                    put(&mut bytes, *offset, sector);
                }
            }
            let content = Content::durable(bytes);
            let file = Arc::new(PowerFile { content: Mutex::new(content) });
            let mut after = after.state.lock();
            after.now.insert(path.clone(), Arc::clone(&file));
            after.durable.insert(path.clone(), file);
        }
        after
    }
}

impl Content {
    fn durable(bytes: Vec<u8>) -> Self {
        Content { now: bytes.clone(), durable: bytes, ..Content::default() }
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, piece: &[u8]) {
    let end = offset as usize + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..end].copy_from_slice(piece);
}

impl FileLayer for PowerFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        let mut entries = self.state.lock();
        if entries.now.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file: Arc<PowerFile> = Arc::default();
        entries.now.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileHandle>> {
        let entries = self.state.lock();
        match entries.now.get(path) {
            Some(file) => Ok(Arc::<PowerFile>::clone(file)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.lock().now.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut entries = self.state.lock();
        let file = entries.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        entries.now.insert(to.to_owned(), file);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = self.state.lock();
        let names = entries.now.keys().filter(|path| path.parent() == Some(dir)).filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut entries = self.state.lock();
        let Entries { now, durable } = &mut *entries;
        durable.retain(|path, _| path.parent() != Some(dir));
        let here = now.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable.extend(here.map(|(path, file)| (path.clone(), Arc::clone(file))));
        Ok(())
    }
}

impl FileHandle for PowerFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content.lock();
        let rest = content.now.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content.lock();
        put(&mut content.now, offset, bytes);
        let mut at = 0;
        while at < bytes.len() {
            let to_boundary = SECTOR - (offset + at as u64) % SECTOR;
            let len = (to_boundary as usize).min(bytes.len() - at);
            content.unsynced.push((offset + at as u64, bytes[at..at + len].to_vec()));
            at += len;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.content.lock();
        let unsynced = std::mem::take(&mut content.unsynced);
        if std::mem::take(&mut content.loses_sync) {
            return Err(io::Error::other("the bytes are lost"));
        }
        for (offset, sector) in unsynced {
            put(&mut content.durable, offset, &sector);
        }
        let len = content.now.len();
        content.durable.resize(len, 0);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content.lock();
        content.now.resize(len as usize, 0);
        content.unsynced.retain(|(offset, sector)| offset + sector.len() as u64 <= len);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().now.len() as u64)
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
