//! The operations, and how a tape of decisions becomes one.

use std::ops::Bound;

use gangline::{Durability, Index, Table};
use serde::{Deserialize, Serialize};

use crate::random::Tape;

/// The row of both tables.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What selections look at and modifications change.
    pub number: u64,
    /// Makes the row as long as it likes.
    pub text: String,
}

impl Note {
    /// Its keys in [`BY_REST`].
    pub fn rests(&self) -> impl Iterator<Item = (u8, bool)> {
        let rest = (self.number % 7) as u8;
        let odd = self.text.len() % 2 == 1;
        [(rest < 6).then_some((rest, odd)), (rest < 3).then_some((rest + 2, odd))].into_iter().flatten()
    }

    /// A short text that differs where rows do.
    pub fn show(&self) -> String {
        format!("{}:{}{}", self.number, self.text.len(), self.text.get(..1).unwrap_or_default())
    }
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Note({})", self.show())
    }
}

/// Rows under numbers.
pub const NUMBERS: Table<u64, Note> = Table::new("numbers").indexes(&[&BY_NUMBER, &BY_REST]);
/// Rows under strings, which sort in another order than their numbers.
pub const WORDS: Table<String, Note> = Table::new("words").indexes(&[&BY_NUMBER, &BY_REST]);
/// Each row under its number.
pub const BY_NUMBER: Index<u64, Note> = Index::new("by_number", |note, out| out.key(note.number));
/// No, one or two keys a row: see [`Note::rests`].
pub const BY_REST: Index<(u8, bool), Note> =
    Index::new("by_rest", |note, out| note.rests().for_each(|(rest, odd)| out.key((rest, odd))));

/// Which table a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// [`NUMBERS`].
    Numbers,
    /// [`WORDS`].
    Words,
}

/// A call that exists on a database and on a transaction alike. Keys are numbers; [`WORDS`] spells them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is named as the call of the library that it makes")]
pub enum Call {
    Get(u64),
    GetForUpdate(u64),
    Contains(u64),
    GetMany(Vec<u64>),
    Put(u64, Note),
    Insert(u64, Note),
    Modify(u64, u64),
    Remove(u64),
    First,
    Last,
    Len,
    Range { low: Bound<u64>, high: Bound<u64>, limit: Option<usize> },
    Keys { low: Bound<u64>, high: Bound<u64> },
    ByNumber { low: u64, high: u64, limit: Option<usize> },
    ByRest { low: u8, high: u8 },
    Read { modulus: u64 },
    Rows { modulus: u64, limit: Option<usize> },
    Count { modulus: u64 },
    Fold,
    Update { modulus: u64, add: u64 },
}

impl Call {
    /// Whether snapshots have this call too.
    pub fn is_read_of_snapshot(&self) -> bool {
        match self {
            Call::Get(_) | Call::Len | Call::Fold => true,
            Call::ByNumber { .. } | Call::ByRest { .. } => true,
            Call::Range { .. } | Call::Keys { .. } | Call::Read { .. } | Call::Rows { .. } | Call::Count { .. } => true,
            Call::GetForUpdate(_) | Call::Contains(_) | Call::GetMany(_) | Call::First | Call::Last => false,
            Call::Put(..) | Call::Insert(..) | Call::Modify(..) | Call::Remove(_) | Call::Update { .. } => false,
        }
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The closure returns `Ok`.
    Commit,
    /// The closure returns an error of its own.
    Abort,
}

/// One operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Op {
    /// A call of the database, which is a transaction of its own.
    Single(Which, Call),
    /// Several calls in one transaction.
    Transact {
        /// The calls in their order.
        calls: Vec<(Which, Call)>,
        /// Whether it commits.
        end: End,
        /// Whether it overrides the database's durability, and to what.
        durability: Option<Promise>,
    },
    /// Takes a snapshot and keeps it under a number.
    TakeSnapshot(u8),
    /// A read of a kept snapshot.
    ReadSnapshot(u8, Which, Call),
    /// Lets a kept snapshot go.
    DropSnapshot(u8),
    /// Writes a checkpoint.
    Checkpoint,
    /// Makes everything committed durable.
    Sync,
    /// Checks the store and reports the number of rows of both tables.
    Verify,
    /// Compacts the store.
    Compact,
    /// Everything that is in a backup made now.
    Backup,
    /// Everything that is in the store.
    Dump,
    /// Closes the store and opens it again.
    Reopen,
    /// Drops the store without closing it and opens it again.
    DropAndOpen,
    /// Kills the process that has the store open, maybe in the middle of an operation, and opens it again.
    Kill {
        /// What is going on meanwhile.
        during: Option<Box<Op>>,
        /// How long after its start the kill comes, in microseconds.
        delay_us: u64,
    },
}

