//! Copies the page store of an open database into a second one, while commits and checkpoints go on.
//!
//! Entries are copied as they are, each after its checksum was compared, so nothing here knows rows and nothing passes
//! through the cache of pages. No version is kept for it: what the copy is a copy of is decided at its end, by the root
//! that is in force then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::disk::Disk;
use crate::codec::frame;
use crate::error::{Error, Result};
use crate::storage::PageStore;
use crate::table::typed::hex;
use crate::txn::Engine;

/// Longest rest after a piece of work.
const REST_MAX: Duration = Duration::from_millis(50);

/// Has `store` become a copy of the page store: afterwards it has all that was there, and gets every write until the
/// copying is [ended](crate::storage::MirroredStore::end).
///
/// # Errors
/// `Corrupted` where an entry is damaged, `Closed` when the database is closed meanwhile, `DiskFull` and others from the
/// second store.
pub(super) fn copy_pages(engine: &Engine, disk: &Disk, store: Arc<dyn PageStore>) -> Result<()> {
    disk.pages.begin(store);
    let mut pace = Pace::new(engine);
    // A tree that is made later is written to both.
    for tree in disk.pages.trees()? {
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            engine.check_alive()?;
            from = disk.pages.copy_some(tree, &key, &mut |key, value| {
                frame::open(value).map(drop).map_err(|fault| {
                    Error::corrupted(format!(
                        "the entry {} of tree {} of the page store in {} is damaged; run repair",
                        hex(key),
                        tree.0,
                        disk.dir.display()
                    ))
                    .with_source(fault)
                })
            })?;
            pace.rest();
        }
    }
    Ok(())
}

/// Leaves half of the time to commits, while there are some: both wait for the same disk.
struct Pace<'a> {
    engine: &'a Engine,
    commits: u64,
    since: Instant,
}

impl<'a> Pace<'a> {
    fn new(engine: &'a Engine) -> Self {
        Pace { engine, commits: engine.counts.commits.load(Ordering::Relaxed), since: Instant::now() }
    }

    fn rest(&mut self) {
        let commits = self.engine.counts.commits.load(Ordering::Relaxed);
        if commits != self.commits {
            std::thread::sleep(self.since.elapsed().min(REST_MAX));
        }
        self.commits = commits;
        self.since = Instant::now();
    }
}
