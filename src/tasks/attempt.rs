//! One run of the closure of a task's transaction: who has the transaction in hand.
//!
//! The closure's handle, the calls that it makes, the threads on which these run and the driver take the transaction from
//! one another here. One call has it at a time. When the run is over, so is the handle, wherever the program has put it.

use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::txn::Transaction;

/// See the module's text.
pub(super) struct Attempt {
    pub(super) db: Db,
    pub(super) site: &'static Location<'static>,
    state: Mutex<State>,
}

struct State {
    place: Place,
    /// A call that is awaited has the transaction. Without it, a transaction that is out is on a thread, and comes back.
    called: bool,
    /// Who waits until it is back.
    wakers: Vec<Waker>,
}

enum Place {
    Here(Box<Transaction>),
    /// In the hands of a call.
    Out,
    /// The run is over.
    Over,
}

impl Attempt {
    pub(super) fn new(db: Db, tx: Box<Transaction>) -> Arc<Attempt> {
        let site = tx.site;
        let state = State { place: Place::Here(tx), called: false, wakers: Vec::new() };
        Arc::new(Attempt { db, site, state: Mutex::new(state) })
    }

    /// Takes the transaction for a call. Waits for a thread that still has it from a call that was dropped.
    ///
    /// # Errors
    /// `Nested` while another call is under way, `Closed` when the run is over.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<(Calling, InHand)> {
        let calling = self.call()?;
        let tx = poll_fn(|context| match self.take(context.waker()) {
            Taken::Here(tx) => Poll::Ready(Ok(tx)),
            Taken::Out => Poll::Pending,
            Taken::Over => Poll::Ready(Err(self.over())),
        })
        .await?;
        Ok((calling, InHand { attempt: Arc::clone(self), tx: Some(tx) }))
    }

    fn call(self: &Arc<Self>) -> Result<Calling> {
        let mut state = self.state.lock();
        if let Place::Over = state.place {
            return Err(self.over());
        }
        if state.called {
            let text = format!(
                "a second call on the transaction of {} while one is under way; await that one first, or drop it",
                self.site
            );
            return Err(Error::new(ErrorKind::Nested, text));
        }
        state.called = true;
        Ok(Calling(Arc::clone(self)))
    }

    fn over(&self) -> Error {
        let text = format!(
            "the run of the transaction of {} has ended, and its handle with it; do all of it inside the closure",
            self.site
        );
        Error::new(ErrorKind::Closed, text)
    }

    fn take(&self, waker: &Waker) -> Taken {
        let waker = waker.clone();
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.place, Place::Out) {
            Place::Here(tx) => Taken::Here(tx),
            Place::Out => {
                state.wakers.push(waker);
                Taken::Out
            }
            Place::Over => {
                state.place = Place::Over;
                Taken::Over
            }
        }
    }

    /// Ends the run and takes the transaction back.
    ///
    /// # Errors
    /// `Nested` when a call is still under way in another task. Its locks are given back when that ends.
    pub(super) async fn finish(&self) -> Result<Box<Transaction>> {
        let tx = poll_fn(|context| {
            if self.state.lock().called {
                return Poll::Ready(None);
            }
            match self.take(context.waker()) {
                Taken::Here(tx) => Poll::Ready(Some(tx)),
                Taken::Out => Poll::Pending,
                Taken::Over => Poll::Ready(None),
            }
        })
        .await;
        self.end();
        tx.ok_or_else(|| {
            let text = format!(
                "the closure of the transaction of {} has ended with a call under way; nothing of it was done: await all \
                 calls inside the closure",
                self.site
            );
            Error::new(ErrorKind::Nested, text)
        })
    }

    /// The run is over, and nobody takes the transaction any more.
    fn end(&self) {
        let mut state = self.state.lock();
        let place = std::mem::replace(&mut state.place, Place::Over);
        drop(state);
        // Drops rows of the program, and gives locks back.
        drop(place);
    }
}

enum Taken {
    Here(Box<Transaction>),
    Out,
    Over,
}

/// Ends the run when the future of the transaction is dropped.
pub(super) struct EndOfRun(pub(super) Arc<Attempt>);

impl Drop for EndOfRun {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A call is under way until this is dropped.
pub(super) struct Calling(Arc<Attempt>);

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.state.lock().called = false;
    }
}

/// The transaction in the hands of a call. Dropped, on whatever thread, it goes back, or ends when the run is over.
pub(super) struct InHand {
    pub(super) attempt: Arc<Attempt>,
    tx: Option<Box<Transaction>>,
}

impl InHand {
    pub(super) fn tx(&self) -> &Transaction {
        self.tx.as_ref().expect("it is in hand until it is dropped")
    }

    pub(super) fn tx_mut(&mut self) -> &mut Transaction {
        self.tx.as_mut().expect("it is in hand until it is dropped")
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut state = self.attempt.state.lock();
        if let (Place::Out, Some(tx)) = (&state.place, self.tx.take()) {
            state.place = Place::Here(tx);
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}
