//! The report: open, load, count, draw, write.
//!
//! Everything that it says is read from one snapshot of the store, so its numbers belong together even while another
//! thread writes.

mod html;
mod numbers;
mod speed;

use std::fs;
use std::io::{self, Write, stderr};
use std::path::Path;
use std::sync::Arc;

use gangline::{Db, Options};

pub use numbers::Numbers;
pub use speed::Speed;

use crate::charts::studio::Studio;
use crate::cli::ReportOptions;
use crate::data::load::{Holding, holding, load};
use crate::data::source::{Source, is_sample, label};
use crate::error::{Error, Result};
use crate::executor::block_on;
use crate::service::StatisticsService;
use crate::synthetic;

/// Makes a report, and writes its numbers to `out` as `name value` lines.
///
/// # Errors
///
/// Whatever is wrong with the data, the store or the files.
pub fn run(options: &ReportOptions, out: &mut dyn Write) -> Result<()> {
    let db = open_and_load(options, out)?;
    if let Some(rows) = options.synthetic {
        synthetic::grow_to(&db, rows)?;
    }
    let snapshot = db.snapshot();
    let held = holding(&db)?.ok_or_else(|| Error::NoData("the store holds no data".to_owned()))?;
    let numbers = Numbers::compute(&snapshot)?;
    let speed = Speed::measure(&snapshot, options.synthetic.is_some())?;

    let studio = Arc::new(Studio::new(&options.out)?);
    let service = StatisticsService::new(snapshot, db.clone());
    block_on(service.generate_product_statistics(&studio))?;
    service.generate_seller_statistics(&studio)?;
    let best = &numbers.by_seller[..options.sellers.min(numbers.by_seller.len())];
    let page = html::Page {
        label: &held.label,
        sample: is_sample(&held.fingerprint),
        numbers: &numbers,
        speed: &speed,
        best: &service.seller_cards(&studio, best)?,
        charts: studio.drawn(),
    };
    let index = options.out.join("index.html");
    fs::write(&index, page.html()?).map_err(Error::file("write", &index))?;
    drop(service);
    db.close()?;

    let written = numbers
        .write(out)
        .and_then(|()| writeln!(out, "charts {}", studio.drawn()))
        .and_then(|()| speed.write(out))
        .and_then(|()| writeln!(out, "open {}", index.display()))
        .and_then(|()| out.flush());
    written.map_err(standard_output)
}

fn standard_output(error: io::Error) -> Error {
    Error::file("write to", Path::new("standard output"))(error)
}

/// Opens the store and brings it to hold the data. A data folder that is gone is no error if the store was loaded from
/// it to the end: from then on the store is the data.
fn open_and_load(options: &ReportOptions, out: &mut dyn Write) -> Result<Db> {
    let source = match &options.data {
        None => Source::built_in(),
        Some(folder) => Source::folder(folder),
    };
    match (source, &options.data) {
        (Err(Error::NoData(reason)), Some(folder)) => {
            let (db, held) = loaded_before(options, folder).ok_or(Error::NoData(reason.clone()))?;
            // Nobody reading it is no reason to fail.
            _ = writeln!(stderr(), "note: {reason}; the store {} holds all of it", options.store.display());
            write_progress(out, held.source_rows, 0)?;
            Ok(db)
        }
        (source, _) => {
            let source = source?;
            let db = Options::new().open(&options.store)?;
            let mut shown = Ok(());
            let store = options.store.display().to_string();
            let loaded = load(&db, &store, &source, |rows| {
                // Before the first commit, so that a run that is killed has said it too.
                shown = writeln!(out, "resumed_at {rows}").and_then(|()| out.flush());
            })?;
            shown.and_then(|()| writeln!(out, "loaded {}", loaded.rows)).map_err(standard_output)?;
            Ok(db)
        }
    }
}

fn write_progress(out: &mut dyn Write, resumed_at: u64, loaded: u64) -> Result<()> {
    writeln!(out, "resumed_at {resumed_at}\nloaded {loaded}").map_err(standard_output)
}

/// A store that holds everything that once was in `folder`.
fn loaded_before(options: &ReportOptions, folder: &Path) -> Option<(Db, Holding)> {
    let db = Options::new().create(false).open(&options.store).ok()?;
    let held = holding(&db).ok()??;
    (held.complete && held.label == label(folder)).then_some((db, held))
}
