//! Backups that the child makes and restores without end, and what must hold of those that a kill leaves behind.
//!
//! The child says which copy it begins, and when one has ended. A folder that a copy has its final name in is a whole
//! store, with all that was promised before the copy was begun; one that was cut off says so itself when it is
//! opened. What is unfinished is left for the next child, which makes a copy of the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gangline::{Db, ErrorKind, Options};

use super::check::{Findings, check};
use super::{Load, WRITERS};
use crate::{Failure, describe};

/// What the child says when it begins a copy, with the copy's name behind it.
pub(super) const COPYING: &str = "copying ";
/// What it says when one has ended.
pub(super) const COPIED: &str = "copied";

const BACKUP: &str = "backup";
const RESTORED: &str = "restored";
/// Behind what the child is about to remove: it need not be whole.
const GONE: &str = "gone";

/// Makes a backup and a store of it, and removes those before, again and again. Returns only when something fails.
pub(super) fn copy_for_ever(db: &Db, place: &Path, say: &dyn Fn(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut before = Vec::new();
    for number in 0.. {
        let [backup, restored] = [BACKUP, RESTORED].map(|kind| format!("{kind}-{number}"));
        say(&format!("{COPYING}{backup}"))?;
        db.backup(place.join(&backup))?;
        say(COPIED)?;
        say(&format!("{COPYING}{restored}"))?;
        Db::restore(place.join(&backup), place.join(&restored))?;
        say(COPIED)?;
        for name in std::mem::replace(&mut before, vec![backup, restored]) {
            let gone = place.join(format!("{name}.{GONE}"));
            std::fs::rename(place.join(name), &gone)?;
            std::fs::remove_dir_all(&gone)?;
        }
    }
    Ok(())
}

/// What is known of the copies of one life.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The copy that is being made.
    pub(super) current: Option<String>,
    /// The backup that ended last.
    finished: Option<String>,
    /// The newest promise to each writer when a backup was begun.
    floors: BTreeMap<String, [u64; WRITERS as usize]>,
}

impl Copies {
    /// Notes a line of the child's, if it is about copies.
    pub(super) fn note(&mut self, line: &str, promised: &[u64]) -> bool {
        if let Some(name) = line.strip_prefix(COPYING) {
            self.current = Some(name.to_owned());
            if name.starts_with(BACKUP)
                && let Ok(floor) = promised.try_into()
            {
                self.floors.insert(name.to_owned(), floor);
            }
        } else if line == COPIED {
            self.finished = self.current.take().filter(|name| name.starts_with(BACKUP)).or(self.finished.take());
        } else {
            return false;
        }
        true
    }

    pub(super) fn is_backing_up(&self) -> bool {
        self.current.as_ref().is_some_and(|name| name.starts_with(BACKUP))
    }

    pub(super) fn is_restoring(&self) -> bool {
        self.current.as_ref().is_some_and(|name| name.starts_with(RESTORED))
    }
}

/// How many copies a kill left behind, and what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) whole: u64,
    /// Unfinished, and refused as such.
    pub(super) refused: u64,
    pub(super) findings: Findings,
}

/// Opens all copies in the folder, and removes those that are whole.
pub(super) fn look(place: &Path, copies: &Copies, load: Load) -> Result<Left, Failure> {
    let mut left = Left::default();
    if let Some(name) = copies.finished.as_ref().filter(|name| !place.join(name).is_dir()) {
        return Err(Failure(format!("{name} had ended and is not there")));
    }
    for name in names_in(place)? {
        let path = place.join(&name);
        if name.ends_with(GONE) {
            std::fs::remove_dir_all(&path)?;
            continue;
        }
        // Its last act is to take the name without this.
        let may_be_unfinished = name.ends_with(".unfinished");
        match open(&path) {
            Ok(db) => {
                left.whole += 1;
                // A copy of an earlier life has no floor any more.
                let backup = name.replace(RESTORED, BACKUP).replace(".unfinished", "");
                let floor = copies.floors.get(&backup).copied().unwrap_or_default();
                left.findings += check(&db, load, &floor)?;
                db.close()?;
                std::fs::remove_dir_all(&path)?;
            }
            Err(error) if may_be_unfinished && error.kind() == ErrorKind::NotAStore => left.refused += 1,
            Err(error) => return Err(Failure(format!("the copy {name} cannot be opened: {}", describe(&error)))),
        }
    }
    Ok(left)
}

fn open(path: &PathBuf) -> gangline::Result<Db> {
    Options::new().create(false).cache_bytes(1 << 20).open(path)
}

fn names_in(place: &Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(place)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::writer::commit_for_test as commit;

    #[test]
    fn copies_must_be_whole_or_say_that_they_are_not_and_have_what_was_promised() {
        let load = Load::default();
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        let db = Db::in_memory().expect("a store in memory");
        (1..=50).for_each(|seq| commit(&db, load, 0, seq).expect("nothing stands in the way"));
        let mut copies = Copies::default();
        assert!(copies.note("copying backup-0", &[50, 0, 0, 0]) && copies.is_backing_up());
        db.backup(place.join("backup-0")).expect("a backup");
        assert!(copies.note("copied", &[50, 0, 0, 0]) && !copies.is_backing_up());
        assert!(copies.note("copying restored-0", &[60, 0, 0, 0]) && copies.is_restoring());
        assert!(!copies.note("0 60", &[60, 0, 0, 0]));
        std::fs::create_dir(place.join("restored-0.unfinished")).expect("a folder");
        std::fs::create_dir(place.join("backup-7.gone")).expect("a folder");
        let left = look(place, &copies, load).expect("one is whole, the other says what it is");
        assert_eq!((left.whole, left.refused, left.findings), (1, 1, Findings::default()));
        assert_eq!(names_in(place).expect("a folder"), ["restored-0.unfinished"]);
        let Failure(what) = look(place, &copies, load).expect_err("what had ended is gone");
        assert!(what.contains("backup-0 had ended"), "{what}");

        db.backup(place.join("backup-0")).expect("a backup");
        copies.note("copying backup-0", &[53, 0, 0, 0]);
        let left = look(place, &copies, load).expect("a whole one");
        assert_eq!(left.findings, Findings { lost: 3, ..Findings::default() });

        std::fs::create_dir(place.join("backup-0")).expect("a folder");
        let Failure(what) = look(place, &copies, load).expect_err("this has the final name, and nothing in it");
        assert!(what.contains("backup-0 cannot be opened"), "{what}");
    }
}
