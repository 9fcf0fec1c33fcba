//! Damage: one flipped or changed byte, or one cut, in any file of a store, closed or killed.
//!
//! Whatever is damaged, the store must give the right rows or a typed error that names the place: never wrong rows, never
//! fewer, no panic, no hang. What a damage costs is counted too: where sled still opens, all but the damaged pages must
//! read, at least 99 of 100 rows. Whatever does not open, or not read as a whole, is repaired: after one changed byte that
//! must save at least 99 of 100 rows.

mod damage;
pub mod data;
pub mod look;
pub mod repaired;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use crate::Failure;
use crate::power::scratch;
use crate::random::Random;
use crate::trial::{self, Ending};
use damage::Damage;
use data::ROWS;
use look::Verdict;
use repaired::{Repaired, Repairs};

/// The longest that opening and reading may take. A sled that hangs is given up after one minute.
const PATIENCE: Duration = Duration::from_secs(150);
/// Stores that are made for a run: closed and killed in turn.
const STORES: u64 = 4;
/// Failures that are told and kept.
const KEPT: u64 = 5;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Damages, one to a fresh copy each.
    pub flips: u64,
    /// Makes the same choices again. sled lays its file out a little differently each time, so copies that failed are
    /// kept.
    pub seed: u64,
    /// Where stores are made: memory, if it is not given.
    pub dir: Option<PathBuf>,
}

/// How often each came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Damages.
    pub flips: u64,
    /// All rows were right.
    pub right: u64,
    /// All but the last commit of a killed store, whose record nothing proves to have been whole.
    pub tail: u64,
    /// Some rows gave a typed error, at least 99 of 100 were right.
    pub partly: u64,
    /// The same, with fewer rows right, after a cut: what is gone is gone.
    pub partly_cut: u64,
    /// The same, with fewer rows right, after one changed byte.
    pub below_99: u64,
    /// The root, the directory or the journal is damaged, and opening says so.
    pub refused: u64,
    /// sled does not open or gives back less than was put on disk, and opening says so.
    pub needs_repair: u64,
    /// Wrong data or an error that says nothing.
    pub silent: u64,
    /// Panics, ours or through us.
    pub panics: u64,
    /// Looks that did not end.
    pub hangs: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        self.flips += 1;
        *match outcome {
            Outcome::Right => &mut self.right,
            Outcome::Tail => &mut self.tail,
            Outcome::Partly => &mut self.partly,
            Outcome::PartlyCut => &mut self.partly_cut,
            Outcome::Below99 => &mut self.below_99,
            Outcome::Refused => &mut self.refused,
            Outcome::NeedsRepair => &mut self.needs_repair,
            Outcome::Silent => &mut self.silent,
            Outcome::Panic => &mut self.panics,
            Outcome::Hang => &mut self.hangs,
        } += 1;
    }

    fn words(&self) -> String {
        let Counts { flips, right, tail, partly, partly_cut, below_99, .. } = self;
        let Counts { refused, needs_repair, silent, panics, hangs, .. } = self;
        format!(
            "flips {flips} right {right} tail {tail} partly {partly} partly_cut {partly_cut} below_99 {below_99} refused {refused} \
             needs_repair {needs_repair} silent {silent} panics {panics} hangs {hangs}"
        )
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.silent + self.panics + self.hangs > 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Tail,
    Partly,
    PartlyCut,
    Below99,
    Refused,
    NeedsRepair,
    Silent,
    Panic,
    Hang,
}

/// What a run found, in all and by kind of store and file.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// In all.
    pub all: Counts,
    /// What repairs saved.
    pub repairs: Repairs,
    /// By store and file.
    pub files: BTreeMap<String, Counts>,
    /// What opening and reading said, without numbers.
    pub reasons: BTreeMap<String, u64>,
}

impl Summary {
    /// The run as `name value` lines, and before them one line for each file.
    pub fn lines(&self) -> String {
        let files = self.files.iter().map(|(name, counts)| format!("file {name}: {}\n", counts.words()));
        let all: Vec<String> =
            self.all.words().split(' ').collect::<Vec<_>>().chunks(2).map(|pair| pair.join(" ") + "\n").collect();
        let reasons = self.reasons.iter().map(|(text, count)| format!("said {count} times: {text}\n"));
        files.collect::<String>() + &reasons.collect::<String>() + &all.concat() + &self.repairs.to_string()
    }

