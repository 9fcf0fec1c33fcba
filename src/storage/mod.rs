//! Bytes on disk: pages in an engine behind a trait, and the files that are ours.
//!
//! A store is a folder:
//!
//! ```text
//! lock                        one process at a time
//! root                        which sled folder, up to which commit, where the journal goes on: two slots
//! journal/0000000001.journal  commits, append-only
//! sled-000001/                pages and directory entries, written by checkpoints; compaction makes the next number
//! sled-000001.conf            a copy of sled's settings, which it keeps in a file without a sync
//! ```
//!
//! Who may be trusted with what: the journal holds every commit since the checkpoint that the root names, and is synced
//! before a commit is acknowledged. The page store holds what checkpoints wrote, and is only believed as far as the
//! root names it. Nothing here knows what a row or a page is.

pub(crate) mod file;
pub(crate) mod journal;
mod lock_file;
mod memory;
mod mirrored;
mod page_store;
mod poison;
mod raw_file;
mod rein;
mod room;
mod root;
mod sled_folder;
mod sled_log;
mod sled_store;
mod work_queue;

#[cfg(test)]
pub(crate) mod wrap;

pub(crate) use file::{FileLayer, OsFiles, create_folders, folder_of, settled};
pub(crate) use lock_file::LockFile;
pub(crate) use memory::MemoryStore;
pub(crate) use mirrored::MirroredStore;
pub(crate) use page_store::{PageStore, StoreOp, TreeId};
pub(crate) use raw_file::RawFile;
pub(crate) use root::{FORMAT, Incarnation, MAX_FREE, Root, RootFile, Slots, new_store_id};
pub(crate) use sled_folder::raw_files;
pub(crate) use sled_store::SledStore;

/// Names of the files and folders of a store.
pub(crate) mod names {
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const ROOT: &str = "root";
    pub(crate) const JOURNAL: &str = "journal";

    /// Stands in a folder while a copy of a store is being written into it.
    pub(crate) const UNFINISHED: &str = "unfinished";

    /// The number of a folder of that name.
    pub(crate) fn sled_folder_number(name: &str) -> Option<u32> {
        let number = name.strip_prefix("sled-")?.parse().ok()?;
        (sled_folder(number) == name).then_some(number)
    }

    /// The folder of the page store with this number.
    pub(crate) fn sled_folder(number: u32) -> String {
        format!("sled-{number:06}")
    }
}
