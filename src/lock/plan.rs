//! What a lock set has learned to need, to be taken in order before the closure runs again.
//!
//! A plan holds keys and ranges, never segments: those may be split between two runs. It only grows, and after some
//! restarts it is widened, first to whole tables and then to the database, so that the number of runs is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::KeyBuf;

use super::held::Held;
use super::mode::{Mode, join};
use super::row_key::KeyRoom;
use super::table::{LockTable, SegmentLock};

#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) names_root: Option<Mode>,
    /// In the order in which they may be waited for.
    pub(crate) names: BTreeMap<Arc<str>, Mode>,
    pub(crate) database: Option<Mode>,
    pub(crate) tables: BTreeMap<u32, TablePlan>,
}

pub(crate) struct TablePlan {
    pub(crate) table: Arc<dyn LockTable>,
    pub(crate) mode: Option<Mode>,
    ranges: Vec<Range>,
    pub(crate) rows: BTreeMap<KeyBuf, Mode>,
}

struct Range {
    low: KeyBuf,
    high: Option<KeyBuf>,
    mode: Mode,
}

impl Range {
    fn meets(&self, segment: &SegmentLock) -> bool {
        segment.high.as_ref().is_none_or(|high| self.low < *high)
            && self.high.as_ref().is_none_or(|high| segment.low < *high)
    }
}

impl Plan {
    /// Adds all that is held.
    pub(crate) fn learn(&mut self, held: &Held) {
        if let Some(mode) = held.names_root {
            self.names_root = Some(join(self.names_root, mode));
        }
        for (name, mode) in &held.names {
            self.want_name(name, *mode);
        }
        if let Some(mode) = held.database {
            self.database = Some(join(self.database, mode));
        }
        for table in &held.tables {
            if let Some(mode) = table.mode {
                self.want_table(&table.table, mode);
            }
        }
        for segment in &held.segments {
            // Intents follow from what stands below them.
            if !matches!(segment.mode, Mode::IS | Mode::IX)
                && let Some(plan) = self.tables.get_mut(&segment.table)
            {
                plan.want_range(&segment.lock.low, segment.lock.high.as_deref(), segment.mode);
            }
        }
        for (row, mode) in held.rows.iter() {
            if let Some(plan) = self.tables.get_mut(&row.table()) {
                plan.want_row(row.key(&mut KeyRoom::default()), mode);
            }
        }
    }

    /// Adds all of another plan.
    pub(crate) fn merge(&mut self, other: Plan) {
        if let Some(mode) = other.names_root {
            self.names_root = Some(join(self.names_root, mode));
        }
        for (name, mode) in other.names {
            self.want_name(&name, mode);
        }
        if let Some(mode) = other.database {
            self.database = Some(join(self.database, mode));
        }
        for plan in other.tables.into_values() {
            if let Some(mode) = plan.mode {
                self.want_table(&plan.table, mode);
            }
            let into = self.table(&plan.table);
            for Range { low, high, mode } in plan.ranges {
                into.want_range(&low, high.as_deref(), mode);
            }
            for (key, mode) in plan.rows {
                into.want_row(&key, mode);
            }
        }
    }

    pub(crate) fn want_name(&mut self, name: &str, mode: Mode) {
        match self.names.get_mut(name) {
            Some(wanted) => *wanted = wanted.supremum(mode),
            None => drop(self.names.insert(Arc::from(name), mode)),
        }
    }

    pub(crate) fn table(&mut self, table: &Arc<dyn LockTable>) -> &mut TablePlan {
        self.tables.entry(table.id()).or_insert_with(|| TablePlan {
            table: table.clone(),
            mode: None,
            ranges: Vec::new(),
            rows: BTreeMap::new(),
        })
    }

    pub(crate) fn want_table(&mut self, table: &Arc<dyn LockTable>, mode: Mode) {
        let plan = self.table(table);
        plan.mode = Some(join(plan.mode, mode));
    }

    /// Puts a lock on the whole table in place of all inside it, in each table.
    pub(crate) fn widen_to_tables(&mut self) {
        self.tables.values_mut().for_each(TablePlan::widen);
    }

