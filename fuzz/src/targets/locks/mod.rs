//! Schedules of locks: the bytes say who asks for what and who is polled next. One thread drives all lock sets, so the
//! same bytes make the same schedule.
//!
//! Two books are kept beside the lock manager's own: what each set was granted ([`held`]), which may not conflict with
//! what any other was, and who was woken. In the end everybody is let go, and everything that is still awaited must be
//! granted to somebody who was woken for it.

pub mod held;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use gangline::lock::{LockHolder, LockedGranule, Mode};
use gangline::torture::{Locker, Locks};
use gangline::{ErrorKind, Result};

use crate::random::Tape;
use held::{Claim, Place, may_stand_together};

const TABLES: u8 = 2;
/// Keys are one byte, from 1 up to this one.
const KEYS: u8 = 15;
/// So few that all want the same.
const FEW_KEYS: u8 = 2;
const LOWS: [&[u8]; 2] = [&[5], &[10]];
/// Asking who holds what costs more than some steps.
const STEPS_A_DUMP: u32 = 8;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// The bytes that decide, and from how many keys they choose.
struct Schedule<'a> {
    tape: Tape<'a>,
    keys: u8,
}

impl Schedule<'_> {
    fn byte(&mut self) -> u8 {
        self.tape.byte()
    }

    fn one_in(&mut self, n: u8) -> bool {
        self.tape.one_in(n)
    }

    fn key(&mut self) -> u8 {
        1 + self.tape.byte() % self.keys
    }
}

type Call = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Says that a task is to be polled again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One lock set with what it is doing.
struct Actor {
    locker: Rc<RefCell<Locker>>,
    call: Option<Call>,
    /// What it will have been granted when the call ends well; none while it starts over.
    wanted: Option<Claim>,
    granted: Vec<Claim>,
    woken: Arc<Woken>,
}

impl Actor {
    fn new(locks: &Locks) -> Actor {
        let locker = Rc::new(RefCell::new(locks.locker()));
        Actor { locker, call: None, wanted: None, granted: Vec::new(), woken: Arc::default() }
    }

    fn begin(&mut self, call: Call, wanted: Option<Claim>) {
        self.wanted = wanted;
        self.call = Some(call);
        self.poll();
    }

    /// Polls the call, and notes what came of it.
    fn poll(&mut self) {
        let Some(call) = &mut self.call else { return };
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.woken));
        let Poll::Ready(outcome) = call.as_mut().poll(&mut Context::from_waker(&waker)) else { return };
        self.call = None;
        match outcome {
            Ok(()) => self.granted.extend(self.wanted.take()),
            Err(error) => {
                let known = [ErrorKind::Restart, ErrorKind::OutOfOrder].contains(&error.kind());
                assert!(known, "no time-out is set, and nothing is cancelled: {error}");
            }
        }
    }

    fn is_to_be_polled(&self) -> bool {
        self.call.is_some() && self.woken.0.load(Ordering::Relaxed)
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "nobody else uses the locker while its call lives")]
    fn ask(&mut self, claim: Claim) {
        let locker = Rc::clone(&self.locker);
        let asked = claim.clone();
        let call = async move {
            let mut locker = locker.borrow_mut();
            match asked.place {
                Place::Name(name) => locker.name(NAMES[usize::from(name)], asked.mode).await,
                Place::Keys { table, low, high } => {
                    let table = usize::from(table);
                    match (low, high) {
                        (0, None) => locker.table(table, asked.mode).await,
                        (low, Some(high)) if high == low + 1 => locker.row(table, &[low], asked.mode).await,
                        (low, high) => {
                            locker.range(table, &[low], high.as_ref().map(std::slice::from_ref), asked.mode).await
                        }
                    }
                }
            }
        };
        self.begin(Box::pin(call), Some(claim));
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "nobody else uses the locker while its call lives")]
    fn start_over(&mut self) {
        self.granted.clear();
        let locker = Rc::clone(&self.locker);
        self.begin(Box::pin(async move { locker.borrow_mut().restart().await }), None);
    }
}

/// Runs the schedule that the bytes describe.
///
/// # Panics
///
/// Where two are granted what conflicts, where all wait for each other, and where something stays locked or awaited.
pub fn replay(bytes: &[u8]) {
    let mut tape = Schedule { tape: Tape::Bytes(bytes), keys: KEYS };
    let count = 2 + usize::from(tape.byte() % 4);
    if tape.one_in(2) {
        tape.keys = FEW_KEYS;
    }
    let (most_rows, escalate) = if tape.one_in(2) { (5, 3) } else { (usize::MAX, usize::MAX) };
    let locks = Locks::new(u32::from(TABLES), &LOWS, most_rows, escalate);
    let mut actors: Vec<Actor> = (0..count).map(|_| Actor::new(&locks)).collect();
    for number in 1_u32.. {
        if tape.tape.is_over() {
            break;
        }
        let chosen = usize::from(tape.byte()) % count;
        step(&locks, &mut actors[chosen], &mut tape);
        check(&locks, &actors);
        if number.is_multiple_of(STEPS_A_DUMP) {
            check_dump(&locks);
        }
    }
    let_go(&locks, &mut actors);
    drop(actors);
    assert_eq!(locks.dump().to_string(), "no locks");
}

