//! Who holds what, and who waits for it: as data and as text.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::KeyBuf;
use crate::sync::Instant;

use super::granule::{Described, Granule, Level, Target};
use super::held::{Held, Owner, Waiting};
use super::manager::LockManager;
use super::mode::Mode;
use super::row_key::KeyRoom;
use super::slot::Slot;
use super::waiter::Outcome;

/// All granules that are locked or wanted, in the order in which they may be waited for.
///
/// Its text has a line for each holder and each waiter, with where it was called from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LockDump {
    /// The granules, in the global order.
    pub granules: Vec<GranuleLocks>,
}

/// One granule with its holders and waiters.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GranuleLocks {
    /// The granule in words: `table "users" row 0x2a`.
    pub granule: String,
    /// Who holds it.
    pub holders: Vec<LockHolder>,
    /// Who waits for it, the next to be served first.
    pub waiting: Vec<LockHolder>,
}

/// A transaction, statement or guard that holds a lock or waits for one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LockHolder {
    /// Tells one from another.
    pub id: u64,
    /// The label that the program gave it.
    pub label: Option<Arc<str>>,
    /// The thread on which it began.
    pub thread: Arc<str>,
    /// The mode held or wanted.
    pub mode: Mode,
    /// How long ago it took its first lock, or how long it has waited.
    pub age: Duration,
    /// Where it was called from.
    pub caller: &'static Location<'static>,
}

/// A granule by value. The order is that of [`Granule`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum GranuleBuf {
    Names,
    Name(Arc<str>),
    Database,
    Table(u32),
    Within(u32, KeyBuf, Level),
}

impl GranuleBuf {
    fn as_ref(&self) -> Granule<'_> {
        match self {
            GranuleBuf::Names => Granule::Names,
            GranuleBuf::Name(name) => Granule::Name(name),
            GranuleBuf::Database => Granule::Database,
            GranuleBuf::Table(id) => Granule::Table(*id),
            GranuleBuf::Within(id, key, level) => Granule::Within(*id, key, *level),
        }
    }
}

impl From<Granule<'_>> for GranuleBuf {
    fn from(granule: Granule<'_>) -> Self {
        match granule {
            Granule::Names => GranuleBuf::Names,
            Granule::Name(name) => GranuleBuf::Name(name.into()),
            Granule::Database => GranuleBuf::Database,
            Granule::Table(id) => GranuleBuf::Table(id),
            Granule::Within(id, key, level) => GranuleBuf::Within(id, key.into(), level),
        }
    }
}

/// What was seen of one granule.
#[derive(Default)]
struct Seen {
    holders: Vec<LockHolder>,
    /// With what decides the place in the queue: conversions first, then who came first.
    waiting: Vec<(bool, Instant, LockHolder)>,
}

/// Collects from one slot after the other.
#[derive(Default)]
struct Collector {
    now: Option<Instant>,
    tables: BTreeMap<u32, String>,
    granules: BTreeMap<GranuleBuf, Seen>,
}

impl LockDump {
    pub(crate) fn of(manager: &LockManager) -> LockDump {
        LockDump { granules: Collector::collect(manager, None).finish() }
    }
}

/// The holders and waiters of one granule.
pub(crate) fn of_granule(manager: &LockManager, target: &Target) -> GranuleLocks {
    let mut room = KeyRoom::default();
    let granule = target.granule(&mut room);
    let mut collector = Collector::collect(manager, Some(granule));
    if let Target::Table(table) = target {
        collector.tables.insert(table.id(), table.name().to_owned());
    }
    collector.granules.entry(granule.into()).or_default();
    collector.finish().pop().expect("one granule was asked for")
}

impl Collector {
    fn collect(manager: &LockManager, only: Option<Granule<'_>>) -> Self {
        let mut collector = Collector { now: Some(Instant::now()), ..Collector::default() };
        for slot in manager.registry.slots() {
            let held = slot.held.lock();
            if let Some(owner) = &held.owner {
                collector.add(&slot, &held, owner, only);
            }
        }
        collector
    }

