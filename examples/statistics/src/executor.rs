//! The smallest executor there is: runs one future on the calling thread.
//!
//! The library's async calls need no runtime, and this is the proof. A program that has one awaits them there instead.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` until it is done, sleeping between.
///
/// ```
/// assert_eq!(gangline_statistics::executor::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // An unpark that came before this makes it return at once, so no wake-up is lost.
            Poll::Pending => thread::park(),
        }
    }
}
