//! The page store of a database, behind which another one can be filled and put in its place.
//!
//! What is written under one key is never written under it again (ids are used once), so a second store becomes a copy
//! of the first by two things that may happen in any order: from some moment on it gets every write too, and all that
//! was there before is copied. A backup then takes the copy away; compaction puts it in the place of the first.
//!
//! A second store that fails is the copy's trouble only: its error is kept for who asked for the copy.

use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::page_store::{EntryVisitor, PageStore, StoreOp, TreeId};
use crate::error::{Error, ErrorKind, Result};

/// Entries copied in one go, during which writes wait.
const ENTRIES: usize = 64;

/// What copied entries are shown to before they are written: key and value.
pub(crate) type Check<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// See the module's text.
pub(crate) struct MirroredStore {
    /// Held shared by every call, so that nobody is in the store that is taken away. What a call shows values to does not
    /// call the store again, so a switch need not be overtaken, and readers without an end cannot keep it waiting.
    current: RwLock<Arc<dyn PageStore>>,
    /// Held by writes and while something is copied. Taken before `current`.
    mirror: Mutex<Option<Mirror>>,
}

struct Mirror {
    store: Arc<dyn PageStore>,
    failure: Option<Error>,
}

impl Mirror {
    fn try_write(&mut self, write: impl FnOnce(&dyn PageStore) -> Result<()>) {
        if self.failure.is_none()
            && let Err(error) = write(&*self.store)
        {
            self.failure = Some(error);
        }
    }
}

impl MirroredStore {
    pub(crate) fn new(store: Arc<dyn PageStore>) -> Self {
        MirroredStore { current: RwLock::new(store), mirror: Mutex::new(None) }
    }

    /// From now on every write goes to this store too.
    pub(crate) fn begin(&self, store: Arc<dyn PageStore>) {
        *self.mirror.lock() = Some(Mirror { store, failure: None });
    }

