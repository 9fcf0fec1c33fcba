//! Standard output: JSON objects, one a line.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::failure::{Failure, Result};

pub(crate) fn standard() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Writes an object as a line.
pub(crate) fn line(object: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(object).map_err(|error| failed(error.into()))?;
    line.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

pub(crate) fn failed(error: io::Error) -> Failure {
    Failure::Io("cannot write to standard output".to_owned(), error)
}
