//! The loop that compares a store with the model.

use std::path::Path;

use gangline::Durability;

use super::op::{Mix, Op, Promise, SNAPSHOTS, read_op};
use super::remote::Remote;
use super::state::State;
use super::store::Store;
use crate::Failure;
use crate::random::{Random, Tape};

/// Operations on one store; then the next round starts with a new one.
const ROUND: u64 = 2_500;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Makes the same operations again.
    pub seed: u64,
    /// Operations in all.
    pub ops: u64,
    /// The only round to run, if not all.
    pub round: Option<u64>,
    /// Whether stores live in child processes that are killed. Only the program `gangline-torture` itself can do that.
    pub processes: bool,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Operations done.
    pub ops: u64,
    /// Stores used.
    pub rounds: u64,
    /// Child processes killed.
    pub kills: u64,
    /// Stores closed, or dropped without closing, and opened again.
    pub reopens: u64,
    /// Kills that lost commits which nobody had promised.
    pub lost_unpromised: u64,
    /// Rows that were there at the end, in all rounds.
    pub rows: u64,
}

impl Summary {
    /// The run as `name value` lines.
    pub fn lines(&self) -> String {
        let Summary { ops, rounds, kills, reopens, lost_unpromised, rows } = self;
        format!(
            "ops {ops}\nrounds {rounds}\nkills {kills}\nreopens {reopens}\nlost_unpromised {lost_unpromised}\nrows {rows}\n"
        )
    }
}

/// Runs the plan to its end, or to the first difference.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    for round in 0..plan.ops.div_ceil(ROUND) {
        if plan.round.is_some_and(|only| only != round) {
            continue;
        }
        let length = ROUND.min(plan.ops - round * ROUND);
        let mut random = Random::part(plan.seed, round);
        let mut decisions = Tape::Seeded(Random::new(random.next()));
        let folder = tempfile::tempdir()?;
        let mut trial = Trial::start(folder.path(), round, &mut decisions, plan.processes)?;
        for at in 0..length {
            let mut tape = Tape::Seeded(Random::part(random.next(), at));
            let op = read_op(&mut tape, trial.mix, at);
            trial.step(&op).map_err(|failure| explain(plan, round, at, &op, &failure))?;
        }
        let last = Op::Verify;
        trial.finish().map_err(|failure| explain(plan, round, length, &last, &failure))?;
        summary.ops += length;
        trial.count_into(&mut summary);
    }
    Ok(summary)
}

/// Runs the operations that a fuzzer's bytes describe.
///
/// # Panics
///
/// On the first difference, as a fuzzer wants it.
pub fn replay(bytes: &[u8]) {
    let mut tape = Tape::Bytes(bytes);
    let outcome = tempfile::tempdir().map_err(Failure::from).and_then(|folder| {
        let round = u64::from(tape.byte());
        let mut trial = Trial::start(folder.path(), round, &mut tape, false)?;
        let mut index = 0;
        while !tape.is_over() {
            let op = read_op(&mut tape, trial.mix, index);
            trial.step(&op).map_err(|failure| Failure(format!("op {index} {op:?}: {failure}")))?;
            index += 1;
        }
        trial.finish()
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn explain(plan: &Plan, round: u64, at: u64, op: &Op, failure: &Failure) -> Failure {
    let Plan { seed, ops, .. } = plan;
    let index = round * ROUND + at;
    let in_process = if plan.processes { "" } else { " --in-process" };
    Failure(format!(
        "{failure}\nin op {index} (seed {seed}, round {round}, number {at} in it): {op:?}\n\
         repeat: gangline-torture model --seed {seed} --ops {ops} --round {round}{in_process}"
    ))
}

/// The first place where two replies differ, with what stands around it.
fn difference(expected: &str, found: &str) -> String {
    const BEFORE: usize = 60;
    const SHOWN: usize = 240;
    let at = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let bytes = text.as_bytes();
        let start = at.saturating_sub(BEFORE).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..bytes.len().min(start + SHOWN)]).into_owned()
    };
    format!("around byte {at}\nexpected: {}\nfound:    {}", part(expected), part(found))
}

/// Where the store of a round lives.
#[derive(Debug)]
enum Host {
    Here(Box<Store>),
    Child(Remote),
    /// Only while one child takes the place of another.
    Gone,
}

/// One store beside its model.
#[derive(Debug)]
struct Trial<'p> {
    place: Option<&'p Path>,
    durability: Durability,
    mix: Mix,
    host: Host,
    state: State,
    /// The states before the newest commits that nobody has promised yet, oldest first: a kill may bring them back.
    unpromised: Vec<State>,
    snapshots: [Option<State>; SNAPSHOTS],
    summary: Summary,
}

impl<'p> Trial<'p> {
    fn start(folder: &'p Path, round: u64, tape: &mut Tape<'_>, processes: bool) -> Result<Self, Failure> {
        let mix = Mix::read(tape);
        let durability = if round % 4 < 2 { Durability::Immediate } else { Durability::Eventual };
        let place = (round % 4 != 1).then_some(folder);
        let host = match place {
            Some(place) if processes && round % 4 != 3 => Host::Child(Remote::start(place, durability)?),
            place => Host::Here(Box::new(Store::open(place, durability)?)),
        };
        Ok(Trial {
            place,
            durability,
            mix,
            host,
            state: State::default(),
            unpromised: Vec::new(),
            snapshots: [const { None }; SNAPSHOTS],
            summary: Summary::default(),
        })
    }

