//! The store of a command: opened, and brought to hold the data.
//!
//! A store that holds all of the data is opened without reading them again: the sample is known by its fingerprint, and
//! files by the sizes and times that they had when the store was loaded from them.

use std::io::{Write, stderr};
use std::path::Path;

use gangline::{Db, Options, Table};

use crate::data::load::{Holding, holding, load_watched};
use crate::data::source::{Source, is_sample, label, stamp};
use crate::error::{Error, Result};

/// What the files looked like from which the store was loaded, by their folder.
const FILES: Table<String, String> = Table::new("meta_files");

/// Opens the store and brings it to hold the data. A data folder that is gone is no error if the store was loaded from
/// it to the end: from then on the store is the data.
///
/// Writes `resumed_at` before the first commit and `loaded` after the last one, and tells `watch` how many batches are
/// committed, of how many.
///
/// # Errors
///
/// Whatever is wrong with the data, the store or `out`.
pub fn open(store: &Path, data: Option<&Path>, out: &mut dyn Write, watch: &dyn Fn(usize, usize)) -> Result<Db> {
    // Before the files are read, so that a change meanwhile is seen the next time.
    let stamp = data.and_then(stamp);
    // Why it cannot be opened is said when it must be.
    let opened = Options::new().create(false).open(store).ok();
    if let Some(db) = &opened
        && let Some(held) = held_unchanged(db, data, stamp.as_deref())?
    {
        write_progress(out, held.source_rows, 0)?;
        return Ok(db.clone());
    }
    let source = match (data.map_or_else(Source::built_in, Source::folder), data) {
        (Err(Error::NoData(reason)), Some(folder)) => {
            let (db, held) = loaded_before(opened, folder).ok_or(Error::NoData(reason.clone()))?;
            // Nobody reading it is no reason to fail.
            _ = writeln!(stderr(), "note: {reason}; the store {} holds all of it", store.display());
            write_progress(out, held.source_rows, 0)?;
            return Ok(db);
        }
        (source, _) => source?,
    };
    let db = match opened {
        Some(db) => db,
        None => Options::new().open(store)?,
    };
    let (name, mut shown) = (store.display().to_string(), Ok(()));
    let resumed = |rows| {
        // Before the first commit, so that a run that is killed has said it too.
        shown = writeln!(out, "resumed_at {rows}").and_then(|()| out.flush());
    };
    let loaded = load_watched(&db, &name, &source, resumed, watch)?;
    shown.and_then(|()| writeln!(out, "loaded {}", loaded.rows)).map_err(Error::standard_output)?;
    if let (Some(folder), Some(stamp)) = (data, stamp) {
        db.put(FILES, &label(folder), stamp)?;
    }
    Ok(db)
}

fn write_progress(out: &mut dyn Write, resumed_at: u64, loaded: u64) -> Result<()> {
    writeln!(out, "resumed_at {resumed_at}\nloaded {loaded}").map_err(Error::standard_output)
}

/// What the store holds, if that is known to be all of the data without reading them.
fn held_unchanged(db: &Db, data: Option<&Path>, stamp: Option<&str>) -> Result<Option<Holding>> {
    let Some(held) = holding(db)?.filter(|held| held.complete) else { return Ok(None) };
    let unchanged = match data {
        None => is_sample(&held.fingerprint),
        Some(folder) => {
            let known = db.get(FILES, &label(folder))?;
            known.is_some_and(|known| Some(known.as_str()) == stamp)
        }
    };
    Ok(unchanged.then_some(held))
}

/// A store that holds everything that once was in `folder`.
fn loaded_before(opened: Option<Db>, folder: &Path) -> Option<(Db, Holding)> {
    let db = opened?;
    let held = holding(&db).ok()??;
    (held.complete && held.label == label(folder)).then_some((db, held))
}
