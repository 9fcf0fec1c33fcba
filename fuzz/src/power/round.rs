//! One trace, and what is needed to play it again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::Disk;
use super::trace::{Kind, Trace};
use crate::Failure;
use crate::crash::{Load, WRITERS};
use crate::random::Random;
use crate::shim::Watch;
use crate::trial::{self, Ending};

/// Set in children that are to run sled with its defaults.
pub(crate) const UNREINED: &str = "GANGLINE_UNREINED";
/// The longest that a recorded child may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A trace and where it began.
#[derive(Debug)]
pub(crate) struct Round {
    folder: PathBuf,
    pub(crate) load: Load,
    /// The newest promise to each writer before it.
    pub(crate) promised: [u64; WRITERS as usize],
    pub(crate) trace: Trace,
    /// What the child said.
    pub(crate) said: String,
}

/// How a round is recorded.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    /// The command of the child that is recorded.
    pub(crate) command: &'a str,
    /// Which call fails.
    pub(crate) fault: Option<String>,
    pub(crate) library: &'a Path,
    pub(crate) load: Load,
    pub(crate) commits: u64,
    pub(crate) defaults: bool,
    pub(crate) promised: [u64; WRITERS as usize],
}

impl Round {
    /// Runs a child on a copy of the files in `folder/base` and records what it does to them.
    pub(crate) fn record(folder: &Path, how: &Recording<'_>, random: &mut Random) -> Result<Round, Failure> {
        let (base, root) = (folder.join("base"), folder.join("watched"));
        std::fs::create_dir_all(&base)?;
        copy_folder(&base, &root)?;
        let (commits, seed) = (how.commits.to_string(), random.next().to_string());
        let mut child = trial::ourselves(&[how.command, "--commits", &commits, "--seed", &seed, "--root"])?;
        child.arg(&root).args(how.load.words());
        if how.defaults {
            child.env(UNREINED, "1");
        }
        let trace = folder.join("trace");
        let sync_delay = Duration::from_micros([0, 300, 1_500][random.below(3) as usize]);
        Watch { root: root.clone(), trace: Some(trace), sync_delay, fault: how.fault.clone() }
            .apply(&mut child, how.library);
        let said = match trial::run(&mut child, PATIENCE)? {
            Ending::Said(text) => text,
            other => return Err(Failure(format!("the recorded child did not end well: {other:?}"))),
        };
        let promised = how.promised.map(|seq| seq.to_string()).join(",");
        let Load { slots, text_bytes, large_bytes, bulk_every } = how.load;
        std::fs::write(folder.join("round"), format!("{slots} {text_bytes} {large_bytes} {bulk_every} {promised}"))?;
        let round = Round { said, ..Round::load(folder)? };
        // Once for each trace: nothing was missed.
        let mut disk = round.disk()?;
        round.trace.events.iter().try_for_each(|event| disk.apply(event))?;
        disk.check_against(&root)?;
        Ok(round)
    }

    /// Loads a round that was kept.
    pub(crate) fn load(folder: &Path) -> Result<Round, Failure> {
        let text = std::fs::read_to_string(folder.join("round"))?;
        let strange = || Failure(format!("{} has no round", folder.display()));
        let mut words = text.split(' ');
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or_else(strange);
        let load = Load { slots: number()?, text_bytes: number()?, large_bytes: number()?, bulk_every: number()? };
        let promised = words.next().and_then(promises).ok_or_else(strange)?;
        let trace = Trace::read(&folder.join("trace"))?;
        Ok(Round { folder: folder.to_owned(), load, promised, trace, said: String::new() })
    }

    /// The disk before the first event.
    pub(crate) fn disk(&self) -> Result<Disk<'_>, Failure> {
        // The trace names the folder as it was called when it was recorded.
        let opened = self.trace.events.iter().find(|event| matches!(event.kind, Kind::Open { .. }));
        let path = opened.map(|event| self.trace.paths(event).0).unwrap_or_default();
        let root = path.split_once("/watched").map_or("", |(before, _)| before).to_owned() + "/watched";
        Disk::new(&self.trace, Path::new(&root), &self.folder.join("base"), self.promised)
    }

    /// Positions to cut at, ascending: half right before a sync has ended, spread evenly over all syncs; some right
    /// after one; the others anywhere.
    pub(crate) fn cuts(&self, count: usize, random: &mut Random) -> Vec<usize> {
        let events = &self.trace.events;
        let ends: Vec<usize> =
            (0..events.len()).filter(|at| matches!(events[*at].kind, Kind::SyncEnd { .. })).collect();
        let half = (count / 2).max(1);
        let mut cuts: Vec<usize> = (0..count)
            .map(|cut| match cut {
                _ if ends.is_empty() => random.below(events.len() as u64 + 1) as usize,
                cut if cut < half => ends[cut * ends.len() / half],
                cut if cut < half + count / 8 => ends[random.below(ends.len() as u64) as usize] + 1,
                _ => random.below(events.len() as u64 + 1) as usize,
            })
            .collect();
        cuts.sort_unstable();
        cuts
    }
}

/// Numbers with commas between them.
pub(crate) fn promises(text: &str) -> Option<[u64; WRITERS as usize]> {
    let numbers: Vec<u64> = text.trim().split(',').map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to)?,
            false => drop(std::fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}
