//! The rows that one lock set holds: a short list while they are few, a map when they are many.

use std::collections::HashMap;

use ahash::RandomState;
use smallvec::SmallVec;

use super::mode::Mode;
use super::row_key::RowKey;

/// Up to this many rows, comparing them all is faster than hashing one.
const FEW: usize = 12;

#[derive(Debug)]
pub(crate) enum Rows {
    Few(SmallVec<[(RowKey, Mode); 4]>),
    /// With the greatest key, which decides what may be waited for.
    Many(HashMap<RowKey, Mode, RandomState>, RowKey),
}

impl Default for Rows {
    fn default() -> Self {
        Rows::Few(SmallVec::new())
    }
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::Few(rows) => rows.len(),
            Rows::Many(rows, _) => rows.len(),
        }
    }

    /// The mode held on a row. Takes the key as an owned one because a map can be asked for nothing else.
    #[inline]
    pub(crate) fn get(&self, row: &RowKey) -> Option<Mode> {
        match self {
            Rows::Few(rows) => rows.iter().find(|(held, _)| held == row).map(|(_, mode)| *mode),
            Rows::Many(rows, _) => rows.get(row).copied(),
        }
    }

    /// Notes a row that is held for the first time.
    #[inline]
    pub(crate) fn add(&mut self, row: RowKey, mode: Mode) {
        match self {
            Rows::Few(rows) => {
                rows.push((row, mode));
                if rows.len() > FEW {
                    self.grow();
                }
            }
            Rows::Many(rows, greatest) => {
                if row > *greatest {
                    greatest.clone_from(&row);
                }
                rows.insert(row, mode);
            }
        }
    }

    /// Notes another mode of a row that is held.
    pub(crate) fn change(&mut self, row: &RowKey, mode: Mode) {
        let held = match self {
            Rows::Few(rows) => rows.iter_mut().find(|(held, _)| held == row).map(|(_, held)| held),
            Rows::Many(rows, _) => rows.get_mut(row),
        };
        *held.expect("a lock that is raised is held") = mode;
    }

    #[cold]
    fn grow(&mut self) {
        if let Rows::Few(rows) = self {
            let rows: HashMap<RowKey, Mode, RandomState> = rows.drain(..).collect();
            if let Some(greatest) = rows.keys().max().cloned() {
                *self = Rows::Many(rows, greatest);
            }
        }
    }

    pub(crate) fn greatest(&self) -> Option<&RowKey> {
        match self {
            Rows::Few(rows) => rows.iter().map(|(row, _)| row).max(),
            Rows::Many(_, greatest) => Some(greatest),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RowKey, Mode)> {
        let (few, many) = match self {
            Rows::Few(rows) => (Some(rows.iter()), None),
            Rows::Many(rows, _) => (None, Some(rows.iter())),
        };
        few.into_iter()
            .flatten()
            .map(|(row, mode)| (row, *mode))
            .chain(many.into_iter().flatten().map(|(row, mode)| (row, *mode)))
    }

    /// Takes the rows of one table out of the list.
    pub(crate) fn take_table(&mut self, table: u32, mut give_back: impl FnMut(RowKey, Mode)) {
        match self {
            Rows::Few(rows) => rows.retain(|(row, mode)| {
                let kept = row.table() != table;
                if !kept {
                    give_back(row.clone(), *mode);
                }
                kept
            }),
            Rows::Many(rows, _) => {
                for (row, mode) in rows.extract_if(|row, _| row.table() == table) {
                    give_back(row, mode);
                }
                match rows.keys().max().cloned() {
                    Some(greatest) => *self = Rows::Many(std::mem::take(rows), greatest),
                    None => *self = Rows::default(),
                }
            }
        }
    }

    /// Empties the list, the latest row first where the order is known.
    #[inline]
    pub(crate) fn drain(&mut self, mut give_back: impl FnMut(RowKey, Mode)) {
        match self {
            Rows::Few(rows) => {
                while let Some((row, mode)) = rows.pop() {
                    give_back(row, mode);
                }
            }
            Rows::Many(rows, _) => {
                for (row, mode) in std::mem::take(rows) {
                    give_back(row, mode);
                }
                *self = Rows::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> RowKey {
        RowKey::new(1, &number.to_be_bytes())
    }

    #[test]
    fn few_and_many_answer_alike() {
        let mut rows = Rows::default();
        for number in [7, 3, 9, 1, 2, 4, 8, 6, 5, 0, 20, 15, 11, 30, 25] {
            assert_eq!(rows.get(&row(number)), None);
            rows.add(row(number), Mode::S);
            rows.change(&row(number), Mode::X);
            assert_eq!(rows.get(&row(number)), Some(Mode::X));
            let greatest = rows.iter().map(|(row, _)| row.clone()).max();
            assert_eq!(rows.greatest().cloned(), greatest);
        }
        assert!(rows.len() > FEW && matches!(rows, Rows::Many(..)));
        let mut given_back = 0;
        rows.take_table(2, |_, _| unreachable!("no row of another table is held"));
        rows.drain(|_, mode| given_back += usize::from(mode == Mode::X));
        assert_eq!((given_back, rows.len(), rows.greatest()), (15, 0, None));
    }

    #[test]
    fn the_rows_of_one_table_go_and_the_others_stay() {
        for count in [3, 40] {
            let mut rows = Rows::default();
            for number in 0..count {
                rows.add(RowKey::new(1, &[number]), Mode::S);
                rows.add(RowKey::new(2, &[number]), Mode::X);
            }
            let mut given_back = 0;
            rows.take_table(2, |row, mode| given_back += u8::from(row.table() == 2 && mode == Mode::X));
            assert_eq!((given_back, rows.len()), (count, usize::from(count)));
            assert_eq!(rows.greatest(), Some(&RowKey::new(1, &[count - 1])));
            rows.take_table(1, |_, _| ());
            assert_eq!((rows.len(), rows.greatest()), (0, None));
        }
    }
}
