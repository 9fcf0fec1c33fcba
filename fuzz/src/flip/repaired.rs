//! Repairs a damaged store in a process of its own, reads the new store and counts what was saved.

use std::fmt;
use std::path::Path;

use gangline::Db;

use super::PATIENCE;
use super::data::{COUNT, ITEMS, Item, LATER, ROWS, expected, open};
use super::look::panics_of_our_own;
use crate::trial::{self, Ending};
use crate::{Failure, describe};

/// What became of a store that was repaired. Its words are what the child prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repaired {
    /// So many rows are those of the last commit, and the report says that they all are, or not.
    Saved(u64, bool),
    /// Rows that were never written, a store that is not whole, or no store at all.
    Wrong(String),
    /// It panicked or was ended.
    Died(String),
    /// It did not end.
    Hung,
}

/// Repairs, opens and reads: the child's part.
pub fn repair(store: &Path, into: &Path) -> Result<String, Failure> {
    let panics = panics_of_our_own();
    let report = match gangline::repair(store, into) {
        Ok(report) => report,
        Err(error) => return Ok(format!("wrong {}", describe(&error))),
    };
    let db = open(into)?;
    let verified = db.verify()?;
    if !verified.is_clean() {
        return Ok(format!("wrong the new store is damaged: {verified}"));
    }
    let line = match read(&db) {
        Ok(_) if panics.count() > 0 => format!("wrong {} panics of our own", panics.count()),
        Ok((rows, commits)) if report.is_exact() && rows < ROWS => {
            format!("wrong {rows} rows after {commits} commits are said to be all: {report}")
        }
        Ok((rows, _)) => format!("saved {rows} {}", report.is_exact()),
        Err(text) => format!("wrong {text}"),
    };
    std::mem::forget(db);
    Ok(line)
}

/// The rows that are those of the last commit that is there, and how many of the later commits are. Others must be what
/// they were at some time.
fn read(db: &Db) -> Result<(u64, u64), String> {
    let failed = |error| describe(&error);
    let commits = db.get(COUNT, 0).map_err(failed)?.map_or(0, |count| *count).min(LATER);
    let now = expected(commits);
    let found = db.query(ITEMS).project_keyed(|key, item: &Item| (key, item.clone())).collect().map_err(failed)?;
    let mut right = 0;
    for (key, item) in &found {
        match now.get(*key as usize) == Some(item) {
            true => right += 1,
            false if item.is_known(*key) => {}
            false => return Err(format!("the row {key} was never written")),
        }
    }
    Ok((right, commits))
}

impl Repaired {
    /// Has a child do it.
    pub fn of(store: &Path, into: &Path) -> Result<Repaired, Failure> {
        if into.exists() {
            std::fs::remove_dir_all(into)?;
        }
        let mut child = trial::ourselves(&["flip-repair", "--store"])?;
        Ok(match trial::run(child.arg(store).arg("--into").arg(into), PATIENCE)? {
            Ending::Said(text) => Repaired::parse(&text).unwrap_or(Repaired::Wrong(text)),
            Ending::Failed(text) => Repaired::Wrong(text),
            Ending::Died(text) => Repaired::Died(text),
            Ending::Hung => Repaired::Hung,
        })
    }

    fn parse(text: &str) -> Option<Repaired> {
        // sled's own panics, which are caught, may stand around the line.
        text.lines().find_map(|line| {
            if let Some(text) = line.strip_prefix("wrong ") {
                return Some(Repaired::Wrong(text.to_owned()));
            }
            let (rows, exact) = line.strip_prefix("saved ")?.split_once(' ')?;
            Some(Repaired::Saved(rows.parse().ok()?, exact.parse().ok()?))
        })
    }
}

/// How often each came out.
#[derive(Debug, Clone, Copy)]
pub struct Repairs {
    /// Stores that did not open, or did not read as a whole.
    pub made: u64,
    /// All rows are back, and the report says so.
    pub exact: u64,
    /// At least 99 of 100 rows are back.
    pub enough: u64,
    /// Fewer, after a cut: what is gone is gone.
    pub cut: u64,
    /// Fewer, after one changed byte.
    pub below_99: u64,
    /// Rows, or a report, that are not true.
    pub wrong: u64,
    /// Panics and endless repairs.
    pub broken: u64,
    /// The fewest rows that were saved after one changed byte.
    pub least_rows: u64,
}

impl Default for Repairs {
    fn default() -> Self {
        let (made, exact, enough, cut, below_99, wrong, broken) = Default::default();
        Repairs { made, exact, enough, cut, below_99, wrong, broken, least_rows: ROWS }
    }
}

impl Repairs {
    /// Counts one. False if it must not be.
    pub(super) fn add(&mut self, repaired: &Repaired, is_cut: bool) -> bool {
        self.made += 1;
        if let (Repaired::Saved(rows, _), false) = (repaired, is_cut) {
            self.least_rows = self.least_rows.min(*rows);
        }
        *match repaired {
            Repaired::Saved(ROWS, true) => &mut self.exact,
            Repaired::Saved(rows, _) if rows * 100 >= ROWS * 99 => &mut self.enough,
            Repaired::Saved(..) if is_cut => &mut self.cut,
            Repaired::Saved(..) => &mut self.below_99,
            Repaired::Wrong(_) => &mut self.wrong,
            Repaired::Died(_) | Repaired::Hung => &mut self.broken,
        } += 1;
        match repaired {
            Repaired::Saved(rows, _) => is_cut || rows * 100 >= ROWS * 99,
            _ => false,
        }
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.below_99 + self.wrong + self.broken > 0
    }
}

impl fmt::Display for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repairs { made, exact, enough, cut, below_99, wrong, broken, least_rows } = self;
        write!(
            f,
            "repairs {made}\nrepairs_exact {exact}\nrepairs_99 {enough}\nrepairs_cut {cut}\nrepairs_below_99 {below_99}\n\
             repairs_wrong {wrong}\nrepairs_broken {broken}\nrepairs_least_rows {least_rows}\nrows {ROWS}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_that_saves_too_little_is_bad_but_after_a_cut() {
        let mut repairs = Repairs::default();
        for (rows, exact, is_cut, fine) in [
            (ROWS, true, false, true),
            (ROWS - ROWS / 100, false, false, true),
            (ROWS / 2, false, true, true),
            (ROWS / 2, false, false, false),
        ] {
            assert_eq!(repairs.add(&Repaired::Saved(rows, exact), is_cut), fine);
            assert_eq!(repairs.is_bad(), !fine);
        }
        assert_eq!((repairs.made, repairs.exact, repairs.enough, repairs.cut, repairs.below_99), (4, 1, 1, 1, 1));
        assert_eq!(repairs.least_rows, ROWS / 2);
        for bad in [Repaired::Wrong(String::new()), Repaired::Died(String::new()), Repaired::Hung] {
            let mut repairs = Repairs::default();
            assert!(!repairs.add(&bad, true) && repairs.is_bad());
        }
    }

    #[test]
    fn what_the_child_prints_is_read() {
        assert_eq!(Repaired::parse("a panic\nsaved 17 false\n"), Some(Repaired::Saved(17, false)));
        assert_eq!(Repaired::parse("wrong a row\n"), Some(Repaired::Wrong("a row".to_owned())));
        assert_eq!(Repaired::parse("saved many\n"), None);
    }
}
