//! Writers in a child process that is killed at random moments.
//!
//! The child ([`child`]) has four writers. What it says on its standard output, one line a commit that was promised,
//! is the oracle: it lies outside the store. After each kill the parent opens the store and checks ([`check`]) that
//! every promised commit is there, that no commit is there by half, and that what is there is a prefix of the commits.
//! The same must hold of the backups and restored stores (`copies`) that the child was making.

pub mod check;
pub mod child;
mod copies;
pub(crate) mod life;
pub mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gangline::{Db, Durability, Index, Options, Table};
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::{Failure, describe};
use check::Findings;
use life::Life;

/// Threads that write, in the child.
pub const WRITERS: u32 = 4;
/// Entries of the common log that are kept.
const LOG_LENGTH: u64 = 500;
/// Kills of one store before the next is begun.
const KILLS_A_STORE: u64 = 40;

/// The newest commit of each writer.
const HEADS: Table<u32, u64> = Table::new("heads");
/// What each commit writes, under writer and slot.
const DATA: Table<(u32, u64), Entry> = Table::new("data").indexes(&[&BY_SEQ]);
/// The same once more in another table.
const PAIRS: Table<(u32, u64), Entry> = Table::new("pairs").indexes(&[&BY_SEQ, &BY_LENGTH]);
/// Each entry under its number, which changes with every commit: verification compares indexes with their tables.
const BY_SEQ: Index<u64, Entry> = Index::new("by_seq", |entry, out| out.key(entry.seq));
/// Some entries, under keys that many share.
const BY_LENGTH: Index<u8, Entry> = Index::new("by_length", |entry, out| {
    if !entry.seq.is_multiple_of(3) {
        out.key((entry.text.len() / 64).min(255) as u8);
    }
});
/// The commits of the writers below [`LOGGED`], in one order for both.
const LOG: Table<u64, (u32, u64)> = Table::new("log");
/// The number of the newest entry of the log, in its only row.
const COUNTER: Table<u8, u64> = Table::new("counter");
/// What the last bulk act loaded, under its number.
const BULK: Table<(u64, u64), Entry> = Table::new("bulk").indexes(&[&BY_SEQ]);
/// Rows of one: more than go into the journal.
const BULK_ROWS: u64 = 400;
/// Writers below this one append to the log too.
const LOGGED: u32 = 2;

/// What the child says of where it is. Each line tells that a phase has begun.
pub(crate) mod phase {
    pub(crate) const OPENING: &str = "opening";
    pub(crate) const OPENED: &str = "opened";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const CHECKPOINTED: &str = "checkpointed";
}

/// What the child says when a compaction begins. Not a phase: compactions go on beside the checkpoints.
const COMPACTING: &str = "compacting";
/// What it says when one has ended.
const COMPACTED: &str = "compacted";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    seq: u64,
    text: String,
}

/// How much the writers write.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Rows that a writer overwrites in turn.
    pub slots: u64,
    /// The longest text of a row, in bytes.
    pub text_bytes: u64,
    /// The same of every fortieth row, which is to be kept in chunks; 0: none is.
    pub large_bytes: u64,
    /// The first writer does a bulk act before each commit whose number this divides; 0: none.
    pub bulk_every: u64,
}

impl Default for Load {
    /// Small rows, some forty of which share a page.
    fn default() -> Self {
        Load { slots: 300, text_bytes: 320, large_bytes: 0, bulk_every: 0 }
    }
}

impl Load {
    /// Small rows, and some of 50 to 300 KiB, and bulk acts.
    pub(crate) fn of_all_kinds() -> Self {
        Load { large_bytes: 300 << 10, bulk_every: 25, ..Load::default() }
    }

    /// The numbers, as a child finds them on its command line.
    pub(crate) fn words(self) -> [String; 8] {
        let Load { slots, text_bytes, large_bytes, bulk_every } = self;
        let options = [("slots", slots), ("text", text_bytes), ("large", large_bytes), ("bulk", bulk_every)];
        let words = options.map(|(name, number)| [format!("--{name}"), number.to_string()]);
        let [[a, b], [c, d], [e, f], [g, h]] = words;
        [a, b, c, d, e, f, g, h]
    }

    /// The rows of a bulk act.
    fn bulk_rows(self, act: u64) -> impl Iterator<Item = ((u64, u64), Entry)> {
        (0..BULK_ROWS).map(move |at| ((act, at), Entry { seq: act * BULK_ROWS + at, text: format!("{at:>100}") }))
    }

    /// The entry of a commit: its text is known from its number, and has another length each time.
    fn entry(self, writer: u32, seq: u64) -> Entry {
        let fill = char::from(b'a' + (seq % 26) as u8);
        let shortest = if self.text_bytes < 1_000 { 20 } else { self.text_bytes * 3 / 4 };
        let length = match seq % 40 {
            // A slot has a large one in one round and a small one in the next.
            7 if self.large_bytes > 0 => self.large_bytes / 6 + seq * 4_001 % (self.large_bytes / 6 * 5),
            _ => shortest + (seq * 37 + u64::from(writer)) % (self.text_bytes - shortest),
        };
        Entry { seq, text: std::iter::repeat_n(fill, length as usize).collect() }
    }
}

