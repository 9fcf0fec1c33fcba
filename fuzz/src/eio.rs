//! A disk that fails: one call of the system, or all from one on, fails in the middle of the work.
//!
//! A child works on a store under the preloaded library, which makes the call fail and records the rest. Whatever fails:
//! a commit that was promised is there afterwards, on the disk as it is and on the images that a power cut would have
//! left, where what a failed sync was to put on disk is lost. After a commit whose outcome is not known, every write and
//! every read must be refused as poisoned, until the store is opened again.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use gangline::{Db, ErrorKind, Table};
use parking_lot::Mutex;

use crate::crash::check::Findings;
use crate::crash::writer::Writers;
use crate::crash::{self, Load, WRITERS};
use crate::power::disk::{PROMISES, STORE};
use crate::power::image::Kept;
use crate::power::round::{Recording, Round};
use crate::power::trace::Kind;
use crate::power::{Job, again_command, load_of, look, scratch};
use crate::random::Random;
use crate::trial::{Ending, value};
use crate::{Failure, shim};

/// A table that only asks whether the database still answers.
const PROBE: Table<u8, u64> = Table::new("probe");
const CALLS: [&str; 6] = ["sync", "write", "sync", "write", "read", "length"];
const PLACES: [&str; 5] = ["/journal/", "/store/root", "/db", "/sled-000001", "/store"];
const COMMITS: u64 = 300;
/// Images of the disk after each fault.
const IMAGES: u64 = 3;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Faults, one to a life of a store each.
    pub faults: u64,
    /// Makes the same faults again.
    pub seed: u64,
    /// Where stores are made: memory, if it is not given.
    pub dir: Option<PathBuf>,
}

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Faults asked for.
    pub faults: u64,
    /// Faults that came to pass; the others were of calls that were never made so often.
    pub struck: u64,
    /// Lives after which a store was looked at, and images of its disk.
    pub looks: u64,
    /// Lives that went on although they should have been poisoned.
    pub unpoisoned: u64,
    /// Stores that did not open afterwards, or could not be read.
    pub unreadable: u64,
    /// Openings that did not end.
    pub hangs: u64,
    /// All that the checks found.
    pub findings: Findings,
    /// What the writers met, by the call that failed.
    pub met: BTreeMap<String, u64>,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { faults, struck, looks, unpoisoned, unreadable, hangs, findings, met } = self;
        let met: String = met.iter().map(|(what, count)| format!("met {what}: {count}\n")).collect();
        format!(
            "{met}faults {faults}\nstruck {struck}\nlooks {looks}\nunpoisoned {unpoisoned}\nunreadable {unreadable}\n\
             hangs {hangs}\n{}",
            findings.lines()
        )
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.unpoisoned + self.unreadable + self.hangs > 0 || self.findings != Findings::default()
    }
}

/// Runs the plan to its end. Only the program `gangline-torture` itself can do this.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let library = shim::library()?;
    let folder = scratch(plan.dir.as_deref())?;
    let root = folder.path().canonicalize()?;
    let mut summary = Summary::default();
    for number in 0..plan.faults {
        let mut random = Random::part(plan.seed, number);
        let call = CALLS[random.below(CALLS.len() as u64) as usize];
        let place = PLACES[random.below(PLACES.len() as u64) as usize];
        let range = 1 << random.below(9);
        let nth = 1 + random.below(range);
        let count = [1, 1, 1_000_000][random.below(3) as usize];
        let errno = if call == "length" || (call == "write" && random.below(4) == 0) { 28 } else { 5 };
        let how = Recording {
            command: "eio-child",
            fault: Some(format!("{call},{place},{nth},{count},{errno}")),
            library: &library,
            load: Load { large_bytes: 0, bulk_every: 0, ..load_of(4) },
            commits: COMMITS,
            defaults: false,
            promised: [0; WRITERS as usize],
        };
        let place = root.join(format!("fault-{number}"));
        summary.faults += 1;
        let bad = summary.is_bad();
        let wrong = match one(&place, &how, &mut random, &mut summary) {
            Ok(told) => (summary.is_bad() && !bad).then_some(told),
            Err(Failure(what)) => Some(what),
        };
        if let Some(wrong) = wrong {
            drop(folder.keep());
            let text = format!("seed {}, fault {number}: {:?}\nkept at {}", plan.seed, how.fault, place.display());
            return Err(Failure(format!("{wrong}\n{text}\n{}", summary.lines())));
        }
        std::fs::remove_dir_all(&place)?;
    }
    Ok(summary)
}

