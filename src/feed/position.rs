//! A place between two commits, to be kept by who follows them.

use serde::{Deserialize, Serialize};

use crate::storage::Incarnation;
use crate::storage::journal::{self, Mark};

/// A place between two commits of a store, as seen by a subscription to one of its tables. Keep it where your own state
/// is kept, as whatever serde writes, and go on from it by [`Subscribe::from`](crate::Subscribe::from), also in another
/// process.
///
/// All commits before it were on disk when it was given out: it survives a kill and a power cut as they do. It is told
/// apart from places of other stores, and of the same store where that was put back to an earlier state and has gone
/// another way since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    store: [u8; 16],
    incarnation: u64,
    commit: u64,
    file: u64,
    offset: u64,
    chain: u32,
    /// The table's id there, if there was a table.
    table: Option<u32>,
    /// What the program says of the table, as a checksum.
    types: u32,
}

impl Position {
    pub(super) fn new(incarnation: Incarnation, mark: Mark, table: Option<u32>, types: u32) -> Self {
        let Mark { position: journal::Position { file, offset }, chain, last_commit } = mark;
        let Incarnation { store_id, number } = incarnation;
        Position { store: store_id, incarnation: number, commit: last_commit, file, offset, chain, table, types }
    }

    /// The number of the last commit before it. Numbers grow by one with each commit, whatever it changes.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Names the store. Copies of a store made by backup and restore have the same.
    pub fn store_id(&self) -> [u8; 16] {
        self.store
    }

    /// How often the store had been opened when the position was given out.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(super) fn mark(&self) -> Mark {
        let position = journal::Position { file: self.file, offset: self.offset };
        Mark { position, chain: self.chain, last_commit: self.commit }
    }

    pub(super) fn table(&self) -> Option<u32> {
        self.table
    }

    pub(super) fn types(&self) -> u32 {
        self.types
    }
}