    /// Whether something must not be.
    pub fn is_bad(&self) -> bool {
        self.all.is_bad() || self.repairs.is_bad()
    }
}

/// A store in memory, to be damaged again and again.
struct Original {
    closed: bool,
    folders: Vec<PathBuf>,
    files: Vec<(String, Vec<u8>)>,
}

/// Runs the plan to its end. Only the program `gangline-torture` itself can do this.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let folder = scratch(plan.dir.as_deref())?;
    let summary = Mutex::new((Summary::default(), 0));
    let workers = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    for store in 0..STORES {
        let (first, end) = (plan.flips * store / STORES, plan.flips * (store + 1) / STORES);
        if first == end {
            continue;
        }
        let original = Original::make(&folder.path().join(format!("original-{store}")), store.is_multiple_of(2))?;
        std::thread::scope(|scope| -> Result<(), Failure> {
            let threads: Vec<_> = (0..workers)
                .map(|worker| {
                    let (original, summary) = (&original, &summary);
                    let copy = folder.path().join(format!("copy-{worker}"));
                    scope.spawn(move || {
                        let mine = (first..end).filter(|flip| flip % workers == worker);
                        mine.into_iter().try_for_each(|flip| one(original, plan.seed, flip, &copy, summary))
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| Failure("a worker panicked".to_owned())).and_then(|outcome| outcome)
            })
        })?;
    }
    let (summary, kept) = summary.into_inner();
    if kept > 0 {
        drop(folder.keep());
    }
    Ok(summary)
}

/// Damages one copy and has a child look at it.
fn one(original: &Original, seed: u64, flip: u64, copy: &Path, summary: &Mutex<(Summary, u64)>) -> Result<(), Failure> {
    let mut random = Random::part(seed, flip);
    let file = original.choose(&mut random);
    let (name, bytes) = &original.files[file];
    let damage = Damage::choose(bytes, &mut random);
    original.write(copy, file, damage)?;
    let mut child = trial::ourselves(&["flip-look", "--store"])?;
    let ending = trial::run(child.arg(copy), PATIENCE)?;
    let is_cut = matches!(damage, Damage::Cut { .. });
    let outcome = judge(&ending, original.closed, name, is_cut);
    let repaired = match outcome {
        Outcome::Right | Outcome::Tail => None,
        // As the opening has left it.
        _ => Some(Repaired::of(copy, &copy.with_extension("mended"))?),
    };
    let kind = if original.closed { "closed" } else { "killed" };
    let mut summary = summary.lock();
    if let Ending::Said(text) = &ending
        && let Some(Verdict::Refused(text) | Verdict::Partly(_, text)) = Verdict::parse(text)
    {
        let text = without_numbers(&text.replace(&*copy.to_string_lossy(), "STORE"));
        *summary.0.reasons.entry(format!("{kind}/{}: {text}", group(name))).or_default() += 1;
    }
    summary.0.all.add(outcome);
    summary.0.files.entry(format!("{kind}/{}", group(name))).or_default().add(outcome);
    let mended = repaired.as_ref().is_none_or(|repaired| summary.0.repairs.add(repaired, is_cut));
    let bad = [Outcome::Silent, Outcome::Panic, Outcome::Hang, Outcome::Below99].contains(&outcome);
    if (bad || !mended) && summary.1 < KEPT {
        summary.1 += 1;
        let kept = copy.with_extension(format!("flip-{flip}"));
        original.write(&kept, file, damage)?;
        let text = format!(
            "flip {flip}, {kind} store, {name}: {damage}: {outcome:?}: {ending:?}, repaired: {repaired:?}\n  again, on a \
             copy: gangline-torture flip-look --store {}, or flip-repair --store and --into\n",
            kept.display()
        );
        std::io::stderr().write_all(text.as_bytes())?;
    }
    Ok(())
}

