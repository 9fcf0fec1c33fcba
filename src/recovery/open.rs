//! Opens a store: root, directory, journal.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::checkpoint::CheckpointState;
use super::directory_state::{DirectoryState, Subject};
use super::disk::Disk;
use super::keeper::Keeper;
use super::replay::Replay;
use super::sweep::{count_live_bytes, named_lists, sweep};
use crate::codec::KeyBuf;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::meters;
use crate::options::Options;
use crate::storage::journal::{self, Journal, JournalOptions, Mark, Position};
use crate::storage::{
    FORMAT, FileLayer, Incarnation, LockFile, MemoryStore, MirroredStore, PageStore, Root, RootFile, SledStore,
    StoreOp, TreeId, create_folders, names, new_store_id, settled,
};
use crate::table::catalog::Catalog;
use crate::table::entry::{
    DirectoryEntry, DirectoryKey, WHOLE_TABLE, decode_definition, open_catalog_part, open_directory_entry,
    open_gone_entry, parse_directory_key,
};
use crate::table::page::PageAddress;
use crate::table::pager::Pager;
use crate::table::segment::Segment;
use crate::table::table_core::TableCore;
use crate::txn::Engine;

/// An open database.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) engine: Arc<Engine>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) lock: Option<LockFile>,
}

/// A database that lives in memory only.
pub(crate) fn in_memory(options: Options) -> Result<Opened> {
    options.check()?;
    let pager = Pager::new(Arc::new(MemoryStore::new()), options.cache_bytes, 1);
    let engine = Engine::new(options, pager, Catalog::new([])?, 0, None, Position::default(), Incarnation::first());
    Ok(Opened { engine, keeper: None, lock: None })
}

/// Opens the store in a folder, or makes it.
///
/// # Errors
/// `AlreadyOpen`, `NotAStore`, `FormatVersion`, `Corrupted` with the place, `DiskFull`, `Io`.
pub(crate) fn open(files: Arc<dyn FileLayer>, dir: &Path, options: Options) -> Result<Opened> {
    options.check()?;
    let dir = &settled(dir)?;
    meters::describe();
    let _span = events::recovery(dir);
    prepare_folder(&*files, dir, &options)?;
    let lock = LockFile::acquire(&*files, dir)?;
    let (engine, keeper) = open_locked(files, dir, options)?;
    Ok(Opened { engine, keeper: Some(keeper), lock: Some(lock) })
}

/// Opens the store in a folder that the caller has prepared and locked.
pub(super) fn open_locked(files: Arc<dyn FileLayer>, dir: &Path, options: Options) -> Result<(Arc<Engine>, Keeper)> {
    let parts = match RootFile::open(&*files, dir)? {
        Some((root_file, root)) => open_existing(Arc::clone(&files), dir, &options, root_file, root)?,
        None => create_new(Arc::clone(&files), dir, &options)?,
    };
    let Parts { pages, pager, catalog, journal, last_commit, mut state, replayed } = parts;
    // From here on the store is in use: what a crash leaves behind is swept at the next opening.
    // From here on it has this version's format, too: what is written may be what earlier ones cannot read.
    let root = Root {
        number: state.root.number + 1,
        format: FORMAT,
        clean: false,
        next_id: pager.next_id(),
        incarnation: state.root.incarnation + 1,
        ..state.root.clone()
    };
    state.root_file.write(&root)?;
    state.root = root;
    let engine =
        Engine::new(options, pager, catalog, last_commit, Some(journal), state.root.journal, state.root.opening());
    engine.drop_unready_indexes()?;
    let disk = Disk { files, dir: dir.to_owned(), pages };
    let keeper = Keeper::start(&engine, state, disk)?;
    if replayed {
        engine.catalog.tables().iter().for_each(|table| table.put_off_small_segments(engine.options.segment_rows));
        engine.admission.ask();
    }
    Ok((engine, keeper))
}

struct Parts {
    pages: Arc<MirroredStore>,
    pager: Pager,
    catalog: Catalog,
    journal: Journal,
    last_commit: u64,
    state: CheckpointState,
    replayed: bool,
}

