//! What a store should hold and reply: two `BTreeMap`s.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::op::{Call, End, Note, Which, spell};

/// The contents of both tables. Rows are shared, so that keeping many states is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    numbers: BTreeMap<u64, Arc<Note>>,
    words: BTreeMap<String, Arc<Note>>,
}

impl State {
    /// Makes one call and says what the store should reply.
    pub fn call(&mut self, which: Which, call: &Call) -> String {
        match which {
            Which::Numbers => one_table(&mut self.numbers, call, &|key| key),
            Which::Words => one_table(&mut self.words, call, &spell),
        }
    }

    /// Makes all calls or, if it is to abort, none; the reply is the same.
    pub fn transact(&mut self, calls: &[(Which, Call)], end: End) -> String {
        let before = self.clone();
        let replies: Vec<String> = calls.iter().map(|(which, call)| self.call(*which, call)).collect();
        if end == End::Abort {
            *self = before;
        }
        join_transaction(&replies, end)
    }

    /// All rows of both tables, as text.
    pub fn dump(&self) -> String {
        let numbers = self.numbers.iter().map(|(key, note)| show_entry(key, note));
        let words = self.words.iter().map(|(key, note)| show_entry(key, note));
        format!("{} / {}", join(numbers), join(words))
    }

    /// Number of rows of both tables.
    pub fn rows(&self) -> u64 {
        (self.numbers.len() + self.words.len()) as u64
    }

    /// What a verification should say.
    pub fn verdict(&self) -> String {
        verdict(true, self.numbers.len() as u64, self.words.len() as u64)
    }
}

/// The reply of a verification.
pub fn verdict(clean: bool, numbers: u64, words: u64) -> String {
    format!("clean {clean} numbers {numbers} words {words}")
}

/// The reply of a transaction.
pub fn join_transaction(replies: &[String], end: End) -> String {
    format!("{end:?}[{}]", replies.join("; "))
}

/// The reply that lists rows with their keys.
pub fn join(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(",")
}

/// One row with its key.
pub fn show_entry(key: &impl std::fmt::Debug, note: &Note) -> String {
    format!("{key:?}={}", note.show())
}

/// A row that may be absent.
pub fn show_option(note: Option<&Note>) -> String {
    note.map_or_else(|| "-".to_owned(), Note::show)
}

fn one_table<K: Ord + Clone + std::fmt::Debug>(
    table: &mut BTreeMap<K, Arc<Note>>,
    call: &Call,
    key_of: &dyn Fn(u64) -> K,
) -> String {
    match call {
        Call::Put(key, note) => {
            table.insert(key_of(*key), Arc::new(note.clone()));
            String::new()
        }
        Call::Insert(key, note) => match table.entry(key_of(*key)) {
            std::collections::btree_map::Entry::Occupied(_) => "Exists".to_owned(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Arc::new(note.clone()));
                String::new()
            }
        },
        Call::Modify(key, add) => match table.get_mut(&key_of(*key)) {
            Some(note) => modify(Arc::make_mut(note), *add).to_string(),
            None => "-".to_owned(),
        },
        Call::Remove(key) => show_option(table.remove(&key_of(*key)).as_deref()),
        Call::Update { modulus, add } => {
            let hits = table.values_mut().filter(|note| note.number % modulus == 0);
            hits.map(|note| modify(Arc::make_mut(note), *add)).count().to_string()
        }
        read => read_one_table(table, read, key_of),
    }
}

/// What [`Call::Modify`] and [`Call::Update`] do to a row; returns the new number.
pub fn modify(note: &mut Note, add: u64) -> u64 {
    note.number += add;
    // Rows that change their length move inside their page.
    if add % 2 == 1 {
        note.text.push('+');
    }
    note.number
}

