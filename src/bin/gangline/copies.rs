//! `backup`, `restore` and `compact`.

use std::path::Path;

use gangline::Db;

use crate::failure::{Outcome, Result};
use crate::output;
use crate::progress::{Progress, Shown};
use crate::store::{closed, open};

pub(crate) fn backup(store: &Path, into: &Path, shown: Shown) -> Result {
    let progress = Progress::start("backup", shown);
    let db = open(store)?;
    let done = db.backup(into);
    let report = closed(db, done.map_err(Into::into))?;
    drop(progress);
    output::line(&report)?;
    Ok(Outcome::Fine)
}

pub(crate) fn restore(backup: &Path, into: &Path, shown: Shown) -> Result {
    let progress = Progress::start("restore", shown);
    let report = Db::restore(backup, into)?;
    drop(progress);
    output::line(&report)?;
    Ok(Outcome::of(report.is_clean()))
}

pub(crate) fn compact(store: &Path, shown: Shown) -> Result {
    let progress = Progress::start("compact", shown);
    let db = open(store)?;
    let done = db.compact();
    let report = closed(db, done.map_err(Into::into))?;
    drop(progress);
    output::line(&report)?;
    Ok(Outcome::Fine)
}
