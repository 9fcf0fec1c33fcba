//! What a random transaction does.

use std::ops::Range;

use crate::random::Random;

/// The keys of a run: tables of equally many, numbered through.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// Keys of one table.
    pub(super) each: u32,
    /// All keys.
    pub(super) all: u32,
    /// Keys of each table that are used half of the time.
    pub(super) hot: u32,
    /// The keys of each table that are used now, where tables grow all the time: a window that moves upwards, so that
    /// segments are split again and again under those who use them.
    pub(super) window: Option<Range<u32>>,
}

/// Keys in a window.
const WINDOW: u32 = 96;
/// Transactions in which a window moves by one key.
const PACE: u64 = 3;

/// One call.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Get(u32),
    GetForUpdate(u32),
    GetMany(Vec<u32>),
    Put(u32),
    Insert(u32),
    Modify(u32),
    Remove(u32),
    Range {
        keys: Range<u32>,
        sequential: bool,
    },
    /// A range that is read by an index, whose entries move within it whenever a row changes.
    Indexed {
        keys: Range<u32>,
    },
    /// Takes out all rows of a range at once; a call of its own.
    RemoveRange {
        keys: Range<u32>,
    },
    /// The first few rows of a range.
    Top {
        keys: Range<u32>,
        rows: usize,
    },
    First {
        table: u32,
    },
    Last {
        table: u32,
    },
    Full {
        table: u32,
    },
    /// Counts the rows.
    Len {
        table: u32,
    },
    /// Changes every row whose key has this remainder.
    Update {
        table: u32,
        remainder: u32,
    },
    Lock {
        name: &'static str,
        shared: bool,
    },
}

/// Changed by an update: one row of so many.
pub(super) const UPDATED: u32 = 24;

const NAMES: [&str; 3] = ["brush", "lead", "sledge"];

impl Keys {
    pub(super) fn table(&self, table: u32) -> Range<u32> {
        table * self.each..(table + 1) * self.each
    }

    /// The same keys when so many transactions have ended.
    pub(super) fn after(&self, ended: u64) -> Keys {
        let start = (ended / PACE % u64::from(self.each.saturating_sub(WINDOW).max(1))) as u32;
        let window = self.window.as_ref().map(|_| start..(start + WINDOW).min(self.each));
        Keys { window, ..*self }
    }

    pub(super) fn any(&self, random: &mut Random) -> u32 {
        let table = random.below(u64::from(self.all / self.each)) as u32 * self.each;
        if let Some(window) = &self.window {
            return table + window.start + random.below(u64::from(window.end - window.start)) as u32;
        }
        let bound = if random.below(2) == 0 { self.hot } else { self.each };
        // The hot keys lie apart, so that they are in several segments.
        let key = random.below(u64::from(bound)) as u32;
        table + if bound == self.hot { key * (self.each / self.hot) } else { key }
    }

    pub(super) fn range(&self, random: &mut Random) -> Range<u32> {
        let from = self.any(random);
        let end = (from / self.each + 1) * self.each;
        // Most are short, some cross several segments.
        let most = if random.below(8) == 0 { 120 } else { 24 };
        from..(from + 1 + random.below(most) as u32).min(end)
    }

    fn one_table(&self, random: &mut Random) -> u32 {
        random.below(u64::from(self.all / self.each)) as u32
    }

    /// A read that every source of reads has.
    pub(super) fn read(&self, random: &mut Random) -> Op {
        match random.below(20) {
            0..10 => Op::Get(self.any(random)),
            10..12 => Op::Indexed { keys: self.range(random) },
            12..17 => Op::Range { keys: self.range(random), sequential: random.below(2) == 0 },
            17..19 => Op::Top { keys: self.range(random), rows: 1 + random.below(4) as usize },
            _ => self.all_or_window(random, |table| Op::Full { table }),
        }
    }

    /// A call on a whole table; where tables are too large for that, on the keys that are used now.
    fn all_or_window(&self, random: &mut Random, call: impl FnOnce(u32) -> Op) -> Op {
        let table = self.one_table(random);
        match &self.window {
            None => call(table),
            Some(window) => {
                let start = table * self.each;
                Op::Range { keys: start + window.start..start + window.end, sequential: random.below(2) == 0 }
            }
        }
    }