/// One decision of one actor.
fn step(locks: &Locks, actor: &mut Actor, tape: &mut Schedule<'_>) {
    let what = tape.byte();
    if actor.call.is_some() {
        match what % 8 {
            // Given up in the middle: what was held stays held.
            0 => actor.call = None,
            1 => *actor = Actor::new(locks),
            _ => actor.poll(),
        }
        return;
    }
    if actor.locker.borrow().restart_wanted() {
        return if what.is_multiple_of(8) { *actor = Actor::new(locks) } else { actor.start_over() };
    }
    match what % 16 {
        0 | 1 => *actor = Actor::new(locks),
        2 => drop(locks.split(usize::from(tape.byte() % TABLES), &[tape.key()])),
        3 => drop(locks.merge(usize::from(tape.byte() % TABLES), &[tape.key()])),
        4 | 5 => {
            let mode = if tape.one_in(3) { Mode::X } else { Mode::S };
            actor.ask(Claim { place: Place::Name(tape.byte() % NAMES.len() as u8), mode });
        }
        6 => {
            let mode = [Mode::S, Mode::SIX, Mode::X, Mode::IX][usize::from(tape.byte() % 4)];
            actor.ask(Claim { place: Place::Keys { table: tape.byte() % TABLES, low: 0, high: None }, mode });
        }
        7 | 8 => {
            let (table, low) = (tape.byte() % TABLES, tape.key());
            let high = (!tape.byte().is_multiple_of(4)).then(|| low + 2 + tape.byte() % 6);
            let mode = if tape.one_in(4) { Mode::X } else { Mode::S };
            actor.ask(Claim { place: Place::Keys { table, low, high }, mode });
        }
        _ => {
            let (table, low) = (tape.byte() % TABLES, tape.key());
            let mode = [Mode::S, Mode::U, Mode::X, Mode::X][usize::from(tape.byte() % 4)];
            actor.ask(Claim { place: Place::Keys { table, low, high: Some(low + 1) }, mode });
        }
    }
}

/// What must hold between any two steps.
fn check(locks: &Locks, actors: &[Actor]) {
    for (at, one) in actors.iter().enumerate() {
        for other in &actors[at + 1..] {
            let conflict = one.granted.iter().find_map(|claim| {
                other.granted.iter().find(|beside| claim.conflicts(beside)).map(|beside| (claim, beside))
            });
            if let Some((claim, beside)) = conflict {
                panic!("{claim:?} and {beside:?} are granted at once\n{}", locks.dump());
            }
        }
    }
    let all_wait = actors.iter().all(|actor| actor.call.is_some() && !actor.is_to_be_polled());
    assert!(!all_wait, "all wait for each other\n{}", locks.dump());
}

/// What the lock manager says of itself must hold together.
fn check_dump(locks: &Locks) {
    for granule in &locks.dump().granules {
        let modes: Vec<Mode> = granule.holders.iter().map(|holder| holder.mode).collect();
        for (at, mode) in modes.iter().enumerate() {
            let fits = modes[at + 1..].iter().all(|beside| may_stand_together(*mode, *beside));
            assert!(fits, "{} is held in {modes:?}", granule.granule);
        }
        // Who waited for a segment that is no more has been told so, but stands there until it is polled.
        if let (Some(first), false) =
            (granule.waiting.first(), matches!(granule.granule, LockedGranule::Segment { .. }))
        {
            let stands_in_its_way =
                |holder: &LockHolder| holder.id != first.id && !may_stand_together(holder.mode, first.mode);
            let stopped = granule.holders.iter().any(stands_in_its_way);
            assert!(
                stopped,
                "nobody stands in the way of the first who waits for {}\n{}",
                granule.granule,
                locks.dump()
            );
        }
    }
}

/// Lets everybody go who does not wait, until nobody waits.
fn let_go(locks: &Locks, actors: &mut [Actor]) {
    while actors.iter().any(|actor| actor.call.is_some()) {
        for actor in actors.iter_mut().filter(|actor| actor.call.is_none()) {
            if actor.locker.borrow().restart_wanted() {
                actor.start_over();
            } else {
                *actor = Actor::new(locks);
            }
        }
        let somebody = actors.iter().any(|actor| actor.call.is_none() || actor.is_to_be_polled());
        assert!(somebody, "nobody is woken\n{}", locks.dump());
        actors.iter_mut().filter(|actor| actor.is_to_be_polled()).for_each(Actor::poll);
        check(locks, actors);
        check_dump(locks);
    }
}
