//! The checkpoint: writes what changed, as of one commit number, and then the root that names it.
//!
//! It takes no logical lock. Under the commit latch it only notes the last commit number, the journal's end and which
//! segments have changed; then it reads at that number like any reader, while commits go on.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::directory_state::{DirectoryState, Subject};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::storage::journal::Mark;
use crate::storage::{MAX_FREE, PageStore, Root, RootFile, StoreOp, TreeId};
use crate::table::directory::Directory;
use crate::table::entry::{
    DirectoryEntry, ListedPage, WHOLE_TABLE, catalog_entries, directory_key, gone_entry, seal_directory_entry,
};
use crate::table::page::{PageAddress, PageSlot, StoredPage};
use crate::table::registry::Registration;
use crate::table::sealed::{BATCH, list_entries, page_entries};
use crate::table::segment::{GoneSegment, Segment, StoredSegment};
use crate::table::table_core::{Definition, TableCore};
use crate::txn::Engine;

/// The root file and what the newest root contains.
#[derive(Debug)]
pub(crate) struct CheckpointState {
    pub(crate) root_file: RootFile,
    pub(crate) root: Root,
    pub(crate) directory: DirectoryState,
    /// The sweep at opening had to leave something.
    pub(crate) unswept: bool,
    /// Indexes that were dropped, with the commits that did it, whose trees are still there.
    pub(crate) trees: Vec<(u32, u64)>,
}

/// What was true at the moment of the checkpoint.
struct Capture {
    registration: Registration,
    mark: Mark,
    tables: Vec<CapturedTable>,
    definitions: Vec<Definition>,
    freed: Vec<(u32, PageAddress)>,
    /// Segments that are not in these directories any more. The checkpoint before, which may have been under way when
    /// they went, has ended: what it wrote for them is known.
    gone: Vec<GoneSegment>,
    /// Indexes that are not there any more, with the commits that dropped them.
    dropped: Vec<(u32, u64)>,
    next_id: u64,
    /// There are pages in the page store that no root names, and that are not to be freed yet.
    unnamed: bool,
}

/// A table, its segments at that moment, and those of them that have changed.
type CapturedTable = (Arc<TableCore>, Arc<Directory>, Vec<Arc<Segment>>);

fn capture(engine: &Engine, closing: bool) -> Result<Capture> {
    let journal = engine
        .journal
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, "a database in memory has no checkpoint"))?;
    let mut last = engine.commits.latch();
    last.closed |= closing;
    engine.commits.reset_journal_bytes();
    let all = engine.catalog.tables();
    let changed = engine.catalog.take_dirty();
    let definitions =
        all.iter().filter(|table| changed.contains(&table.id())).map(|table| table.definition()).collect();
    let tables = all.into_iter().filter_map(|table| {
        let directory = table.directory(None)?;
        let dirty = directory.segments().iter().filter(|segment| segment.take_dirty()).cloned().collect();
        Some((table, directory, dirty))
    });
    // What is being made is looked at before what was freed: who gives a run up frees its pages first.
    let making = engine.pager.making.load(Ordering::Acquire) > 0;
    let unread = engine.pager.free_unread(closing);
    engine.catalog.forget_dropped(|commit| engine.pager.registry.any_in(0, commit));
    Ok(Capture {
        unnamed: making || unread,
        tables: tables.collect(),
        registration: engine.pager.registry.register(last.number),
        mark: journal.mark(),
        definitions,
        freed: engine.pager.take_freed(),
        gone: engine.pager.take_gone(),
        dropped: engine.catalog.take_dropped(),
        next_id: engine.pager.next_id(),
    })
}

/// Writes out what changed since the last checkpoint.
///
/// # Errors
/// Whatever the page store, the journal or the root file say. What is on disk stays as good as it was, but the caller
/// must not try again: after a failed sync nobody knows what reached the disk.
pub(crate) fn checkpoint(engine: &Engine, state: &mut CheckpointState, clean: bool) -> Result<()> {
    let _span = events::checkpoint();
    let capture = capture(engine, clean)?;
    engine.pager.registry.end_old_snapshots(capture.registration.number());
    if let Some(journal) = &engine.journal {
        journal.sync()?;
    }
    let number = capture.registration.number();
    let mut writer = Writer::new(engine, &*engine.pager.store, number, state.root.number + 1);
    let mut directory = state.directory.clone();
    writer.write(&capture.tables, &capture.definitions, &mut directory)?;
    writer.drop_tables(&capture.dropped, &mut directory)?;
    engine.pager.store.sync()?;

    let Writer { later: mut remove, segments, .. } = writer;
    remove.extend(capture.freed.iter().map(|(table, address)| remove_page(*table, *address)));
    for gone in &capture.gone {
        remove.extend(gone.page_lists().into_iter().map(|address| remove_page(gone.table, address)));
    }
    state.trees.extend(&capture.dropped);
    remove.retain(|op| page_of_removal(op).is_none_or(|(table, _)| state.trees.iter().all(|(id, _)| *id != table)));
    let free = remove.iter().filter_map(page_of_removal).take(MAX_FREE).collect();
    let root = Root {
        number: state.root.number + 1,
        clean,
        directory_hash: directory.hash(),
        directory_entries: directory.len(),
        next_id: engine.pager.next_id().max(capture.next_id),
        last_commit: capture.registration.number(),
        journal: capture.mark.position,
        journal_chain: capture.mark.chain,
        sweep: state.unswept || capture.unnamed || remove.len() > MAX_FREE || !state.trees.is_empty(),
        free,
        live_bytes: Some(engine.pager.store.live_bytes()),
        ..state.root.clone()
    };
    state.root_file.write(&root)?;
    // The root that follows the closing one says it again.
    state.unswept |= clean && capture.unnamed;
    *engine.replay_from.lock() = root.journal;
    state.root = root;
    state.directory = directory;
    for (segment, stored) in segments {
        segment.set_stored(stored);
    }
    engine.counts.checkpoints.fetch_add(1, Ordering::Relaxed);
    clean_up(engine, remove, capture.mark)?;
    drop_trees(engine, &mut state.trees, clean)
}

