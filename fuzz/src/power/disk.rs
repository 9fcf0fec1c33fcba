//! A disk that a trace is played to, and that knows what of it would survive a power cut.
//!
//! Per file: what is on disk for certain (all that was written before a sync that succeeded had begun), and the writes
//! and changes of length since then, in order. The names in a folder are handled alike: made, renamed and removed names
//! are on disk for certain once the folder was synced. A failed sync promises nothing, and what it was to put on disk
//! is lost for later syncs too, as Linux does it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use super::trace::{Event, Kind, Trace};
use crate::Failure;
use crate::crash::WRITERS;
use crate::crash::life::promise;

/// The file in the watched folder to which the writers append their promises.
pub const PROMISES: &str = "promises";
/// The folder of the store in the watched folder.
pub const STORE: &str = "store";

/// Which file; an index of [`Disk::files`].
pub(super) type FileId = usize;

/// A change of a file that is not on disk for certain.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) seq: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Write { at: u64, data: Range<usize> },
    Length(u64),
}

/// A file, under whatever names.
#[derive(Debug, Default)]
pub(super) struct DiskFile {
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    /// Length with all changes.
    len: u64,
}

/// A change of names that is not on disk for certain.
#[derive(Debug, Clone)]
pub(super) struct NameChange {
    pub(super) seq: u64,
    pub(super) folder: String,
    pub(super) what: NameWhat,
}

#[derive(Debug, Clone)]
pub(super) enum NameWhat {
    Put { name: String, file: FileId },
    Rename { from: String, to: String, file: FileId },
    Remove { name: String },
    Folder { name: String },
}

/// Names of files and folders, relative to the watched folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) files: BTreeMap<String, FileId>,
    pub(super) folders: BTreeSet<String>,
}

impl Names {
    pub(super) fn apply(&mut self, what: &NameWhat) {
        match what {
            NameWhat::Put { name, file } => drop(self.files.insert(name.clone(), *file)),
            NameWhat::Rename { from, to, file } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *file);
            }
            NameWhat::Remove { name } => {
                self.files.remove(name);
                self.folders.remove(name);
            }
            NameWhat::Folder { name } => drop(self.folders.insert(name.clone())),
        }
    }
}

#[derive(Debug, Clone)]
enum Target {
    File(FileId),
    Folder(String),
}

/// The disk, after some events of a trace.
#[derive(Debug)]
pub struct Disk<'t> {
    pub(super) trace: &'t Trace,
    root: String,
    pub(super) files: Vec<DiskFile>,
    now: Names,
    pub(super) durable: Names,
    pub(super) name_changes: Vec<NameChange>,
    open: HashMap<i32, Target>,
    syncs: HashMap<u64, (Target, u64)>,
    pub(super) seq: u64,
    /// A sync failed, so that the system shows what is not on disk.
    shows_more: bool,
    /// The newest promise to each writer so far.
    pub promised: [u64; WRITERS as usize],
}

