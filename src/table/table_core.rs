//! A table below its types: id, directory, lock head, counts. Knows bytes only.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::cache::Cache;
use super::definition::ProgramTypes;
use super::directory::Directory;
use super::index_core::{IndexOf, Indexes};
use super::page::PageSlot;
use super::put_off::PutOff;
use super::registry::{Registry, Retained};
use super::segment::{PageList, Segment};
use super::versioned::Versioned;
use crate::codec::{KeyBuf, PageBytes, Shape, show_key};
use crate::error::Result;
use crate::lock::{Head, LockTable, SegmentLock};
use crate::sync::Mutex;

/// What the catalog says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) key_shape: String,
    pub(crate) row_shape: Shape,
    /// There if it is an index.
    pub(crate) index: Option<IndexOf>,
}

impl Definition {
    /// The key shape of a table whose own was lost: its keys are read as whatever the program says.
    pub(crate) const UNKNOWN_KEYS: &str = "";
}

/// Rows that are looked at to complete a stored shape. What they all leave open (the inside of an option that is never
/// there, say) stays open.
const LOOKS: u32 = 64;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct TableCore {
    id: u32,
    name: String,
    version: AtomicU32,
    definition: RwLock<Definition>,
    head: Head,
    directory: RwLock<Versioned<Arc<Directory>>>,
    rows: AtomicU64,
    /// Segments that are to be merged when that can be done.
    pub(crate) put_off: PutOff,
    /// What of the program was compared with what is stored and found to fit: the first, which is usually the only one,
    /// and the others.
    first_checked: OnceLock<ProgramTypes>,
    checked: RwLock<Vec<ProgramTypes>>,
    /// The indexes were changed since, so that the first would have to be compared anew.
    first_is_over: AtomicBool,
    indexes: RwLock<Arc<Indexes>>,
    /// Whether there are any, for those who need not know which.
    indexed: AtomicBool,
    dropped: AtomicBool,
    /// Held while the stored shape is completed.
    pub(crate) checking: Mutex<()>,
    /// Rows that may still be looked at to complete the stored shape; 0 when it is complete.
    looks_left: AtomicU32,
}

impl TableCore {
    /// An empty table, made by `commit`: one segment with one empty page.
    pub(crate) fn empty(definition: Definition, commit: u64, segment: u64) -> Arc<Self> {
        let page = PageSlot::fresh(commit, PageBytes::new(), None, 0);
        let pages = PageList { lows: [KeyBuf::empty()].into_iter().collect(), slots: vec![page] };
        let segment = Segment::new(segment, KeyBuf::empty(), None, commit, pages, 0);
        Self::with(definition, commit, vec![segment])
    }

