//! The public type: borrowing calls on the caller and scoped threads, asynchronous ones on the workers.

use std::fmt;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::thread::{self, Scope};

use super::call::{Call, Failure};
use super::task::{AsyncCall, Submitted, Task, on_plain_thread};
use super::workers::{Job, Workers};
use crate::context;
use crate::error::{Error, Result};

/// Most threads of one pool; a larger number is taken as this one.
const MAX_THREADS: usize = 1_024;

/// Threads for the program's own jobs. Jobs may lock names, call the database and use the pool again.
///
/// A thread that waits for a call runs the call's unstarted items itself, and never those of another call. So calls
/// may nest, and a call goes on even if all threads of the pool are waiting for a name that its caller holds. A job
/// counts the named locks that its submitter held at submission as held: it may want greater names only.
///
/// At most the given number of threads run jobs at any time, besides the threads that wait for calls; of one call at
/// most that number of items are in work at once, the waiting thread included. Threads are started when first needed.
/// Calls that borrow ([`map`](Pool::map), [`try_map`](Pool::try_map)) start theirs each time, some 20 us a thread, so
/// their items should be worth that much.
///
/// Dropping a pool lets the jobs that were submitted run to their end and waits for its threads, except on a thread
/// that runs a job, holds a named lock or stands in a closure of the database: there the threads end by themselves.
///
/// ```
/// let pool = gangline::Pool::new(4);
/// let squares = pool.map(1..=5u32, |x| x * x)?;
/// assert_eq!(squares, [1, 4, 9, 16, 25]);
/// # Ok::<(), gangline::Error>(())
/// ```
pub struct Pool {
    pub(super) workers: Arc<Workers>,
}

impl Pool {
    /// A pool of so many threads: at least 1, at most 1,024.
    pub fn new(threads: usize) -> Pool {
        Pool { workers: Arc::new(Workers::new(threads.clamp(1, MAX_THREADS), None)) }
    }

    #[cfg(test)]
    pub(super) fn unable_to_start_threads(threads: usize) -> Pool {
        let larger_than_memory = Some(1 << 60);
        Pool { workers: Arc::new(Workers::new(threads, larger_than_memory)) }
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.workers.threads()
    }

    /// Runs `f` on every item and returns the results in the order of the items. `f` may borrow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Nested`](crate::ErrorKind::Nested) inside a transaction or another closure of the database.
    ///
    /// # Panics
    ///
    /// If `f` panics, the items that have not started are skipped, and the first panic in item order goes on here.
    #[track_caller]
    pub fn map<I: Send, T: Send>(
        &self,
        items: impl IntoIterator<Item = I>,
        f: impl Fn(I) -> T + Sync,
    ) -> Result<Vec<T>> {
        let site = Location::caller();
        self.borrowing("Pool::map", site, items, |item| Ok::<T, Error>(f(item)))
    }

    /// Runs `f` on every item until one fails: the results in the order of the items, or the first error in that order.
    /// Items that have not started when an error is known are skipped.
    ///
    /// ```
    /// use gangline::{Error, Pool};
    ///
    /// #[derive(Debug)]
    /// enum Refused { Odd(u32), Store(Error) }
    /// impl From<Error> for Refused {
    ///     fn from(error: Error) -> Self { Refused::Store(error) }
    /// }
    /// let halved = Pool::new(2).try_map([2, 4, 7, 9], |x| if x % 2 == 0 { Ok(x / 2) } else { Err(Refused::Odd(x)) });
    /// assert!(matches!(halved, Err(Refused::Odd(7))));
    /// ```
    ///
    /// # Errors
    ///
    /// What `f` returned, or [`ErrorKind::Nested`](crate::ErrorKind::Nested) inside a transaction or another closure
    /// of the database.
    ///
    /// # Panics
    ///
    /// As [`map`](Pool::map): a panic counts as a failure of its item.
    #[track_caller]
    pub fn try_map<I: Send, T: Send, E: From<Error> + Send>(
        &self,
        items: impl IntoIterator<Item = I>,
        f: impl Fn(I) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        self.borrowing("Pool::try_map", Location::caller(), items, f)
    }

