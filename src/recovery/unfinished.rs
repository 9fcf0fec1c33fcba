//! A copy of a store in the making: under another name and with a mark in it, until it is whole and on disk.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keeper::Keeper;
use super::open::open_locked;
use super::verify::{VerifyReport, verify};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::storage::{FileLayer, LockFile, create_folders, folder_of, names, settled};
use crate::txn::Engine;

/// What is added to the name of a folder until it is finished.
const SUFFIX: &str = ".unfinished";
/// Memory for pages while a copy is verified.
const VERIFY_CACHE_BYTES: usize = 16 << 20;

/// See the module's text. Dropping it removes the folder, unless it was [finished](Unfinished::finish).
#[derive(Debug)]
pub(super) struct Unfinished {
    files: Arc<dyn FileLayer>,
    target: PathBuf,
    place: PathBuf,
    lock: Option<LockFile>,
}

impl Unfinished {
    /// Makes the folder. One that an earlier copy to the same target left behind is cleared.
    ///
    /// # Errors
    /// `InvalidArgument` when the target has something in it, `AlreadyOpen` when a copy to it is being made.
    pub(super) fn begin(files: &Arc<dyn FileLayer>, target: &Path) -> Result<Unfinished> {
        let target = &settled(target)?;
        refuse_used(target)?;
        let mut name = target.file_name().map(OsString::from).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{} does not name a new folder", target.display()))
        })?;
        name.push(SUFFIX);
        let place = target.with_file_name(name);
        let mark = place.join(names::UNFINISHED);
        let failed = |error| Error::io("make the folder", &place, error);
        if !mark.exists() {
            refuse_used(&place)?;
        }
        create_folders(&**files, &place).map_err(failed)?;
        let lock = Some(LockFile::acquire(&**files, &place)?);
        let folder = Unfinished { files: Arc::clone(files), target: target.to_owned(), place: place.clone(), lock };
        clear(&place).map_err(failed)?;
        if !mark.exists() {
            files.create(&mark).and_then(|mark| mark.sync_all()).map_err(failed)?;
        }
        files.sync_dir(&place).map_err(failed)?;
        Ok(folder)
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> Result<u64> {
        bytes_in(&self.place).map_err(|error| Error::io("measure", &self.place, error))
    }

    /// Opens the copy as any store is opened, reads all of it, and closes it.
    ///
    /// # Errors
    /// `Corrupted` with the first finding.
    pub(super) fn verify(&self) -> Result<VerifyReport> {
        let options = Options::new().create(false).cache_bytes(VERIFY_CACHE_BYTES);
        let (engine, keeper) = open_locked(Arc::clone(&self.files), &self.place, options)?;
        let report = verify(&engine, Some(&keeper));
        close(&engine, &keeper)?;
        match report.tables.iter().find_map(|table| Some((&table.name, table.errors.first()?))) {
            None => Ok(report),
            Some((table, what)) => Err(Error::corrupted(format!("the copy of table {table:?} is damaged: {what}"))),
        }
    }

    /// Gives the folder its name. It is whole and on disk.
    pub(super) fn finish(mut self) -> Result<()> {
        let failed = |error| Error::io("name the folder", &self.target, error);
        self.files.remove(&self.place.join(names::UNFINISHED)).map_err(failed)?;
        self.files.sync_dir(&self.place).map_err(failed)?;
        drop(self.lock.take());
        // An empty folder was allowed to be there, and one with a lock.
        let _ = fs::remove_file(self.target.join(names::LOCK));
        match fs::remove_dir(&self.target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        self.files.rename(&self.place, &self.target).map_err(failed)?;
        self.files.sync_dir(folder_of(&self.target)).map_err(failed)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Finished, it has another name now. What cannot be removed says itself that it is unfinished.
        if self.place.exists() && clear(&self.place).is_ok() {
            drop(self.lock.take());
            let _ = fs::remove_dir_all(&self.place);
        }
    }
}

/// Lets go of an open store, all of it on disk.
pub(super) fn close(engine: &Engine, keeper: &Keeper) -> Result<()> {
    engine.close();
    let written = keeper.close(engine);
    let journal = engine.journal.as_ref().map_or(Ok(()), |journal| journal.close());
    written.and(journal).and(engine.pager.store.close())
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        Ok(sum + if is_folder { bytes_in(&entry.path())? } else { entry.metadata()?.len() })
    })
}

/// Removes all but the mark and the lock.
fn clear(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let keep = [names::UNFINISHED, names::LOCK].iter().any(|name| entry.file_name() == *name);
        match (keep, entry.file_type()?.is_dir()) {
            (true, _) => {}
            (false, true) => fs::remove_dir_all(entry.path())?,
            (false, false) => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Nothing is ever written over. A lock alone is nothing.
fn refuse_used(folder: &Path) -> Result<()> {
    let used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| entry.map_or(true, |entry| entry.file_name() != names::LOCK)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => true,
        Err(error) => return Err(Error::io("list", folder, error)),
    };
    if used {
        let text = format!("{} has something in it; choose a new folder for the copy", folder.display());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(())
}
