//! Where an open store lies, for those who copy it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::storage::{FileLayer, MirroredStore, names};

/// The files of an open store.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(super) files: Arc<dyn FileLayer>,
    pub(super) dir: PathBuf,
    /// The page store that the pager reads.
    pub(super) pages: Arc<MirroredStore>,
}

impl Disk {
    /// Bytes of the files in the store's folder and in that of its journal.
    pub(super) fn file_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for folder in [self.dir.clone(), self.dir.join(names::JOURNAL)] {
            let failed = |error| Error::io("measure", &folder, error);
            for name in self.files.list(&folder).map_err(failed)? {
                // A file of the journal may have gone since.
                bytes += std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
            }
        }
        Ok(bytes)
    }

    /// Ends the copying of the page store, if it is going on, of which the copy is going to be removed.
    pub(super) fn discard_copy(&self) {
        if let Some(copy) = self.pages.end() {
            // Nothing of it is wanted.
            let _ = copy.discard();
        }
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("dir", &self.dir).finish_non_exhaustive()
    }
}
