//! What a repair says: what it saved, what it could not, and of what it is not sure.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Serialize;

use crate::recovery::verify::as_hex;

/// What a [`repair`](crate::repair) saved and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// One entry a table of the new store.
    pub tables: Vec<RepairedTable>,
    /// The indexes that the old store had, as `table.index`. The new one has none: their entries follow from the rows,
    /// and [`Db::build_indexes`](crate::Db::build_indexes) makes them again.
    pub indexes: Vec<String>,
    /// Damaged places of the old store's files.
    pub damages: Vec<FileDamage>,
    /// Commits of which the record in the journal is lost, as far as their numbers are known, and, where the root is lost,
    /// bulk acts ([`Db::bulk_load`](crate::Db::bulk_load), `remove_range`, migrations) of which a page is: the
    /// damages say what those would have changed. What came after them is in the new store all the same.
    pub lost_commits: Vec<RangeInclusive<u64>>,
    /// The end of the journal is damaged, so that the last commits may be lost; how many is not known.
    pub may_lack_last_commits: bool,
    /// The directory could be compared with a root, and is the one that was on disk. If not, rows that were removed may
    /// have come back, and a stretch of keys may be missing without a mention.
    pub is_proved: bool,
}

/// What was saved of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairedTable {
    /// Its name in the new store. Where the old one is lost, `table-` and the number that it had; its keys and rows can
    /// then be read as any type.
    pub name: String,
    /// Whether name, key shape and row shape are those of the old store.
    pub is_named: bool,
    /// Rows in the new store.
    pub rows: u64,
    /// The sum of the hashes of all keys and rows, as in [`TableReport`](crate::TableReport).
    #[serde(serialize_with = "as_hex")]
    pub checksum: u64,
    /// Ranges of keys of which something is lost or doubtful.
    pub ranges: Vec<DamagedRange>,
}

/// A range of keys whose page, or what named its pages, is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DamagedRange {
    /// The first key, encoded. Empty: from the beginning.
    pub low: Vec<u8>,
    /// The first key behind it, encoded. None: to the end.
    pub high: Option<Vec<u8>>,
    /// The range as text, with keys as the program writes them.
    pub keys: String,
    /// Rows that were in it at the last checkpoint, where that is known.
    pub rows: Option<u64>,
    /// Rows that were found in pages which nothing names any more. They may be older ones, or removed since.
    pub found: u64,
    /// What is damaged.
    pub cause: String,
}

/// A damaged place of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileDamage {
    /// The file.
    pub file: PathBuf,
    /// Where, in bytes from its beginning.
    pub offset: u64,
    /// What is there.
    pub what: String,
}

impl RepairReport {
    /// Whether the new store has exactly the rows that the old one had: nothing is lost, and nothing has come back. Where the
    /// very last record of the journal is damaged beyond recognition, nobody can tell.
    pub fn is_exact(&self) -> bool {
        self.is_proved
            && self.lost_commits.is_empty()
            && !self.may_lack_last_commits
            && self.tables.iter().all(|table| table.is_named && table.ranges.is_empty())
    }

    /// Rows in the new store.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{}: {} rows, checksum {:016x}", table.name, table.rows, table.checksum)?;
            if !table.is_named {
                writeln!(f, "{}: name and shapes are lost", table.name)?;
            }
            table.ranges.iter().try_for_each(|range| writeln!(f, "{}: {range}", table.name))?;
        }
        self.indexes.iter().try_for_each(|index| writeln!(f, "{index}: an index, to be built again"))?;
        self.damages.iter().try_for_each(|damage| writeln!(f, "{damage}"))?;
        for commits in &self.lost_commits {
            writeln!(f, "journal: commits {} to {} are lost", commits.start(), commits.end())?;
        }
        if self.may_lack_last_commits {
            writeln!(f, "journal: its end is damaged, and the last commits may be lost")?;
        }
        if !self.is_proved {
            writeln!(f, "no root proves the directory: removed rows may have come back")?;
        }
        f.write_str(if self.is_exact() { "exact" } else { "with losses or doubts" })
    }
}

impl fmt::Display for DamagedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.keys, self.cause)?;
        match (self.rows, self.found) {
            (Some(rows), 0) => write!(f, "; {rows} rows are lost"),
            (None, 0) => write!(f, "; what was there is lost"),
            (Some(rows), found) => write!(f, "; of {rows} rows, {found} were found, perhaps older ones"),
            (None, found) => write!(f, "; {found} rows were found, perhaps older ones"),
        }
    }
}

impl fmt::Display for FileDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, offset {}: {}", self.file.display(), self.offset, self.what)
    }
}