/// [`Durability`] in a form that can be sent to a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// [`Durability::Immediate`].
    Immediate,
    /// [`Durability::Eventual`].
    Eventual,
}

impl From<Promise> for Durability {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Immediate => Durability::Immediate,
            Promise::Eventual => Durability::Eventual,
        }
    }
}

/// Number of snapshots that can be kept at a time.
pub const SNAPSHOTS: usize = 3;

/// What a run leaves out, so that rare things get their turn: each run has another mix.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    off: u16,
    /// Keys are drawn from this many.
    keys: u16,
}

impl Mix {
    /// The mix that the tape says.
    pub fn read(tape: &mut Tape<'_>) -> Self {
        // Two draws, so that each family is off in a quarter of the runs.
        Mix { off: tape.short() & tape.short(), keys: [40, 500, 500, 3000][usize::from(tape.byte() % 4)] }
    }

    fn has(self, family: u8) -> bool {
        self.off & (1 << family) == 0
    }
}

/// The operation that stands next on the tape. `index` counts them; keys at the end of the tables are made of it.
pub fn read_op(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Op {
    let draw = tape.byte();
    match draw {
        0..=159 => single(tape, mix, index),
        160..=199 if mix.has(8) => transact(tape, mix, index),
        200..=207 if mix.has(9) => Op::TakeSnapshot(tape.byte() % SNAPSHOTS as u8),
        208..=228 if mix.has(9) => {
            Op::ReadSnapshot(tape.byte() % SNAPSHOTS as u8, which(tape), read_call(tape, mix, index))
        }
        229..=231 if mix.has(9) => Op::DropSnapshot(tape.byte() % SNAPSHOTS as u8),
        232..=239 if mix.has(10) => Op::Checkpoint,
        240..=243 if mix.has(11) => Op::Sync,
        244..=246 if mix.has(12) && tape.one_in(4) => match tape.byte() % 8 {
            0 | 1 => Op::Compact,
            2 => Op::Backup,
            _ => Op::Verify,
        },
        247..=248 if mix.has(13) && tape.one_in(2) => Op::Reopen,
        249..=250 if mix.has(14) && tape.one_in(2) => Op::DropAndOpen,
        251..=254 if mix.has(15) => kill(tape, mix, index),
        _ => single(tape, mix, index),
    }
}

fn kill(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Op {
    let during = match tape.byte() % 8 {
        0 | 1 => None,
        2 if tape.one_in(2) => Some(Op::Compact),
        2 => Some(Op::Checkpoint),
        3 => Some(Op::Reopen),
        4 | 5 => Some(transact(tape, mix, index)),
        _ => Some(single(tape, mix, index)),
    };
    // Most calls take tens of microseconds, a checkpoint some milliseconds.
    let delay_us = match during {
        Some(Op::Compact) => u64::from(tape.short()),
        Some(Op::Checkpoint | Op::Reopen) => u64::from(tape.short() % 8_000),
        _ => u64::from(tape.short() % 400),
    };
    Op::Kill { during: during.map(Box::new), delay_us }
}

fn transact(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Op {
    let length = 1 + tape.byte() % 8;
    let calls = (0..u64::from(length)).map(|at| (which(tape), call(tape, mix, index * 8 + at))).collect();
    let end = if tape.one_in(4) { End::Abort } else { End::Commit };
    let durability = match tape.byte() % 8 {
        6 => Some(Promise::Immediate),
        7 => Some(Promise::Eventual),
        _ => None,
    };
    Op::Transact { calls, end, durability }
}

fn single(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Op {
    let which = which(tape);
    match call(tape, mix, index * 8) {
        // The only call that a transaction has and a database has not.
        Call::GetForUpdate(key) => Op::Single(which, Call::Get(key)),
        call => Op::Single(which, call),
    }
}

fn which(tape: &mut Tape<'_>) -> Which {
    if tape.one_in(3) { Which::Words } else { Which::Numbers }
}

fn call(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Call {
    match tape.byte() % 32 {
        0..=7 => Call::Put(key(tape, mix, index), note(tape, mix)),
        8..=11 if mix.has(0) => Call::Insert(key(tape, mix, index), note(tape, mix)),
        12..=15 if mix.has(1) => Call::Modify(key(tape, mix, index), u64::from(tape.byte())),
        16..=19 if mix.has(2) => Call::Remove(key(tape, mix, index)),
        20 if mix.has(3) => Call::Update { modulus: modulus(tape), add: u64::from(tape.byte()) },
        21 if mix.has(4) => Call::GetForUpdate(key(tape, mix, index)),
        _ => read_call(tape, mix, index),
    }
}

fn read_call(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Call {
    match tape.byte() % 20 {
        0..=3 => Call::Get(key(tape, mix, index)),
        4 => Call::Contains(key(tape, mix, index)),
        5 => Call::GetMany((0..tape.byte() % 6).map(|_| key(tape, mix, index)).collect()),
        6 => Call::First,
        7 => Call::Last,
        8 => Call::Len,
        9 | 10 if mix.has(5) => {
            let limit = tape.one_in(2).then(|| usize::from(tape.byte() % 40));
            Call::Range { low: bound(tape, mix, index), high: bound(tape, mix, index), limit }
        }
        11 if mix.has(5) => Call::Keys { low: bound(tape, mix, index), high: bound(tape, mix, index) },
        12 if mix.has(6) => Call::Read { modulus: modulus(tape) },
        13 if mix.has(6) => {
            Call::Rows { modulus: modulus(tape), limit: tape.one_in(2).then(|| usize::from(tape.byte())) }
        }
        14 if mix.has(7) => Call::Count { modulus: modulus(tape) },
        15 if mix.has(7) => Call::Fold,
        16 | 17 if mix.has(6) => {
            let (low, width) = (u64::from(tape.short()), u64::from(tape.byte()) * 40);
            Call::ByNumber { low, high: low + width, limit: tape.one_in(2).then(|| usize::from(tape.byte() % 40)) }
        }
        18 if mix.has(6) => {
            let low = tape.byte() % 8;
            Call::ByRest { low, high: low + tape.byte() % 4 }
        }
        _ => Call::Get(key(tape, mix, index)),
    }
}

fn key(tape: &mut Tape<'_>, mix: Mix, index: u64) -> u64 {
    match tape.byte() {
        // Rows that are appended at the end, as ids are.
        0..=31 => 1_000_000 + index,
        32 => u64::MAX - u64::from(tape.byte() % 2),
        _ => u64::from(tape.short() % mix.keys),
    }
}

fn bound(tape: &mut Tape<'_>, mix: Mix, index: u64) -> Bound<u64> {
    match tape.byte() % 8 {
        0 => Bound::Unbounded,
        1..=3 => Bound::Excluded(key(tape, mix, index)),
        _ => Bound::Included(key(tape, mix, index)),
    }
}

fn modulus(tape: &mut Tape<'_>) -> u64 {
    [1, 2, 3, 7, 50, 1000][usize::from(tape.byte() % 6)]
}

fn note(tape: &mut Tape<'_>, mix: Mix) -> Note {
    let number = u64::from(tape.short());
    let length = match tape.byte() {
        0..=199 => usize::from(tape.byte() % 64),
        200..=249 => usize::from(tape.byte()) + 100,
        // There would be too many bytes in all.
        _ if mix.keys > 1000 => 300,
        // Rows that nearly fill a page, that need two entries of the page store, or many.
        size @ 250..=252 => usize::from(size - 249) * 1_300,
        253 => 6_000 + usize::from(tape.short() % 2_500),
        254 => 13_000 + usize::from(tape.short() % 3_000),
        255 => 20_000 + 4 * usize::from(tape.short()),
    };
    let fill = char::from(b'a' + tape.byte() % 26);
    Note { number, text: std::iter::repeat_n(fill, length).collect() }
}

/// How [`WORDS`] spells a key: short and long words, some the beginning of others, in another order than the numbers.
pub fn spell(key: u64) -> String {
    let mut word: String = key.to_string().chars().rev().collect();
    if key.is_multiple_of(5) {
        word.push_str("-a-longer-name-than-fits-in-place");
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn a_seed_gives_every_kind_of_operation() {
        let mix = Mix { off: 0, keys: 500 };
        let kinds: BTreeSet<String> = (0..5_000)
            .map(|index| format!("{:?}", read_op(&mut Tape::Seeded(Random::part(1, index)), mix, index)))
            .map(|text| text.split(['(', ' ']).next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds.len(), 13, "{kinds:?}");
    }

    #[test]
    fn spelling_keeps_keys_apart() {
        let words: BTreeSet<String> = (0..4000).map(spell).collect();
        assert_eq!(words.len(), 4000);
    }

    #[test]
    fn the_end_of_a_tape_is_harmless() {
        let mix = Mix::read(&mut Tape::Bytes(&[]));
        assert!(matches!(read_op(&mut Tape::Bytes(&[]), mix, 0), Op::Single(Which::Numbers, Call::Put(..))));
    }
}
