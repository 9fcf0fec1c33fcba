//! Free space on the disk: a little must be left for what cannot be refused.
//!
//! sled hangs where it finds the disk full, and then even the space of a file that is removed is not given back. So the
//! writing thread looks before each piece that it writes between two syncs, which is far smaller than what it asks for.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Bytes that must be free for the page store to take a value: two of sled's segments.
pub(super) const LEAST: u64 = 4 << 20;
/// And for a copy of it, which must not take the last from the store itself.
pub(super) const LEAST_FOR_COPIES: u64 = 16 << 20;

/// Checks that so many bytes are free on the disk of an open file, as far as the system tells.
///
/// # Errors
/// `DiskFull`.
pub(super) fn check(file: &File, folder: &Path, least: u64) -> Result<()> {
    match free_bytes(file) {
        Some(free) if free < least => Err(Error::new(
            ErrorKind::DiskFull,
            format!(
                "{free} bytes are free on the disk of {}, and it takes {least} to go on: make room",
                folder.display()
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(file: &File) -> Option<u64> {
    rustix::fs::fstatvfs(file).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &File) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_a_full_disk() {
        let file = tempfile::tempfile().unwrap();
        check(&file, Path::new("store"), 1).unwrap();
        if cfg!(unix) {
            let error = check(&file, Path::new("store"), u64::MAX).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DiskFull);
            assert!(error.to_string().contains("the disk of store"), "{error}");
        }
    }
}
