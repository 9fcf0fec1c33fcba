//! Repair: a new store out of what is left of a damaged one.
//!
//! The damaged store is only read, and the engine that keeps its pages is never asked: a byte in the wrong place makes it
//! refuse a file in which every page is whole, or overwrite what it cannot read.
//!
//! 1. All frames are [carved](carve) out of the raw files: pages, page lists, directory entries, definitions.
//! 2. From the root down, checksums say which of them are [in force](structure). Where a page is lost, or what names it,
//!    the keys and commit numbers of all pages that are left [decide](search).
//! 3. The rows are [written](salvage) into a new database by ordinary commits, as bytes; then what the journal has of later
//!    commits, whole record for whole record, [bulk acts](bulk) among them.
//! 4. The new store is closed, opened, verified, and gets its name. The [report](report) says what is lost or doubtful.
//!
//! No type of the program is needed.

mod bulk;
mod carve;
mod commits;
mod report;
mod salvage;
mod search;
mod structure;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::carve::Carved;
use self::commits::Commits;
pub use self::report::{DamagedRange, FileDamage, RepairReport, RepairedTable};
use self::salvage::Salvage;
use self::structure::Structure;
use super::open::open_locked;
use super::unfinished::{Unfinished, close};
use super::verify::VerifyReport;
use crate::context;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Durability, Options};
use crate::storage::{FileLayer, LockFile, OsFiles, Slots, names, raw_files, settled};

/// Memory for pages of the new store.
const CACHE_BYTES: usize = 64 << 20;
/// A checkpoint of the new store is made when its journal has grown so much.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Makes a new store in the folder `into` out of what is left of the damaged store in `damaged`, and says what is lost.
///
/// The damaged store is only read: it stays as it is, and can be repaired again. It may be damaged anywhere. Nothing
/// of the program's types is needed. Indexes are left out and named, to be built again. Row for row the new store has what the old one had at its last commit; where that
/// cannot be, the [report](RepairReport) names tables, keys, commits and files. Rows that are found in pages of which
/// nothing says any more whether they are current are saved as well, and reported.
///
/// It takes the time of reading the old store and writing the new one, and some 60 bytes of memory for each page and
/// each old version of a page that is left on disk.
///
/// ```
/// use gangline::{Db, Table, repair};
///
/// const STOCK: Table<u32, u64> = Table::new("stock");
/// # fn main() -> gangline::Result<()> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let (shop, mended) = (folder.path().join("shop"), folder.path().join("mended"));
/// let db = Db::open(&shop)?;
/// db.put(STOCK, 1, 10)?;
/// db.close()?;
/// std::fs::write(shop.join("root"), "damaged").expect("a file");
/// assert!(Db::open(&shop).is_err());
/// let report = repair(&shop, &mended)?;
/// println!("{report}");
/// assert_eq!(Db::open(&mended)?.get(STOCK, 1)?.as_deref(), Some(&10));
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`NotAStore`](ErrorKind::NotAStore) for a folder in which nothing of a store is left,
/// [`AlreadyOpen`](ErrorKind::AlreadyOpen) when a process has the store open,
/// [`FormatVersion`](ErrorKind::FormatVersion) for one of a later version,
/// [`InvalidArgument`](ErrorKind::InvalidArgument) when `into` has something in it,
/// [`DiskFull`](ErrorKind::DiskFull), [`Io`](ErrorKind::Io).
#[track_caller]
pub fn repair(damaged: impl AsRef<Path>, into: impl AsRef<Path>) -> Result<RepairReport> {
    context::check_free("repair", Location::caller())?;
    let (damaged, into) = (&*settled(damaged.as_ref())?, into.as_ref());
    let files: Arc<dyn FileLayer> = Arc::new(OsFiles);
    let folders = check_store(damaged)?;
    check_target(damaged, into)?;
    let _lock = LockFile::hold(&*files, damaged)?;
    let slots = Slots::read(damaged)?;
    let carved = Carved::new(raw_paths(damaged, &slots, folders)?);
    let folder = Unfinished::begin(&files, into)?;
    let mut report = fill(&files, folder.place(), damaged, &carved, &slots)?;
    let verified = folder.verify()?;
    folder.finish()?;
    count(&mut report, &verified);
    Ok(report)
}

/// Makes the new store in its folder and closes it.
fn fill(
    files: &Arc<dyn FileLayer>,
    place: &Path,
    damaged: &Path,
    carved: &Carved,
    slots: &Slots,
) -> Result<RepairReport> {
    let options = Options::new().durability(Durability::Eventual).cache_bytes(CACHE_BYTES).journal_bytes(JOURNAL_BYTES);
    let (engine, keeper) = open_locked(Arc::clone(files), place, options)?;
    let mut salvage = Salvage::new(&engine, carved);
    let filled = salvage_all(&mut salvage, damaged, carved, slots);
    let tables = std::mem::take(&mut salvage.tables);
    let indexes = std::mem::take(&mut salvage.indexes);
    let closed = close(&engine, &keeper);
    let mut report = filled?;
    closed?;
    report.tables = tables
        .into_values()
        .map(|saved| RepairedTable {
            name: saved.core.name().to_owned(),
            is_named: saved.is_named,
            rows: saved.core.rows(),
            checksum: 0,
            ranges: saved.ranges,
        })
        .collect();
    report.indexes = indexes.into_values().collect();
    Ok(report)
}

