//! Every interleaving of small lock programs, explored over the functions that production uses: `raise`, `may_wait`,
//! `word::free`, `word::admits` and the queue itself. A state from which nobody can go on, though somebody is not done,
//! is a deadlock.
//!
//! A program is a list of requests and then the release of everything. A refused request restarts it with a plan.

use std::collections::HashSet;

use crate::lock::granule::may_wait;
use crate::lock::mode::Mode::{self, IS, IX, S, SIX, U, X};
use crate::lock::mode::{MODES, join, raise};
use crate::lock::queue::{Entry, Queue};
use crate::lock::word;

pub(super) const GRANULES: usize = 3;

pub(super) type Program = Vec<(usize, Mode)>;

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
    let start = World { actors: vec![Actor::default(); programs.len()], queues: Default::default() };
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
            next.advance(index, programs, rule);
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
    fn advance(&mut self, index: usize, programs: &[&Program], rule: WaitRule) {
        let Some((granule, mode)) = self.wanted(index, programs) else {
            self.release_all(index, programs);
            self.actors[index].ended = true;
            return;
        };
        let actor = &self.actors[index];
        let from = actor.held[granule];
        let Some(to) = raise(from, mode) else {
            self.step_done(index);
            return;
        };
        let word = self.word(granule);
        let top = (0..GRANULES).rev().find(|granule| actor.held[*granule].is_some());
        if word::free(word, from, to) {
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
            self.grant(index, granule, to);
        } else {
            self.restart(index, granule, mode, programs);
        }
    }

    fn wanted(&self, index: usize, programs: &[&Program]) -> Option<(usize, Mode)> {
        let actor = &self.actors[index];
        let planned = (actor.planned..GRANULES).find_map(|granule| Some((granule, actor.plan[granule]?)));
        planned.or_else(|| programs[index].get(actor.done).copied())
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

    fn queue(&self, granule: usize, programs: &[&Program]) -> Queue<(usize, Mode)> {
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

    fn serve(&mut self, granule: usize, programs: &[&Program]) {
        let grants = self.queue(granule, programs).grant(self.word(granule));
        for (index, mode) in grants.granted {
            self.queues[granule].retain(|waiter| *waiter != index);
            self.grant(index, granule, mode);
        }
    }

    fn release_all(&mut self, index: usize, programs: &[&Program]) {
        for granule in (0..GRANULES).rev() {
            if self.actors[index].held[granule].take().is_some() {
                self.serve(granule, programs);
            }
        }
    }

    fn restart(&mut self, index: usize, granule: usize, mode: Mode, programs: &[&Program]) {
        let actor = &mut self.actors[index];
        let held = actor.held;
        for (plan, held) in actor.plan.iter_mut().zip(held) {
            *plan = held.map_or(*plan, |held| Some(join(*plan, held)));
        }
        actor.plan[granule] = Some(join(actor.plan[granule], mode));
        self.release_all(index, programs);
        let actor = &mut self.actors[index];
        (actor.planned, actor.done, actor.restarts) = (0, 0, actor.restarts + 1);
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

#[test]
fn no_pair_over_two_granules_is_stuck() {
    let programs = two_granules();
    assert_eq!(programs.len(), 102);
    assert_eq!(pairs(&programs, may_wait), (0, 1, None));
}

#[test]
fn no_pair_over_three_granules_is_stuck() {
    let mut programs = in_any_order(&[0, 1, 2], &[S, X]);
    assert_eq!(programs.len(), 48);
    programs.extend(in_any_order(&[0, 1, 2], &[IX, U]));
    // Hierarchies: intents on two granules above, then a row, and back up again with a stronger intent.
    programs.extend([vec![(0, IS), (1, IS), (2, S), (0, IX), (1, IX), (2, X)], vec![(0, S), (1, IX), (2, X)]]);
    programs.extend([vec![(0, IX), (1, SIX), (2, U), (2, X), (1, X)], vec![(0, IS), (1, S), (0, IX), (2, U), (2, X)]]);
    let (stuck, worst, example) = pairs(&programs, may_wait);
    assert_eq!((stuck, example), (0, None));
    assert!(worst <= 2, "{worst} restarts");
}

#[test]
fn no_triple_of_nasty_programs_is_stuck() {
    let programs = nasty();
    let mut count = 0;
    for (i, a) in programs.iter().enumerate() {
        for (j, b) in programs.iter().enumerate().skip(i) {
            for c in &programs[j..] {
                let worst = explore(&[a, b, c], may_wait).unwrap();
                assert!(worst <= 2, "{a:?} {b:?} {c:?}: {worst} restarts");
                count += 1;
            }
        }
    }
    assert_eq!(count, 165);
}
