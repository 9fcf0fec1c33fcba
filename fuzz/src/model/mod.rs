//! Random operations against a model.
//!
//! A *tape* of decisions ([`crate::random::Tape`]) becomes a list of operations ([`op`]). Each is done twice: on two
//! `BTreeMap`s ([`state`]) and on a store ([`store`]), and both must reply the same text. The store lives in this
//! process or in a child process ([`remote`]), which can be killed for real; the loop that compares is in [`run()`].
//!
//! After a kill the store must be in a state that the model was in: no earlier than the last commit that was promised,
//! and never half of a commit. [`run()`] keeps those states, looks up which one came back and goes on from there.

pub mod op;
pub mod remote;
pub mod run;
pub mod state;
pub mod store;

pub use run::{Plan, Summary, replay, run};
