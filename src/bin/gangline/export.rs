//! `export`: tables as text, to standard output or into a file that is whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gangline::Db;

use crate::arguments::Export;
use crate::failure::{Failure, Outcome, Result};
use crate::output;
use crate::progress::{Progress, Shown};
use crate::store::{closed, open};

pub(crate) fn export(command: &Export, shown: Shown) -> Result {
    let progress = Progress::start("export", shown);
    let db = open(&command.store)?;
    let done = write(&db, command, &progress);
    closed(db, done)?;
    Ok(Outcome::Fine)
}

fn write(db: &Db, command: &Export, progress: &Progress) -> Result<()> {
    let tables = if command.tables.is_empty() { db.exported_tables()? } else { command.tables.clone() };
    if command.csv && tables.len() != 1 {
        let text = format!("CSV is of one table, and there are {}: name one ({})", tables.len(), tables.join(", "));
        return Err(Failure::Usage(text));
    }
    if let (Some(path), Some(table)) = (&command.schema, tables.first()) {
        let schema = db.schema(table)? + "\n";
        fs::write(path, schema).map_err(|error| Failure::io("write", path, error))?;
    }
    match &command.out {
        None => write_tables(db, &tables, command.csv, progress, &mut output::standard()),
        Some(path) => write_file(path, |out| write_tables(db, &tables, command.csv, progress, out)),
    }
}

fn write_tables(db: &Db, tables: &[String], csv: bool, progress: &Progress, out: &mut dyn Write) -> Result<()> {
    let mut before = 0;
    for table in tables {
        let mut count = progress.counter();
        let how = if csv { gangline::Export::csv() } else { gangline::Export::json() };
        before += db.export(table, how.progress(move |rows| count(before + rows)), &mut *out)?;
    }
    out.flush().map_err(output::failed)
}

/// The file gets its name when all is in it and on disk.
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let failed = |error| Failure::io("write", path, error);
    let file = File::create(&unfinished).map_err(failed)?;
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let written = if is_packed {
        let mut packed = GzEncoder::new(BufWriter::new(file), Compression::default());
        write(&mut packed).and_then(|()| packed.finish().map_err(failed)).and_then(|file| end(file).map_err(failed))
    } else {
        let mut file = BufWriter::new(file);
        write(&mut file).and_then(|()| end(file).map_err(failed))
    };
    match written.and_then(|()| fs::rename(&unfinished, path).map_err(failed)) {
        Ok(()) => Ok(()),
        Err(failure) => {
            let _ = fs::remove_file(&unfinished);
            Err(failure)
        }
    }
}

fn end(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
