//! The data: what a row is, where rows come from, and how they get into the store.
//!
//! [`source`] reads the files as bytes, `csv` their cells, `dataset` makes checked rows of them in key order, and
//! [`load`](mod@load) commits those in batches. [`model`] and [`value`] are what everything else of the program knows.

mod archive;
pub(crate) mod csv;
mod dataset;
pub mod load;
pub mod model;
pub mod source;
pub mod value;