    fn add(&mut self, slot: &Slot, held: &Held, owner: &Owner, only: Option<Granule<'_>>) {
        let age = |since: Instant| self.now.map_or(Duration::ZERO, |now| now.saturating_duration_since(since));
        let waited = held.waiting.as_deref().map(|waiting| age(waiting.since));
        let holder = LockHolder {
            id: slot.holder_id(owner),
            label: owner.label.clone(),
            thread: slot.thread_name.clone(),
            mode: Mode::IS,
            age: age(owner.since),
            caller: owner.caller,
        };
        for table in &held.tables {
            self.tables.entry(table.id).or_insert_with(|| table.table.name().to_owned());
        }
        held.visit(only, &mut |granule, mode| {
            let seen = self.granules.entry(granule.into()).or_default();
            seen.holders.push(LockHolder { mode, ..holder.clone() });
        });
        if let (Some(waiting), Some(waited)) = (held.waiting.as_deref(), waited) {
            self.add_waiting(
                waiting,
                LockHolder { mode: waiting.wanted.to, age: waited, ..holder.clone() },
                only,
                holder.age,
            );
        }
    }

    fn add_waiting(&mut self, waiting: &Waiting, waiter: LockHolder, only: Option<Granule<'_>>, age: Duration) {
        let mut room = KeyRoom::default();
        let granule = waiting.wanted.target.granule(&mut room);
        if only.is_some_and(|only| only != granule) {
            return;
        }
        if let Target::Table(table) = &waiting.wanted.target {
            self.tables.entry(table.id()).or_insert_with(|| table.name().to_owned());
        }
        let seen = self.granules.entry(granule.into()).or_default();
        // A lock that was handed over is held, also while its thread has not yet woken to note it.
        if waiting.waiter.outcome() == Some(Outcome::Granted) {
            seen.holders.retain(|holder| holder.id != waiter.id);
            seen.holders.push(LockHolder { age, ..waiter });
        } else {
            seen.waiting.push((waiting.wanted.from.is_none(), waiting.since, waiter));
        }
    }

    fn finish(self) -> Vec<GranuleLocks> {
        let Collector { tables, granules, .. } = self;
        let locks = |(granule, mut seen): (GranuleBuf, Seen)| {
            seen.waiting.sort_by_key(|(new, since, _)| (*new, *since));
            GranuleLocks {
                granule: Described(granule.as_ref(), |id| tables.get(&id).cloned()).to_string(),
                holders: seen.holders,
                waiting: seen.waiting.into_iter().map(|(_, _, waiter)| waiter).collect(),
            }
        };
        granules.into_iter().map(locks).collect()
    }
}

impl Held {
    /// Shows each lock held, or only the one on `only`.
    fn visit(&self, only: Option<Granule<'_>>, show: &mut dyn FnMut(Granule<'_>, Mode)) {
        let mut show = |granule: Granule<'_>, mode: Option<Mode>| {
            if let Some(mode) = mode
                && only.is_none_or(|only| only == granule)
            {
                show(granule, mode);
            }
        };
        show(Granule::Names, self.names_root);
        self.names.iter().for_each(|(name, mode)| show(Granule::Name(name), Some(*mode)));
        show(Granule::Database, self.database);
        self.tables.iter().for_each(|held| show(Granule::Table(held.id), held.mode));
        for held in &self.segments {
            show(Granule::Within(held.table, &held.lock.low, Level::Segment), Some(held.mode));
        }
        for (row, mode) in self.rows.iter() {
            show(Granule::Within(row.table(), row.key(&mut KeyRoom::default()), Level::Row), Some(mode));
        }
    }
}

impl fmt::Display for LockDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.granules.is_empty() {
            return f.write_str("no locks");
        }
        for (index, granule) in self.granules.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{granule}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GranuleLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.granule)?;
        for holder in &self.holders {
            write!(f, "\n  {:4}held {holder}", holder.mode)?;
        }
        for waiter in &self.waiting {
            write!(f, "\n  {:4}wait {waiter}", waiter.mode)?;
        }
        Ok(())
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms by {}.{}", self.age.as_millis(), self.id >> 32, self.id & 0xffff_ffff)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " on thread {:?}, from {}", self.thread, self.caller)
    }
}