    /// Copies some entries of a tree from the key `from` on. `check` is shown each value, and its error ends it. Gives
    /// the key to go on from.
    ///
    /// # Errors
    /// What either store says, now or at an earlier write.
    pub(crate) fn copy_some(&self, tree: TreeId, from: &[u8], check: &mut Check<'_>) -> Result<Option<Vec<u8>>> {
        let mut mirror = self.mirror.lock();
        let mirror = mirror.as_mut().ok_or_else(ended)?;
        if let Some(error) = mirror.failure.take() {
            return Err(error);
        }
        let (mut batch, mut next, mut checked) = (Vec::with_capacity(ENTRIES), None, Ok(()));
        self.current.read().scan(tree, from, &mut |key, value| {
            if batch.len() == ENTRIES {
                next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            checked = check(key, value);
            if checked.is_err() {
                return ControlFlow::Break(());
            }
            batch.push(StoreOp::Put { tree, key: key.to_vec(), value: value.to_vec() });
            ControlFlow::Continue(())
        })?;
        checked?;
        mirror.store.write(batch)?;
        Ok(next)
    }

    /// The second store, if all writes to it went well. To be asked while nobody writes.
    ///
    /// # Errors
    /// That of the first write to it that failed.
    pub(crate) fn copy(&self) -> Result<Arc<dyn PageStore>> {
        let mut mirror = self.mirror.lock();
        let mirror = mirror.as_mut().ok_or_else(ended)?;
        mirror.failure.take().map_or_else(|| Ok(Arc::clone(&mirror.store)), Err)
    }

    /// Ends the copying, if it is going on. Gives the second store.
    pub(crate) fn end(&self) -> Option<Arc<dyn PageStore>> {
        self.mirror.lock().take().map(|mirror| mirror.store)
    }

    /// Puts the second store in the place of the first, and gives that one; nobody is in it any more.
    pub(crate) fn switch(&self) -> Option<Arc<dyn PageStore>> {
        let mirror = self.mirror.lock().take()?;
        Some(std::mem::replace(&mut *self.current.write(), mirror.store))
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the database was closed while it was copied")
}

impl PageStore for MirroredStore {
    fn read(&self, tree: TreeId, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        self.current.read().read(tree, key, visit)
    }

    fn scan(&self, tree: TreeId, from: &[u8], visit: &mut EntryVisitor<'_>) -> Result<()> {
        self.current.read().scan(tree, from, visit)
    }

    fn write(&self, batch: Vec<StoreOp>) -> Result<()> {
        let mut mirror = self.mirror.lock();
        let again = mirror.as_ref().map(|_| batch.clone());
        self.current.read().write(batch)?;
        if let (Some(mirror), Some(batch)) = (&mut *mirror, again) {
            mirror.try_write(|store| store.write(batch));
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.current.read().sync()
    }

    fn trees(&self) -> Result<Vec<TreeId>> {
        self.current.read().trees()
    }

    fn drop_tree(&self, tree: TreeId) -> Result<()> {
        let mut mirror = self.mirror.lock();
        self.current.read().drop_tree(tree)?;
        if let Some(mirror) = &mut *mirror {
            mirror.try_write(|store| store.drop_tree(tree));
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64> {
        self.current.read().size_on_disk()
    }

    fn live_bytes(&self) -> u64 {
        self.current.read().live_bytes()
    }

    fn set_live_bytes(&self, bytes: u64) {
        self.current.read().set_live_bytes(bytes);
    }

    fn close(&self) -> Result<()> {
        if let Some(copy) = self.end() {
            // Whoever asked for the copy learns that it was not finished.
            let _ = copy.close();
        }
        self.current.read().close()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::storage::MemoryStore;

    fn put(tree: u32, key: u32, value: &[u8]) -> StoreOp {
        StoreOp::Put { tree: TreeId(tree), key: key.to_be_bytes().to_vec(), value: value.to_vec() }
    }

    fn entries(store: &dyn PageStore, tree: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        store
            .scan(TreeId(tree), &[], &mut |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    fn filled() -> MirroredStore {
        let store = MirroredStore::new(Arc::new(MemoryStore::new()));
        store.write((0..200).map(|key| put(1, key, b"old")).collect()).unwrap();
        store
    }

    #[test]
    fn what_was_there_and_what_is_written_meanwhile_is_in_the_copy() {
        let store = filled();
        store.begin(Arc::new(MemoryStore::new()));
        let mut from = store.copy_some(TreeId(1), &[], &mut |_, _| Ok(())).unwrap();
        // Before, at and behind the place up to which it is copied; a tree that was not there; a key that is gone.
        let remove = |key: u32| StoreOp::Remove { tree: TreeId(1), key: key.to_be_bytes().to_vec() };
        store.write(vec![put(1, 1_000, b"new"), put(2, 7, b"new"), remove(3), remove(64), remove(199)]).unwrap();
        while let Some(key) = from {
            from = store.copy_some(TreeId(1), &key, &mut |_, _| Ok(())).unwrap();
        }
        let copy = store.copy().unwrap();
        assert_eq!(entries(&*copy, 1).len(), 198);
        for tree in [1, 2] {
            assert_eq!(entries(&*copy, tree), entries(&store, tree));
        }
        let before = store.switch().unwrap();
        store.write(vec![put(1, 5_000, b"later")]).unwrap();
        assert_eq!(entries(&store, 1).len(), 199);
        assert_eq!(entries(&*before, 1).len(), 198, "nothing is written to the store that was taken away");
    }

    #[test]
    fn readers_do_not_overtake_a_switch() {
        let (store, copy) = (filled(), MemoryStore::new());
        copy.write(vec![put(1, 0, b"copy")]).unwrap();
        store.begin(Arc::new(copy));
        let (store, found) = (&store, &Mutex::new(None));
        std::thread::scope(|scope| {
            let mut visit = |_: &[u8]| {
                scope.spawn(|| store.switch().map(drop).expect("there is a copy"));
                while !store.current.is_locked_exclusive() {
                    std::thread::yield_now();
                }
                scope.spawn(|| {
                    let mut visit = |value: &[u8]| *found.lock() = Some(value.to_vec());
                    store.read(TreeId(1), &0_u32.to_be_bytes(), &mut visit).unwrap();
                });
                // One that comes in now would be done long before this.
                let deadline = Instant::now() + Duration::from_millis(200);
                while found.lock().is_none() && Instant::now() < deadline {
                    std::thread::yield_now();
                }
            };
            store.read(TreeId(1), &0_u32.to_be_bytes(), &mut visit).unwrap();
        });
        assert_eq!(found.lock().as_deref(), Some(&b"copy"[..]));
    }

    #[test]
    fn a_copy_that_fails_harms_nobody_else_and_is_told() {
        let store = filled();
        let broken = Arc::new(MemoryStore::new());
        store.begin(Arc::<MemoryStore>::clone(&broken));
        broken.close().unwrap();
        store.write(vec![put(1, 1_000, b"new")]).unwrap();
        assert_eq!(entries(&store, 1).len(), 201);
        assert_eq!(store.copy().map(drop).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn a_value_that_is_refused_ends_the_copying() {
        let store = filled();
        store.begin(Arc::new(MemoryStore::new()));
        let refuse = &mut |_: &[u8], _: &[u8]| Err(Error::corrupted("refused"));
        assert_eq!(store.copy_some(TreeId(1), &[], refuse).unwrap_err().kind(), ErrorKind::Corrupted);
    }
}