pub(super) fn journal_options(options: &Options) -> JournalOptions {
    JournalOptions {
        eventual_sync: options.eventual_sync,
        keep_bytes: options.keep_journal_bytes,
        ..JournalOptions::default()
    }
}

fn open_existing(
    files: Arc<dyn FileLayer>,
    dir: &Path,
    options: &Options,
    root_file: RootFile,
    mut root: Root,
) -> Result<Parts> {
    let (store, before) = SledStore::open_and_keep(dir, &root.sled_folder)?;
    let pages = Arc::new(MirroredStore::new(Arc::new(store)));
    pages.set_live_bytes(root.live_bytes.unwrap_or(0));
    let (directory, catalog) = read_directory(&*pages, &root).inspect_err(|_| {
        // For a repair to find it as it was. The first error is the one to report.
        let _ = pages.close();
        let _ = before.put_back();
    })?;
    drop(before);
    let pager = Pager::new(Arc::<MirroredStore>::clone(&pages), options.cache_bytes, root.next_id);
    let needs_sweep = !root.clean || root.sweep;
    let mut named = if needs_sweep { named_lists(&catalog) } else { Vec::new() };
    if !needs_sweep {
        // Closing was cut off after its root: the first checkpoint frees what is left.
        root.free.iter().for_each(|(table, key)| pager.free(*table, [PageAddress::from_key(*key)]));
        if root.live_bytes.is_none() {
            count_live_bytes(&*pages)?;
        }
    }
    remove_other_folders(dir, &root.sled_folder)?;
    let folder = dir.join(names::JOURNAL);
    let closed_at = root.clean.then_some(root.journal);
    let mut replay = Replay::new(&pager, &catalog);
    let take = &mut |commit, bytes: &[u8]| replay.take(commit, bytes);
    let tail = journal::replay(&*files, &folder, root.replay_start(), closed_at, take)?;
    replay.finish()?;
    // Replaying writes no page, and it finds page lists that only the journal names.
    named.extend(replay.take_lists());
    let unswept = needs_sweep && !sweep(&*pages, &named)?;
    root.sweep = unswept;
    let (last_commit, next_file) = (tail.last_commit, tail.next_file);
    let replayed = last_commit > root.last_commit;
    let journal = Journal::create(files, &folder, next_file, Some(tail), journal_options(options))?;
    let state = CheckpointState { root_file, root, directory, unswept, trees: Vec::new() };
    Ok(Parts { pages, pager, catalog, journal, last_commit, state, replayed })
}

/// Makes a store. The root comes last: a folder without one holds nothing that was promised.
fn create_new(files: Arc<dyn FileLayer>, dir: &Path, options: &Options) -> Result<Parts> {
    let pages = Arc::new(MirroredStore::new(Arc::new(SledStore::open(dir, &names::sled_folder(1))?)));
    refuse_lost_root(&*pages, dir)?;
    let folder = dir.join(names::JOURNAL);
    let journal = Journal::create(Arc::clone(&files), &folder, 1, None, journal_options(options))?;
    let root = first_root(journal.mark());
    let root_file = RootFile::create(&*files, dir, &root)?;
    let pager = Pager::new(Arc::<MirroredStore>::clone(&pages), options.cache_bytes, root.next_id);
    let state =
        CheckpointState { root_file, root, directory: DirectoryState::default(), unswept: false, trees: Vec::new() };
    Ok(Parts { pages, pager, catalog: Catalog::new([])?, journal, last_commit: 0, state, replayed: false })
}

/// Only checkpoints write directory entries, and the first root comes before them all: so with entries and without a
/// root this was a store, and what is missing is its root.
fn refuse_lost_root(store: &dyn PageStore, dir: &Path) -> Result<()> {
    let mut used = false;
    store.scan(TreeId::DIRECTORY, &[], &mut |_, _| {
        used = true;
        ControlFlow::Break(())
    })?;
    if !used {
        return Ok(());
    }
    let text = format!("the store in {} has pages but no root file; restore a backup or run repair", dir.display());
    Err(Error::corrupted(text))
}