/// Opens the store with small limits, so that much happens in little time.
pub fn open(place: &Path) -> gangline::Result<Db> {
    Options::new()
        .durability(Durability::Immediate)
        .eventual_sync(Duration::from_millis(20))
        .segment_rows(32)
        .cache_bytes(256 << 10)
        .journal_bytes(1 << 20)
        .checkpoint_interval(Duration::from_millis(50))
        .open(place)
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Processes to kill.
    pub kills: u64,
    /// Makes the same moments again, as far as the machine does.
    pub seed: u64,
    /// Compacts the store all the time.
    pub compact: bool,
    /// Makes backups all the time, and restores them.
    pub copies: bool,
}

/// Where a child works.
#[derive(Debug)]
struct Place {
    folder: tempfile::TempDir,
    store: PathBuf,
    copies: Option<PathBuf>,
}

impl Place {
    fn new(copies: bool) -> Result<Place, Failure> {
        let folder = tempfile::tempdir()?;
        let (store, copies) = (folder.path().join("store"), copies.then(|| folder.path().join("copies")));
        copies.iter().try_for_each(std::fs::create_dir)?;
        Ok(Place { folder, store, copies })
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Processes killed.
    pub kills: u64,
    /// Commits that were promised before a kill.
    pub promised: u64,
    /// Kills that came while the store was being opened.
    pub in_recovery: u64,
    /// Kills that came while a checkpoint was being made.
    pub in_checkpoint: u64,
    /// Kills that came while the store was being compacted.
    pub in_compaction: u64,
    /// Kills that came while a backup was being made.
    pub in_backup: u64,
    /// Kills that came while a backup was being restored.
    pub in_restore: u64,
    /// Copies that kills left behind whole.
    pub copies_whole: u64,
    /// Copies that kills left behind unfinished, and that said so.
    pub copies_refused: u64,
    /// All that the checks found.
    pub findings: Findings,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let lines = [
            ("kills", self.kills),
            ("promised", self.promised),
            ("in_recovery", self.in_recovery),
            ("in_checkpoint", self.in_checkpoint),
            ("in_compaction", self.in_compaction),
            ("in_backup", self.in_backup),
            ("in_restore", self.in_restore),
            ("copies_whole", self.copies_whole),
            ("copies_refused", self.copies_refused),
        ];
        lines.iter().map(|(name, count)| format!("{name} {count}\n")).collect::<String>() + &self.findings.lines()
    }

    fn count(&mut self, life: &Life) {
        self.promised += life.promised;
        self.in_recovery += u64::from(life.phase == phase::OPENING);
        self.in_checkpoint += u64::from(life.phase == phase::CHECKPOINT);
        self.in_compaction += u64::from(life.compacting);
        self.in_backup += u64::from(life.copies.is_backing_up());
        self.in_restore += u64::from(life.copies.is_restoring());
        self.kills += 1;
    }
}

/// Runs the plan to its end, or to the first finding. Only the program `gangline-torture` itself can do this.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut promised = [0; WRITERS as usize];
    let mut place = Place::new(plan.copies)?;
    for kill in 0..plan.kills {
        if kill > 0 && kill.is_multiple_of(KILLS_A_STORE) {
            place = Place::new(plan.copies)?;
            promised = [0; WRITERS as usize];
        }
        let mut random = Random::part(plan.seed, kill);
        let life = life::write_and_kill(&place, plan.compact, &mut random, &mut promised)?;
        summary.count(&life);
        let findings = look(&place, &life, &promised, kill.is_multiple_of(2), &mut summary);
        let explain = |what: String| {
            let kept = keep(place.folder.path());
            Failure(format!(
                "{what}\nafter kill {kill} (seed {}), promised {promised:?}; the store is kept at {}",
                plan.seed,
                kept.display()
            ))
        };
        match findings {
            Ok(findings) if findings == Findings::default() => {}
            Ok(findings) => return Err(explain(format!("{findings:?}"))),
            Err(failure) => return Err(explain(failure.0)),
        }
    }
    Ok(summary)
}

/// Checks the store and leaves it, closed or just dropped; then the copies of it.
fn look(place: &Place, life: &Life, promised: &[u64], close: bool, summary: &mut Summary) -> Result<Findings, Failure> {
    let load = Load::of_all_kinds();
    let db = open(&place.store).map_err(|error| Failure(format!("cannot open: {}", describe(&error))))?;
    let mut findings = check::check(&db, load, promised)?;
    if close {
        db.close()?;
    } else {
        drop(db);
    }
    if let Some(copies) = &place.copies {
        let left = copies::look(copies, &life.copies, load)?;
        summary.copies_whole += left.whole;
        summary.copies_refused += left.refused;
        findings += left.findings;
    }
    Ok(findings)
}

/// Moves the folder of a store that failed out of the temporary folder that goes away.
fn keep(folder: &Path) -> PathBuf {
    let kept = folder.with_extension("failed");
    match std::fs::rename(folder, &kept) {
        Ok(()) => kept,
        Err(_) => folder.to_owned(),
    }
}