fn judge(ending: &Ending, closed: bool, name: &str, is_cut: bool) -> Outcome {
    let verdict = match ending {
        Ending::Hung => return Outcome::Hang,
        Ending::Died(_) => return Outcome::Panic,
        Ending::Failed(_) => return Outcome::Silent,
        Ending::Said(text) => Verdict::parse(text),
    };
    match verdict {
        Some(Verdict::Right) => Outcome::Right,
        // A later record is what proves one to have been whole; behind the last there is none.
        Some(Verdict::Short(1)) if !closed && name.ends_with(".journal") => Outcome::Tail,
        Some(Verdict::Refused(text)) if needs_repair(&text) => Outcome::NeedsRepair,
        Some(Verdict::Refused(_)) => Outcome::Refused,
        Some(Verdict::Partly(rows, _)) if rows * 100 >= ROWS * 99 => Outcome::Partly,
        Some(Verdict::Partly(..)) if is_cut => Outcome::PartlyCut,
        Some(Verdict::Partly(..)) => Outcome::Below99,
        Some(Verdict::Wrong(text)) if text.contains("panics of our own") => Outcome::Panic,
        Some(Verdict::Short(_) | Verdict::Wrong(_)) | None => Outcome::Silent,
    }
}

/// Whether sled does not open, or gives back less than was put on disk, which the hash of the directory shows.
fn needs_repair(text: &str) -> bool {
    ["in the page store", "the page store does not reach"].iter().any(|words| text.contains(words))
}

/// Texts that differ in numbers and keys only are counted together.
fn without_numbers(text: &str) -> String {
    let is_number = |word: &str| word.contains(|c: char| c.is_ascii_digit()) && !word.contains('/');
    let mut words: Vec<&str> = text.split(' ').map(|word| if is_number(word) { "N" } else { word }).collect();
    words.dedup();
    words.join(" ").chars().take(180).collect()
}

/// Files with numbers in their names are counted together.
fn group(name: &str) -> String {
    name.split('/')
        .map(|part| {
            if part.ends_with(".journal") {
                "N.journal"
            } else {
                part.split('.').next().filter(|stem| *stem == "snap").unwrap_or(part)
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

impl Original {
    fn make(place: &Path, closed: bool) -> Result<Original, Failure> {
        let mut child = trial::ourselves(&["flip-make", "--store"])?;
        child.arg(place);
        if closed {
            child.arg("--close");
        }
        match trial::run(&mut child, PATIENCE)? {
            Ending::Said(_) => {}
            other => return Err(Failure(format!("the store could not be made: {other:?}"))),
        }
        let mut original = Original { closed, folders: Vec::new(), files: Vec::new() };
        original.take(place, "")?;
        original.files.sort();
        Ok(original)
    }

    fn take(&mut self, folder: &Path, prefix: &str) -> Result<(), Failure> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.folders.push(PathBuf::from(&name));
                self.take(&entry.path(), &format!("{name}/"))?;
            } else {
                self.files.push((name, std::fs::read(entry.path())?));
            }
        }
        Ok(())
    }

    /// Half of the damages go to sled's data, the others to all files alike.
    fn choose(&self, random: &mut Random) -> usize {
        let full: Vec<usize> = (0..self.files.len()).filter(|at| !self.files[*at].1.is_empty()).collect();
        let data = full.iter().find(|at| self.files[**at].0.ends_with("/db"));
        match data {
            Some(data) if random.below(2) == 0 => *data,
            _ => full[random.below(full.len() as u64) as usize],
        }
    }

    fn write(&self, place: &Path, damaged: usize, damage: Damage) -> Result<(), Failure> {
        if place.exists() {
            std::fs::remove_dir_all(place)?;
        }
        std::fs::create_dir_all(place)?;
        self.folders.iter().try_for_each(|folder| std::fs::create_dir_all(place.join(folder)))?;
        for (at, (name, bytes)) in self.files.iter().enumerate() {
            match at == damaged {
                true => std::fs::write(place.join(name), damage.apply(bytes))?,
                false => std::fs::write(place.join(name), bytes)?,
            }
        }
        Ok(())
    }
}
