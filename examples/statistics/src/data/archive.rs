//! The sample that is built into the program: one tar archive, compressed with zstd and unpacked without a C library.
//!
//! What it is, who made it and on which terms it may be used stands in `data/README.md` beside it.

use std::io::Read;
use std::path::PathBuf;

use crate::error::{Error, Result};

const ARCHIVE: &[u8] = include_bytes!("../../data/olist-sample.tar.zst");

/// What the sample is called in messages.
pub(crate) const LABEL: &str = "the built-in Olist sample";

/// Name and bytes of each file of the sample.
pub(crate) fn unpack() -> Result<Vec<(String, Vec<u8>)>> {
    let broken = |source| Error::file("unpack", &PathBuf::from("the built-in archive"))(source);
    let decoder = ruzstd::decoding::StreamingDecoder::new(ARCHIVE)
        .map_err(|error| broken(std::io::Error::other(error.to_string())))?;
    let mut archive = tar::Archive::new(decoder);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        files.push((name, bytes));
    }
    Ok(files)
}