    /// Does one operation on both sides.
    fn step(&mut self, op: &Op) -> Result<(), Failure> {
        match op {
            Op::Kill { during, delay_us } => return self.kill(during.as_deref(), *delay_us),
            Op::DropAndOpen if self.place.is_some() => {
                // Gives no promise, so it is a kill at a quiet moment.
                self.snapshots = Default::default();
                self.summary.reopens += 1;
                self.apply(op)?;
                return self.recognise(None);
            }
            _ => {}
        }
        let expected = self.predict(op);
        let found = self.apply(op)?;
        if found == expected {
            return Ok(());
        }
        Err(Failure(format!("the replies differ\n{}", difference(&expected, &found))))
    }

    /// What the operation should reply; the model is then in the state after it.
    fn predict(&mut self, op: &Op) -> String {
        match op {
            Op::Single(which, call) => self.change(None, |state| state.call(*which, call)),
            Op::Transact { calls, end, durability } => self.change(*durability, |state| state.transact(calls, *end)),
            Op::TakeSnapshot(at) => {
                self.snapshots[usize::from(*at)] = Some(self.state.clone());
                String::new()
            }
            Op::ReadSnapshot(at, which, call) => match &mut self.snapshots[usize::from(*at)] {
                Some(state) if call.is_read_of_snapshot() => state.call(*which, call),
                _ => String::new(),
            },
            Op::DropSnapshot(at) => {
                self.snapshots[usize::from(*at)] = None;
                String::new()
            }
            Op::Verify => self.state.verdict(),
            Op::Dump => self.state.dump(),
            Op::Backup => {
                self.unpromised.clear();
                self.state.dump()
            }
            Op::Checkpoint | Op::Sync => {
                self.unpromised.clear();
                String::new()
            }
            Op::Compact => String::new(),
            Op::Reopen | Op::DropAndOpen | Op::Kill { .. } => {
                self.snapshots = Default::default();
                self.unpromised.clear();
                self.summary.reopens += 1;
                String::new()
            }
        }
    }

    fn change(&mut self, promise: Option<Promise>, change: impl FnOnce(&mut State) -> String) -> String {
        let before = self.state.clone();
        let reply = change(&mut self.state);
        if self.state != before {
            if promise.map_or(self.durability, Durability::from) == Durability::Immediate {
                self.unpromised.clear();
            } else {
                self.unpromised.push(before);
            }
        }
        reply
    }

    fn apply(&mut self, op: &Op) -> Result<String, Failure> {
        match &mut self.host {
            Host::Here(store) => Ok(store.apply(op)?),
            Host::Child(child) => child.apply(op),
            Host::Gone => Err(Failure("the store could not be opened again".to_owned())),
        }
    }

    fn kill(&mut self, during: Option<&Op>, delay_us: u64) -> Result<(), Failure> {
        let Some(place) = self.place else { return Ok(()) };
        let before = (self.state.clone(), self.unpromised.clone());
        if let Some(op) = during {
            self.predict(op);
        }
        let after = std::mem::replace(&mut self.state, before.0);
        self.unpromised = before.1;
        self.snapshots = Default::default();
        match std::mem::replace(&mut self.host, Host::Gone) {
            Host::Child(child) => {
                child.kill(during, delay_us)?;
                self.host = Host::Child(Remote::start(place, self.durability)?);
                self.summary.kills += 1;
            }
            here => {
                self.host = here;
                self.apply(&Op::Kill { during: during.cloned().map(Box::new), delay_us })?;
                self.summary.reopens += 1;
            }
        }
        self.recognise(Some(after))
    }

    /// Finds the state in which the store came back: that of `newest`, where an operation was under way, or the last, or
    /// one before it that was not promised.
    fn recognise(&mut self, newest: Option<State>) -> Result<(), Failure> {
        let found = self.apply(&Op::Dump)?;
        let current = std::mem::take(&mut self.state);
        let older = std::mem::take(&mut self.unpromised);
        let expected = current.dump();
        if let Some(state) = newest.filter(|state| state.dump() == found) {
            self.state = state;
            return Ok(());
        }
        if expected == found {
            self.state = current;
            return Ok(());
        }
        let allowed = older.len();
        match older.into_iter().rev().find(|state| state.dump() == found) {
            Some(state) => {
                self.state = state;
                self.summary.lost_unpromised += 1;
                Ok(())
            }
            None => Err(Failure(format!(
                "the store came back in a state that it never was in, or that had been overwritten by a promised commit \
                 ({allowed} older states were allowed)\n{}",
                difference(&expected, &found)
            ))),
        }
    }

    /// Compares everything, closes the store, opens it again and compares everything again.
    fn finish(&mut self) -> Result<(), Failure> {
        for op in [Op::Verify, Op::Dump, Op::Reopen, Op::Verify, Op::Dump] {
            self.step(&op)?;
        }
        match std::mem::replace(&mut self.host, Host::Gone) {
            Host::Here(store) => Ok(store.close()?),
            Host::Child(child) => child.close(),
            Host::Gone => Ok(()),
        }
    }

    fn count_into(&self, summary: &mut Summary) {
        summary.rounds += 1;
        summary.kills += self.summary.kills;
        summary.reopens += self.summary.reopens;
        summary.lost_unpromised += self.summary.lost_unpromised;
        summary.rows += self.state.rows();
    }
}
