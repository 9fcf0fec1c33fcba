//! Restore: a store from a backup, verified, in a new folder.
//!
//! A backup is read only, whatever is wrong with it: its files are copied and compared, and it is the copy that is
//! opened and read through. So a backup on a medium that cannot be written can be restored, and a damaged one is left
//! as it is for a repair.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::unfinished::Unfinished;
use super::verify::VerifyReport;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{FileLayer, LockFile, names, settled};

/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Copies the store in `backup`, which nobody has open, to the new folder `target`, and verifies the copy.
///
/// # Errors
/// `NotAStore`, `AlreadyOpen`, `Corrupted` when the backup is damaged, `InvalidArgument` when the target is not empty.
pub(crate) fn restore(files: &Arc<dyn FileLayer>, backup: &Path, target: &Path) -> Result<VerifyReport> {
    let backup = &settled(backup)?;
    let is_there = |name: &str| backup.join(name).is_file();
    if !is_there(names::ROOT) || is_there(names::UNFINISHED) {
        let text = format!("the folder {} is no backup, or an unfinished one; choose another", backup.display());
        return Err(Error::new(ErrorKind::NotAStore, text));
    }
    let _lock = match LockFile::acquire(&**files, backup) {
        Ok(lock) => Some(lock),
        Err(error) if error.kind() == ErrorKind::AlreadyOpen => return Err(error),
        // Where the lock cannot be written, nobody can have the store open.
        Err(_) => None,
    };
    let folder = Unfinished::begin(files, target)?;
    copy_folder(&**files, backup, folder.place())?;
    let report = folder.verify()?;
    folder.finish()?;
    Ok(report)
}

/// Copies files and folders, but for the lock, and puts them on disk.
fn copy_folder(files: &dyn FileLayer, from: &Path, to: &Path) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::io("copy", &path, error)
    };
    for (name, is_folder) in entries(from).map_err(failed(from))? {
        let (from, to) = (from.join(&name), to.join(&name));
        if is_folder {
            files.create_dir(&to).map_err(failed(&to))?;
            copy_folder(files, &from, &to)?;
        } else if name != Path::new(names::LOCK) {
            let written = copy_file(files, &from, &to).map_err(failed(&from))?;
            let read = File::open(&to).and_then(|mut file| checksum(&mut file, |_, _| Ok(()))).map_err(failed(&to))?;
            if written != read {
                return Err(Error::corrupted(format!("{} is not what was copied to it; try again", to.display())));
            }
        }
    }
    files.sync_dir(to).map_err(failed(to))
}

fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    std::fs::read_dir(folder)?
        .map(|entry| entry.and_then(|entry| Ok((PathBuf::from(entry.file_name()), entry.file_type()?.is_dir()))))
        .collect()
}

/// Copies a file and puts it on disk. Gives the checksum of what was read.
fn copy_file(files: &dyn FileLayer, from: &Path, to: &Path) -> io::Result<u32> {
    let mut source = File::open(from)?;
    let copy = files.create(to)?;
    let sum = checksum(&mut source, |offset, bytes| copy.write_at(offset, bytes))?;
    copy.sync_all()?;
    Ok(sum)
}

/// The checksum of all that a file has, each piece of which is given to `each` with its offset.
fn checksum(file: &mut File, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<u32> {
    let (mut hasher, mut piece, mut offset) = (crc32fast::Hasher::new(), vec![0; PIECE_BYTES], 0);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(read) => {
                hasher.update(&piece[..read]);
                each(offset, &piece[..read])?;
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
