//! Waiting for events in a task: on any executor, with nothing but its waker.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::event::Event;
use super::subscription::Subscription;
use crate::codec::Key;
use crate::error::{ErrorKind, Result};
use crate::storage::journal::More;
use crate::table::Row;

/// Commits that are looked at before other tasks get their turn.
const COMMITS_AT_ONCE: usize = 256;

impl<K: Key, V: Row> Subscription<K, V> {
    /// The next event, for a task of any executor. None: the database was closed.
    ///
    /// A call that is dropped before it is done has lost nothing. It waits for commits without a thread; the files that have
    /// them, which the system mostly has in memory, are read by the task, some 256 KiB or one large commit at a time.
    ///
    /// # Errors
    /// As [`next_timeout`](Self::next_timeout).
    pub async fn next_async(&mut self) -> Option<Result<Event<K, V>>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// All events, as a stream.
    pub fn into_stream(self) -> Events<K, V> {
        Events(self)
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<K, V>>>> {
        if self.has_ended() {
            return Poll::Ready(None);
        }
        match self.advance(COMMITS_AT_ONCE) {
            Ok(None) => {}
            found => return Poll::Ready(found.transpose()),
        }
        let Poll::Ready(more) = self.follower.poll_more(context) else { return Poll::Pending };
        match self.or_end(more) {
            Err(error) => Poll::Ready(Some(Err(error))),
            Ok(More::Never) => match self.end() {
                closed if closed.kind() == ErrorKind::Closed => Poll::Ready(None),
                failure => Poll::Ready(Some(Err(failure))),
            },
            Ok(More::Yes | More::NotYet) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// The events of a subscription as a [`Stream`]. Made by [`Subscription::into_stream`].
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Events<K, V: 'static>(Subscription<K, V>);

impl<K, V> Events<K, V> {
    /// The subscription.
    pub fn into_inner(self) -> Subscription<K, V> {
        self.0
    }
}

// Nothing in it is pinned.
impl<K, V> Unpin for Events<K, V> {}

impl<K: Key, V: Row> Stream for Events<K, V> {
    type Item = Result<Event<K, V>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_event(context)
    }
}

impl<K: Key, V: Row> FusedStream for Events<K, V> {
    fn is_terminated(&self) -> bool {
        self.0.has_ended()
    }
}
