//! Work on many rows at once: loads, removals of whole ranges, migration.
//!
//! Nothing of it goes row by row through locks, write sets and the journal. Rows in the order of their keys are filled into
//! pages and segments that are in no directory yet ([`builder`]); rows in another order are sorted first, in memory and
//! by runs ([`sorting`]), and [`merge`]d, also with the rows that are there already ([`rows`]). Then one commit puts the
//! new segments in the place of a range of keys ([`splice`]).
//!
//! Segments made aside stay in memory up to an [`Allowance`]; those go into the journal with the commit that shows
//! them, and the next checkpoint writes them like pages that rows were put into. Larger ones are written into the page
//! store at once, and the journal says where. Until it does, they are what a crash leaves behind, and are swept.

mod builder;
mod merge;
mod rows;
mod sorter;
mod sorting;
mod splice;
mod wire;

pub(crate) use builder::{Allowance, Builder, MadePages};
pub(crate) use merge::merge;
pub(crate) use rows::PageRows;
pub(crate) use sorter::Sorter;
pub(crate) use sorting::Sorting;
pub(crate) use splice::{Splice, empty};
pub(crate) use wire::{StoredSplice, read_splice};
