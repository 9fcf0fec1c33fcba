//! Cases of a random test, each played under many schedules that shuttle picks.
//!
//! A case is a number from which everything else follows. `GANGLINE_CASES` says how many are played, `GANGLINE_SEED`
//! which is the first; a failure names its case and how to repeat it.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// A small generator with a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What to play: how a case is made of its number, and how it is played.
pub(crate) struct Cases<C> {
    pub(crate) make: fn(u64) -> C,
    pub(crate) play: fn(C),
    /// Cases where the environment does not say how many.
    pub(crate) count: u64,
    /// Schedules of each case.
    pub(crate) schedules: usize,
}

impl<C: Debug + Clone + Send + Sync + 'static> Cases<C> {
    /// Under random schedules.
    pub(crate) fn random(&self) {
        self.run(|seed| RandomScheduler::new_from_seed(seed, self.schedules));
    }

    /// Under schedules of few but telling switches (PCT).
    pub(crate) fn of_few_switches(&self) {
        self.run(|seed| PctScheduler::new_from_seed(seed, 3, self.schedules));
    }

    #[expect(clippy::print_stderr, reason = "the case of a failure is what a reader needs")]
    fn run<P: Scheduler + 'static>(&self, scheduler: impl Fn(u64) -> P) {
        let first = setting("GANGLINE_SEED", 1);
        let mut config = Config::new();
        // The checker's 32 KiB are not enough for the deepest calls of a debug build.
        config.stack_size = 1 << 20;
        for number in first..first + setting("GANGLINE_CASES", self.count) {
            let (case, play) = ((self.make)(number), self.play);
            let shown = format!("case {number}, to be repeated with GANGLINE_SEED={number} GANGLINE_CASES=1: {case:?}");
            let runner = Runner::new(scheduler(number), config.clone());
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runner.run(move || play(case.clone())))) {
                eprintln!("{shown}");
                resume_unwind(panic);
            }
        }
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("the setting is a number"))
}
