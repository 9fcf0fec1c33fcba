//! Subscriptions: the commits of a table, one after another, in the order in which they were made.
//!
//! The journal is the feed. It has every commit, in order, and knows what of it is on disk; so a subscription is a reader
//! of the journal's files ([`Follower`](crate::storage::journal::Follower)) that stops where the disk does, and turns what
//! it reads into keys and rows. Nothing is handed to it: no commit does more because somebody follows, no writer waits
//! for a slow reader, and a slow reader holds no memory. What bounds how far it may fall behind is
//! [`Options::keep_journal_bytes`](crate::Options::keep_journal_bytes).
//!
//! A [`Position`] is a place between two commits that are on disk, with the chain value of the journal there. So it
//! survives what the commits survive, and is recognised as foreign in a store that was put back to an earlier state.
//!
//! Tables have ids in the journal, and these are never used again. A subscription follows a name: it learns from the
//! journal itself that the table was dropped or made ([`decoder`]).

mod decoder;
mod event;
mod position;
mod request;
mod stream;
mod subscription;
#[cfg(test)]
mod tests;

pub use event::{Bulk, BulkKind, Change, Event, Lag, Old};
pub use position::Position;
pub use request::Subscribe;
pub use stream::Events;
pub use subscription::Subscription;
