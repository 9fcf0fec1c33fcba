//! Opens a damaged store in a process of its own, reads all of it and says what came of it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use gangline::{Db, Error, ErrorKind};

use super::data::{COUNT, ITEMS, Item, LATER, ROWS, expected, open};
use crate::{Failure, describe};

/// Keys that are read at once when not all can be.
const STEP: u64 = 16;
/// Panics in the library's own sources, which are wrong even where they are caught.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// What became of a store with one damage. Its words are what the child prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All rows are there and right.
    Right,
    /// All rows but what the last commits wrote, whose records end the journal: so many commits are missing.
    Short(u64),
    /// The store does not open, and says so with a typed error.
    Refused(String),
    /// It opens; so many rows read, the others give typed errors, of which this is one.
    Partly(u64, String),
    /// Wrong or missing rows without an error, or an error that is none of damage or names no place.
    Wrong(String),
}

impl Verdict {
    /// One line.
    pub fn line(&self) -> String {
        match self {
            Verdict::Right => "right".to_owned(),
            Verdict::Short(commits) => format!("short {commits}"),
            Verdict::Refused(text) => format!("refused {text}"),
            Verdict::Partly(rows, text) => format!("partly {rows} {text}"),
            Verdict::Wrong(text) => format!("wrong {text}"),
        }
    }

    /// From the line.
    pub fn parse(text: &str) -> Option<Verdict> {
        let line = text.lines().next()?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "right" => Verdict::Right,
            "short" => Verdict::Short(rest.parse().ok()?),
            "refused" => Verdict::Refused(rest.to_owned()),
            "partly" => {
                let (rows, text) = rest.split_once(' ')?;
                Verdict::Partly(rows.parse().ok()?, text.to_owned())
            }
            "wrong" => Verdict::Wrong(rest.to_owned()),
            _ => return None,
        })
    }
}

/// Looks at a store. Whether the answer is good enough is for the parent to say.
pub fn look(store: &Path) -> Result<Verdict, Failure> {
    let panics = panics_of_our_own();
    let verdict = match open(store) {
        Err(error) => refused(store, &error),
        Ok(db) => {
            let verdict = read(store, &db);
            // Giving it back takes longer than all the rest, and the process ends.
            std::mem::forget(db);
            verdict
        }
    };
    match panics.count() {
        0 => Ok(verdict),
        count => Ok(Verdict::Wrong(format!("{count} panics of our own, and {}", verdict.line()))),
    }
}

/// Begins to count the panics in the library's own sources, also those that are caught.
pub(super) fn panics_of_our_own() -> Panics {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Paths of other crates are absolute.
        if info.location().is_some_and(|place| place.file().starts_with("src/")) {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    Panics
}

/// The count.
pub(super) struct Panics;

impl Panics {
    pub(super) fn count(&self) -> u64 {
        PANICS.load(Ordering::Relaxed)
    }
}

/// Errors that damage may give.
fn names_damage(store: &Path, error: &Error) -> bool {
    let kinds = [ErrorKind::Corrupted, ErrorKind::FormatVersion, ErrorKind::NotAStore, ErrorKind::Io];
    let text = error.to_string();
    let place = ["table ", "directory", "journal file", "root file", "segment "];
    kinds.contains(&error.kind())
        && (text.contains(&*store.to_string_lossy()) || place.iter().any(|word| text.contains(word)))
}

fn refused(store: &Path, error: &Error) -> Verdict {
    match names_damage(store, error) {
        true => Verdict::Refused(describe(error)),
        false => Verdict::Wrong(format!("{:?}, {}", error.kind(), describe(error))),
    }
}

fn read(store: &Path, db: &Db) -> Verdict {
    let commits = match db.get(COUNT, 0) {
        Ok(count) => count.map_or(0, |count| *count),
        Err(error) if !names_damage(store, &error) => return refused(store, &error),
        // The rows are judged as if all were there: a row that a lost commit changed reads as wrong then.
        Err(_) => LATER,
    };
    let rows = expected(commits.min(LATER));
    match db.query(ITEMS).project_keyed(|key, item: &Item| (key, item.clone())).collect() {
        Ok(found) => match mismatch(&rows, 0, &found).or_else(|| wrong_length(&found)) {
            Some(wrong) => Verdict::Wrong(wrong),
            None if commits == LATER => Verdict::Right,
            None => Verdict::Short(LATER - commits),
        },
        Err(error) if names_damage(store, &error) => read_parts(store, db, &rows, &error),
        Err(error) => refused(store, &error),
    }
}

fn wrong_length(found: &[(u64, Item)]) -> Option<String> {
    (found.len() as u64 != ROWS).then(|| format!("{} of {ROWS} rows without an error", found.len()))
}

/// Reads what can be read, some keys at a time.
fn read_parts(store: &Path, db: &Db, rows: &[Item], first: &Error) -> Verdict {
    let mut readable = 0;
    for low in (0..ROWS).step_by(STEP as usize) {
        let keys = low..(low + STEP).min(ROWS);
        match db.query(ITEMS).range(keys.clone()).project_keyed(|key, item: &Item| (key, item.clone())).collect() {
            Ok(found) => {
                let complete = found.len() as u64 == keys.end - keys.start;
                if let Some(wrong) = mismatch(rows, low, &found) {
                    return Verdict::Wrong(wrong);
                }
                if !complete {
                    return Verdict::Wrong(format!("{} rows of {keys:?} without an error", found.len()));
                }
                readable += found.len() as u64;
            }
            Err(error) if names_damage(store, &error) => {}
            Err(error) => return refused(store, &error),
        }
    }
    match db.verify() {
        Ok(report) if report.is_clean() => Verdict::Wrong(format!("verify is clean, and {}", describe(first))),
        Ok(_) => Verdict::Partly(readable, describe(first)),
        Err(error) => refused(store, &error),
    }
}

/// The first row that is not the one expected.
fn mismatch(rows: &[Item], low: u64, found: &[(u64, Item)]) -> Option<String> {
    let wrong =
        (low..).zip(found).find(|(key, (found, item))| found != key || rows.get(*key as usize) != Some(item))?;
    Some(format!("the row {} is not what was written, or stands in the place of {}", wrong.1.0, wrong.0))
}
