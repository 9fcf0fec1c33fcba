//! A file of a damaged store, read as far as the disk gives it, and never changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where a read fails, it is tried again in pieces of so many bytes, each of which is given up by itself.
const PIECE_BYTES: usize = 4096;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct RawFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl RawFile {
    pub(crate) fn open(path: PathBuf) -> io::Result<RawFile> {
        let file = File::open(&path)?;
        let len = file.metadata()?.len();
        Ok(RawFile { path, file, len })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills the buffer from an offset on. Zeros stand for what cannot be read and for what is behind the end. Gives the
    /// offsets of the pieces that cannot be read.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Vec<u64> {
        fill(offset, buffer, &mut |offset, buffer| {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            file.read(buffer)
        })
    }

    /// All of the file, as [`read`](Self::read) gives it.
    pub(crate) fn read_all(&self) -> (Vec<u8>, Vec<u64>) {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(0)];
        let unreadable = self.read(0, &mut bytes);
        (bytes, unreadable)
    }
}

type ReadSome<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<usize> + 'a;

fn fill(offset: u64, buffer: &mut [u8], read: &mut ReadSome<'_>) -> Vec<u64> {
    if fill_whole(offset, buffer, read).is_ok() {
        return Vec::new();
    }
    let mut unreadable = Vec::new();
    let mut at = 0;
    while at < buffer.len() {
        // Pieces end where sectors do.
        let from = offset + at as u64;
        let len = PIECE_BYTES - (from % PIECE_BYTES as u64) as usize;
        let end = buffer.len().min(at + len);
        if fill_whole(from, &mut buffer[at..end], read).is_err() {
            buffer[at..end].fill(0);
            unreadable.push(from);
        }
        at = end;
    }
    unreadable
}

fn fill_whole(offset: u64, buffer: &mut [u8], read: &mut ReadSome<'_>) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match read(offset + done as u64, &mut buffer[done..]) {
            Ok(0) => {
                buffer[done..].fill(0);
                break;
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of a file of sevens that fail where they touch a bad byte.
    fn read(bad: u64, len: u64) -> impl FnMut(u64, &mut [u8]) -> io::Result<usize> {
        move |offset, buffer| {
            let end = (offset + buffer.len() as u64).min(len);
            if (offset..end).contains(&bad) {
                return Err(io::Error::other("a bad sector"));
            }
            let count = end.saturating_sub(offset) as usize;
            buffer[..count].fill(7);
            Ok(count)
        }
    }

    #[test]
    fn only_the_piece_with_the_bad_sector_is_given_up() {
        let mut buffer = vec![1; 20_000];
        assert_eq!(fill(100, &mut buffer, &mut read(9_000, 15_000)), [8192]);
        let zeros = |range: std::ops::Range<usize>| buffer[range].iter().all(|byte| *byte == 0);
        assert!(zeros(8192 - 100..12_288 - 100) && zeros(14_900..20_000));
        assert_eq!(buffer.iter().filter(|byte| **byte == 7).count(), 14_900 - 4096);
        assert!(fill(0, &mut buffer, &mut read(u64::MAX, 30_000)).is_empty());
        assert!(buffer.iter().all(|byte| *byte == 7));
    }
}
