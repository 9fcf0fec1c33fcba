//! The shape of a type, from what its `Deserialize` asks for.
//!
//! A `Deserialize` tells the deserializer what it wants next. The [tracer](deserializer) notes it in a tree of
//! [`nodes`] and hands out a made-up value, so that the type goes on and asks for the next part. One run shows one
//! variant of each enum and stops at the first value that the type refuses, so it is run again until nothing new shows:
//!
//! - Of an enum's variants, the next run takes the one that was tried least among those that are not fully seen.
//! - For a value that was refused, the next run tries another one: not zero, a date, sixteen bytes.
//! - A struct with a field whose values are all refused is offered as a map, where fields may come in any order and others
//!   may be missing; this shows the remaining fields, although no struct comes out.
//! - Inside of itself, a type is not looked at again: lists are left empty there and enums take a variant that is known to
//!   come out, so that a value of finite size comes out.
//!
//! What a type asks for is what it reads, so also a refused value shows its kind. Types that ask "whatever is there"
//! (`deserialize_any`) can never be read from a form without tags, and are reported by name.

mod access;
mod deserializer;
mod nodes;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use super::Shape;
use crate::codec::row::RowFault;
use deserializer::Tracer;
use nodes::Nodes;

/// Runs per type. A type that needs more (hundreds of variants inside one another) stays partly unknown.
const MAX_RUNS: usize = 2_000;
/// Runs without anything new after which it is given up.
const MAX_IDLE_RUNS: usize = 64;

impl Shape {
    /// The shape that `V` reads, as far as it shows, or the reason why `V` cannot be stored. Runs `V`'s own `Deserialize`
    /// on made-up values, which takes some microseconds for a plain struct.
    pub(crate) fn of_type<V: DeserializeOwned>() -> Result<Shape, RowFault> {
        let mut nodes = Nodes::new();
        let mut idle_runs = 0;
        for _ in 0..MAX_RUNS {
            let changes = nodes.changes();
            nodes.start_run();
            // A type may panic on a value that it never meets in life; then the rest of it stays unknown.
            let outcome = catch_unwind(AssertUnwindSafe(|| V::deserialize(Tracer::at_root(&mut nodes)).is_ok()));
            if let Some(refusal) = nodes.take_refusal() {
                return Err(refusal.of_type::<V>());
            }
            nodes.end_run(matches!(outcome, Ok(true)));
            idle_runs = if nodes.changes() == changes { idle_runs + 1 } else { 0 };
            if outcome.is_err() || nodes.is_complete() || idle_runs > MAX_IDLE_RUNS {
                break;
            }
        }
        let shape = nodes.to_shape();
        if shape.has_list_of_nothing() {
            let what = "it holds a list of values that take no bytes; store their number instead";
            return Err(RowFault::unsupported(what).of_type::<V>());
        }
        Ok(shape)
    }
}
