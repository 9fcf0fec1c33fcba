//! Power loss: what a disk may hold when the power goes, and whether everything promised is there.
//!
//! A child writes as the writers of [`crash`](crate::crash) do, under a preloaded library that records every change to
//! every file, sled's among them ([`trace`]). The trace is played to a disk that knows what was synced ([`disk`]). At each
//! cut an image is built of what was synced and some of the rest ([`image`]), and another child opens it and looks. Some
//! images are where the next trace begins, so that recoveries are cut too.
//!
//! With `defaults`, sled runs as it comes, without the rein. Then this must find losses, or it would prove nothing.

pub mod child;
pub mod disk;
pub mod image;
pub(crate) mod round;
#[cfg(test)]
mod tests;
pub mod trace;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;

use crate::crash::check::Findings;
use crate::crash::{Load, WRITERS};
use crate::random::Random;
use crate::trial::{self, Ending, value};
use crate::{Failure, shim};
use disk::{Disk, STORE};
use image::{Image, Kept};
use round::{Recording, Round, UNREINED};

/// Traces of one store, each on an image of the one before.
const TRACES_A_STORE: u64 = 4;
/// The longest that opening an image and looking at it may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// Failures that are told, and whose traces are kept.
const KEPT: u64 = 3;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Cuts.
    pub cuts: u64,
    /// Cuts of one trace.
    pub cuts_a_trace: u64,
    /// Commits of one trace.
    pub commits: u64,
    /// Makes the same choices again. What the threads of the writer do is the machine's choice: a trace that failed is
    /// kept, and can be cut again.
    pub seed: u64,
    /// Size of pages in KiB: 4 or 7; both in turn if it is not given.
    pub page: Option<u64>,
    /// sled with its defaults instead of on the rein.
    pub defaults: bool,
    /// Where stores and images are made: memory, if it is not given.
    pub dir: Option<PathBuf>,
}

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Cuts.
    pub cuts: u64,
    /// Traces that were cut.
    pub traces: u64,
    /// Cuts after which the store did not open, or a read failed.
    pub unreadable: u64,
    /// Cuts after which opening did not end.
    pub hangs: u64,
    /// Cuts after which something was wrong, in whatever way.
    pub bad_cuts: u64,
    /// All that the checks found.
    pub findings: Findings,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { cuts, traces, unreadable, hangs, bad_cuts, findings } = self;
        format!(
            "cuts {cuts}\ntraces {traces}\nbad_cuts {bad_cuts}\nunreadable {unreadable}\nhangs {hangs}\n{}",
            findings.lines()
        )
    }
}

/// One image, to be looked at.
pub(crate) struct Job {
    pub(crate) slot: PathBuf,
    pub(crate) cut: usize,
    pub(crate) image: u64,
    pub(crate) kept: Kept,
    pub(crate) promised: [u64; WRITERS as usize],
    pub(crate) load: Load,
    pub(crate) go_on: bool,
    pub(crate) defaults: bool,
}

impl Job {
    /// Builds the image of a seed in a folder that holds nothing else then.
    pub(crate) fn build(
        disk: &Disk<'_>,
        load: Load,
        slot: PathBuf,
        cut: usize,
        seed: u64,
        go_on: bool,
        defaults: bool,
    ) -> Result<Job, Failure> {
        if slot.exists() {
            std::fs::remove_dir_all(&slot)?;
        }
        std::fs::create_dir_all(&slot)?;
        let image = Image::new(seed);
        let kept = image.kept;
        image.build(disk, &slot)?;
        Ok(Job { slot, cut, image: seed, kept, promised: disk.promised, load, go_on, defaults })
    }
}

/// Runs the plan to its end. Only the program `gangline-torture` itself can do this.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let library = shim::library()?;
    let folder = scratch(plan.dir.as_deref())?;
    let mut run = Run { plan, folder: folder.path().canonicalize()?, summary: Summary::default(), told: 0 };
    let ended = run.traces(&library);
    if ended.is_err() || (run.told > 0 && !plan.defaults) {
        // What was kept lies in there.
        drop(folder.keep());
    }
    let kept = run.folder.display();
    ended.map_err(|Failure(what)| Failure(format!("{what}\nkept in {kept}")))?;
    Ok(run.summary)
}

