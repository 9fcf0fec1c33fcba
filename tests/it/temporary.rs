//! A database in a folder that goes away with it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gangline::Durability;

use crate::support::{ITEMS, fill, ids, other_process, part, small};

fn folders() -> BTreeSet<PathBuf> {
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gangline-"));
    std::fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().path()).filter(ours).collect()
}

/// In a process of its own, with a folder for temporary folders that nobody else uses.
#[test]
fn it_is_on_disk_until_the_last_handle_goes() {
    if part().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = other_process("temporary::it_is_on_disk_until_the_last_handle_goes", folder.path());
        let ended = command.env("TMPDIR", folder.path()).env("TEMP", folder.path()).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        return;
    }
    let db = small().durability(Durability::Eventual).temporary().unwrap();
    let other = small().temporary().unwrap();
    assert_eq!(folders().len(), 2);
    fill(&db, 300);
    db.checkpoint().unwrap();
    assert!(db.status().unwrap().store_bytes > 0);
    assert_eq!(other.len(ITEMS).unwrap(), 0);
    let second = db.clone();
    drop(db);
    assert_eq!((ids(&second).len(), folders().len()), (300, 2));
    drop(second);
    assert_eq!(folders().len(), 1);
    let last = other.clone();
    other.close().unwrap();
    assert_eq!(folders().len(), 1);
    drop(last);
    assert_eq!(folders().len(), 0);
}