/// The folder must be a store, or empty and allowed to become one.
fn prepare_folder(files: &dyn FileLayer, dir: &Path, options: &Options) -> Result<()> {
    if !dir.exists() {
        if !options.create {
            let text =
                format!("there is no store in {}; create it by opening with Options::create(true)", dir.display());
            return Err(Error::new(ErrorKind::NotAStore, text));
        }
        return create_folders(files, dir).map_err(|error| Error::io("make the folder", dir, error));
    }
    let names_in = files.list(dir).map_err(|error| Error::io("list", dir, error))?;
    if names_in.iter().any(|name| name == names::UNFINISHED) {
        return Err(Error::new(
            ErrorKind::NotAStore,
            format!(
                "the folder {} is an unfinished copy of a store, whose backup or restore was cut off; remove it, and \
                 make the copy again",
                dir.display()
            ),
        ));
    }
    if names_in.iter().any(|name| name == names::ROOT) {
        return Ok(());
    }
    let ours = |name: &String| {
        [names::LOCK, names::JOURNAL].contains(&name.as_str()) || name.starts_with("sled") || name == "root.new"
    };
    if !options.create || !names_in.iter().all(ours) {
        return Err(Error::new(
            ErrorKind::NotAStore,
            format!("the folder {} is no store and has files of others; choose another folder", dir.display()),
        ));
    }
    Ok(())
}

/// Removes the page stores of compactions: what one that was cut off had written, or the one that it replaced.
fn remove_other_folders(dir: &Path, current: &str) -> Result<()> {
    let failed = |error| Error::io("list", dir, error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && names::sled_folder_number(&name).is_some()
            && name != current
            && entry.file_type().map_err(failed)?.is_dir()
        {
            SledStore::remove_folder(dir, &name)?;
        }
    }
    Ok(())
}

pub(super) fn first_root(mark: Mark) -> Root {
    Root {
        number: 1,
        format: FORMAT,
        clean: false,
        sled_folder: names::sled_folder(1),
        directory_hash: 0,
        directory_entries: 0,
        next_id: 1,
        last_commit: 0,
        journal: mark.position,
        journal_chain: mark.chain,
        sweep: false,
        free: Vec::new(),
        store_id: new_store_id(),
        incarnation: 0,
        live_bytes: Some(0),
    }
}

/// The newest entry about each subject: the checkpoint that wrote it, key and value.
type Entries = BTreeMap<Subject, (u64, Vec<u8>, Vec<u8>)>;

/// Reads the directory tree: what the root contains comes into force, what a checkpoint left that never got its root is
/// removed.
pub(super) fn read_directory(store: &dyn PageStore, root: &Root) -> Result<(DirectoryState, Catalog)> {
    let mut entries = Entries::new();
    let mut stale = Vec::new();
    let mut foreign = None;
    store.scan(TreeId::DIRECTORY, &[], &mut |key, value| {
        let Some((subject, checkpoint)) = parse_directory_key(key).map(Subject::of) else {
            foreign = Some(key.to_vec());
            return ControlFlow::Break(());
        };
        let remove = |key: &[u8]| StoreOp::Remove { tree: TreeId::DIRECTORY, key: key.to_vec() };
        if checkpoint > root.number {
            stale.push(remove(key));
        } else if let Some(before) = entries.insert(subject, (checkpoint, key.to_vec(), value.to_vec())) {
            // Keys ascend with the checkpoint's number, so the one before is superseded.
            stale.push(remove(&before.1));
        }
        ControlFlow::Continue(())
    })?;
    if foreign.is_some() {
        return Err(Error::corrupted("the directory has an entry with an unknown key; run repair"));
    }
    let notes = take_gone(&mut entries, &mut stale)?;
    let mut directory = DirectoryState::default();
    notes.into_iter().for_each(|key| directory.add_note(key));
    for (_, key, value) in entries.values() {
        directory.put(key, value);
    }
    check_directory(&directory, root)?;
    let catalog = build_catalog(&entries)?;
    // Not before all is proved: with an older root, because the newest is damaged, what is removed would be what counts.
    if !stale.is_empty() {
        store.write(stale)?;
        store.sync()?;
    }
    Ok((directory, catalog))
}

