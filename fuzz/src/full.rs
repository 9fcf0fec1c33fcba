//! A full disk: space runs out while a store is loaded, written, checkpointed, compacted, closed or opened. Then space
//! is freed, the store is opened again, and everything promised is there.
//!
//! The disk is a small file system in memory, which only root may mount. The work is done by a child, so that a store
//! that stands still is noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, ErrorKind, Table};
use parking_lot::Mutex;

use crate::crash::check::{self, Findings};
use crate::crash::life::promise;
use crate::crash::writer::Writers;
use crate::crash::{self, Load, WRITERS};
use crate::random::Random;
use crate::trial::{self, Ending, value};
use crate::{Failure, describe};

/// What is under way when the disk is full.
const MOMENTS: [&str; 6] = ["load", "commit", "checkpoint", "compaction", "close", "open"];
const DISK_MIB: u64 = 160;
/// The longest that one child may take: sled is given up after one minute.
const PATIENCE: Duration = Duration::from_secs(180);
const LOAD: Load = Load { slots: 150, text_bytes: 1_200, large_bytes: 0, bulk_every: 0 };
const PROBE: Table<u8, u64> = Table::new("probe");

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Disks to fill.
    pub fills: u64,
    /// Makes the same choices again.
    pub seed: u64,
}

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Disks filled.
    pub fills: u64,
    /// Of these, stores that went on without being opened again.
    pub went_on: u64,
    /// Children that failed, by whatever else.
    pub failed: u64,
    /// Children that did not end.
    pub hangs: u64,
    /// All that the checks found.
    pub findings: Findings,
    /// What was met, by moment.
    pub met: BTreeMap<String, u64>,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { fills, went_on, failed, hangs, findings, met } = self;
        let met: String = met.iter().map(|(what, count)| format!("met {what}: {count}\n")).collect();
        format!("{met}fills {fills}\nwent_on {went_on}\nfailed {failed}\nhangs {hangs}\n{}", findings.lines())
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.failed + self.hangs > 0 || self.findings != Findings::default()
    }
}

/// A small file system, unmounted with the value.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Result<Disk, Failure> {
        let folder = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "tmpfs"]).arg(folder.path());
        match mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            true => Ok(Disk { folder }),
            false => Err(Failure("a small file system cannot be mounted: disk-full needs root".to_owned())),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.folder.path()).status());
    }
}

/// Runs the plan to its end. Only the program `gangline-torture` itself can do this, as root.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    for fill in 0..plan.fills {
        let disk = Disk::mount()?;
        let moment = MOMENTS[(fill % MOMENTS.len() as u64) as usize];
        let seed = Random::part(plan.seed, fill).next().to_string();
        let mut child = trial::ourselves(&["full-child", "--moment", moment, "--seed", &seed, "--disk"])?;
        let ending = trial::run(child.arg(disk.folder.path()), PATIENCE)?;
        let bad = summary.is_bad();
        summary.fills += 1;
        match &ending {
            Ending::Said(text) => {
                let read = |name| value(text, name).unwrap_or(1);
                summary.findings +=
                    Findings { lost: read("lost"), torn: read("torn"), verify_errors: read("verify_errors") };
                summary.went_on += value(text, "went_on").unwrap_or(0);
                for line in text.lines().filter_map(|line| line.strip_prefix("met ")) {
                    *summary.met.entry(format!("{line} in {moment}")).or_default() += 1;
                }
            }
            Ending::Hung => summary.hangs += 1,
            Ending::Failed(_) | Ending::Died(_) => summary.failed += 1,
        }
        if summary.is_bad() && !bad {
            let text = format!("fill {fill} of seed {}, in {moment} (seed {seed}): {ending:?}\n", plan.seed);
            std::io::stderr().write_all(text.as_bytes())?;
        }
    }
    Ok(summary)
}

/// What a child works with.
struct Work {
    store: PathBuf,
    ballast: PathBuf,
    promised: [AtomicU64; WRITERS as usize],
    met: Mutex<Vec<String>>,
}

/// The child: fills the disk at the moment, frees it, and looks.
pub fn child(disk: &Path, moment: &str, seed: u64) -> Result<String, Failure> {
    let mut random = Random::new(seed);
    let work = Work {
        store: disk.join("store"),
        ballast: disk.join("ballast"),
        promised: Default::default(),
        met: Mutex::default(),
    };
    let some = |random: &mut Random| 200 + random.below(1_500);
    let db = crash::open(&work.store)?;
    let db = match moment {
        "load" => {
            // Some of the disk is left, and it runs full by itself.
            work.fill(1 + random.below(24))?;
            work.write(&db, 1_000_000, random.next());
            Some(db)
        }
        "commit" => {
            work.write_and_fill(&db, &mut random)?;
            Some(db)
        }
        "checkpoint" => {
            work.write(&db, some(&mut random), random.next());
            work.fill(0)?;
            work.note("checkpoint", db.checkpoint());
            work.write(&db, 2_000, random.next());
            Some(db)
        }
        "compaction" => {
            work.write(&db, some(&mut random), random.next());
            // The copy takes some MiB, and finds less, or its end just there.
            work.fill(random.below(16))?;
            work.note("compaction", db.compact().map(drop));
            work.write(&db, 2_000, random.next());
            Some(db)
        }
        "close" => {
            work.write(&db, some(&mut random), random.next());
            work.fill(0)?;
            work.note("close", db.close());
            None
        }
        _ => {
            work.write(&db, some(&mut random), random.next());
            // Not closed, so that opening has a journal to replay.
            drop(db);
            work.fill(random.below(3))?;
            crash::open(&work.store).map_err(|error| work.note("open", Err(error))).ok()
        }
    };
    let went_on = work.free_and_go_on(db)?;
    let findings = work.look()?;
    let met: String = work.met.into_inner().iter().map(|line| format!("met {line}\n")).collect();
    Ok(format!("{met}went_on {}\n{}", u64::from(went_on), findings.lines()))
}

