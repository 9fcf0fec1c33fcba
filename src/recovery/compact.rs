//! Compaction: the page store is copied into a fresh one, which takes its place.
//!
//! sled never gives space back, and where pages were removed here and there it can use little of it again. A copy in
//! the order of the keys has none of that. Copied as it is, every entry keeps its key: no page in memory has to learn of
//! it, and the new root is the old one but for the name of the folder. Its write is the switch. Before it a crash leaves
//! the old store and a folder that nobody names, after it the new one and an old folder; the next opening removes what
//! is not named.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::checkpoint::CheckpointState;
use super::copy::copy_pages;
use super::disk::Disk;
use super::keeper::Keeper;
use super::open::read_directory;
use super::sweep::check_whole;
use crate::error::{Error, Result};
use crate::storage::{PageStore, Root, SledStore, names};
use crate::txn::Engine;

/// What a compaction gained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of the page store on disk before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

impl fmt::Display for CompactReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes before, {} bytes after", self.bytes_before, self.bytes_after)
    }
}

/// How a switch ended that did not succeed.
enum NotSwitched {
    /// The old store is in use, and the new one nobody's.
    Kept(Error),
    /// Which of them the root names is not known: both must stay until the next opening.
    Unknown(Error),
}

impl Keeper {
    /// Compacts the page store, beside readers and writers. One copy is made at a time; others wait.
    pub(crate) fn compact(&self, engine: &Engine) -> Result<CompactReport> {
        let _alone = self.copying.lock();
        engine.check_alive()?;
        let bytes_before = self.disk.pages.size_on_disk()?;
        let old_name = self.state.lock().root.sled_folder.clone();
        let number = names::sled_folder_number(&old_name).unwrap_or(0);
        let name = names::sled_folder(number + 1);
        SledStore::remove_folder(&self.disk.dir, &name)?;
        let copied = SledStore::open_copy(&self.disk.dir, &name)
            .and_then(|store| {
                let store = Arc::new(store);
                copy_pages(engine, &self.disk, Arc::<SledStore>::clone(&store)).map(|()| store)
            })
            .map_err(NotSwitched::Kept)
            .and_then(|store| {
                let old = switch(engine, &mut self.state.lock(), &self.disk, &name)?;
                store.is_no_copy();
                Ok(old)
            });
        match copied {
            Ok(old) => {
                // Its folder goes: whether it could be closed well does not matter.
                let _ = old.discard();
                drop(old);
                SledStore::remove_folder(&self.disk.dir, &old_name)?;
                Ok(CompactReport { bytes_before, bytes_after: self.disk.pages.size_on_disk()? })
            }
            Err(NotSwitched::Kept(error)) => {
                self.disk.discard_copy();
                // The first error is the one to report; what stays is removed by the next opening.
                let _ = SledStore::remove_folder(&self.disk.dir, &name);
                Err(error)
            }
            Err(NotSwitched::Unknown(error)) => {
                engine.poison(&error);
                drop(self.disk.pages.end());
                Err(error)
            }
        }
    }
}

/// Puts the copy in the place of the page store. No checkpoint is under way, as the caller has its state. Gives the old
/// store, which nobody uses any more.
fn switch(
    engine: &Engine,
    state: &mut CheckpointState,
    disk: &Disk,
    name: &str,
) -> Result<Arc<dyn PageStore>, NotSwitched> {
    let prepare = || {
        engine.check_alive()?;
        let copy = disk.pages.copy()?;
        copy.sync()?;
        // As an opening would read it.
        let (_, catalog) = read_directory(&*copy, &state.root)?;
        check_whole(&*copy, &catalog)
    };
    prepare().map_err(NotSwitched::Kept)?;
    let next = |root: &Root| Root { number: root.number + 1, sled_folder: name.to_owned(), ..root.clone() };
    let root = next(&state.root);
    state.root_file.write(&root).map_err(NotSwitched::Unknown)?;
    state.root = root;
    // Once more, so that the other slot does not name a folder that is going away.
    let root = next(&state.root);
    state.root_file.write(&root).map_err(NotSwitched::Unknown)?;
    state.root = root;
    disk.pages.switch().ok_or_else(|| NotSwitched::Unknown(Error::corrupted("the copy of the page store went away")))
}
