//! Collects who holds and who waits from one slot after the other.
//!
//! A slot is latched only while it is copied, and what a granule is called is looked up afterwards, so a dump holds
//! nobody up for longer than its own list takes to copy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::codec::KeyBuf;
use crate::sync::Instant;

use super::dump::{GranuleLocks, LockDump, LockHolder};
use super::granule::{Granule, Level, Target};
use super::held::{Held, HeldSegment, Owner, Waiting};
use super::locked::LockedGranule;
use super::manager::LockManager;
use super::mode::Mode;
use super::row_key::KeyRoom;
use super::slot::Slot;
use super::table::LockTable;
use super::waiter::Outcome;

/// A granule by value. The order is that of [`Granule`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum GranuleBuf {
    Names,
    Name(Arc<str>),
    Database,
    Table(u32),
    Within(u32, KeyBuf, Level),
    Index(u32),
    WithinIndex(u32, KeyBuf, Level),
}

impl GranuleBuf {
    fn as_ref(&self) -> Granule<'_> {
        match self {
            GranuleBuf::Names => Granule::Names,
            GranuleBuf::Name(name) => Granule::Name(name),
            GranuleBuf::Database => Granule::Database,
            GranuleBuf::Table(id) | GranuleBuf::Index(id) => Granule::table(*id),
            GranuleBuf::Within(id, key, level) | GranuleBuf::WithinIndex(id, key, level) => {
                Granule::within(*id, key, *level)
            }
        }
    }

    fn table(&self) -> Option<u32> {
        match self {
            GranuleBuf::Table(id) | GranuleBuf::Within(id, ..) => Some(*id),
            GranuleBuf::Index(id) | GranuleBuf::WithinIndex(id, ..) => Some(*id),
            GranuleBuf::Names | GranuleBuf::Name(_) | GranuleBuf::Database => None,
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
            Granule::Index(id) => GranuleBuf::Index(id),
            Granule::WithinIndex(id, key, level) => GranuleBuf::WithinIndex(id, key.into(), level),
        }
    }
}

/// What was seen of one granule.
#[derive(Default)]
struct Seen {
    /// The end of a segment.
    high: Option<KeyBuf>,
    holders: Vec<LockHolder>,
    /// With what decides the place in the queue: conversions first, then who came first.
    waiting: Vec<(bool, Instant, LockHolder)>,
}

struct Collector {
    now: Instant,
    /// What to look at, ascending; all where there is none.
    only: Option<Vec<GranuleBuf>>,
    tables: BTreeMap<u32, Arc<dyn LockTable>>,
    granules: BTreeMap<GranuleBuf, Seen>,
}

/// All granules that are held or wanted.
pub(crate) fn all(manager: &LockManager) -> LockDump {
    let mut collector = Collector::new(None);
    collector.collect(manager);
    LockDump { granules: collector.finish().into_iter().map(|(_, locks)| locks).collect() }
}

/// The granules that somebody waits for, and `target`, with its place among them. Looks twice at each slot, but copies
/// no lock that nobody waits for: time-outs come in crowds, when there are many locks.
pub(crate) fn contended(manager: &LockManager, target: &Target) -> (LockDump, usize) {
    let mut room = KeyRoom::default();
    let own = GranuleBuf::from(target.granule(&mut room));
    let mut wanted = BTreeSet::from([own.clone()]);
    for slot in manager.registry.slots() {
        if let Some(waiting) = slot.held.lock().waiting.as_deref() {
            wanted.insert(waiting.wanted.target.granule(&mut KeyRoom::default()).into());
        }
    }
    let mut collector = Collector::new(Some(wanted.into_iter().collect()));
    collector.note_target(target);
    collector.collect(manager);
    let found = collector.finish();
    let at = found.iter().position(|(granule, _)| *granule == own).expect("it was noted, so it is in the list");
    (LockDump { granules: found.into_iter().map(|(_, locks)| locks).collect() }, at)
}

impl Collector {
    fn new(only: Option<Vec<GranuleBuf>>) -> Self {
        Collector { now: Instant::now(), only, tables: BTreeMap::new(), granules: BTreeMap::new() }
    }

    fn collect(&mut self, manager: &LockManager) {
        for slot in manager.registry.slots() {
            let held = slot.held.lock();
            if let Some(owner) = &held.owner {
                self.add(&slot, &held, owner);
            }
        }
    }