impl<'t> Disk<'t> {
    /// A disk on which the files of `base` are on disk for certain. `root` is the watched folder that the trace names.
    pub fn new(
        trace: &'t Trace,
        root: &Path,
        base: &Path,
        promised: [u64; WRITERS as usize],
    ) -> Result<Disk<'t>, Failure> {
        let mut disk = Disk {
            trace,
            root: root.to_string_lossy().into_owned(),
            files: Vec::new(),
            now: Names::default(),
            durable: Names::default(),
            name_changes: Vec::new(),
            open: HashMap::new(),
            syncs: HashMap::new(),
            seq: 0,
            shows_more: false,
            promised,
        };
        disk.take_folder(base, "")?;
        disk.durable = disk.now.clone();
        Ok(disk)
    }

    fn take_folder(&mut self, folder: &Path, name: &str) -> Result<(), Failure> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = join(name, &entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.now.folders.insert(name.clone());
                self.take_folder(&entry.path(), &name)?;
            } else {
                let durable = std::fs::read(entry.path())?;
                self.now.files.insert(name, self.files.len());
                self.files.push(DiskFile { len: durable.len() as u64, durable, pending: Vec::new() });
            }
        }
        Ok(())
    }

    /// Plays one event.
    pub fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        self.seq += 1;
        match event.kind {
            Kind::Open { made, cut } => self.open_file(event, made, cut),
            Kind::Close => drop(self.open.remove(&event.fd)),
            Kind::Write { at } => {
                let Some(Target::File(file)) = self.open.get(&event.fd) else { return unknown(event) };
                let file = *file;
                if self.now.files.get(PROMISES) == Some(&file) {
                    self.note_promises(&event.data)?;
                }
                let end = at + event.data.len() as u64;
                self.files[file].len = self.files[file].len.max(end);
                self.change(file, What::Write { at, data: event.data.clone() });
            }
            Kind::Length(len) => {
                let Some(Target::File(file)) = self.open.get(&event.fd) else { return unknown(event) };
                self.change_length(*file, len);
            }
            Kind::Allocate(end) => {
                let Some(Target::File(file)) = self.open.get(&event.fd) else { return unknown(event) };
                let file = *file;
                self.change_length(file, self.files[file].len.max(end));
            }
            Kind::SyncBegin(token) => {
                let Some(target) = self.open.get(&event.fd) else { return unknown(event) };
                self.syncs.insert(token, (target.clone(), self.seq));
            }
            Kind::SyncEnd { token, good } => {
                self.shows_more |= !good;
                if let Some((target, before)) = self.syncs.remove(&token) {
                    self.settle(&target, before, good);
                }
            }
            Kind::RangeSync | Kind::Fault => {}
            Kind::Rename | Kind::Unlink | Kind::MakeDir => self.change_name(event)?,
        }
        Ok(())
    }

    fn open_file(&mut self, event: &Event, made: bool, cut: bool) {
        let name = self.relative(&self.trace.paths(event).0);
        if self.now.folders.contains(&name) || name.is_empty() {
            self.open.insert(event.fd, Target::Folder(name));
            return;
        }
        let file = match self.now.files.get(&name) {
            Some(file) if !made => *file,
            _ => {
                let file = self.files.len();
                self.files.push(DiskFile::default());
                self.name(NameWhat::Put { name: name.clone(), file }, &name);
                file
            }
        };
        if cut && self.files[file].len > 0 {
            self.change_length(file, 0);
        }
        self.open.insert(event.fd, Target::File(file));
    }

    fn change_length(&mut self, file: FileId, len: u64) {
        self.files[file].len = len;
        self.change(file, What::Length(len));
    }

    fn change(&mut self, file: FileId, what: What) {
        let seq = self.seq;
        self.files[file].pending.push(Change { seq, what });
    }

    fn change_name(&mut self, event: &Event) -> Result<(), Failure> {
        let (first, second) = self.trace.paths(event);
        let (first, second) = (self.relative(&first), self.relative(&second));
        match event.kind {
            Kind::Rename => {
                let file = self.now.files.get(&first).copied();
                let file = file.ok_or_else(|| Failure(format!("the trace renames {first:?}, which is no file")))?;
                self.name(NameWhat::Rename { from: first, to: second.clone(), file }, &second);
            }
            Kind::Unlink => self.name(NameWhat::Remove { name: first.clone() }, &first),
            _ => self.name(NameWhat::Folder { name: first.clone() }, &first),
        }
        Ok(())
    }

    fn name(&mut self, what: NameWhat, name: &str) {
        self.now.apply(&what);
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        self.name_changes.push(NameChange { seq: self.seq, folder, what });
    }

    /// What was changed before a sync began is on disk, or lost.
    fn settle(&mut self, target: &Target, before: u64, good: bool) {
        match target {
            Target::File(file) => {
                let file = &mut self.files[*file];
                let count = file.pending.partition_point(|change| change.seq < before);
                for change in file.pending.drain(..count) {
                    if good {
                        put(&mut file.durable, self.trace, &change.what);
                    }
                }
            }
            Target::Folder(folder) => {
                let (settled, pending) = std::mem::take(&mut self.name_changes)
                    .into_iter()
                    .partition(|change| change.folder == *folder && change.seq < before && good);
                self.name_changes = pending;
                let settled: Vec<NameChange> = settled;
                settled.iter().for_each(|change| self.durable.apply(&change.what));
            }
        }
    }

    fn note_promises(&mut self, data: &Range<usize>) -> Result<(), Failure> {
        for line in String::from_utf8_lossy(self.trace.data(data)).lines() {
            let (newest, seq) = promise(&mut self.promised, line)
                .ok_or_else(|| Failure(format!("{line:?} is no promise of a writer")))?;
            *newest = seq.max(*newest);
        }
        Ok(())
    }

    fn relative(&self, path: &str) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).trim_start_matches('/').to_owned()
    }

    /// Compares with the folder that the trace was taken from: a change that was not recorded would make every image
    /// wrong. After a failed sync there is nothing to compare.
    pub fn check_against(&self, folder: &Path) -> Result<(), Failure> {
        if self.shows_more {
            return Ok(());
        }
        for (name, file) in &self.now.files {
            let file = &self.files[*file];
            let mut bytes = file.durable.clone();
            file.pending.iter().for_each(|change| put(&mut bytes, self.trace, &change.what));
            if std::fs::read(folder.join(name)).ok() != Some(bytes) {
                return Err(Failure(format!(
                    "the recorder missed something: {name} is not what the trace makes of it"
                )));
            }
        }
        Ok(())
    }
}

/// Applies a change to bytes.
pub(super) fn put(bytes: &mut Vec<u8>, trace: &Trace, what: &What) {
    match what {
        What::Length(len) => bytes.resize(*len as usize, 0),
        What::Write { at, data } => put_bytes(bytes, *at as usize, trace.data(data)),
    }
}

/// Puts bytes at a place, behind zeros where the file was shorter.
pub(super) fn put_bytes(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = at + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(piece);
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unknown(event: &Event) -> Result<(), Failure> {
    Err(Failure(format!("the trace has an event of descriptor {} that was never opened: {:?}", event.fd, event.kind)))
}
