//! Every interleaving of small lock programs, explored over the functions that production uses: `raise`, `may_wait`,
//! `word::free`, `word::admits` and the queue itself. A state from which nobody can go on, though somebody is not done,
//! is a deadlock. One that is granted a lock past somebody whom that delays breaks the queue's promise.
//!
//! A program is a list of requests and then the release of everything. A refused request restarts it with a plan. The
//! first requests can be guards, which are kept until the end, over restarts and from one statement to the next.
//!
//! The tests run it, and so does the check of the mutants, since it sees what the production functions really do.

use std::collections::HashSet;

#[cfg(feature = "mutants")]
use super::granule::may_wait;
use super::mode::Mode::{self, IS, IX, S, SIX, U, X};
use super::mode::{MODES, join, raise};
use super::queue::{Entry, Queue};
use super::word;

pub(super) const GRANULES: usize = 3;

/// Requests in their order.
pub(super) type Program = Vec<(usize, Mode)>;

/// In place of a granule: the end of a statement, which gives back all but the guards.
const END: usize = GRANULES;

/// A program and how many of its first requests are guards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    program: &'a Program,
    guards: usize,
}

impl<'a> Job<'a> {
    fn is_guard(&self, granule: usize) -> bool {
        self.program[..self.guards].iter().any(|(guard, _)| *guard == granule)
    }
}

impl<'a> From<&'a Program> for Job<'a> {
    fn from(program: &'a Program) -> Self {
        Job { program, guards: 0 }
    }
}

/// Who may wait: production's rule, or one with a hole in it.
pub(super) type WaitRule = fn(Option<&usize>, &usize, Option<Mode>, Mode) -> bool;

type Modes = [Option<Mode>; GRANULES];

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Actor {
    held: Modes,
    plan: Modes,
    /// Where in the plan, or behind it in the program.
    planned: usize,
    done: usize,
    /// Where in the program the statement began.
    start: usize,
    waits: bool,
    ended: bool,
    restarts: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    actors: Vec<Actor>,
    /// For each granule who waits there, in order.
    queues: [Vec<usize>; GRANULES],
}

/// What came of exploring: the most restarts of any actor, or the text of a stuck world.
pub(super) type Explored = Result<u32, String>;

pub(super) fn explore(programs: &[&Program], rule: WaitRule) -> Explored {
    let jobs: Vec<Job<'_>> = programs.iter().map(|program| Job::from(*program)).collect();
    explore_jobs(&jobs, rule)
}