fn salvage_all(salvage: &mut Salvage<'_>, damaged: &Path, carved: &Carved, slots: &Slots) -> Result<RepairReport> {
    let journal = damaged.join(names::JOURNAL);
    let mut commits = Commits::read(&journal)?;
    let structure = Structure::new(carved, slots, &commits);
    let mut damages = Vec::new();
    let root = damaged.join(names::ROOT);
    damages.extend(slots.damaged.iter().map(|&offset| damage(&root, offset, "the slot of a root is damaged")));
    if !root.is_file() {
        damages.push(damage(&root, 0, "the root file is missing"));
    }
    damages.extend(carved.unreadable.iter().map(|(file, offset)| damage(file, *offset, "it cannot be read")));
    // Without a root nobody knows which of them are in the pages already.
    let later = structure.last_commit.map(|last| commits.made_after(last)).unwrap_or_default();
    for mut plan in structure.tables {
        plan.definition = plan.definition.or_else(|| commits.definitions.remove(&plan.id));
        salvage.table(plan, &later)?;
    }
    let in_journal = salvage.journal(&journal, structure.last_commit)?;
    damages.extend(in_journal.damages);
    Ok(RepairReport {
        tables: Vec::new(),
        indexes: Vec::new(),
        damages,
        lost_commits: in_journal.lost,
        // All that a closed store has is in its pages.
        may_lack_last_commits: in_journal.end_is_lost && !structure.is_closed,
        is_proved: structure.is_proved,
    })
}

fn damage(file: &Path, offset: u64, what: &str) -> FileDamage {
    FileDamage { file: file.to_owned(), offset, what: what.to_owned() }
}

/// Takes over what was counted when the new store was read back.
fn count(report: &mut RepairReport, verified: &VerifyReport) {
    let counted: BTreeMap<&str, (u64, u64)> =
        verified.tables.iter().map(|table| (&*table.name, (table.rows, table.checksum))).collect();
    for table in &mut report.tables {
        if let Some(counts) = counted.get(&*table.name) {
            (table.rows, table.checksum) = *counts;
        }
    }
}

/// The folder must have something of a store in it. Gives the names of its page stores.
fn check_store(damaged: &Path) -> Result<Vec<String>> {
    let refuse = |what: &str| {
        let text = format!("the folder {} {what}; name the folder of the damaged store", damaged.display());
        Err(Error::new(ErrorKind::NotAStore, text))
    };
    let entries = match fs::read_dir(damaged) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return refuse("is not there"),
        Err(error) => return Err(Error::io("list", damaged, error)),
    };
    let mut folders = Vec::new();
    let mut is_store = false;
    for entry in entries {
        let name = entry.map_err(|error| Error::io("list", damaged, error))?.file_name();
        let Ok(name) = name.into_string() else { continue };
        if name == names::UNFINISHED {
            return refuse("is an unfinished copy of a store");
        }
        is_store |= name == names::ROOT || name == names::JOURNAL;
        if names::sled_folder_number(&name).is_some() {
            folders.push(name);
        }
    }
    if is_store || !folders.is_empty() { Ok(folders) } else { refuse("has nothing of a store in it") }
}

/// The new store must not come into the old one, which stays as it is.
fn check_target(damaged: &Path, into: &Path) -> Result<()> {
    let inside = |path: &Path| {
        let damaged = damaged.canonicalize().ok()?;
        // The part of the path that is there already.
        let path = std::path::absolute(path).ok()?;
        let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
        Some(there.starts_with(damaged))
    };
    if inside(into) == Some(true) {
        let text = format!("{} lies in the damaged store; choose a folder outside", into.display());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(())
}

/// The files to search: those of the page store that the root names, or of all where that is not known.
fn raw_paths(damaged: &Path, slots: &Slots, folders: Vec<String>) -> Result<Vec<PathBuf>> {
    let named = slots.roots.first().filter(|_| slots.damaged.is_empty()).map(|root| &root.sled_folder);
    let known = named.is_some_and(|named| folders.contains(named));
    let mut paths = Vec::new();
    for name in folders.iter().filter(|name| !known || Some(*name) == named) {
        let folder = damaged.join(name);
        paths.extend(raw_files(&folder).map_err(|error| Error::io("list", &folder, error))?);
    }
    Ok(paths)
}
