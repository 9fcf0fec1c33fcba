//! A full disk: a clear error, nothing lost, and it goes on once there is space and the store is opened again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gangline::ErrorKind;

use crate::support::{ITEMS, Item, item, small};

/// A small disk of its own, which goes away with the value.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where this user may not mount anything.
    pub(crate) fn mount(megabytes: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(SmallDisk { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

#[test]
fn a_full_disk_loses_nothing_and_can_be_mended() {
    let Some(disk) = SmallDisk::mount(48) else {
        eprintln!("skipped: this user cannot mount a small disk");
        return;
    };
    let path: PathBuf = disk.path().join("store");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![7; 24 << 20]).unwrap();

    let open = || small().journal_bytes(1 << 20).open(&path);
    let db = open().unwrap();
    let wide = |id| Item { text: "w".repeat(3_000), ..item(id) };
    let mut done = 0;
    let error = loop {
        match db.put(ITEMS, done, wide(done)) {
            Ok(()) => done += 1,
            Err(error) => break error,
        }
        assert!(done < 20_000, "the disk is not that large");
    };
    assert!(done > 100, "{done} rows, then {error:?}");
    let kinds = [ErrorKind::DiskFull, ErrorKind::Poisoned, ErrorKind::CommitUnknown];
    assert!(kinds.contains(&error.kind()), "{error:?}");
    // It may refuse to close as well; that loses nothing.
    drop(db);

    std::fs::remove_file(&ballast).unwrap();
    let db = open().unwrap();
    let rows = db.read(ITEMS, |_| true, Clone::clone).unwrap();
    let unknown = u64::from(error.kind() == ErrorKind::CommitUnknown);
    assert!((done..=done + unknown).contains(&(rows.len() as u64)), "{} of {done} rows, {error:?}", rows.len());
    assert!(rows.iter().zip(0..).all(|(row, id)| *row == wide(id)));
    assert!(db.verify().unwrap().is_clean());
    (0..200).for_each(|id| db.put(ITEMS, 100_000 + id, wide(id)).unwrap());
    db.close().unwrap();
    let db = open().unwrap();
    assert_eq!(db.len(ITEMS).unwrap(), rows.len() as u64 + 200);
    db.close().unwrap();
}