fn explore_jobs(programs: &[Job<'_>], rule: WaitRule) -> Explored {
    let actors = programs.iter().map(|job| Actor { start: job.guards, ..Actor::default() }).collect();
    let start = World { actors, queues: Default::default() };
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    let mut worst = 0;
    while let Some(world) = open.pop() {
        let mut stuck = true;
        for index in 0..programs.len() {
            if world.actors[index].ended || world.actors[index].waits {
                continue;
            }
            stuck = false;
            let mut next = world.clone();
            next.advance(index, programs, rule)?;
            worst = worst.max(next.actors[index].restarts);
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
        if stuck && world.actors.iter().any(|actor| !actor.ended) {
            let held: Vec<Modes> = world.actors.iter().map(|actor| actor.held).collect();
            return Err(format!("{programs:?} stuck with {held:?}, queues {:?}", world.queues));
        }
    }
    Ok(worst)
}

impl World {
    /// The next step of an actor that does not wait.
    fn advance(&mut self, index: usize, programs: &[Job<'_>], rule: WaitRule) -> Result<(), String> {
        let Some((granule, mode)) = self.wanted(index, programs) else {
            self.release(index, programs, |_| true);
            self.actors[index].ended = true;
            return Ok(());
        };
        if granule == END {
            self.release(index, programs, |granule| !programs[index].is_guard(granule));
            let actor = &mut self.actors[index];
            (actor.plan, actor.planned) = (Modes::default(), GRANULES);
            (actor.done, actor.start) = (actor.done + 1, actor.done + 1);
            return Ok(());
        }
        let actor = &self.actors[index];
        let from = actor.held[granule];
        let Some(to) = raise(from, mode) else {
            self.step_done(index);
            return Ok(());
        };
        let word = self.word(granule);
        let top = (0..GRANULES).rev().find(|granule| actor.held[*granule].is_some());
        if word::free(word, from, to) {
            self.check_fair(granule, to, programs)?;
            self.grant(index, granule, to);
        } else if rule(top.as_ref(), &granule, from, to) {
            // The queue is put together again as it stands, and serves whom production would serve.
            let mut order = self.queues[granule].clone();
            if from.is_some() {
                order.insert(0, index)
            } else {
                order.push(index)
            }
            self.queues[granule] = order;
            self.actors[index].waits = true;
            self.serve(granule, programs);
        } else if self.queue(granule, programs).lets_pass(to) && word::admits(word, from, to) {
            self.check_fair(granule, to, programs)?;
            self.grant(index, granule, to);
        } else {
            self.restart(index, granule, mode, programs);
        }
        Ok(())
    }

    /// Whether nobody who waits there is delayed by one more lock of this mode.
    fn check_fair(&self, granule: usize, to: Mode, programs: &[Job<'_>]) -> Result<(), String> {
        let wanted = |index: &usize| self.wanted(*index, programs).map(|(_, mode)| mode);
        match self.queues[granule].iter().filter_map(wanted).find(|mode| !mode.compatible(to)) {
            None => Ok(()),
            Some(mode) => Err(format!("{programs:?} grants {to} past a waiter for {mode}")),
        }
    }

    fn wanted(&self, index: usize, programs: &[Job<'_>]) -> Option<(usize, Mode)> {
        let actor = &self.actors[index];
        let planned = (actor.planned..GRANULES).find_map(|granule| Some((granule, actor.plan[granule]?)));
        planned.or_else(|| programs[index].program.get(actor.done).copied())
    }

    fn step_done(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let planned = (actor.planned..GRANULES).find(|granule| actor.plan[*granule].is_some());
        match planned {
            Some(granule) => actor.planned = granule + 1,
            None => {
                actor.planned = GRANULES;
                actor.done += 1;
            }
        }
    }

    fn grant(&mut self, index: usize, granule: usize, to: Mode) {
        self.actors[index].held[granule] = Some(to);
        self.actors[index].waits = false;
        self.step_done(index);
    }

    fn word(&self, granule: usize) -> u64 {
        let holders = self.actors.iter().filter_map(|actor| actor.held[granule]).map(word::unit).sum::<u64>();
        holders | if self.queues[granule].is_empty() { 0 } else { word::WAITERS }
    }

    fn queue(&self, granule: usize, programs: &[Job<'_>]) -> Queue<(usize, Mode)> {
        let mut queue = Queue::new();
        // Pushed in the order in which they came; a conversion puts itself first.
        let (converting, new): (Vec<usize>, Vec<usize>) =
            self.queues[granule].iter().partition(|index| self.actors[**index].held[granule].is_some());
        for index in new.into_iter().chain(converting.into_iter().rev()) {
            let (_, asked) = self.wanted(index, programs).expect("who waits wants something");
            let from = self.actors[index].held[granule];
            let mode = raise(from, asked).expect("who waits lacks something");
            queue.push(Entry { mode, from, waiter: (index, mode) });
        }
        queue
    }

    fn serve(&mut self, granule: usize, programs: &[Job<'_>]) {
        let grants = self.queue(granule, programs).grant(self.word(granule));
        for (index, mode) in grants.granted {
            self.queues[granule].retain(|waiter| *waiter != index);
            self.grant(index, granule, mode);
        }
    }

    fn release(&mut self, index: usize, programs: &[Job<'_>], which: impl Fn(usize) -> bool) {
        for granule in (0..GRANULES).rev().filter(|granule| which(*granule)) {
            if self.actors[index].held[granule].take().is_some() {
                self.serve(granule, programs);
            }
        }
    }

    fn restart(&mut self, index: usize, granule: usize, mode: Mode, programs: &[Job<'_>]) {
        let actor = &mut self.actors[index];
        let held = actor.held;
        let inside = |granule: &usize| !programs[index].is_guard(*granule);
        for granule in (0..GRANULES).filter(inside) {
            let (plan, held) = (&mut actor.plan[granule], held[granule]);
            *plan = held.map_or(*plan, |held| Some(join(*plan, held)));
        }
        actor.plan[granule] = Some(join(actor.plan[granule], mode));
        self.release(index, programs, |granule| inside(&granule));
        let actor = &mut self.actors[index];
        (actor.planned, actor.done, actor.restarts) = (0, actor.start, actor.restarts + 1);
    }
}

/// All programs that ask for these granules in each order, each in each of the modes.
fn in_any_order(granules: &[usize], modes: &[Mode]) -> Vec<Program> {
    if granules.is_empty() {
        return vec![Vec::new()];
    }
    let mut programs = Vec::new();
    for (index, granule) in granules.iter().enumerate() {
        let rest: Vec<usize> =
            granules.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, other)| *other).collect();
        for tail in in_any_order(&rest, modes) {
            for mode in modes {
                programs.push(std::iter::once((*granule, *mode)).chain(tail.iter().copied()).collect());
            }
        }
    }
    programs
}

/// Explores each pair of the programs. Returns how many are stuck, and the most restarts.
pub(super) fn pairs(programs: &[Program], rule: WaitRule) -> (usize, u32, Option<String>) {
    let (mut stuck, mut worst, mut example) = (0, 0, None);
    for (index, one) in programs.iter().enumerate() {
        for other in &programs[index..] {
            match explore(&[one, other], rule) {
                Ok(restarts) => worst = worst.max(restarts),
                Err(text) => {
                    stuck += 1;
                    example.get_or_insert(text);
                }
            }
        }
    }
    (stuck, worst, example)
}

/// Any order and any conversion of two granules, in all six modes.
pub(super) fn two_granules() -> Vec<Program> {
    let mut programs = in_any_order(&[0, 1], &MODES);
    for from in MODES {
        programs.extend(MODES.into_iter().filter(|to| *to != from).map(|to| vec![(0, from), (0, to)]));
    }
    programs
}

/// Programs that are known to be a danger to each other.
pub(super) fn nasty() -> Vec<Program> {
    vec![
        vec![(0, U), (0, X)],
        vec![(0, SIX), (0, X)],
        vec![(0, IS), (0, IX)],
        vec![(0, S), (0, X)],
        vec![(0, U), (1, S), (0, X)],
        vec![(0, S), (1, X)],
        vec![(1, U), (0, S), (1, X)],
        vec![(0, IX), (1, U), (1, X)],
        vec![(0, X)],
    ]
}

/// Requests for the three granules in their order, each in each mode.
pub(super) fn in_order() -> Vec<Program> {
    let modes = || MODES.into_iter();
    modes().flat_map(|a| modes().flat_map(move |b| modes().map(move |c| vec![(0, a), (1, b), (2, c)]))).collect()
}

/// Three granules in any order, and hierarchies: intents on two granules above, then a row, and back up again.
pub(super) fn three_granules() -> Vec<Program> {
    let mut programs = in_any_order(&[0, 1, 2], &[S, X]);
    programs.extend(in_any_order(&[0, 1, 2], &[IX, U]));
    programs.extend([vec![(0, IS), (1, IS), (2, S), (0, IX), (1, IX), (2, X)], vec![(0, S), (1, IX), (2, X)]]);
    programs.extend([vec![(0, IX), (1, SIX), (2, U), (2, X), (1, X)], vec![(0, IS), (1, S), (0, IX), (2, U), (2, X)]]);
    programs
}

/// Two names and a row, with no guard, one or two, and one statement or two under them. A statement wants only names
/// above its guards: any other is an error at once.
pub(super) fn guarded() -> Vec<(usize, Program)> {
    let guards: [&[usize]; 4] = [&[], &[0], &[1], &[0, 1]];
    let mut programs = Vec::new();
    for guards in guards {
        let above = guards.last().map_or(0, |last| last + 1);
        let statements = in_any_order(&(above..GRANULES).collect::<Vec<_>>(), &[S, X]);
        let takes = |mode: Mode| guards.iter().map(move |guard| (*guard, mode));
        for mode in if guards.is_empty() { &[X][..] } else { &[S, X] } {
            for one in &statements {
                programs.push((guards.len(), takes(*mode).chain(one.iter().copied()).collect()));
                let row = [(2, X), (END, X)];
                programs.push((guards.len(), takes(*mode).chain(row).chain(one.iter().copied()).collect()));
            }
        }
    }
    programs
}

/// Explores each pair of programs under guards.
pub(super) fn guarded_pairs(programs: &[(usize, Program)], rule: WaitRule) -> Explored {
    let mut worst = 0;
    for (index, (guards, program)) in programs.iter().enumerate() {
        for (other_guards, other) in &programs[index..] {
            let pair = [Job { program, guards: *guards }, Job { program: other, guards: *other_guards }];
            worst = worst.max(explore_jobs(&pair, rule)?);
        }
    }
    Ok(worst)
}

/// Explores each three of the programs.
pub(super) fn triples(programs: &[Program], rule: WaitRule) -> Explored {
    let mut worst = 0;
    for (i, a) in programs.iter().enumerate() {
        for (j, b) in programs.iter().enumerate().skip(i) {
            for c in &programs[j..] {
                worst = worst.max(explore(&[a, b, c], rule)?);
            }
        }
    }
    Ok(worst)
}

/// The whole model with the rules as they are now.
///
/// # Errors
///
/// The first world that is stuck, unfair or starts over too often.
#[cfg(feature = "mutants")]
pub fn check() -> Result<(), String> {
    let mut worst = triples(&nasty(), may_wait)?.max(guarded_pairs(&guarded(), may_wait)?);
    for programs in [two_granules(), three_granules(), in_order()] {
        match pairs(&programs, may_wait) {
            (_, restarts, None) => worst = worst.max(restarts),
            (.., Some(example)) => return Err(example),
        }
    }
    if worst <= 2 { Ok(()) } else { Err(format!("{worst} restarts")) }
}
