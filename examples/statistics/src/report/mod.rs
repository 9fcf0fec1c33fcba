//! The report: open, load, count, draw, write.
//!
//! Everything that it says is read from one snapshot of the store, so its numbers belong together even while another
//! thread writes.

mod html;
mod speed;

use std::fs;
use std::io::Write;
use std::sync::Arc;

pub use speed::Speed;

use crate::charts::studio::{Gallery, Studio};
use crate::cli::ReportOptions;
use crate::data::load::holding;
use crate::data::source::is_sample;
use crate::error::{Error, Result};
use crate::executor::block_on;
use crate::numbers::Numbers;
use crate::service::StatisticsService;
use crate::{store, synthetic};

/// Makes a report, and writes its numbers to `out` as `name value` lines.
///
/// # Errors
///
/// Whatever is wrong with the data, the store or the files.
pub fn run(options: &ReportOptions, out: &mut dyn Write) -> Result<()> {
    let db = store::open(&options.store, options.data.as_deref(), out, &|_, _| ())?;
    if let Some(rows) = options.synthetic {
        synthetic::grow_to(&db, rows)?;
    }
    let snapshot = db.snapshot();
    let held = holding(&db)?.ok_or_else(|| Error::NoData("the store holds no data".to_owned()))?;
    let numbers = Numbers::compute(&snapshot)?;
    let speed = Speed::measure(&snapshot, options.synthetic.is_some())?;

    let studio = Arc::new(Studio::default());
    let gallery = Arc::new(Gallery::new(&options.out)?);
    let service = StatisticsService::new(snapshot, db.clone());
    block_on(service.generate_product_statistics(&studio, &gallery))?;
    service.generate_seller_statistics(&studio, &gallery)?;
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
    written.map_err(Error::standard_output)
}