fn read_one_table<K: Ord + Clone + std::fmt::Debug>(
    table: &BTreeMap<K, Arc<Note>>,
    call: &Call,
    key_of: &dyn Fn(u64) -> K,
) -> String {
    let selected = |modulus: u64| table.values().filter(move |note| note.number % modulus == 0);
    match call {
        Call::Get(key) | Call::GetForUpdate(key) => show_option(table.get(&key_of(*key)).map(|note| &**note)),
        Call::Contains(key) => table.contains_key(&key_of(*key)).to_string(),
        Call::GetMany(keys) => join(keys.iter().map(|key| show_option(table.get(&key_of(*key)).map(|note| &**note)))),
        Call::First => join(table.first_key_value().iter().map(|(key, note)| show_entry(key, note))),
        Call::Last => join(table.last_key_value().iter().map(|(key, note)| show_entry(key, note))),
        Call::Len => table.len().to_string(),
        Call::Range { low, high, limit } => join(
            within(table, low.map(key_of), high.map(key_of))
                .take(limit.unwrap_or(usize::MAX))
                .map(|(key, note)| show_entry(key, note)),
        ),
        Call::Keys { low, high } => {
            join(within(table, low.map(key_of), high.map(key_of)).map(|(key, _)| format!("{key:?}")))
        }
        Call::ByNumber { low, high, limit } => {
            let found = table.iter().filter(|(_, note)| (low..high).contains(&&note.number));
            let mut found: Vec<_> = found.map(|(key, note)| (note.number, key, note)).collect();
            found.sort_by_key(|(number, key, _)| (*number, *key));
            let most = limit.unwrap_or(usize::MAX);
            join(found.into_iter().take(most).map(|(_, key, note)| show_entry(key, note)))
        }
        Call::ByRest { low, high } => {
            // Once each, under the first of its keys that is in the range.
            let first = |note: &Note| note.rests().filter(|(rest, _)| (*low..*high).contains(rest)).min();
            let mut found: Vec<_> = table.iter().filter_map(|(key, note)| Some((first(note)?, key))).collect();
            found.sort();
            join(found.into_iter().map(|(_, key)| format!("{key:?}")))
        }
        Call::Read { modulus } => join(selected(*modulus).map(|note| note.number.to_string())),
        Call::Rows { modulus, limit } => {
            join(selected(*modulus).take(limit.unwrap_or(usize::MAX)).map(|note| note.show()))
        }
        Call::Count { modulus } => selected(*modulus).count().to_string(),
        Call::Fold => {
            let sum = table.values().fold(0u64, |sum, note| sum.wrapping_add(note.number));
            let bytes: usize = table.values().map(|note| note.text.len()).sum();
            format!("{sum} {bytes}")
        }
        Call::Put(..) | Call::Insert(..) | Call::Modify(..) | Call::Remove(_) | Call::Update { .. } => {
            unreachable!("a call that writes is made where the table can be changed")
        }
    }
}

/// The entries between two bounds; none where they cross.
fn within<K: Ord + Clone>(
    table: &BTreeMap<K, Arc<Note>>,
    low: Bound<K>,
    high: Bound<K>,
) -> impl Iterator<Item = (&K, &Arc<Note>)> {
    // A filter instead of `BTreeMap::range`, which panics on bounds that cross.
    table.iter().filter(move |(key, _)| (low.as_ref(), high.as_ref()).contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(number: u64) -> Note {
        Note { number, text: "x".to_owned() }
    }

    #[test]
    fn an_aborted_transaction_replies_and_changes_nothing() {
        let mut state = State::default();
        let calls = vec![(Which::Numbers, Call::Put(3, note(30))), (Which::Numbers, Call::Get(3))];
        assert_eq!(state.transact(&calls, End::Abort), "Abort[; 30:1x]");
        assert_eq!(state, State::default());
        assert_eq!(state.transact(&calls, End::Commit), "Commit[; 30:1x]");
        assert_eq!(state.verdict(), "clean true numbers 1 words 0");
    }

    #[test]
    fn bounds_may_cross() {
        let mut state = State::default();
        (0..5).for_each(|key| drop(state.call(Which::Numbers, &Call::Put(key, note(key)))));
        let between = |low, high| Call::Keys { low, high };
        assert_eq!(state.call(Which::Numbers, &between(Bound::Excluded(1), Bound::Included(3))), "2,3");
        assert_eq!(state.call(Which::Numbers, &between(Bound::Included(3), Bound::Excluded(1))), "");
        assert_eq!(state.call(Which::Numbers, &between(Bound::Excluded(2), Bound::Excluded(2))), "");
    }
}