    /// Puts X on the database in place of all in it, and on the root of names in place of the names if `names` says so.
    pub(crate) fn widen_to_database(&mut self, names: bool) {
        self.tables.clear();
        self.database = Some(Mode::X);
        if names && !self.names.is_empty() {
            self.names.clear();
            self.names_root = Some(Mode::X);
        }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.tables.values().map(|plan| plan.rows.len()).sum()
    }

    /// Widens the table with the most rows.
    pub(crate) fn widen_largest(&mut self) {
        if let Some(plan) = self.tables.values_mut().max_by_key(|plan| plan.rows.len()) {
            plan.widen();
        }
    }

    /// The mode of the root of names that all of the plan needs.
    pub(crate) fn names_root_mode(&self) -> Option<Mode> {
        let intents = self.names.values().map(|mode| mode.intent());
        intents.fold(self.names_root, |mode, intent| Some(join(mode, intent)))
    }

    /// The mode of the database that all of the plan needs.
    pub(crate) fn database_mode(&self) -> Option<Mode> {
        let intents = self.tables.values().map(|plan| plan.table_mode().intent());
        intents.fold(self.database, |mode, intent| Some(join(mode, intent)))
    }
}

impl TablePlan {
    pub(crate) fn want_row(&mut self, key: &[u8], mode: Mode) {
        match self.rows.get_mut(key) {
            Some(wanted) => *wanted = wanted.supremum(mode),
            None => drop(self.rows.insert(KeyBuf::from(key), mode)),
        }
    }

    pub(crate) fn want_range(&mut self, low: &[u8], high: Option<&[u8]>, mode: Mode) {
        // Held segments come in ascending order: a run of them becomes one range.
        if let Some(last) = self.ranges.last_mut()
            && last.mode == mode
            && last.high.as_deref() == Some(low)
        {
            last.high = high.map(KeyBuf::from);
            return;
        }
        match self.ranges.iter_mut().find(|range| *range.low == *low && range.high.as_deref() == high) {
            Some(range) => range.mode = range.mode.supremum(mode),
            None => self.ranges.push(Range { low: KeyBuf::from(low), high: high.map(KeyBuf::from), mode }),
        }
    }

    /// The mode of the table itself: its own, and the intents for what is wanted inside it.
    pub(crate) fn table_mode(&self) -> Mode {
        let inside = self.ranges.iter().map(|range| range.mode).chain(self.rows.values().copied());
        inside.fold(self.mode.unwrap_or(Mode::IS), |mode, inside| mode.supremum(inside.intent()))
    }

    /// A mode of the table or the database beside which nothing inside needs a lock.
    pub(crate) fn mode_of_all(&self) -> Mode {
        if self.table_mode().writes() { Mode::X } else { Mode::S }
    }

    /// The mode of a segment of the table, or `None` if nothing in it is wanted.
    pub(crate) fn segment_mode(&self, segment: &SegmentLock) -> Option<Mode> {
        let ranges = self.ranges.iter().filter(|range| range.meets(segment)).map(|range| range.mode);
        let rows =
            self.rows_from(&segment.low).take_while(|(key, _)| segment.high.as_ref().is_none_or(|high| *key < high));
        ranges.chain(rows.map(|(_, mode)| mode.intent())).fold(None, |mode, other| Some(join(mode, other)))
    }

    /// The rows wanted from this key on, ascending.
    pub(crate) fn rows_from(&self, key: &KeyBuf) -> impl Iterator<Item = (&KeyBuf, Mode)> {
        self.rows.range(key.clone()..).map(|(key, mode)| (key, *mode))
    }

    /// The first place at or after `from` where something is wanted.
    pub(crate) fn next_point(&self, from: &KeyBuf) -> Option<KeyBuf> {
        let ranges = self.ranges.iter().filter(|range| range.high.as_ref().is_none_or(|high| *high > *from));
        let range = ranges.map(|range| range.low.clone().max(from.clone())).min();
        let row = self.rows_from(from).next().map(|(key, _)| key.clone());
        match (range, row) {
            (Some(range), Some(row)) => Some(range.min(row)),
            (range, row) => range.or(row),
        }
    }

