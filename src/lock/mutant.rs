//! Mistakes made on purpose, one at a time, to see that the checks see them.
//!
//! Each is a rule of the locks that is left out when it is switched on. Without the feature `mutants` the switch is a
//! constant, so the library is compiled as if none of it were there. Never build a program with the feature.

/// A rule that is left out.
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "public with the feature only"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// A new lock is waited for below what is held, too.
    WaitDownwards = 1,
    /// Requests pass the queue.
    NoFifo,
    /// A row is locked without the intents on its table and the database.
    NoParentIntents,
    /// A written row has IS on its segment in place of IX.
    InsertWithoutSegmentIx,
    /// A key that is not there is read without a lock.
    NoLockOnAbsentKey,
    /// All conversions on the highest granule held are waited for.
    WaitingConversions,
    /// Locks are given back before the commit is applied.
    EarlyRelease,
    /// Who gives up a wait does not let those behind go on.
    CancelWakesNobody,
    /// Names are waited for while rows are held.
    DataBeforeNames,
    /// A segment is split beside writers in it.
    SplitUnderIx,
}

#[cfg(feature = "mutants")]
pub use switch::set;

#[cfg(feature = "mutants")]
pub(crate) use switch::on;

/// Whether this mistake is switched on. Never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Mutant;

    const NONE: u8 = 0;
    /// Nobody has asked yet; the first to ask reads the variable.
    const UNREAD: u8 = u8::MAX;
    static ON: AtomicU8 = AtomicU8::new(UNREAD);

    impl Mutant {
        /// Every mutant, with its name.
        pub const ALL: [(&'static str, Mutant); 10] = [
            ("wait_downwards", Mutant::WaitDownwards),
            ("no_fifo", Mutant::NoFifo),
            ("no_parent_intents", Mutant::NoParentIntents),
            ("insert_without_segment_ix", Mutant::InsertWithoutSegmentIx),
            ("no_lock_on_absent_key", Mutant::NoLockOnAbsentKey),
            ("waiting_conversions", Mutant::WaitingConversions),
            ("early_release", Mutant::EarlyRelease),
            ("cancel_wakes_nobody", Mutant::CancelWakesNobody),
            ("data_before_names", Mutant::DataBeforeNames),
            ("split_under_ix", Mutant::SplitUnderIx),
        ];

        /// The mutant of this name.
        pub fn named(name: &str) -> Option<Mutant> {
            Mutant::ALL.iter().find(|(known, _)| *known == name).map(|(_, mutant)| *mutant)
        }

        /// All names, with commas between them.
        pub fn names() -> String {
            Mutant::ALL.map(|(name, _)| name).join(", ")
        }
    }

    /// Switches a mutant on for the whole process, in place of the one before. Tests that cannot call this take the name
    /// of one from the variable `GANGLINE_MUTANT`. A name that is not there panics: a run of tests with nothing left out
    /// would look like a mutant that survived.
    pub fn set(mutant: Option<Mutant>) {
        ON.store(mutant.map_or(NONE, |mutant| mutant as u8), Ordering::Relaxed);
    }

    pub(crate) fn on(mutant: Mutant) -> bool {
        match ON.load(Ordering::Relaxed) {
            UNREAD => {
                set(std::env::var_os("GANGLINE_MUTANT").map(|name| {
                    let name = name.to_string_lossy();
                    Mutant::named(&name)
                        .unwrap_or_else(|| panic!("GANGLINE_MUTANT is {name:?}, and the names are {}", Mutant::names()))
                }));
                on(mutant)
            }
            now => now == mutant as u8,
        }
    }
}
