//! The store of a command: opened, and brought to hold the data.

use std::io::{Write, stderr};
use std::path::Path;

use gangline::{Db, Options};

use crate::data::load::{Holding, holding, load_watched};
use crate::data::source::{Source, label};
use crate::error::{Error, Result};

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
    let source = match data {
        None => Source::built_in(),
        Some(folder) => Source::folder(folder),
    };
    match (source, data) {
        (Err(Error::NoData(reason)), Some(folder)) => {
            let (db, held) = loaded_before(store, folder).ok_or(Error::NoData(reason.clone()))?;
            // Nobody reading it is no reason to fail.
            _ = writeln!(stderr(), "note: {reason}; the store {} holds all of it", store.display());
            write_progress(out, held.source_rows, 0)?;
            Ok(db)
        }
        (source, _) => {
            let source = source?;
            let db = Options::new().open(store)?;
            let mut shown = Ok(());
            let name = store.display().to_string();
            let loaded = load_watched(
                &db,
                &name,
                &source,
                |rows| {
                    // Before the first commit, so that a run that is killed has said it too.
                    shown = writeln!(out, "resumed_at {rows}").and_then(|()| out.flush());
                },
                watch,
            )?;
            shown.and_then(|()| writeln!(out, "loaded {}", loaded.rows)).map_err(Error::standard_output)?;
            Ok(db)
        }
    }
}

fn write_progress(out: &mut dyn Write, resumed_at: u64, loaded: u64) -> Result<()> {
    writeln!(out, "resumed_at {resumed_at}\nloaded {loaded}").map_err(Error::standard_output)
}

/// A store that holds everything that once was in `folder`.
fn loaded_before(store: &Path, folder: &Path) -> Option<(Db, Holding)> {
    let db = Options::new().create(false).open(store).ok()?;
    let held = holding(&db).ok()??;
    (held.complete && held.label == label(folder)).then_some((db, held))
}
