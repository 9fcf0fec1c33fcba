//! A lock that was refused, in words: what was wanted, what is held, and where the program asked for each.
//!
//! It goes into the list of [call sites that start over](super::restarting), and into the error of a strict
//! transaction, which fails where another one would start over.

use std::fmt;
use std::panic::Location;

use crate::error::{Error, ErrorKind};

use super::granule::{Granule, Level, Target};
use super::held::{Held, Wanted};
use super::locked::LockedGranule;
use super::mode::Mode;
use super::row_key::{KeyRoom, RowKey};
use super::set::LockSet;
use super::table::LockTable;

/// Made once for each restart, so its texts may cost something.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The wanted granule: `table "users" row 42`.
    pub(crate) wanted: String,
    /// The mode held on it already.
    from: Option<Mode>,
    pub(crate) mode: Mode,
    pub(crate) asked: &'static Location<'static>,
    /// The highest granule held.
    pub(crate) held: Option<(String, Mode)>,
    /// The limit on row locks stood in the way, not another holder.
    row_limit: Option<usize>,
}

/// What a strict lock set notes besides.
#[derive(Default)]
pub(super) struct Strict {
    /// The highest granule held, and which call of the program brought it.
    top: Option<(String, &'static Location<'static>)>,
    /// What it failed with: it does nothing more.
    failed: Option<String>,
}

impl LockSet {
    /// Makes it fail where it would have to start over.
    pub(crate) fn set_strict(&mut self, strict: bool) {
        self.strict = strict.then(Box::default);
    }

    /// Notes which call of the program the next locks are for.
    #[inline]
    pub(crate) fn asked_at(&mut self, site: &'static Location<'static>) {
        self.asked = site;
    }

    /// The error again with which a strict lock set has failed.
    #[inline]
    pub(crate) fn strict_failure(&self) -> Option<Error> {
        self.strict.as_ref().and_then(|strict| strict.error())
    }

    pub(super) fn refusal(&self, wanted: Option<&Wanted>) -> Refusal {
        let held = self.slot().held.lock();
        let top = held.top_in_words();
        let asked = self.asked;
        match wanted {
            Some(Wanted { target, from, to }) => {
                let wanted = held.target_in_words(target);
                Refusal { wanted, from: *from, mode: *to, asked, held: top, row_limit: None }
            }
            None => {
                let largest = held.tables.iter().max_by_key(|held| held.rows);
                let wanted = largest.map_or_else(String::new, |held| format!("table {:?}", held.table.name()));
                let from = largest.and_then(|held| held.mode);
                let mode = if from.is_some_and(Mode::writes) { Mode::X } else { Mode::S };
                let row_limit = Some(self.manager.max_row_locks());
                Refusal { wanted, from, mode, asked, held: top, row_limit }
            }
        }
    }

    /// Notes which call brought the highest granule held.
    #[cold]
    pub(super) fn note_top(&mut self) {
        let top = self.slot().held.lock().top_in_words();
        let asked = self.asked;
        if let (Some(strict), Some((top, _))) = (&mut self.strict, top)
            && strict.top.as_ref().is_none_or(|(noted, _)| *noted != top)
        {
            strict.top = Some((top, asked));
        }
    }
}

impl Strict {
    pub(super) fn fail(&mut self, refusal: &Refusal) -> Error {
        let since = self.top.as_ref().filter(|(top, _)| refusal.held.as_ref().is_some_and(|(held, _)| held == top));
        self.failed = Some(refusal.strict_text(since.map(|(_, site)| *site)));
        self.error().expect("the text was put there right now")
    }

    fn error(&self) -> Option<Error> {
        self.failed.as_ref().map(|text| Error::new(ErrorKind::OutOfOrder, text.clone()))
    }
}

impl Refusal {
    fn strict_text(&self, since: Option<&Location<'_>>) -> String {
        let Refusal { wanted, from, mode, asked, .. } = self;
        let held = Top(self.held.as_ref(), since);
        let advice = "declare it, or let the transaction start over (it is strict, so it does not)";
        if let Some(limit) = self.row_limit {
            return format!(
                "lock on {wanted} in mode {mode} is not free and has to stand for its rows at {asked}, since a \
                 transaction may have {limit} row locks, while {held}; {advice}"
            );
        }
        match from {
            Some(from) => format!(
                "lock on {wanted} cannot be raised from {from} to {mode} at {asked}, because others have it too, \
                 while {held}; ask for {mode} at first, {advice}"
            ),
            None => format!(
                "lock on {wanted} in mode {mode} at {asked} is not free, and sorts before what is held: {held}; ask for \
                 it earlier, {advice}"
            ),
        }
    }
}

struct Top<'a>(Option<&'a (String, Mode)>, Option<&'a Location<'a>>);

impl fmt::Display for Top<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Top(Some((held, mode)), since) = self else { return f.write_str("nothing is held") };
        write!(f, "{held} is held in mode {mode}")?;
        since.map_or(Ok(()), |since| write!(f, " since {since}"))
    }
}

impl Held {
    /// The highest granule held, with its mode.
    fn top_in_words(&self) -> Option<(String, Mode)> {
        let mut room = KeyRoom::default();
        let top = self.top(&mut room)?;
        let mode = match top {
            Granule::Names => self.names_root,
            Granule::Name(name) => self.names.iter().find(|(held, _)| **held == *name).map(|(_, mode)| *mode),
            Granule::Database => self.database,
            Granule::Table(id) | Granule::Index(id) => self.table(id).and_then(|held| held.mode),
            Granule::Within(_, _, Level::Segment) | Granule::WithinIndex(_, _, Level::Segment) => {
                self.segments.last().map(|held| held.mode)
            }
            Granule::Within(id, key, Level::Row) | Granule::WithinIndex(id, key, Level::Row) => {
                self.rows.get(&RowKey::new(id, key))
            }
        };
        let high = match top {
            Granule::Within(_, _, Level::Segment) | Granule::WithinIndex(_, _, Level::Segment) => {
                self.segments.last().and_then(|held| held.lock.high.as_ref())
            }
            _ => None,
        };
        mode.map(|mode| (LockedGranule::of(top, high.map(|high| &**high), self.noted(top)).to_string(), mode))
    }

    pub(super) fn target_in_words(&self, target: &Target) -> String {
        let noted = |id| self.table(id).map(|held| held.table.clone());
        LockedGranule::of_target(target, noted).to_string()
    }

    /// The table that a granule belongs to.
    fn noted(&self, granule: Granule<'_>) -> Option<&dyn LockTable> {
        let (Granule::Table(id) | Granule::Within(id, ..) | Granule::Index(id) | Granule::WithinIndex(id, ..)) =
            granule
        else {
            return None;
        };
        self.table(id).map(|held| &*held.table)
    }
}