    /// A table of these segments as of `commit`.
    pub(crate) fn with(definition: Definition, commit: u64, segments: Vec<Arc<Segment>>) -> Arc<Self> {
        let rows = segments.iter().map(|segment| segment.rows()).sum();
        Arc::new(TableCore {
            id: definition.id,
            name: definition.name.clone(),
            version: AtomicU32::new(definition.version),
            definition: RwLock::new(definition),
            head: Head::new(),
            directory: RwLock::new(Versioned::new(commit, Arc::new(Directory::new(segments)))),
            rows: AtomicU64::new(rows),
            put_off: PutOff::default(),
            first_checked: OnceLock::new(),
            checked: RwLock::new(Vec::new()),
            first_is_over: AtomicBool::new(false),
            indexes: RwLock::default(),
            indexed: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
            checking: Mutex::new(()),
            looks_left: AtomicU32::new(LOOKS),
        })
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn definition(&self) -> Definition {
        self.definition.read().clone()
    }

    /// A range of keys as text, with the keys as the program writes them.
    pub(crate) fn show_keys(&self, low: &[u8], high: Option<&[u8]>) -> String {
        let low = if low.is_empty() { "the first".to_owned() } else { self.show_key(low) };
        let high = high.map_or("the end".to_owned(), |high| self.show_key(high));
        format!("keys from {low} up to {high}")
    }

    /// Says what it is from now on. What the program says must then be compared anew.
    pub(crate) fn redefine(&self, definition: Definition) {
        self.version.store(definition.version, Ordering::Release);
        *self.definition.write() = definition;
        self.change_indexes(|_| ());
        self.looks_left.store(LOOKS, Ordering::Relaxed);
    }

    /// It is in no catalog any more.
    pub(crate) fn set_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    pub(crate) fn set_row_shape(&self, shape: Shape) {
        self.definition.write().row_shape = shape;
    }

    pub(crate) fn set_index_ready(&self) {
        if let Some(index) = &mut self.definition.write().index {
            index.ready = true;
        }
    }

    /// The version of the stored rows.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// Takes what is in memory off the cache's books: the table is no more. Readers at earlier numbers go on.
    pub(crate) fn release(&self, cache: &Cache) {
        self.with_directory(|directory| {
            for segment in directory.segments() {
                segment.with_list(|list| list.slots.iter().for_each(|slot| slot.latch().detach(cache)));
            }
        });
    }

    /// Whether nothing is to be learnt from further rows.
    #[inline]
    pub(crate) fn needs_no_look(&self) -> bool {
        self.looks_left.load(Ordering::Relaxed) == 0
    }

    /// A row was looked at.
    pub(crate) fn looked_at(&self, complete: bool) {
        let left = self.looks_left.load(Ordering::Relaxed);
        self.looks_left.store(if complete { 0 } else { left.saturating_sub(1) }, Ordering::Relaxed);
    }

    /// Puts the pages of a new table on the cache's books.
    pub(crate) fn settle(&self, cache: &Cache) {
        self.with_directory(|directory| {
            for segment in directory.segments() {
                segment.with_list(|list| list.slots.iter().for_each(|slot| slot.settle(cache)));
            }
        });
    }

    #[inline]
    pub(crate) fn is_checked(&self, types: ProgramTypes) -> bool {
        let first = self.first_checked.get() == Some(&types) && !self.first_is_over.load(Ordering::Acquire);
        first || self.checked.read().contains(&types)
    }

    /// The indexes that its rows stand in now. They do not change while a lock on the table or in it is held.
    pub(crate) fn indexes(&self) -> Arc<Indexes> {
        Arc::clone(&self.indexes.read())
    }

    /// Has the program's definition fit the indexes, which it may give their functions, and notes that it does.
    pub(crate) fn fit_indexes(&self, types: ProgramTypes, fit: impl FnOnce(&mut Indexes) -> Result<()>) -> Result<()> {
        let mut indexes = self.indexes.write();
        fit(Arc::make_mut(&mut indexes))?;
        // Under the latch: a change of the indexes since would have to be compared again.
        if self.first_checked.set(types).is_ok() {
            return Ok(());
        }
        let mut checked = self.checked.write();
        if !checked.contains(&types) {
            checked.push(types);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn is_indexed(&self) -> bool {
        self.indexed.load(Ordering::Acquire)
    }

    /// Changes the indexes. What the program declares must then be compared anew.
    pub(crate) fn change_indexes(&self, change: impl FnOnce(&mut Indexes)) {
        let mut indexes = self.indexes.write();
        change(Arc::make_mut(&mut indexes));
        self.indexed.store(!indexes.list.is_empty(), Ordering::Release);
        self.first_is_over.store(self.first_checked.get().is_some(), Ordering::Release);
        self.checked.write().clear();
    }

    /// The newest directory, or that of a commit number; none when the table was not there yet.
    #[inline]
    pub(crate) fn directory(&self, number: Option<u64>) -> Option<Arc<Directory>> {
        let directory = self.directory.read();
        match number {
            None => Some(Arc::clone(directory.newest())),
            Some(number) => directory.at(number).cloned(),
        }
    }

    #[inline]
    pub(crate) fn with_directory<R>(&self, with: impl FnOnce(&Directory) -> R) -> R {
        with(self.directory.read().newest())
    }

    /// The segment that covers a key now.
    #[inline]
    pub(crate) fn segment_of(&self, key: &[u8]) -> Arc<Segment> {
        Arc::clone(self.directory.read().newest().segment_of(key))
    }

    /// Puts another directory in place, made by `commit`. Under the commit latch.
    pub(crate) fn replace_directory(self: &Arc<Self>, commit: u64, directory: Directory, registry: &Registry) {
        let mut versions = self.directory.write();
        let (newest, first) = versions.edit(commit, registry);
        *newest = Arc::new(directory);
        if first {
            registry.retain(Retained::Table(Arc::downgrade(self)));
        }
    }

    /// Remembers the segments that a replay has left small, to be merged by and by.
    pub(crate) fn put_off_small_segments(&self, segment_rows: usize) {
        let directory = Arc::clone(self.directory.read().newest());
        let small = directory.segments().iter().filter(|segment| segment.is_dirty() && segment.is_small(segment_rows));
        small.for_each(|segment| self.put_off.add(segment));
    }

    pub(crate) fn prune(&self, registry: &Registry) -> bool {
        self.directory.write().prune(registry)
    }

    /// Committed rows now.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Acquire)
    }

    /// Says how many rows there are after a change of whole segments. Under the commit latch.
    pub(crate) fn set_rows(&self, rows: u64) {
        self.rows.store(rows, Ordering::Release);
    }

    /// Counts an inserted or removed row. Under the commit latch.
    #[inline]
    pub(crate) fn count(&self, added: bool) {
        if added {
            self.rows.fetch_add(1, Ordering::Release);
        } else {
            self.rows.fetch_sub(1, Ordering::Release);
        }
    }
}

impl LockTable for TableCore {
    fn id(&self) -> u32 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn locate(&self, key: &[u8]) -> Arc<SegmentLock> {
        self.with_directory(|directory| Arc::clone(&directory.segment_of(key).lock))
    }

    fn show_key(&self, key: &[u8]) -> String {
        show_key(&self.definition.read().key_shape, key)
    }
}
