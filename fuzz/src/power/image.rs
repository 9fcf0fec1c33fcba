//! What a disk may hold after a power cut: one of the many images that the unsynced changes allow.

use std::path::Path;

use super::disk::{Change, Disk, DiskFile, FileId, NameChange, Names, STORE, What, put, put_bytes};
use super::trace::Trace;
use crate::Failure;
use crate::random::Random;

/// A disk writes sectors of this size whole.
const SECTOR: u64 = 512;

/// Which of the unsynced changes of files reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// None of them.
    Nothing,
    /// All of them, as after a kill.
    Everything,
    /// Each write or not, in so many of 256 cases.
    Writes(u8),
    /// Each sector of each write or not, in so many of 256 cases.
    Sectors(u8),
    /// What lies over old bytes; appended bytes and the new length are lost.
    Overwrites,
    /// What was changed before some moment, over all files, and a torn part of the next change.
    Prefix,
}

impl Kept {
    fn choose(random: &mut Random) -> Kept {
        let odds = [32, 128, 128, 224][random.below(4) as usize];
        match random.below(10) {
            0 => Kept::Nothing,
            1 => Kept::Everything,
            2 | 3 => Kept::Writes(odds),
            4..=6 => Kept::Sectors(odds),
            7 | 8 => Kept::Overwrites,
            _ => Kept::Prefix,
        }
    }
}

/// The choices of one image, which its seed repeats.
#[derive(Debug)]
pub struct Image {
    /// What of the files is kept.
    pub kept: Kept,
    random: Random,
}

impl Image {
    /// The image of a seed.
    pub fn new(seed: u64) -> Image {
        let mut random = Random::part(seed, 0);
        Image { kept: Kept::choose(&mut random), random }
    }

    #[cfg(test)]
    pub(super) fn with(kept: Kept, seed: u64) -> Image {
        Image { kept, random: Random::part(seed, 0) }
    }

    /// Writes the image of the store into an empty folder.
    pub fn build(mut self, disk: &Disk<'_>, into: &Path) -> Result<(), Failure> {
        let moment = disk.seq - self.random.below(200.min(disk.seq + 1));
        let names = self.names(disk, moment);
        let prefix = format!("{STORE}/");
        for folder in names.folders.iter().filter(|name| *name == STORE || name.starts_with(&prefix)) {
            // A folder whose own entry is lost is not there, nor is what is in it.
            if is_reachable(&names, folder) {
                std::fs::create_dir_all(into.join(folder))?;
            }
        }
        for (name, file) in names.files.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let bytes = self.content(disk, *file, moment);
            if is_reachable(&names, name) {
                std::fs::write(into.join(name), bytes)?;
            }
        }
        Ok(())
    }

    /// Names change in order on a file system with a journal: those before some moment are kept.
    fn names(&mut self, disk: &Disk<'_>, moment: u64) -> Names {
        let mut names = disk.durable.clone();
        let changes = &disk.name_changes;
        let count = match self.kept {
            Kept::Nothing => 0,
            Kept::Everything => changes.len(),
            Kept::Prefix => changes.partition_point(|change| change.seq < moment),
            _ => self.random.below(changes.len() as u64 + 1) as usize,
        };
        let keep = |change: &NameChange| names.apply(&change.what);
        changes[..count].iter().for_each(keep);
        names
    }

    fn content(&mut self, disk: &Disk<'_>, file: FileId, moment: u64) -> Vec<u8> {
        let file = &disk.files[file];
        let mut bytes = file.durable.clone();
        match self.kept {
            Kept::Nothing => {}
            Kept::Everything => file.pending.iter().for_each(|change| put(&mut bytes, disk.trace, &change.what)),
            Kept::Writes(odds) => {
                for change in &file.pending {
                    if self.random.below(256) < u64::from(odds) {
                        put(&mut bytes, disk.trace, &change.what);
                    }
                }
            }
            Kept::Sectors(odds) => {
                file.pending.iter().for_each(|change| self.torn(&mut bytes, disk.trace, change, odds));
            }
            Kept::Overwrites => overwrites(&mut bytes, file, disk.trace),
            Kept::Prefix => {
                let count = file.pending.partition_point(|change| change.seq < moment);
                file.pending[..count].iter().for_each(|change| put(&mut bytes, disk.trace, &change.what));
                if let Some(change) = file.pending.get(count).filter(|change| change.seq == moment) {
                    self.torn(&mut bytes, disk.trace, change, 128);
                }
            }
        }
        bytes
    }

    /// Some sectors of a write, or a change of length or not.
    fn torn(&mut self, bytes: &mut Vec<u8>, trace: &Trace, change: &Change, odds: u8) {
        let mut keep = || self.random.below(256) < u64::from(odds);
        let What::Write { at, data } = &change.what else {
            return if keep() {
                put(bytes, trace, &change.what)
            };
        };
        for (at, piece) in sectors(*at, trace.data(data)) {
            if keep() {
                put_bytes(bytes, at as usize, piece);
            }
        }
    }
}

/// The part of the changes that lies over bytes that were there.
fn overwrites(bytes: &mut [u8], file: &DiskFile, trace: &Trace) {
    let len = bytes.len();
    for change in &file.pending {
        if let What::Write { at, data } = &change.what {
            let start = (*at as usize).min(len);
            let piece = trace.data(data);
            let room = piece.len().min(len - start);
            bytes[start..start + room].copy_from_slice(&piece[..room]);
        }
    }
}

/// A write, cut where sectors begin.
fn sectors(mut at: u64, mut bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let len = ((SECTOR - at % SECTOR) as usize).min(bytes.len());
        let (piece, rest) = bytes.split_at(len);
        let start = at;
        bytes = rest;
        at += len as u64;
        (len > 0).then_some((start, piece))
    })
}

/// Whether all folders above a name are there.
fn is_reachable(names: &Names, name: &str) -> bool {
    name.match_indices('/').all(|(at, _)| names.folders.contains(&name[..at]))
}