/// Removes the trees of indexes that no root names any more and nobody reads.
fn drop_trees(engine: &Engine, trees: &mut Vec<(u32, u64)>, closing: bool) -> Result<()> {
    let store = &*engine.pager.store;
    for (id, _) in trees.extract_if(.., |(_, commit)| closing || !engine.pager.registry.any_in(0, *commit)) {
        let tree = TreeId(id);
        let mut keys = Vec::new();
        store.scan(tree, &[], &mut |key, _| {
            keys.push(StoreOp::Remove { tree, key: key.to_vec() });
            ControlFlow::Continue(())
        })?;
        write_in_batches(store, &keys)?;
        store.drop_tree(tree)?;
    }
    Ok(())
}

/// Makes a checkpoint of a database that goes on. One that fails or panics stops it, before the state is given back: what
/// it took down as changed is not known any more, and the root of another one would lose it.
pub(super) fn checkpoint_or_poison(engine: &Engine, state: &mut CheckpointState) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| checkpoint(engine, state, false)))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Poisoned, "a checkpoint panicked")))
        .inspect_err(|error| engine.poison(error))
}

/// Writes all of a database in memory to a store of its own, as of the last commit. Gives the directory of the root with
/// the number 1, and the number of that commit.
pub(crate) fn write_whole(engine: &Engine, store: &dyn PageStore) -> Result<(DirectoryState, u64)> {
    let (registration, tables) = {
        let last = engine.commits.latch();
        let with_directory = |table: Arc<TableCore>| {
            let directory = table.directory(None)?;
            let segments = directory.segments().to_vec();
            Some((table, directory, segments))
        };
        let tables: Vec<CapturedTable> = engine.catalog.tables().into_iter().filter_map(with_directory).collect();
        (engine.pager.registry.register(last.number), tables)
    };
    // A shape that a later commit completes fits the rows of this one too.
    let definitions: Vec<Definition> = tables.iter().map(|(table, ..)| table.definition()).collect();
    let mut writer = Writer { marks: false, ..Writer::new(engine, store, registration.number(), 1) };
    let mut directory = DirectoryState::default();
    writer.write(&tables, &definitions, &mut directory)?;
    store.sync()?;
    Ok((directory, registration.number()))
}

/// The root is durable: what it does not name any more can go.
fn clean_up(engine: &Engine, remove: Vec<StoreOp>, mark: Mark) -> Result<()> {
    write_in_batches(&*engine.pager.store, &remove)?;
    engine.journal.as_ref().map_or(Ok(()), |journal| journal.remove_before(mark.position))
}

fn write_in_batches(store: &dyn PageStore, ops: &[StoreOp]) -> Result<()> {
    ops.chunks(BATCH).try_for_each(|batch| store.write(batch.to_vec()))
}

fn remove_page(table: u32, address: PageAddress) -> StoreOp {
    StoreOp::Remove { tree: TreeId(table), key: address.to_key().to_vec() }
}

fn page_of_removal(op: &StoreOp) -> Option<(u32, [u8; 16])> {
    match op {
        StoreOp::Remove { tree, key } if *tree != TreeId::DIRECTORY => Some((tree.0, key.as_slice().try_into().ok()?)),
        _ => None,
    }
}

struct Writer<'a> {
    engine: &'a Engine,
    store: &'a dyn PageStore,
    /// Pages learn where they were written, since the database itself will read them there.
    marks: bool,
    number: u64,
    checkpoint: u64,
    batch: Vec<StoreOp>,
    /// Pages whose entries are written, or the last of them with the batch: then their slots learn their addresses.
    written: Vec<(Arc<TableCore>, Arc<PageSlot>, StoredPage)>,
    /// Directory entries, written last.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Removals for when the root is durable.
    later: Vec<StoreOp>,
    segments: Vec<(Arc<Segment>, StoredSegment)>,
}

