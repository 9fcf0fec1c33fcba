//! From memory to disk and back: checkpoint, opening, replay, verify.
//!
//! A store on disk is three things: the root file, the page store that the root names, and the journal from the
//! position on that the root names. The root is the truth. A checkpoint writes pages, page lists and directory entries
//! under names that were never used before, syncs them, and then writes one root that names them all; before that, and
//! if it never gets so far, the old root still names the old ones. Opening reads the directory of the newest root and
//! replays the journal behind it. No type of the program is needed for any of this.

mod checkpoint;
mod directory_state;
mod keeper;
mod open;
mod replay;
mod sweep;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use keeper::Keeper;
pub(crate) use open::{Opened, in_memory, open};
pub(crate) use verify::verify;
pub use verify::{TableReport, VerifyReport};
