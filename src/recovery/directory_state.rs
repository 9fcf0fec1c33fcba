//! The entries of the directory that the newest root contains, and their hash.
//!
//! A checkpoint writes the entries of segments that changed, under its own number; an entry with a smaller number is
//! then superseded. The hash is the sum of the hashes of all entries in force, so it is kept up by adding and taking
//! away.
//!
//! The entry of a segment that was merged into another has no successor. Where a crash comes after the root and before
//! its removal, the opening must know that it is out of force: so the checkpoint writes a note that the segment is
//! gone, under its own number like the entries. Notes are not counted and not hashed. They are removed when a later
//! root is durable, and not together with the entries that they end, of which a crash could then bring back one
//! without its note.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::storage::{Root, StoreOp, TreeId};
use crate::table::entry::{DirectoryKey, parse_directory_key};

/// What an entry is about; parts of a table's definition count one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Segment(u32, u64),
    /// That a segment, or for [`WHOLE_TABLE`](crate::table::entry::WHOLE_TABLE) all of a table, is not there any more.
    Gone(u32, u64),
    Table(u32, u16),
}

impl Subject {
    pub(crate) fn table(self) -> u32 {
        match self {
            Subject::Segment(table, _) | Subject::Gone(table, _) | Subject::Table(table, _) => table,
        }
    }

    pub(crate) fn of(key: DirectoryKey) -> (Subject, u64) {
        match key {
            DirectoryKey::Segment { table, segment, checkpoint } => (Subject::Segment(table, segment), checkpoint),
            DirectoryKey::Gone { table, segment, checkpoint } => (Subject::Gone(table, segment), checkpoint),
            DirectoryKey::Table { table, checkpoint, part } => (Subject::Table(table, part), checkpoint),
        }
    }
}

#[derive(Debug, Clone)]
struct InForce {
    key: Vec<u8>,
    hash: u64,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirectoryState {
    entries: BTreeMap<Subject, InForce>,
    hash: u64,
    /// The keys of notes that segments are gone, whose entries are removed.
    notes: Vec<Vec<u8>>,
}

fn hash_of(key: &[u8], value: &[u8]) -> u64 {
    let mut all = Vec::with_capacity(key.len() + value.len());
    all.extend_from_slice(key);
    all.extend_from_slice(value);
    xxh3_64(&all)
}

impl DirectoryState {
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether it is the directory that this root names.
    pub(crate) fn is_of(&self, root: &Root) -> bool {
        (self.len(), self.hash) == (root.directory_entries, root.directory_hash)
    }

    /// An entry comes into force. Gives the removal of the one that it supersedes, to be done once the root is durable.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Option<StoreOp> {
        let subject = Subject::of(parse_directory_key(key)?).0;
        let hash = hash_of(key, value);
        self.hash = self.hash.wrapping_add(hash);
        let before = self.entries.insert(subject, InForce { key: key.to_vec(), hash })?;
        self.hash = self.hash.wrapping_sub(before.hash);
        (before.key != key).then_some(StoreOp::Remove { tree: TreeId::DIRECTORY, key: before.key })
    }

    /// An entry goes out of force without a successor.
    pub(crate) fn remove(&mut self, subject: Subject) -> Option<StoreOp> {
        let before = self.entries.remove(&subject)?;
        self.hash = self.hash.wrapping_sub(before.hash);
        Some(StoreOp::Remove { tree: TreeId::DIRECTORY, key: before.key })
    }

    /// All entries of a table go out of force without successors.
    pub(crate) fn remove_table(&mut self, table: u32) -> Vec<StoreOp> {
        let subjects: Vec<Subject> = self.entries.keys().copied().filter(|subject| subject.table() == table).collect();
        subjects.into_iter().filter_map(|subject| self.remove(subject)).collect()
    }

    /// Remembers a note that a segment is gone.
    pub(crate) fn add_note(&mut self, key: Vec<u8>) {
        self.notes.push(key);
    }

    /// The removals of the notes so far, to be done once another root is durable.
    pub(crate) fn take_notes(&mut self) -> Vec<StoreOp> {
        let notes = std::mem::take(&mut self.notes);
        notes.into_iter().map(|key| StoreOp::Remove { tree: TreeId::DIRECTORY, key }).collect()
    }

    /// The segments of a table that are in force.
    pub(crate) fn segments(&self, table: u32) -> Vec<u64> {
        self.entries
            .range(Subject::Segment(table, 0)..=Subject::Segment(table, u64::MAX))
            .filter_map(|(subject, _)| match subject {
                Subject::Segment(_, segment) => Some(*segment),
                Subject::Gone(..) | Subject::Table(..) => None,
            })
            .collect()
    }
}