impl Work {
    fn note(&self, what: &str, outcome: gangline::Result<()>) {
        if let Err(error) = outcome {
            self.note_line(format!("{:?} by {what}", error.kind()));
        }
    }

    fn note_line(&self, line: String) {
        let mut met = self.met.lock();
        if !met.contains(&line) {
            met.push(line);
        }
    }

    /// Writes until so many commits are begun, or each writer has met an error.
    fn write(&self, db: &Db, commits: u64, seed: u64) {
        let begun = AtomicU64::new(0);
        self.write_until(db, &|| begun.fetch_add(1, Ordering::Relaxed) >= commits, seed);
    }

    fn write_until(&self, db: &Db, is_over: &(dyn Fn() -> bool + Sync), seed: u64) {
        let say = |line: &str| -> Result<(), Failure> {
            let mut newest = [0; WRITERS as usize];
            if let Some((newest, seq)) = promise(&mut newest, line) {
                *newest = seq;
            }
            for (promised, seq) in self.promised.iter().zip(newest) {
                promised.fetch_max(seq, Ordering::Relaxed);
            }
            Ok(())
        };
        let met = |kind: ErrorKind| self.note_line(format!("{kind:?} by a commit"));
        // Errors were noted by their kind.
        drop(Writers { load: LOAD, say: &say, is_over, met: &met }.run(db, seed));
    }

    /// Fills the disk suddenly, while the writers are at work.
    fn write_and_fill(&self, db: &Db, random: &mut Random) -> Result<(), Failure> {
        let (over, seed, pause) = (AtomicBool::new(false), random.next(), random.below(400));
        std::thread::scope(|scope| {
            let writers = scope.spawn(|| self.write_until(db, &|| over.load(Ordering::Relaxed), seed));
            std::thread::sleep(Duration::from_millis(pause));
            let filled = self.fill(0);
            let end = Instant::now() + Duration::from_secs(5);
            while !writers.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            over.store(true, Ordering::Relaxed);
            filled
        })
    }

    /// Takes all space but so many MiB.
    fn fill(&self, left_mib: u64) -> Result<(), Failure> {
        let mut file = File::create(&self.ballast)?;
        let mut piece = 1 << 20;
        let zeros = vec![0; piece];
        while piece > 0 {
            match file.write(&zeros[..piece]) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => piece /= 16,
                Err(error) => return Err(error.into()),
            }
        }
        let len = file.metadata()?.len();
        Ok(file.set_len(len.saturating_sub(left_mib << 20))?)
    }

    /// Frees space. A database that is not poisoned must go on then; says whether it did.
    fn free_and_go_on(&self, db: Option<Db>) -> Result<bool, Failure> {
        std::fs::remove_file(&self.ballast)?;
        let Some(db) = db else { return Ok(false) };
        if let Err(error) = db.get(PROBE, 0) {
            let poisoned = error.kind() == ErrorKind::Poisoned;
            return if poisoned { Ok(false) } else { Err(Failure(format!("a read: {}", describe(&error)))) };
        }
        match db.put(PROBE, 0, 1) {
            Ok(()) => {
                self.write(&db, 200, 1);
                Ok(true)
            }
            // The checkpoint behind it may have found out meanwhile.
            Err(error) if [ErrorKind::Poisoned, ErrorKind::CommitUnknown].contains(&error.kind()) => Ok(false),
            Err(error) => Err(Failure(format!("space is free and a put fails: {}", describe(&error)))),
        }
    }

    /// Opens the store and looks, twice, with some work between.
    fn look(&self) -> Result<Findings, Failure> {
        let promised = || self.promised.iter().map(|seq| seq.load(Ordering::Relaxed)).collect::<Vec<u64>>();
        let db = crash::open(&self.store)?;
        let mut findings = check::check(&db, LOAD, &promised())?;
        let before = self.met.lock().len();
        self.write(&db, 300, 2);
        if self.met.lock().len() > before {
            return Err(Failure(format!("after opening again: {:?}", self.met.lock())));
        }
        db.checkpoint()?;
        db.close()?;
        findings += check::check(&crash::open(&self.store)?, LOAD, &promised())?;
        Ok(findings)
    }
}
