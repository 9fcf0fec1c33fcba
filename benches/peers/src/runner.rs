//! Rounds of child processes: the peers take turns at each workload, so that a slow minute of the machine hits all alike.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::Options;
use crate::outcome::Outcome;
use crate::peer::Kind;
use crate::workload::{Measured, State, Workload, workload};
use crate::workloads::threads::joined;

/// Longest time of one child. None is near it; a store that hangs is to end as a failure with its name.
const CHILD_TIME: Duration = Duration::from_secs(3_600);

/// All that was measured, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) entries: Vec<Entry>,
    pub(crate) failures: Vec<String>,
}

/// One workload with one peer, in all rounds.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) workload: &'static Workload,
    pub(crate) peer: &'static str,
    pub(crate) rounds: Vec<Measured>,
}

impl Results {
    fn add(&mut self, workload: &'static Workload, peer: &'static str, measured: Measured) {
        let same = |entry: &&mut Entry| entry.workload.name == workload.name && entry.peer == peer;
        match self.entries.iter_mut().find(same) {
            Some(entry) => entry.rounds.push(measured),
            None => self.entries.push(Entry { workload, peer, rounds: vec![measured] }),
        }
    }

    /// Peers that were asked for the same must give the same.
    fn compare(&mut self) {
        for at in 1..self.entries.len() {
            let (before, entry) = (&self.entries[..at], &self.entries[at]);
            let Some(first) = before.iter().find(|first| first.workload.name == entry.workload.name) else { continue };
            let digest = first.rounds[0].digest;
            if entry.rounds.iter().any(|measured| measured.digest != digest) {
                let text = format!("{}: {} and {} give different results", entry.workload.name, first.peer, entry.peer);
                self.failures.push(text);
            }
        }
    }
}

/// The stores on disk, and what is in each.
pub(crate) struct Runner<'a> {
    options: &'a Options,
    progress: &'a mut dyn Write,
    states: HashMap<(&'static str, u64), State>,
}

impl<'a> Runner<'a> {
    /// Starts with no store: what an earlier run has left is removed.
    pub(crate) fn new(options: &'a Options, progress: &'a mut dyn Write) -> Outcome<Self> {
        let runner = Runner { options, progress, states: HashMap::new() };
        runner.clear()?;
        Ok(runner)
    }

    fn stores(&self) -> PathBuf {
        self.options.out.join("stores")
    }

    /// Removes all stores.
    pub(crate) fn clear(&self) -> Outcome<()> {
        let folder = self.stores();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        Ok(fs::create_dir_all(&folder)?)
    }

