//! `import`: tables from text, packed or not.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use gangline::Db;

use crate::arguments::Import;
use crate::failure::{Failure, Outcome, Result};
use crate::output;
use crate::progress::{Progress, Shown};
use crate::store::{closed, open_or_create};

/// What a file that is packed by gzip begins with.
const PACKED: [u8; 2] = [0x1f, 0x8b];

pub(crate) fn import(command: &Import, shown: Shown) -> Result {
    let input: Box<dyn BufRead> = match &command.file {
        None => Box::new(io::stdin().lock()),
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(|error| Failure::io("open", path, error))?)),
    };
    let input = unpacked(input, command.max_unpacked_bytes)
        .map_err(|error| Failure::Io("cannot read what is to be imported".to_owned(), error))?;
    let progress = Progress::start("import", shown);
    let db = open_or_create(&command.store)?;
    let done = read(&db, command, input, &progress);
    drop(progress);
    let report = closed(db, done)?;
    output::line(&report)?;
    Ok(Outcome::of(report.bad_rows == 0))
}

fn read(db: &Db, command: &Import, input: impl BufRead, progress: &Progress) -> Result<gangline::ImportReport> {
    let how = if command.csv { gangline::Import::csv() } else { gangline::Import::json() };
    let mut how = how.replace(command.replace).max_line_bytes(command.max_line_bytes).progress(progress.counter());
    if let Some(table) = &command.table {
        how = how.table(table);
    }
    if let Some(path) = &command.schema {
        how = how.schema(fs::read_to_string(path).map_err(|error| Failure::io("read", path, error))?);
    }
    if command.skip_bad {
        how = how.skip_bad(|error| eprintln!("gangline: left out: {error}"));
    }
    Ok(db.import(how, input)?)
}

/// The input, unpacked if it is packed, and then no more of it than allowed.
fn unpacked(mut input: Box<dyn BufRead>, most: u64) -> io::Result<Box<dyn BufRead>> {
    // A pipe may give its first byte alone. Both must be seen, and not be taken.
    if !input.fill_buf()?.starts_with(&PACKED[..1]) {
        return Ok(input);
    }
    let mut first = [0; 2];
    let mut read = 0;
    while read < first.len() {
        match input.read(&mut first[read..])? {
            0 => break,
            more => read += more,
        }
    }
    let whole = io::Cursor::new(first).take(read as u64).chain(input);
    if first != PACKED {
        return Ok(Box::new(whole));
    }
    Ok(Box::new(BufReader::new(Bounded { input: MultiGzDecoder::new(whole), left: most })))
}

/// Gives an error in the place of the first byte too many.
struct Bounded<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)? as u64;
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => {
                let text = "it unpacks to more than --max-unpacked-bytes: allow more if it is what you expect";
                return Err(io::Error::other(text));
            }
        }
        Ok(read as usize)
    }
}