    fn add(&mut self, slot: &Slot, held: &Held, owner: &Owner) {
        let holder = LockHolder {
            id: slot.holder_id(owner),
            label: owner.label.clone(),
            thread: slot.thread_name.clone(),
            mode: Mode::IS,
            age: self.age(owner.since),
            caller: owner.caller,
        };
        for table in &held.tables {
            self.tables.entry(table.id).or_insert_with(|| table.table.clone());
        }
        held.visit(&mut |granule, mode, high| {
            if let Some(seen) = self.seen(granule, high) {
                seen.holders.push(LockHolder { mode, ..holder.clone() });
            }
        });
        if let Some(waiting) = held.waiting.as_deref() {
            self.add_waiting(waiting, holder);
        }
    }

    fn add_waiting(&mut self, waiting: &Waiting, holder: LockHolder) {
        let waited = self.age(waiting.since);
        let Some(seen) = self.note_target(&waiting.wanted.target) else { return };
        let mode = waiting.wanted.to;
        // A lock that was handed over is held, also while its thread has not yet woken to note it.
        if waiting.waiter.outcome() == Some(Outcome::Granted) {
            seen.holders.retain(|other| other.id != holder.id);
            seen.holders.push(LockHolder { mode, ..holder });
        } else {
            let waiter = LockHolder { mode, age: waited, ..holder };
            seen.waiting.push((waiting.wanted.from.is_none(), waiting.since, waiter));
        }
    }

    fn note_target(&mut self, target: &Target) -> Option<&mut Seen> {
        let mut room = KeyRoom::default();
        let granule = target.granule(&mut room);
        let high = match target {
            Target::Segment { lock, .. } => lock.high.as_ref(),
            _ => None,
        };
        if let Target::Table(table) = target {
            self.tables.entry(table.id()).or_insert_with(|| table.clone());
        }
        self.seen(granule, high)
    }

    /// Most granules are not asked for by a time-out: what it costs to keep one is paid only for those that are.
    fn seen(&mut self, granule: Granule<'_>, high: Option<&KeyBuf>) -> Option<&mut Seen> {
        if let Some(only) = &self.only {
            only.binary_search_by(|known| known.as_ref().cmp(&granule)).ok()?;
        }
        let seen = self.granules.entry(granule.into()).or_default();
        seen.high = seen.high.take().or_else(|| high.cloned());
        Some(seen)
    }

    fn age(&self, since: Instant) -> Duration {
        self.now.saturating_duration_since(since)
    }

    fn finish(self) -> Vec<(GranuleBuf, GranuleLocks)> {
        let Collector { tables, granules, .. } = self;
        let locks = |(granule, mut seen): (GranuleBuf, Seen)| {
            seen.waiting.sort_by_key(|(new, since, _)| (*new, *since));
            let table = granule.table().and_then(|id| tables.get(&id));
            let locks = GranuleLocks {
                granule: LockedGranule::of(granule.as_ref(), seen.high.as_deref(), table.map(|table| &**table)),
                holders: seen.holders,
                waiting: seen.waiting.into_iter().map(|(_, _, waiter)| waiter).collect(),
            };
            (granule, locks)
        };
        granules.into_iter().map(locks).collect()
    }
}

impl Held {
    /// Shows each lock held, segments with their end.
    fn visit(&self, show: &mut dyn FnMut(Granule<'_>, Mode, Option<&KeyBuf>)) {
        if let Some(mode) = self.names_root {
            show(Granule::Names, mode, None);
        }
        self.names.iter().for_each(|(name, mode)| show(Granule::Name(name), *mode, None));
        if let Some(mode) = self.database {
            show(Granule::Database, mode, None);
        }
        for held in &self.tables {
            if let Some(mode) = held.mode {
                show(Granule::table(held.id), mode, None);
            }
        }
        for HeldSegment { table, mode, lock } in &self.segments {
            show(Granule::within(*table, &lock.low, Level::Segment), *mode, lock.high.as_ref());
        }
        for (row, mode) in self.rows.iter() {
            show(Granule::within(row.table(), row.key(&mut KeyRoom::default()), Level::Row), mode, None);
        }
    }
}