/// The command that builds one image of a trace that was kept, and looks at it.
pub(crate) fn again_command(folder: &Path, cut: usize, image: u64) -> String {
    format!("gangline-torture power --again {} --cut {cut} --image {image}", folder.display())
}

/// Builds one image of a trace that was kept, and looks at it.
pub fn again(folder: &Path, cut: usize, image: u64, defaults: bool) -> Result<String, Failure> {
    let round = Round::load(folder)?;
    let mut disk = round.disk()?;
    round.trace.events.iter().take(cut).try_for_each(|event| disk.apply(event))?;
    let slot = folder.join(format!("image-{cut}-{image}"));
    let job = Job::build(&disk, round.load, slot, cut, image, true, defaults)?;
    round::copy_folder(&job.slot, &job.slot.with_extension("before"))?;
    let ending = look(&job)?;
    let Job { kept, promised, .. } = job;
    Ok(format!("promised {promised:?}\nkept {kept:?}\nending {ending:?}\n"))
}

struct Run<'a> {
    plan: &'a Plan,
    folder: PathBuf,
    summary: Summary,
    /// Failures that were told.
    told: u64,
}

impl Run<'_> {
    /// Records traces and cuts them, until there were as many cuts as the plan says.
    fn traces(&mut self, library: &Path) -> Result<(), Failure> {
        let mut base: Option<(PathBuf, [u64; WRITERS as usize])> = None;
        while self.summary.cuts < self.plan.cuts {
            let number = self.summary.traces;
            let mut random = Random::part(self.plan.seed, number);
            let page = self.plan.page.unwrap_or([4, 7][(number / TRACES_A_STORE % 2) as usize]);
            let (place, promised) = match base.take() {
                Some(next) if !number.is_multiple_of(TRACES_A_STORE) => next,
                _ => (self.folder.join(format!("round-{number}")), [0; WRITERS as usize]),
            };
            let how = Recording {
                command: "power-child",
                fault: None,
                library,
                load: load_of(page),
                commits: self.plan.commits,
                defaults: self.plan.defaults,
                promised,
            };
            let round = Round::record(&place, &how, &mut random)?;
            self.summary.traces += 1;
            let told_before = self.told;
            base = self.cut(&round, &place, &mut random)?;
            if self.told == told_before || self.plan.defaults {
                std::fs::remove_dir_all(&place)?;
            }
        }
        Ok(())
    }

    /// Cuts one trace, and gives the folder of the next, with an image of this one in it.
    fn cut(
        &mut self,
        round: &Round,
        place: &Path,
        random: &mut Random,
    ) -> Result<Option<(PathBuf, [u64; WRITERS as usize])>, Failure> {
        let count = self.plan.cuts_a_trace.min(self.plan.cuts - self.summary.cuts) as usize;
        let cuts = round.cuts(count, random);
        let chosen = random.below(count as u64) as usize;
        let next = self.folder.join(format!("round-{}", self.summary.traces));
        let mut promised = round.promised;
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        let mut slots: Vec<PathBuf> = (0..workers + 1).map(|slot| self.folder.join(format!("slot-{slot}"))).collect();
        let (jobs, waiting) = channel::<Job>();
        let (results, finished) = channel();
        let waiting = Mutex::new(waiting);
        std::thread::scope(|scope| -> Result<(), Failure> {
            // Owned here, so that the workers end when this closure does, whichever way.
            let jobs = jobs;
            for _ in 0..workers {
                let (waiting, results) = (&waiting, results.clone());
                scope.spawn(move || work(waiting, &results));
            }
            drop(results);
            let mut disk = round.disk()?;
            let mut played = 0;
            for (number, cut) in cuts.into_iter().enumerate() {
                round.trace.events[played..cut].iter().try_for_each(|event| disk.apply(event))?;
                played = cut;
                let slot = match slots.pop() {
                    Some(slot) => slot,
                    None => {
                        let result = finished.recv().map_err(|_| Failure("the workers are gone".to_owned()))?;
                        self.count(result, place)?
                    }
                };
                let (seed, go_on) = (random.next(), random.below(6) == 0);
                let job = Job::build(&disk, round.load, slot, cut, seed, go_on, self.plan.defaults)?;
                if number == chosen && !self.plan.defaults {
                    round::copy_folder(&job.slot, &next.join("base"))?;
                    promised = job.promised;
                }
                jobs.send(job).map_err(|_| Failure("the workers are gone".to_owned()))?;
            }
            drop(jobs);
            while let Ok(result) = finished.recv() {
                self.count(result, place)?;
            }
            Ok(())
        })?;
        Ok((!self.plan.defaults).then_some((next, promised)))
    }

    /// Counts a result, and gives its slot back.
    fn count(&mut self, (job, ending): (Job, Result<Ending, Failure>), place: &Path) -> Result<PathBuf, Failure> {
        self.summary.cuts += 1;
        let mut findings = None;
        let what = match ending? {
            Ending::Said(text) => {
                let read = |name| value(&text, name).unwrap_or(1);
                let found = Findings { lost: read("lost"), torn: read("torn"), verify_errors: read("verify_errors") };
                self.summary.findings += found;
                findings = Some(found);
                format!("{found:?}")
            }
            Ending::Hung => {
                self.summary.hangs += 1;
                "did not end".to_owned()
            }
            Ending::Failed(text) | Ending::Died(text) => {
                self.summary.unreadable += 1;
                text
            }
        };
        if findings != Some(Findings::default()) {
            self.summary.bad_cuts += 1;
            if self.told < KEPT {
                self.told += 1;
                self.tell(&job, &what, place)?;
            }
        }
        Ok(job.slot)
    }

    fn tell(&self, job: &Job, what: &str, place: &Path) -> Result<(), Failure> {
        let Job { cut, image, kept, promised, .. } = job;
        let mut text = format!("cut {cut}, {kept:?}, promised {promised:?}: {}\n", what.trim());
        if !job.defaults {
            // Without the rein losses are expected, and no trace is kept.
            let again = again_command(place, *cut, *image);
            text.push_str(&format!("  again: {again}\n"));
        }
        Ok(std::io::stderr().write_all(text.as_bytes())?)
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, results: &Sender<(Job, Result<Ending, Failure>)>) {
    loop {
        let next = waiting.lock().recv();
        let Ok(job) = next else { return };
        let ending = look(&job);
        if results.send((job, ending)).is_err() {
            return;
        }
    }
}