    /// Runs so many rounds. A child that fails is a failure of the run, which goes on with the next.
    pub(crate) fn rounds(
        &mut self,
        workloads: &[&'static Workload],
        kinds: &[&'static Kind],
        repeat: usize,
    ) -> Results {
        let mut results = Results::default();
        for round in 0..repeat {
            for workload in workloads {
                // Nobody is always the first after a store that has left much to write.
                let turns = kinds.iter().cycle().skip(round % kinds.len().max(1)).take(kinds.len());
                for kind in turns.filter(|kind| workload.takes(kind)) {
                    let started = Instant::now();
                    let (text, failed) = match self.measure(workload, kind) {
                        Ok(measured) => {
                            let value = measured.value;
                            results.add(workload, kind.name, measured);
                            (format!("{value:.1} {}", workload.unit), false)
                        }
                        Err(error) => (format!("failed: {error}"), true),
                    };
                    let place = format!("round {} {} {}", round + 1, workload.name, kind.name);
                    let seconds = started.elapsed().as_secs_f64();
                    // Progress that cannot be written is no reason to end a long run.
                    _ = writeln!(self.progress, "{place}: {text} ({seconds:.1} s)");
                    if failed {
                        results.failures.push(format!("{place} {text}"));
                        // Whatever state the store is in now, the next one does not have to find it.
                        self.states.insert((kind.name, self.rows(workload)), State::Spoiled);
                    }
                }
            }
        }
        results.compare();
        results
    }

    fn rows(&self, workload: &Workload) -> u64 {
        self.options.rows * workload.rows_times
    }

    fn measure(&mut self, workload: &'static Workload, kind: &'static Kind) -> Outcome<Measured> {
        let rows = self.rows(workload);
        if kind.on_disk {
            self.prepare(workload.needs, kind, rows)?;
        }
        let measured = self.child(workload, kind, rows)?;
        if let Some(state) = workload.leaves {
            self.states.insert((kind.name, rows), state);
        }
        Ok(measured)
    }

    /// Brings a store into a state, from scratch if it is past it.
    fn prepare(&mut self, needs: Option<State>, kind: &'static Kind, rows: u64) -> Outcome<()> {
        let state = self.states.get(&(kind.name, rows)).copied().unwrap_or(State::Spoiled);
        let fits = match needs {
            None => matches!(state, State::Loaded | State::Overwritten),
            // An empty store is a new one, even after one that was never filled.
            Some(State::Empty) => false,
            Some(needs) => state == needs,
        };
        if fits {
            return Ok(());
        }
        if needs == Some(State::Overwritten) {
            self.prepare(Some(State::Loaded), kind, rows)?;
            self.child(workload("overwrite")?, kind, rows)?;
            self.states.insert((kind.name, rows), State::Overwritten);
            return Ok(());
        }
        let folder = self.folder(kind, rows);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        self.states.insert((kind.name, rows), State::Empty);
        if needs != Some(State::Empty) {
            self.child(workload("load")?, kind, rows)?;
            self.states.insert((kind.name, rows), State::Loaded);
        }
        Ok(())
    }

    fn folder(&self, kind: &Kind, rows: u64) -> PathBuf {
        self.stores().join(format!("{}-{rows}", kind.name))
    }

    fn child(&self, workload: &Workload, kind: &Kind, rows: u64) -> Outcome<Measured> {
        let budget = workload.budget.unwrap_or(self.options.budget);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["child", workload.name, kind.name, "--folder"]).arg(self.folder(kind, rows));
        command.args(["--rows", &rows.to_string(), "--threads", &self.options.threads.to_string()]);
        command.args(["--seed", &self.options.seed.to_string(), "--budget-mib", &(budget >> 20).to_string()]);
        if self.options.test {
            command.arg("--test");
        }
        Ok(serde_json::from_str(&output(command)?)?)
    }
}

/// Runs a process to its end, at most for [`CHILD_TIME`], and gives what it printed.
pub(crate) fn output(mut command: Command) -> Outcome<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // They are read as they come: a process that has filled a pipe waits until somebody does.
    let (text, error) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > CHILD_TIME {
            child.kill()?;
            child.wait()?;
            return Err(format!("it did not end within {} s", CHILD_TIME.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (text, error) = (joined(text.join())?, joined(error.join())?);
    if status.success() { Ok(text) } else { Err(format!("{status}: {}", error.trim()).into()) }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Outcome<String>> {
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_string(&mut text)?;
        }
        Ok(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_with_different_results_fail_the_run() {
        let scan = workload("scan_hot").unwrap();
        let mut results = Results::default();
        results.add(scan, "gangline", Measured::new(1.0).digest(7));
        results.add(scan, "lmdb", Measured::new(2.0).digest(7));
        results.compare();
        assert!(results.failures.is_empty());
        results.add(scan, "lmdb", Measured::new(2.0).digest(8));
        results.compare();
        assert_eq!(results.failures, ["scan_hot: gangline and lmdb give different results"]);
    }

    #[test]
    fn a_process_that_fails_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo lost >&2; exit 3"]);
        let text = output(command).expect_err("it exits with 3").to_string();
        assert!(text.contains('3') && text.ends_with("lost"), "{text}");
    }

    #[test]
    fn more_words_than_a_pipe_holds_are_all_read() {
        let script = |code: u32| format!("for pipe in 1 2; do yes | head -c 200000 >&$pipe; done; exit {code}");
        let run = |code| {
            let mut command = Command::new("sh");
            command.args(["-c", &script(code)]);
            output(command)
        };
        assert_eq!(run(0).unwrap().len(), 200_000);
        let text = run(3).expect_err("it exits with 3").to_string();
        assert!(text.len() > 199_990 && text.contains(": 3: y"), "{} bytes", text.len());
    }
}