/// One life with a fault, and what it left. Says what was wrong.
fn one(place: &Path, how: &Recording<'_>, random: &mut Random, summary: &mut Summary) -> Result<String, Failure> {
    let round = Round::record(place, how, random)?;
    let call = how.fault.as_deref().and_then(|fault| fault.split(',').next()).unwrap_or_default();
    summary.struck += u64::from(round.trace.events.iter().any(|event| event.kind == Kind::Fault));
    for line in round.said.lines().filter_map(|line| line.strip_prefix("met ")) {
        *summary.met.entry(format!("{line} after a failed {call}")).or_default() += 1;
        if line.starts_with("unpoisoned") {
            summary.unpoisoned += 1;
        }
    }
    let mut disk = round.disk()?;
    round.trace.events.iter().try_for_each(|event| disk.apply(event))?;
    let mut told = round.said.clone();
    for number in 0..=IMAGES {
        let (seed, cut) = (random.next(), round.trace.events.len());
        let (promised, load) = (disk.promised, how.load);
        let job = match number {
            // The first look is at the files as they are.
            0 => {
                let (slot, kept) = (place.join("watched"), Kept::Everything);
                Job { slot, cut, image: seed, kept, promised, load, go_on: true, defaults: false }
            }
            _ => Job::build(&disk, load, place.join(format!("image-{number}")), cut, seed, false, false)?,
        };
        let (kept, ending) = (job.kept, look(&job)?);
        summary.looks += 1;
        told.push_str(&format!("look {number}, {kept:?}, promised {promised:?}: {ending:?}\n"));
        if number > 0 {
            told.push_str(&format!("  again: {}\n", again_command(place, cut, seed)));
        }
        match ending {
            Ending::Said(text) => {
                let read = |name| value(&text, name).unwrap_or(1);
                summary.findings +=
                    Findings { lost: read("lost"), torn: read("torn"), verify_errors: read("verify_errors") };
            }
            Ending::Hung => summary.hangs += 1,
            Ending::Failed(_) | Ending::Died(_) => summary.unreadable += 1,
        }
    }
    Ok(told)
}

/// The child: two lives of a store, in one of which something fails. Says what it met, and whether the database is
/// poisoned as it must be.
pub fn child(root: &Path, load: Load, commits: u64, seed: u64) -> Result<String, Failure> {
    let promises = OpenOptions::new().append(true).create(true).open(root.join(PROMISES))?;
    let say = |line: &str| -> Result<(), Failure> { Ok((&promises).write_all(format!("{line}\n").as_bytes())?) };
    let mut lines = String::new();
    for life in 0..2 {
        let db = match crash::open(&root.join(STORE)) {
            Ok(db) => db,
            Err(error) => {
                lines.push_str(&format!("met {:?} while opening\n", error.kind()));
                continue;
            }
        };
        let (begun, met) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        let is_over = || begun.fetch_add(1, Ordering::Relaxed) >= commits;
        let note = |kind: ErrorKind| met.lock().push(kind);
        // What a writer met is judged by its kind.
        drop(Writers { load, say: &say, is_over: &is_over, met: &note }.run(&db, seed + life));
        if let Err(error) = db.checkpoint() {
            note(error.kind());
        }
        let mut met = met.into_inner();
        met.sort_by_key(|kind| format!("{kind:?}"));
        met.dedup();
        met.iter().for_each(|kind| lines.push_str(&format!("met {kind:?}\n")));
        lines.push_str(&probe(&db, &met));
        if let Err(error) = db.close() {
            lines.push_str(&format!("met {:?} while closing\n", error.kind()));
        }
    }
    Ok(lines)
}

/// Asks whether the database answers after what was met; a line if it does and must not.
fn probe(db: &Db, met: &[ErrorKind]) -> String {
    if !met.iter().any(|kind| [ErrorKind::CommitUnknown, ErrorKind::Poisoned].contains(kind)) {
        return String::new();
    }
    let written = db.put(PROBE, 0, 1).map_err(|error| error.kind());
    let read = db.get(PROBE, 0).map(drop).map_err(|error| error.kind());
    match (written, read) {
        (Err(ErrorKind::Poisoned), Err(ErrorKind::Poisoned)) => String::new(),
        (written, read) => format!("met unpoisoned: {met:?}, then put {written:?}, get {read:?}\n"),
    }
}