    fn widen(&mut self) {
        self.mode = Some(self.mode_of_all());
        self.ranges.clear();
        self.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lock::head::Head;

    struct Nothing(Head);

    impl LockTable for Nothing {
        fn id(&self) -> u32 {
            1
        }

        fn name(&self) -> &str {
            "nothing"
        }

        fn head(&self) -> &Head {
            &self.0
        }

        fn locate(&self, _: &[u8]) -> Arc<SegmentLock> {
            Arc::new(segment(b"", None))
        }
    }

    fn segment(low: &[u8], high: Option<&[u8]>) -> SegmentLock {
        SegmentLock { low: KeyBuf::from(low), high: high.map(KeyBuf::from), head: Head::new() }
    }

    #[test]
    fn merged_plans_want_what_either_wants() {
        let table: Arc<dyn LockTable> = Arc::new(Nothing(Head::new()));
        let mut one = Plan::default();
        one.want_name("n", Mode::S);
        one.table(&table).want_row(b"a", Mode::S);
        let mut other = Plan { database: Some(Mode::IX), ..Plan::default() };
        other.want_name("n", Mode::X);
        other.table(&table).want_row(b"a", Mode::X);
        other.table(&table).want_range(b"c", Some(b"d"), Mode::S);
        one.merge(other);
        let merged = &one.tables[&1];
        assert_eq!((one.names["n"], one.database, merged.mode), (Mode::X, Some(Mode::IX), None));
        assert_eq!(merged.rows[&b"a"[..]], Mode::X);
        assert_eq!(merged.segment_mode(&segment(b"c", Some(b"e"))), Some(Mode::S));
        let mut whole = Plan::default();
        whole.want_table(&table, Mode::SIX);
        one.merge(whole);
        assert_eq!(one.tables[&1].mode, Some(Mode::SIX));
    }

    fn plan() -> TablePlan {
        let table: Arc<dyn LockTable> = Arc::new(Nothing(Head::new()));
        TablePlan { table, mode: None, ranges: Vec::new(), rows: BTreeMap::new() }
    }

    #[test]
    fn neighbouring_ranges_become_one() {
        let mut plan = plan();
        for (low, high) in [(&b"b"[..], &b"d"[..]), (b"d", b"f"), (b"f", b"k")] {
            plan.want_range(low, Some(high), Mode::S);
        }
        plan.want_range(b"k", None, Mode::SIX);
        plan.want_range(b"k", None, Mode::S);
        assert_eq!(plan.ranges.len(), 2);
        assert_eq!(plan.segment_mode(&segment(b"", Some(b"b"))), None);
        assert_eq!(plan.segment_mode(&segment(b"c", Some(b"e"))), Some(Mode::S));
        assert_eq!(plan.segment_mode(&segment(b"j", Some(b"l"))), Some(Mode::SIX));
        assert_eq!(plan.table_mode(), Mode::IX);
    }

    #[test]
    fn a_segment_carries_what_is_wanted_in_it() {
        let mut plan = plan();
        plan.want_row(b"c", Mode::S);
        plan.want_row(b"m", Mode::S);
        plan.want_row(b"m", Mode::U);
        plan.want_range(b"p", Some(b"q"), Mode::S);
        assert_eq!(plan.segment_mode(&segment(b"a", Some(b"f"))), Some(Mode::IS));
        assert_eq!(plan.segment_mode(&segment(b"f", Some(b"p"))), Some(Mode::IX));
        assert_eq!(plan.segment_mode(&segment(b"f", None)), Some(Mode::SIX));
        assert_eq!(plan.segment_mode(&segment(b"q", None)), None);
        let points = |from: &[u8]| plan.next_point(&KeyBuf::from(from)).map(|point| point.to_vec());
        assert_eq!(points(b""), Some(b"c".to_vec()));
        assert_eq!(points(b"d"), Some(b"m".to_vec()));
        assert_eq!(points(b"pp"), Some(b"pp".to_vec()));
        assert_eq!(points(b"q"), None);
    }

    #[test]
    fn a_wide_plan_reads_or_writes_the_table() {
        for (mode, wide) in [(Mode::S, Mode::S), (Mode::U, Mode::X), (Mode::X, Mode::X)] {
            let mut plan = plan();
            plan.want_row(b"a", mode);
            plan.widen();
            assert_eq!((plan.table_mode(), plan.rows.len()), (wide, 0));
        }
    }
}