/// Has a child look at an image.
pub(crate) fn look(job: &Job) -> Result<Ending, Failure> {
    let promised = job.promised.map(|seq| seq.to_string()).join(",");
    let mut child = trial::ourselves(&["power-look", "--promised", &promised, "--store"])?;
    child.arg(job.slot.join(STORE)).args(job.load.words());
    if job.go_on {
        child.arg("--go-on");
    }
    if job.defaults {
        child.env(UNREINED, "1");
    }
    trial::run(&mut child, PATIENCE)
}

/// Rows that fill pages of so many KiB: many small ones and some that are kept in chunks, or each a page of its own, as
/// large as a page can be. Bulk acts are among them.
pub(crate) fn load_of(page: u64) -> Load {
    match page {
        7 => Load { slots: 60, text_bytes: 4_900, large_bytes: 0, bulk_every: 60 },
        _ => Load { slots: 150, text_bytes: 1_200, large_bytes: 60 << 10, bulk_every: 60 },
    }
}

/// The promises of a command line.
pub fn promises(text: &str) -> Result<[u64; WRITERS as usize], String> {
    round::promises(text).ok_or_else(|| format!("--promised cannot be {text:?}"))
}

/// A folder for what is thrown away, in memory where there is such a place.
pub(crate) fn scratch(dir: Option<&Path>) -> Result<tempfile::TempDir, Failure> {
    let memory = Path::new("/dev/shm");
    let place = match dir {
        Some(dir) => dir.to_owned(),
        None if memory.is_dir() => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    std::fs::create_dir_all(&place)?;
    Ok(tempfile::Builder::new().prefix("gangline-torture-").tempdir_in(place)?)
}
