//! `verify` and `repair`.

use std::path::Path;

use crate::failure::{Outcome, Result};
use crate::output;
use crate::progress::{Progress, Shown};
use crate::store::{closed, open};

pub(crate) fn verify(store: &Path, shown: Shown) -> Result {
    let progress = Progress::start("verify", shown);
    let db = open(store)?;
    let report = db.verify();
    // A damaged store may be one that cannot be closed in order; what was found counts.
    let report = match report {
        Ok(report) if !report.is_clean() => {
            let _ = db.close();
            report
        }
        report => closed(db, report.map_err(Into::into))?,
    };
    drop(progress);
    report.tables.iter().try_for_each(output::line)?;
    let errors: usize = report.tables.iter().map(|table| table.errors.len()).sum();
    output::line(&serde_json::json!({ "clean": report.is_clean(), "tables": report.tables.len(), "errors": errors }))?;
    Ok(Outcome::of(report.is_clean()))
}

pub(crate) fn repair(store: &Path, into: &Path, shown: Shown) -> Result {
    let progress = Progress::start("repair", shown);
    let report = gangline::repair(store, into)?;
    drop(progress);
    output::line(&report)?;
    Ok(Outcome::of(report.is_exact()))
}
