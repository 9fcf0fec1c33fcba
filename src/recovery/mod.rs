//! From memory to disk and back: checkpoint, opening, replay, verify.
//!
//! A store on disk is three things: the root file, the page store that the root names, and the journal from the
//! position on that the root names. The root is the truth. A checkpoint writes pages, page lists and directory entries
//! under names that were never used before, syncs them, and then writes one root that names them all; before that, and
//! if it never gets so far, the old root still names the old ones. Opening reads the directory of the newest root and
//! replays the journal behind it. Backup and compaction copy the page store while it is in use, and write a root for the
//! copy. No type of the program is needed for any of this.

mod backup;
mod checkpoint;
mod compact;
mod copy;
mod directory_state;
mod disk;
mod keeper;
mod open;
mod repair;
mod replay;
mod restore;
mod sweep;
mod unfinished;
mod verify;
mod verify_index;

#[cfg(test)]
mod tests;

pub use backup::BackupReport;
pub(crate) use backup::backup_memory;
pub use compact::CompactReport;
pub(crate) use keeper::Keeper;
pub(crate) use open::{Opened, in_memory, open};
pub use repair::{DamagedRange, FileDamage, RepairReport, RepairedTable, repair};
pub(crate) use restore::restore;
pub(crate) use verify::verify;
pub use verify::{TableReport, VerifyReport};
