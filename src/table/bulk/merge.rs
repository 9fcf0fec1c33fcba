//! Puts several sources of sorted rows together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::codec::KeyBuf;
use crate::error::{Error, Result};

/// A row of a source, or the removal of one.
#[derive(Debug)]
pub(crate) struct Item {
    pub(super) key: KeyBuf,
    row: Vec<u8>,
    removal: bool,
}

impl Item {
    pub(super) fn set_row(&mut self, row: Option<&[u8]>) {
        self.row.clear();
        self.row.extend_from_slice(row.unwrap_or_default());
        self.removal = row.is_none();
    }
}

impl Default for Item {
    fn default() -> Self {
        Item { key: KeyBuf::empty(), row: Vec::new(), removal: false }
    }
}

/// Rows in the order of their keys.
pub(crate) trait Source {
    /// Gives the next row. False when there is none.
    fn next(&mut self, item: &mut Item) -> Result<bool>;
}

/// Hands the rows of all sources on in the order of their keys. A removal takes the row of its key out of what the other
/// sources give.
///
/// # Errors
/// What `taken` makes of a key that has two rows, of which it gets the first; what sources and `out` say.
pub(crate) fn merge(
    mut sources: Vec<Box<dyn Source + '_>>,
    mut out: impl FnMut(&[u8], &[u8]) -> Result<()>,
    taken: &dyn Fn(&[u8], &[u8]) -> Error,
) -> Result<()> {
    let mut items: Vec<Item> = sources.iter().map(|_| Item::default()).collect();
    let mut order = BinaryHeap::with_capacity(sources.len());
    for (at, source) in sources.iter_mut().enumerate() {
        if source.next(&mut items[at])? {
            order.push(Reverse((items[at].key.clone(), at)));
        }
    }
    let mut first = Item::default();
    while let Some(Reverse((key, at))) = order.pop() {
        std::mem::swap(&mut first, &mut items[at]);
        advance(&mut *sources[at], &mut items[at], at, &mut order)?;
        // Those of one key: a removal and what it removes, or one row.
        while order.peek().is_some_and(|Reverse((next, _))| *next == key) {
            let Some(Reverse((_, other))) = order.pop() else { break };
            match (first.removal, items[other].removal) {
                (false, false) => return Err(taken(&key, &first.row)),
                (_, removal) => first.removal |= removal,
            }
            advance(&mut *sources[other], &mut items[other], other, &mut order)?;
        }
        if !first.removal {
            out(&key, &first.row)?;
        }
    }
    Ok(())
}

type Order = BinaryHeap<Reverse<(KeyBuf, usize)>>;

fn advance(source: &mut dyn Source, item: &mut Item, at: usize, order: &mut Order) -> Result<()> {
    if source.next(item)? {
        order.push(Reverse((item.key.clone(), at)));
    }
    Ok(())
}
