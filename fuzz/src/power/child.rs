//! The two children of the power test: one writes under the eyes of the recorder, the other looks at an image.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use gangline::Db;

use super::disk::{PROMISES, STORE};
use crate::Failure;
use crate::crash::check::{self, Findings};
use crate::crash::writer::Writers;
use crate::crash::{self, Load, WRITERS};
use crate::random::Random;

/// Commits of all writers that an image must take when it is used on.
const COMMITS_AFTER: u64 = 120;

/// Opens a store, writes and leaves it, some times over. Promises go to a file in the same folder, so that the trace has
/// them in order with everything else.
pub fn record(root: &Path, load: Load, commits: u64, seed: u64) -> Result<(), Failure> {
    let promises = OpenOptions::new().append(true).create(true).open(root.join(PROMISES))?;
    let say = |line: &str| -> Result<(), Failure> { Ok((&promises).write_all(format!("{line}\n").as_bytes())?) };
    let mut random = Random::new(seed);
    let lives = 1 + random.below(3);
    for life in 0..lives {
        let db = crash::open(&root.join(STORE))?;
        write_some(&db, load, commits / lives, &say, random.next())?;
        match random.below(4) {
            0 => db.close()?,
            1 => {
                db.checkpoint()?;
                db.close()?;
            }
            // As if it were killed.
            2 if life + 1 == lives => std::process::exit(0),
            _ => drop(db),
        }
    }
    Ok(())
}

/// So many commits, of all writers together.
fn write_some(
    db: &Db,
    load: Load,
    commits: u64,
    say: &(dyn Fn(&str) -> Result<(), Failure> + Sync),
    seed: u64,
) -> Result<(), Failure> {
    let begun = AtomicU64::new(0);
    let is_over = || begun.fetch_add(1, Ordering::Relaxed) >= commits;
    Writers { load, say, is_over: &is_over, met: &|_| {} }.run(db, seed)
}

/// What to look at.
#[derive(Debug)]
pub struct Look<'a> {
    /// The folder of the store.
    pub store: &'a Path,
    /// How much was written.
    pub load: Load,
    /// The newest promise to each writer.
    pub promised: &'a [u64],
    /// Whether to write, close and open again, and look once more.
    pub go_on: bool,
}

/// Opens a store and compares it with what was promised.
pub fn look(what: &Look<'_>) -> Result<Findings, Failure> {
    let db = crash::open(what.store)?;
    let mut findings = check::check(&db, what.load, what.promised)?;
    if findings != Findings::default() || !what.go_on {
        // The process ends without giving anything back: that takes long, and the image is not needed any more.
        std::mem::forget(db);
        return Ok(findings);
    }
    let promised: Vec<AtomicU64> = what.promised.iter().map(|seq| AtomicU64::new(*seq)).collect();
    let note = |line: &str| -> Result<(), Failure> {
        let mut newest = [0; WRITERS as usize];
        if let Some((newest, seq)) = crate::crash::life::promise(&mut newest, line) {
            *newest = seq;
        }
        for (promised, seq) in promised.iter().zip(newest) {
            promised.fetch_max(seq, Ordering::Relaxed);
        }
        Ok(())
    };
    write_some(&db, what.load, COMMITS_AFTER, &note, 1)?;
    db.checkpoint()?;
    db.close()?;
    let db = crash::open(what.store)?;
    let promised: Vec<u64> = promised.into_iter().map(AtomicU64::into_inner).collect();
    findings += check::check(&db, what.load, &promised)?;
    std::mem::forget(db);
    Ok(findings)
}