    /// Runs one job and waits for it. As the waiting thread runs what has not started, that is a call of `f` on this
    /// thread, under the rules for jobs.
    ///
    /// # Errors
    ///
    /// As [`map`](Pool::map).
    ///
    /// # Panics
    ///
    /// If `f` panics.
    #[track_caller]
    pub fn apply<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        let site = Location::caller();
        let results = self.borrowing("Pool::apply", site, [f], |f| Ok::<T, Error>(f()))?;
        Ok(only(results))
    }

    /// Submits the items and returns at once. The results come in the order of the items.
    ///
    /// The task gives [`ErrorKind::Nested`](crate::ErrorKind::Nested), and nothing runs, if this is called inside a
    /// transaction or another closure of the database. If no thread can be started, all runs here before this returns.
    ///
    /// ```
    /// let pool = gangline::Pool::new(2);
    /// let lengths = pool.map_async(["lead", "swing", "wheel"], str::len);
    /// assert_eq!(lengths.wait()?, [4, 5, 5]);
    /// # Ok::<(), gangline::Error>(())
    /// ```
    #[track_caller]
    pub fn map_async<I: Send + 'static, T: Send + 'static>(
        &self,
        items: impl IntoIterator<Item = I>,
        f: impl Fn(I) -> T + Send + Sync + 'static,
    ) -> Task<Vec<T>> {
        self.submit("Pool::map_async", Location::caller(), items, f, |results| results)
    }

    /// Submits one job and returns at once. Otherwise as [`map_async`](Pool::map_async).
    #[track_caller]
    pub fn apply_async<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Task<T> {
        self.submit("Pool::apply_async", Location::caller(), [f], |f| f(), only)
    }

    fn borrowing<I: Send, T: Send, E: From<Error> + Send>(
        &self,
        name: &'static str,
        site: &'static Location<'static>,
        items: impl IntoIterator<Item = I>,
        f: impl Fn(I) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        context::check_free(name, site)?;
        let call = &Call::new(items.into_iter().collect(), self.threads());
        let f = &f;
        thread::scope(|scope| {
            on_plain_thread(&|| {
                if call.try_enter() {
                    let mut hired = 0;
                    call.work(f, |unstarted| self.hire(scope, call, f, unstarted, &mut hired));
                    if call.leave() {
                        call.end();
                    }
                }
                call.wait();
            });
        });
        match call.take() {
            Ok(results) => Ok(results),
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Panic(payload)) => resume_unwind(payload),
        }
    }

    /// Starts threads for the call, as many as can find work and the pool permits. It is asked before each item of the
    /// caller's, since permits that were out at first may have come back.
    fn hire<'scope, 'env, I: Send, T: Send, E: Send>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        call: &'env Call<I, T, E>,
        f: &'env (impl Fn(I) -> Result<T, E> + Sync),
        unstarted: usize,
        hired: &mut usize,
    ) {
        // One of the call's threads is the caller.
        while unstarted > 0 && *hired + 1 < call.threads() {
            let Some(permit) = self.workers.permit() else { return };
            let helper = move || {
                if call.try_enter() {
                    call.work(f, |_| {});
                    if call.leave() {
                        call.end();
                    }
                }
                drop(permit);
            };
            if self.workers.builder(*hired).spawn_scoped(scope, helper).is_err() {
                return;
            }
            *hired += 1;
        }
    }

    fn submit<I: Send + 'static, R: Send + 'static, T: 'static>(
        &self,
        name: &'static str,
        site: &'static Location<'static>,
        items: impl IntoIterator<Item = I>,
        f: impl Fn(I) -> R + Send + Sync + 'static,
        finish: fn(Vec<R>) -> T,
    ) -> Task<T> {
        if let Err(error) = context::check_free(name, site) {
            return Task::refused(error, site);
        }
        let call = Arc::new(AsyncCall::new(items.into_iter().collect(), self.threads(), f, finish));
        let tickets = call.threads();
        let job: Arc<dyn Job> = call.clone();
        if tickets > 0 && !self.workers.submit(&job, tickets) {
            on_plain_thread(&|| job.help());
        }
        let submitted: Arc<dyn Submitted<T>> = call;
        Task::submitted(submitted, site)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let threads = self.workers.close();
        if context::in_job() || context::holds_names() || context::in_activity() {
            // A job still to run may wait for a lock of this thread, and a thread cannot wait for itself.
            return;
        }
        for thread in threads {
            // A worker does not panic; if one did, a drop is no place to say so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

pub(super) fn only<T>(results: Vec<T>) -> T {
    results.into_iter().next().expect("one item has one result")
}