impl<'a> Writer<'a> {
    fn new(engine: &'a Engine, store: &'a dyn PageStore, number: u64, checkpoint: u64) -> Self {
        Writer {
            engine,
            store,
            marks: true,
            number,
            checkpoint,
            batch: Vec::new(),
            written: Vec::new(),
            entries: Vec::new(),
            later: Vec::new(),
            segments: Vec::new(),
        }
    }

    fn write(
        &mut self,
        tables: &[CapturedTable],
        definitions: &[Definition],
        directory: &mut DirectoryState,
    ) -> Result<()> {
        for (table, _, dirty) in tables {
            for segment in dirty {
                self.segment(table, segment)?;
            }
        }
        for definition in definitions {
            self.entries.extend(catalog_entries(definition, self.checkpoint));
        }
        self.directory(tables, directory)
    }

    fn segment(&mut self, table: &Arc<TableCore>, segment: &Arc<Segment>) -> Result<()> {
        let list = self.engine.pager.list(table, segment, Some(self.number))?;
        let mut pages = Vec::with_capacity(list.slots.len());
        for (at, slot) in list.slots.iter().enumerate() {
            // The first page takes all keys of its segment from the low key on.
            let low = if at == 0 { segment.low().clone() } else { list.lows[at].clone() };
            pages.push(ListedPage { low, stored: self.page(table, segment, slot)? });
        }
        let (stored, entries) = list_entries(&self.engine.pager, table.id(), segment.id, self.number, &pages);
        entries.into_iter().try_for_each(|entry| self.put(entry))?;
        let old = segment.stored().map(|stored| stored.lists).unwrap_or_default();
        self.later
            .extend(old.into_iter().map(|id| remove_page(table.id(), PageAddress { segment: segment.id, page: id })));
        let entry = DirectoryEntry {
            table: table.id(),
            segment: segment.id,
            checkpoint: self.checkpoint,
            low: segment.low().clone(),
            stored: stored.clone(),
        };
        let key = directory_key(table.id(), segment.id, self.checkpoint);
        self.entries.push((key, seal_directory_entry(&entry)));
        self.segments.push((Arc::clone(segment), stored));
        Ok(())
    }

    /// Where a page lies as of the checkpoint's number; writes it if it lies nowhere yet.
    fn page(&mut self, table: &Arc<TableCore>, segment: &Segment, slot: &Arc<PageSlot>) -> Result<StoredPage> {
        let lost = || Error::corrupted(format!("a page of table {:?} is gone from memory", table.name()));
        let view = slot.peek(self.number).ok_or_else(lost)?;
        if let Some(stored) = view.stored {
            return Ok(stored);
        }
        let bytes = view.bytes.ok_or_else(lost)?;
        let (stored, mut entries) = page_entries(&self.engine.pager, table.id(), segment.id, self.number, &bytes);
        entries.try_for_each(|entry| self.put(entry))?;
        // Only now: the batch may have been written with a part of its chunks.
        self.written.push((Arc::clone(table), Arc::clone(slot), stored));
        self.engine.counts.pages_written.fetch_add(1, Ordering::Relaxed);
        Ok(stored)
    }

    fn put(&mut self, op: StoreOp) -> Result<()> {
        self.batch.push(op);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        self.store.write(std::mem::take(&mut self.batch))?;
        for (table, slot, stored) in self.written.drain(..) {
            if self.marks && !slot.mark_stored(self.number, stored, &self.engine.pager.cache) {
                // A later commit has changed the page: this address serves the root in the making only.
                self.engine.pager.free(table.id(), stored.addresses());
            }
        }
        Ok(())
    }

    /// Takes tables out of the directory. One note says so of all entries of each.
    fn drop_tables(&mut self, dropped: &[(u32, u64)], directory: &mut DirectoryState) -> Result<()> {
        for (id, _) in dropped {
            let removals = directory.remove_table(*id);
            if removals.is_empty() {
                continue;
            }
            self.later.extend(removals);
            let (key, value) = gone_entry(*id, WHOLE_TABLE, self.checkpoint);
            directory.add_note(key.clone());
            self.put(StoreOp::Put { tree: TreeId::DIRECTORY, key, value })?;
        }
        self.flush()
    }

    /// Writes the directory entries, notes which are superseded, and says of which segments there are none any more.
    fn directory(&mut self, tables: &[CapturedTable], directory: &mut DirectoryState) -> Result<()> {
        for (key, value) in std::mem::take(&mut self.entries) {
            self.later.extend(directory.put(&key, &value));
            self.put(StoreOp::Put { tree: TreeId::DIRECTORY, key, value })?;
        }
        // The entries that these end were removed after the root before this one; that is durable with this one.
        self.later.extend(directory.take_notes());
        for (table, now, _) in tables {
            let live: BTreeSet<u64> = now.segments().iter().map(|segment| segment.id).collect();
            for gone in directory.segments(table.id()).into_iter().filter(|segment| !live.contains(segment)) {
                self.later.extend(directory.remove(Subject::Segment(table.id(), gone)));
                let (key, value) = gone_entry(table.id(), gone, self.checkpoint);
                directory.add_note(key.clone());
                self.put(StoreOp::Put { tree: TreeId::DIRECTORY, key, value })?;
            }
        }
        self.flush()
    }
}
