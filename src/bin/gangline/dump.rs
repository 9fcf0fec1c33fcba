//! `get` and `dump`: rows, read by what is stored of their types.

use std::path::Path;

use gangline::Export;

use crate::arguments::Dump;
use crate::failure::{Outcome, Result};
use crate::output;
use crate::progress::{Progress, Shown};
use crate::store::{closed, open};

pub(crate) fn get(store: &Path, table: &str, key: &str) -> Result {
    let db = open(store)?;
    let found = db.stored_row(table, key);
    match closed(db, found.map_err(Into::into))? {
        None => Ok(Outcome::Not),
        Some((key, row)) => {
            let line = format!("{{\"key\":{key},\"row\":{row}}}\n");
            let mut out = output::standard();
            std::io::Write::write_all(&mut out, line.as_bytes())
                .and_then(|()| std::io::Write::flush(&mut out))
                .map(|()| Outcome::Fine)
                .map_err(output::failed)
        }
    }
}

pub(crate) fn dump(command: &Dump, shown: Shown) -> Result {
    let Dump { store, table, csv, from, to, limit, .. } = command;
    let progress = Progress::start("dump", shown);
    let mut export = if *csv { Export::csv() } else { Export::json().rows_only() }.progress(progress.counter());
    if let Some(from) = from {
        export = export.from(from);
    }
    if let Some(to) = to {
        export = export.to(to);
    }
    if let Some(limit) = limit {
        export = export.limit(*limit);
    }
    let db = open(store)?;
    let done = db.export(table, export, output::standard());
    closed(db, done.map_err(Into::into))?;
    Ok(Outcome::Fine)
}