    /// A read that a database has.
    pub(super) fn read_outside(&self, random: &mut Random) -> Op {
        let table = self.one_table(random);
        match random.below(20) {
            0 => Op::Len { table },
            1 => Op::First { table },
            2 => self.all_or_window(random, |table| Op::Last { table }),
            3 => self.many(random),
            _ => self.read(random),
        }
    }

    /// A call that writes.
    pub(super) fn write(&self, random: &mut Random) -> Op {
        match random.below(100) {
            0..30 => Op::Put(self.any(random)),
            30..50 => Op::Insert(self.any(random)),
            50..75 => Op::Modify(self.any(random)),
            75..97 => Op::Remove(self.any(random)),
            97 => Op::RemoveRange { keys: self.range(random) },
            _ if self.window.is_some() => Op::Modify(self.any(random)),
            _ => self.update(random),
        }
    }

    fn many(&self, random: &mut Random) -> Op {
        Op::GetMany((0..3).map(|_| self.any(random)).collect())
    }

    fn update(&self, random: &mut Random) -> Op {
        let remainder = random.below(u64::from(UPDATED)) as u32;
        self.all_or_window(random, |table| Op::Update { table, remainder })
    }

    fn one(&self, random: &mut Random) -> Op {
        match random.below(200) {
            0..40 => Op::Get(self.any(random)),
            40..52 => Op::GetForUpdate(self.any(random)),
            52..58 => self.many(random),
            58..88 => Op::Put(self.any(random)),
            88..104 => Op::Insert(self.any(random)),
            104..136 => Op::Modify(self.any(random)),
            136..152 => Op::Remove(self.any(random)),
            152..158 => Op::Indexed { keys: self.range(random) },
            158..180 => Op::Range { keys: self.range(random), sequential: random.below(2) == 0 },
            180..186 => Op::Top { keys: self.range(random), rows: 1 + random.below(4) as usize },
            186..188 => Op::First { table: self.one_table(random) },
            188..190 => self.all_or_window(random, |table| Op::Last { table }),
            190..193 => self.all_or_window(random, |table| Op::Full { table }),
            193 => self.all_or_window(random, |table| Op::Len { table }),
            194 => self.update(random),
            _ => Op::Lock { name: NAMES[random.below(3) as usize], shared: random.below(2) == 0 },
        }
    }

    /// Writes to keys that lie side by side, so that one segment gets all of them and others are let in while it does.
    fn neighbours(&self, random: &mut Random) -> Vec<Op> {
        let keys = self.range(random);
        let one = |random: &mut Random| {
            let key = keys.start + random.below(u64::from(keys.end - keys.start)) as u32;
            match random.below(8) {
                0..5 => Op::Put(key),
                5 => Op::Insert(key),
                6 => Op::Modify(key),
                _ => Op::Remove(key),
            }
        };
        (0..2 + random.below(5)).map(|_| one(random)).collect()
    }

    /// The calls of a transaction. At low tide most writes of new rows become removals, so that tables grow and shrink.
    pub(super) fn transaction(&self, random: &mut Random, low_tide: bool) -> Vec<Op> {
        let mut ops: Vec<Op> = match random.below(5) {
            0 => self.neighbours(random),
            _ => (0..1 + random.below(6)).map(|_| self.one(random)).collect(),
        };
        if low_tide {
            ops.iter_mut().for_each(|op| match op {
                Op::Put(key) | Op::Insert(key) if random.below(4) > 0 => *op = Op::Remove(*key),
                _ => {}
            });
        }
        if random.below(3) == 0 {
            // What a careful program does: names first, then rows in key order.
            ops.sort_by_key(|op| match op {
                Op::Lock { .. } => 0,
                Op::Get(key) | Op::GetForUpdate(key) | Op::Put(key) | Op::Insert(key) => key + 1,
                Op::Modify(key) | Op::Remove(key) => key + 1,
                _ => u32::MAX,
            });
        }
        if random.below(4) == 0 {
            // What is read twice must be the same, whatever happens between, to segments too.
            let look = Op::Range { keys: self.range(random), sequential: random.below(2) == 0 };
            ops.insert(0, look.clone());
            ops.push(look);
        }
        ops
    }
}