/// Takes the entries of segments that are gone out of force, where a crash came before their removal. Gives the keys of
/// the notes that say so: they stay until another root is durable.
fn take_gone(entries: &mut Entries, stale: &mut Vec<StoreOp>) -> Result<Vec<Vec<u8>>> {
    let notes = entries.extract_if(.., |subject, _| matches!(subject, Subject::Gone(..))).collect::<Vec<_>>();
    let mut keys = Vec::with_capacity(notes.len());
    for (subject, (checkpoint, key, value)) in notes {
        let Subject::Gone(table, segment) = subject else { continue };
        open_gone_entry(table, segment, checkpoint, &value)?;
        // What came later under an id that was free again is not meant.
        let ended = |subject: &Subject, written: &(u64, Vec<u8>, Vec<u8>)| {
            let meant = match segment {
                WHOLE_TABLE => subject.table() == table,
                _ => *subject == Subject::Segment(table, segment),
            };
            meant && written.0 < checkpoint
        };
        let ended = entries.extract_if(.., |subject, written| ended(subject, written));
        stale.extend(ended.map(|(_, (_, key, _))| StoreOp::Remove { tree: TreeId::DIRECTORY, key }));
        keys.push(key);
    }
    Ok(keys)
}

fn check_directory(directory: &DirectoryState, root: &Root) -> Result<()> {
    if directory.is_of(root) {
        return Ok(());
    }
    Err(Error::corrupted(format!(
        "the directory has {} entries, the root names {}, or they are not the same ones: the page store does not reach \
         what was synced; restore a backup or run repair",
        directory.len(),
        root.directory_entries
    )))
}

fn build_catalog(entries: &Entries) -> Result<Catalog> {
    let mut definitions: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut segments: BTreeMap<u32, Vec<DirectoryEntry>> = BTreeMap::new();
    for (_, key, value) in entries.values() {
        match parse_directory_key(key) {
            Some(DirectoryKey::Table { table, checkpoint, part }) => {
                definitions.entry(table).or_default().extend(open_catalog_part(table, checkpoint, part, value)?);
            }
            Some(DirectoryKey::Segment { table, segment, checkpoint }) => {
                segments.entry(table).or_default().push(open_directory_entry(table, segment, checkpoint, value)?);
            }
            Some(DirectoryKey::Gone { .. }) | None => {}
        }
    }
    // Ids of indexes are greater than those of tables, so each table comes before its indexes.
    let mut tables = Vec::new();
    for (id, bytes) in definitions {
        let definition = decode_definition(&bytes)?;
        let segments = build_segments(&definition.name, segments.remove(&id).unwrap_or_default())?;
        tables.push(TableCore::with(definition, 0, segments));
    }
    if let Some(id) = segments.keys().next() {
        return Err(Error::corrupted(format!("table {id} has segments and no definition; run repair")));
    }
    Catalog::new(tables)
}

fn build_segments(table: &str, mut entries: Vec<DirectoryEntry>) -> Result<Vec<Arc<Segment>>> {
    entries.sort_by(|a, b| a.low.cmp(&b.low));
    let ascending = entries.windows(2).all(|pair| pair[0].low < pair[1].low);
    if !entries.first().is_some_and(|first| first.low.is_empty()) || !ascending {
        return Err(Error::corrupted(format!("the segments of table {table:?} do not cover its keys; run repair")));
    }
    let highs: Vec<Option<KeyBuf>> =
        entries.iter().skip(1).map(|entry| Some(entry.low.clone())).chain([None]).collect();
    Ok(entries
        .into_iter()
        .zip(highs)
        .map(|(entry, high)| Segment::from_store(entry.segment, entry.low, high, entry.stored))
        .collect())
}
